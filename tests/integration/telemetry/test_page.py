"""The page in a real browser, and `doka top`, of a process that everything befalls at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.http_server import HealthServer, Response
from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.page.data import Service, Totals
from doka.adapters.telemetry.page.runbook import place_of
from doka.adapters.telemetry.page.serving import StatusPage, page_at
from doka.app.cli.main import main
from doka.domain.facts import PartitionsOwned, RecordsSettled
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import LeaseStatus, PartitionStatus, RouteStatus, Status
from tests.integration.app.simulate.browser import show_address

MARKUP = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
RUNBOOK = "https://git.example/doka/"
SERVICE = Service("1.2.3", "doka-orders", RUNBOOK)
CALM = PartitionStatus("orders", 100, 100, 0, 0, None, None, paused=False, stuck=None, log_end=100, waiting=0)


def state(now: int) -> Status:
    """Give a process with a calm route and a blocked one, two leases, and partitions that wait, are stuck or paused."""
    return Status(
        now,
        held_bytes=40 * 1024 * 1024,
        held_bytes_max=64 * 1024 * 1024,
        partitions={
            TopicPartition("orders", 0): CALM,
            TopicPartition("orders", 1): replace(
                CALM, stuck="offset 100 can never land (record_too_large)", log_end=4_812, waiting=90 * NS_PER_SECOND
            ),
            TopicPartition(MARKUP, 0): replace(CALM, route=MARKUP, paused=True, log_end=None, waiting=None),
        },
        leases={
            "analytics": LeaseStatus("analytics", "fresh", 4, 3_000 * NS_PER_SECOND, has_end=True),
            "billing": LeaseStatus("billing", "refused", 1, -5 * NS_PER_SECOND, has_end=True, wanted=True),
        },
        routes={
            "orders": RouteStatus("orders", None, 2, 30),
            MARKUP: RouteStatus(MARKUP, "lease_refused:AccessDenied", 0, 0),
        },
    )


@dataclass(frozen=True)
class Served:
    """A process whose page can be asked for; its status is published by the test."""

    port: int
    metrics: Metrics
    health: Health

    def publish(self, status: Status) -> None:
        """Let it be in this state."""
        self.metrics.publish(status)
        self.health.publish(status)


@pytest.fixture
def served() -> Iterator[Served]:
    """Give one that listens at a free port."""
    clock = SystemClock()
    metrics = Metrics(clock, "1.2.3", ["orders"], ["analytics"])
    page = StatusPage(clock, SERVICE, {"orders": "orders-stream"}, metrics.totals)
    health, server = Health(clock, metrics.page, page), HealthServer(clock, "127.0.0.1", 0)
    server.open(health.answer)
    yield Served(server.port, metrics, health)
    server.close()


def text_of(dom: str) -> str:
    """Give what a reader sees of a page."""
    body = re.sub(r"<script.*?</script>|<style.*?</style>", "", dom, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_a_browser_shows_it_and_says_nothing(served: Served, tmp_path: Path) -> None:
    """All that keeps it from forwarding in the words of /readyz, each lease, and what waits; a name is never markup."""
    status = state(SystemClock().now())
    served.metrics.count(RecordsSettled("orders", 1_500, 12_345, 1))
    served.publish(status)

    shown = show_address(f"http://127.0.0.1:{served.port}/", tmp_path, "--virtual-time-budget=3000")

    assert [] == shown.console
    told = text_of(shown.dom)
    assert f"{len(status.reasons())} things keep doka from forwarding" in told
    assert MARKUP not in shown.dom
    for reason in status.reasons():
        assert reason.replace("<", "&lt;").replace(">", "&gt;") in told
        assert f'href="{RUNBOOK}{place_of(reason)}"' in shown.dom
    for words in ("orders-stream", "1,500", "4,712", "40.0 MiB", "refused", "doka-orders", "paused"):
        assert words in told, told


def test_a_service_that_answers_no_more_is_told(tmp_path: Path) -> None:
    """What was seen last stays, and the page says how old it is: silence is no calm."""
    served = StatusPage(SystemClock(), SERVICE, {}, Totals)
    first = Health(SystemClock(), lambda: (b"", ""), served).answer("/status.json")
    assert first is not None
    answers = iter([replace(first, fresh_ns=0)])  # the browser's time runs ahead of the server's

    def answer(path: str) -> Response | None:
        return next(answers, None) if path == "/status.json" else page_at(path, dict)

    server = HealthServer(SystemClock(), "127.0.0.1", 0)
    server.open(answer)
    shown = show_address(f"http://127.0.0.1:{server.port}/", tmp_path, "--virtual-time-budget=12000")
    server.close()
    told = text_of(shown.dom)
    assert re.search(
        r"starting: no state was published yet what to do No answer for \d+ s: what stands here is as old", told
    ), told


def test_it_is_calm_when_all_is_well(served: Served, tmp_path: Path) -> None:
    """One sentence, and no list of reasons."""
    now = SystemClock().now()
    served.publish(
        Status(
            now,
            0,
            64,
            partitions={TopicPartition("orders", 0): CALM},
            routes={"orders": RouteStatus("orders", None, 0, 0)},
        )
    )
    shown = show_address(f"http://127.0.0.1:{served.port}/", tmp_path, "--virtual-time-budget=3000", width=400)
    assert [] == shown.console
    assert "doka forwards Group doka-orders" in text_of(shown.dom)


def test_top_says_the_same_in_a_terminal(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """Once where nobody watches, with exit code 1 while it is not ready; as JSON it is the very answer."""
    status = state(SystemClock().now())
    served.metrics.count(PartitionsOwned("assigned", frozenset(), {}))
    served.publish(status)
    assert 1 == main(["top", f"127.0.0.1:{served.port}"])
    told = capsys.readouterr().out
    for words in (
        *status.reasons(),
        "blocked: lease_refused:AccessDenied",
        "4,712",
        "40.0 MiB of at most 64.0 MiB held, runs for",
        "1 rebalance",
        f"what to do: {RUNBOOK}docs/operating.md#when-a-route-is-blocked",
    ):
        assert words in told, told
    assert 1 == main(["top", f"http://localhost:{served.port}/", "--json"])
    assert list(status.reasons()) == json.loads(capsys.readouterr().out)["reasons"]
    served.publish(replace(status, partitions={}, leases={}, routes={}))
    assert 0 == main(["top", f"127.0.0.1:{served.port}"])
    assert "It forwards." in capsys.readouterr().out


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_top_says_where_nobody_answers(as_json: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A port without a service, and a service without the page, are a sentence and exit code 1."""
    server = HealthServer(SystemClock(), "127.0.0.1", 0)
    server.open(lambda _path: None)
    assert 1 == main(["top", f"127.0.0.1:{server.port}", *as_json])
    assert "is http.page false" in "".join(capsys.readouterr())
    server.close()
    assert 1 == main(["top", f"127.0.0.1:{server.port}", *as_json])
    assert "nobody answers" in "".join(capsys.readouterr())
