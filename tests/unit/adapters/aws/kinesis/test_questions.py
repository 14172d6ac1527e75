from __future__ import annotations

import threading

import pytest

from doka.adapters.aws.kinesis.questions import LeaseCredentials, stream_of
from doka.adapters.aws.kinesis.target import StreamTarget
from tests.unit.adapters.aws.kinesis.leases import ACCESS_KEY, SECRET_KEY, TOKEN, make_lease
from tests.unit.adapters.aws.kinesis.reference import ARN


def test_a_stream_is_named_by_its_arn_where_that_is_known() -> None:
    """One of another account has no name there; without an ARN the name must do."""
    by_arn, by_name = (StreamTarget("orders", "orders", arn, "eu-west-1") for arn in (ARN, None))
    assert ({"StreamARN": ARN}, {"StreamName": "orders"}) == (stream_of(by_arn), stream_of(by_name))


def test_credentials_are_the_lease_of_the_asking_thread() -> None:
    """Two threads that ask at once each sign with their own lease, and nothing is left of it afterwards."""
    credentials = LeaseCredentials()
    inside, go_on = threading.Event(), threading.Event()
    seen: list[str | None] = []

    def ask_beside() -> None:
        with credentials.of(make_lease(2, account_id="2" * 12)):
            inside.set()
            assert go_on.wait(10)
            seen.append(credentials.account_id)

    beside = threading.Thread(target=ask_beside)
    with credentials.of(make_lease(1, account_id="1" * 12)):
        beside.start()
        assert inside.wait(10)
        assert "1" * 12 == credentials.account_id
        frozen = credentials.get_frozen_credentials()
        assert (ACCESS_KEY, SECRET_KEY, TOKEN) == (frozen.access_key, frozen.secret_key, frozen.token)
        go_on.set()
        beside.join(10)
    assert ["2" * 12] == seen
    with pytest.raises(LookupError):
        credentials.get_frozen_credentials()
