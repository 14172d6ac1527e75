from __future__ import annotations

from botocore.credentials import Credentials

from doka.adapters.aws.kinesis.clients import open_clients, place_of
from doka.adapters.aws.kinesis.target import StreamTarget

HERE = StreamTarget("orders", "orders", None, "eu-west-1")
ALSO_HERE = StreamTarget("invoices", "invoices", None, "eu-west-1")
ELSEWHERE = StreamTarget("audit", "audit", None, "us-east-1", "http://localhost:4567")


def test_one_client_serves_all_routes_of_a_place() -> None:
    """Two routes of one region share a client; another region or URL has its own."""
    clients = open_clients(Credentials("a", "b"), [HERE, ALSO_HERE, ELSEWHERE])
    assert {place_of(HERE), place_of(ELSEWHERE)} == set(clients)
    assert "http://localhost:4567" == clients[place_of(ELSEWHERE)].meta.endpoint_url


def test_a_client_sends_once() -> None:
    """Own retries of botocore are off: they would double a batch behind doka's back."""
    [client] = open_clients(Credentials("a", "b"), [HERE]).values()
    assert {"mode": "standard", "total_max_attempts": 1} == client.meta.config.retries  # type: ignore[attr-defined]
