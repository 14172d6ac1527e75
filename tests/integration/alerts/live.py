"""The alerts in a real run: the service as a process, faults on its routes, and a real Prometheus that scrapes it.

    python -m tests.integration.alerts.live        # two minutes and a half; the tests play it in two halves, twice as fast
    python -m tests.integration.alerts.live --picture docs/dashboard.png      # draws the dashboard while the faults last

Kafka is the embedded cluster and AWS the stand-in, so each fault is what the service itself sees of it; between page and
alert everything is real. Time is shortened for Prometheus and for leases alike (tests/prometheus.py says how).
Each route has one fault and its topic, stream and route one name; `healthy` has none.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.app.simulate.history import Fault
from doka.domain.limits import BACKOFF_LAST_NS, NS_PER_SECOND
from scripts import dashboard_look
from scripts.alerts import BURNING
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import WRITER_ROLE, FailEntries, FakeAws, Refuse, Reset
from tests.prometheus import SCRAPED_SECONDS, Firing, Prometheus, in_shorter_time, prometheus
from tests.waiting import eventually

GROUP = "doka-alerts"
HEALTHY = "healthy"
ROUTES: Mapping[str, Mapping[str, Any]] = {
    HEALTHY: {},
    "denied": {},
    "poisoned": {"on_poison": "block"},
    "dropped": {"on_poison": "drop"},
    "lettered": {"on_poison": "dead_letter"},
    "revoked": {},
    "expiring": {},
    "unanswered": {},
    "shared": {"ordering": "key_in_request"},
    "taken": {},
    "trimmed": {},
}
ROLES = ("trusted", "revoked", "expiring")
LETTERS = "letters"
LEASE_SECONDS = 900.0
"""Of a lease, before time is shortened."""
REVOCATIONS = 4
FACTOR = 15.0
LETTER_RETRY_SECONDS = BACKOFF_LAST_NS / NS_PER_SECOND
OFFSET_COMMIT = 8  # the kind of request in Kafka's protocol
TOO_LONG_A_KEY = b"k" * 257
PARTITIONS = 2
RECORDS = 20
PICTURED = (
    "Eleven routes, of which most meet a fault of their own; time, and limits in seconds, are shortened by {factor:g}."
)
PICTURE_HEIGHT = 1_525
"""Down to the row of leases (px)."""
STARTED_AT = 'doka_process_start_time_seconds{instance="doka-0"}'

Awaited = tuple[str, Mapping[str, str]]
"""An alert, and what it must be about."""

RAISED_BY_FAULTS: Sequence[Awaited] = (
    ("DokaRouteBlocked", {"route": "denied", "reason": "AccessDeniedException"}),
    ("DokaNotReady", {"instance": "doka-0"}),
    ("DokaRecordUnsettled", {"topic": "denied"}),
    ("DokaDataWaits", {"topic": "denied"}),
    ("DokaDataLate", {"topic": "denied"}),
    *((alert.name, {"topic": "denied"}) for alert in BURNING),
    ("DokaPoison", {"route": "poisoned", "policy": "block"}),
    ("DokaPoison", {"route": "dropped", "policy": "drop"}),
    ("DokaPartitionStuck", {"topic": "poisoned", "reason": "poison"}),
    ("DokaRecordsDropped", {"route": "dropped"}),
    ("DokaLettersFail", {"route": "lettered"}),
    ("DokaLeasesRejected", {"role": "revoked"}),
    ("DokaLeaseRunsOut", {"role": "expiring"}),
    ("DokaPossibleDuplicates", {"route": "unanswered"}),
    ("DokaOrderBreaks", {"route": "shared", "cause": "refused"}),
    ("DokaCommitsFail", {"instance": "doka-0"}),
)
RAISED_BY_A_STOP: Sequence[Awaited] = (("DokaGone", {}),)
RAISED_BY_A_START: Sequence[Awaited] = (("DokaRecordsLeftTheLog", {"topic": "trimmed", "policy": "continue"}),)
RAISED_BY_STARTS: Sequence[Awaited] = (("DokaRestarts", {"instance": "doka-0"}),)
RAISED_BY_ANOTHER_MEMBER: Sequence[Awaited] = (("DokaPartitionsUnowned", {"topic": "taken"}),)
NOT_PLAYED: Mapping[str, str] = {
    "DokaUnreadable": "the embedded cluster stores no batch that is damaged",
    "DokaKafkaThrottles": "it has no quotas",
    "DokaDeclaredDead": "its members are not declared dead again and again without others waiting for them",
    "DokaGroupRestless": "nor do they come and go twenty times in a minute",
    "DokaHangs": "nothing from outside holds the loop and leaves the page",
    "DokaWorkerRestarts": "it is one process",
    "DokaReloadRefused": "nobody watches its configuration",
    "DokaAuditLost": "it audits nothing",
    "DokaAuditLate": "it audits nothing",
}
"""Alerts whose causes cannot be played here; tests/simulation/alerts plays those of the service."""
NOT_SHOWN: Mapping[str, str] = {
    "doka_worker_up": "it is one process",
    "doka_config_last_reload_successful": "nobody watches its configuration",
    "doka_worker_restarts_total": "it is one process",
    "doka_audit": "it audits nothing",
    "doka_records_skipped_total": "nobody orders a skip",
    "doka_unreadable_offsets_total": "the embedded cluster stores no batch that is damaged",
    "doka_records_will_repeat_total": "no drain ends with holes",
    "doka_gaps_total": "it is found after a start, when what the faults showed is in no counter any more",
}
"""What begins the names of metrics that queries of the dashboard see only where something else happens; test_dashboard.py plays that."""
ALL = (*RAISED_BY_FAULTS, *RAISED_BY_A_STOP, *RAISED_BY_A_START, *RAISED_BY_STARTS, *RAISED_BY_ANOTHER_MEMBER)


def is_not_shown(expr: str) -> bool:
    """Say whether a query of the dashboard asks for what is not played here."""
    return any(metric in expr for metric in NOT_SHOWN)


def arn(role: str) -> str:
    """Name a role."""
    return WRITER_ROLE.replace("doka-writer", role)


@dataclass
class Play:
    """What runs, and what fired so far, each with when it was first seen (s after the last thing that was done)."""

    cluster: KafkaCluster
    aws: FakeAws
    doka: DokaProcess
    watched: Prometheus
    factor: float
    began: float = 0.0
    seen: dict[Firing, float] = field(default_factory=dict)
    started: float = 0.0
    """When the page was scraped first, by the wall clock (s)."""

    def __post_init__(self) -> None:
        self._landed_under_a_lease = self._revocations = 0
        self._producer = Producer({"bootstrap.servers": self.cluster.bootstrap_servers, "linger.ms": 5, "log_level": 0})

    def write(self, topic: str, records: int = 1, key: bytes | None = None, *, to: int = 0) -> None:
        """Write records of one key, or of a key each, and wait until Kafka has them."""
        for number in range(records):
            self._producer.produce(topic, b"value", b"k%d" % number if key is None else key, to)
        assert 0 == self._producer.flush(30)

    def look(self) -> set[Firing]:
        """Note what fires now, and give it."""
        firing = self.watched.firing()
        for each in firing:
            self.seen.setdefault(each, time.monotonic() - self.began)
        return firing

    def missing(self, awaited: Sequence[Awaited]) -> list[Awaited]:
        """Give those that have not fired yet."""
        self.look()
        return [(name, about) for name, about in awaited if self.first(name, about) is None]

    def first(self, name: str, about: Mapping[str, str]) -> float | None:
        """Give when an alert was first seen to fire about something; None: not yet."""
        return min(
            (at for each, at in self.seen.items() if each.name == name and each.is_about(about.items())), default=None
        )

    def wait_for(self, awaited: Sequence[Awaited], meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until all have fired, in the time that the slowest rule takes and some more."""
        within = 20 * 60 / self.factor + 30

        def all_fired() -> bool:
            meanwhile()
            return not self.missing(awaited)

        try:
            eventually(all_fired, within=within, every=0.2)
        except AssertionError:
            raise AssertionError(
                f"not within {within:g} s: {self.missing(awaited)}; seen: {sorted(self.seen)}"
            ) from None

    # --- what happens --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Wait until all that was written has landed and the page is scraped."""
        self.began = time.monotonic()
        self.doka.wait_until_ready()
        written = dict.fromkeys(ROUTES, RECORDS)
        eventually(lambda: written == {route: self.aws.landed_count(route) for route in ROUTES}, what="all records")
        self.started = time.time()
        self._scraped_anew(None)
        eventually(lambda: not self.watched.firing(), what="the end of DokaGone", every=0.2)
        self.seen.clear()

    def stay_calm(self, minutes: float = 5) -> None:
        """Let nothing happen but traffic for so long (of shortened time); nothing may fire.

        Not meant is what has become shorter than the second in which the page is made anew: the objectives, and the age of a
        turn.
        """
        until = time.monotonic() + minutes * 60 / self.factor

        def over() -> bool:
            self.write(HEALTHY)
            firing = {each for each in self.look() if each.name != "DokaHangs" and "Budget" not in each.name}
            assert not firing, f"in calm fires {firing}"
            return time.monotonic() >= until

        eventually(over, within=minutes * 60 / self.factor + 30, every=0.2)

    def strike(self) -> None:
        """Let each route meet its fault, and wait for all that this must raise."""
        self.began = time.monotonic()
        aws = self.aws
        aws.inject(
            Refuse("AccessDeniedException", "not authorized to perform: kinesis:PutRecords"),
            stream="denied",
            times=None,
        )
        aws.inject(Reset("after"), stream="unanswered")
        aws.inject(FailEntries(indexes=[0]), stream="shared", times=2)
        aws.remove_role(arn("expiring"))
        self.cluster.fail_topic(LETTERS, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        self.cluster.push_errors(OFFSET_COMMIT, [KafkaError.INVALID_COMMIT_OFFSET_SIZE] * 8)
        for poison in ("poisoned", "dropped", "lettered"):
            self.write(poison, key=TOO_LONG_A_KEY)
        for route in ("denied", "unanswered"):
            self.write(route, RECORDS)
        self.write("shared", RECORDS, b"one key")
        self.wait_for(RAISED_BY_FAULTS, self._revoke_again)

    def _revoke_again(self) -> None:
        """Write some, and take the lease away of a role whose last one has landed something."""
        self.write(HEALTHY)
        self.write("revoked")
        landed = self.aws.landed_count("revoked")
        if self._revocations < REVOCATIONS and landed > self._landed_under_a_lease:
            self._revocations += 1
            self._landed_under_a_lease = landed
            self.aws.revoke(role_arn=arn("revoked"))

    def stop_and_start(self) -> None:
        """Stop it, and start it three times; the last start finds a gap at once, for retention took what was not read.

        The starts follow each other without waiting for an alert between them: three must fit into the window of DokaRestarts,
        which is shortened, as a start is not.
        A letter that is refused is let through first: one under way holds a stop up, and a member that did not leave the next.
        """
        self.cluster.fail_topic(LETTERS, 0)
        stored = LETTER_RETRY_SECONDS + 30
        eventually(
            lambda: not self.doka.metric("doka_partition_stuck", topic="lettered"),
            within=stored,
            what="the letter",
            every=0.2,
        )
        self.began = time.monotonic()
        self.doka.stop()
        self.wait_for(RAISED_BY_A_STOP)
        for raised in ((), (), (*RAISED_BY_A_START, *RAISED_BY_STARTS)):
            before, self.began = self.watched.value(STARTED_AT), time.monotonic()
            if self.doka.runs:
                self.doka.stop()
            if raised:
                self.write("trimmed", RECORDS)
                self.cluster.delete_records("trimmed", 0, before=RECORDS + 5)
            self.doka.start()
            self._scraped_anew(before)
            self.wait_for(raised)

    def let_another_join(self) -> None:
        """Let a member that nobody scrapes take its share of one topic."""
        self.began = time.monotonic()
        with another_member(self.cluster.bootstrap_servers):
            self.wait_for(RAISED_BY_ANOTHER_MEMBER)

    def _scraped_anew(self, before: float | None) -> None:
        """Wait until a process that was started at another time than `before` is a member with all partitions, and was scraped."""
        self.watched.scrape(f"127.0.0.1:{self.doka.port}")

        def is_scraped() -> bool:
            self.look()
            owned = self.watched.value("doka_partitions_owned")
            return self.watched.value(STARTED_AT) not in (None, before) and owned == PARTITIONS * len(ROUTES)

        eventually(is_scraped, what="the scrape of its page", every=0.2)

    # --- what came of it -----------------------------------------------------------------------------------------

    def choices(self) -> dict[str, set[str]]:
        """Give what each variable of the dashboard offers."""
        found: dict[str, set[str]] = {}
        for variable in json.loads(dashboard_look.BOARD.read_text(encoding="utf-8"))["templating"]["list"][1:]:
            of, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            selected = {"match[]": dashboard_look.filled(of, "")}
            found[variable["name"]] = set(self.watched.ask(f"label/{label}/values", **selected))
        return found

    def dashboard(self) -> Shown:
        """Ask every query of the dashboard for all the time since the beginning; its windows, and limits in seconds, are shorter."""
        board = json.loads(dashboard_look.BOARD.read_text(encoding="utf-8"))
        for panel in dashboard_look.panels_of(board):
            defaults = panel.get("fieldConfig", {}).get("defaults", {})
            for limit in defaults.get("thresholds", {}).get("steps", ()) if defaults.get("unit") == "s" else ():
                limit["value"] = limit["value"] and limit["value"] / self.factor
        every = SCRAPED_SECONDS / self.factor
        window = dashboard_look.Window(self.started, time.time(), every, f"{4 * every * 1_000:.0f}ms")
        asked = (board, self.watched.ask, window, partial(in_shorter_time, factor=self.factor))
        return Shown(board, window, dashboard_look.answers(*asked), dashboard_look.marks_of(*asked))

    def of_the_healthy(self) -> list[Firing]:
        """Give what fired about what nothing was done to; budgets are shared with stops, which are done to all."""
        about = [("route", HEALTHY), ("topic", HEALTHY), ("role", "trusted")]
        return [each for each in self.seen if "Budget" not in each.name and set(about) & each.labels]


@dataclass(frozen=True)
class Shown:
    """What the dashboard shows of a play."""

    board: Mapping[str, Any]
    window: dashboard_look.Window
    answers: Sequence[dashboard_look.Answer]
    marks: Sequence[Fault]

    def empty(self) -> list[str]:
        """Give the queries that found nothing, though what they ask for happened."""
        return [
            f"{each.panel['title']}: {each.target['expr']}"
            for each in self.answers
            if not each.series and not is_not_shown(each.target["expr"])
        ]

    def page(self, made_by: str) -> str:
        """Draw it."""
        return dashboard_look.page(self.board, self.answers, self.marks, self.window, made_by)


@contextmanager
def another_member(servers: str) -> Iterator[None]:
    """Run another program of the group, that reads one of the topics."""
    ended = threading.Event()
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": GROUP,
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.subscribe(["taken"])

    def read() -> None:
        while not ended.is_set():
            consumer.poll(0.1)

    reader = threading.Thread(target=read, name="another member")
    reader.start()
    try:
        yield
    finally:
        ended.set()
        reader.join()
        consumer.close()


@contextmanager
def play(folder: Path, factor: float) -> Iterator[Play]:
    """Start all that runs, calm so far; everything is gone afterwards."""
    with KafkaCluster() as cluster, FakeAws() as aws, prometheus(folder, factor) as watched:
        aws.shape_leases(told_seconds=LEASE_SECONDS / factor, true_seconds=LEASE_SECONDS / factor)
        for role in ROLES:
            aws.add_role(arn(role))
        for route in ROUTES:
            cluster.create_topic(route, PARTITIONS)
            aws.create_stream(route)
        cluster.create_topic(LETTERS, 1)
        with DokaProcess(_settings(cluster, aws.url), folder) as doka:
            made = Play(cluster, aws, doka, watched, factor)
            for route in ROUTES:
                made.write(route, RECORDS)
            made.begin()
            yield made


def _settings(cluster: KafkaCluster, url: str) -> dict[str, Any]:
    given = settings(
        cluster.bootstrap_servers,
        url,
        {route: route for route in ROUTES},
        group_id=GROUP,
        kafka={"on_gap": "continue", "client": {"session.timeout.ms": 6_000}},
        limits={"request_timeout_seconds": 2, "drain_seconds": 5, "requests_in_flight": 4 * len(ROUTES)},
        dead_letters={"topic": LETTERS},
    )
    given["roles"] = {role: {"hops": [{"role_arn": arn(role)}]} for role in ROLES}
    for route in given["routes"]:
        name = route["stream"]["name"]
        route["stream"]["role"] = name if name in ROLES else "trusted"
        route.update({"on_poison": "block", **ROUTES[name]})
    return given


def main() -> None:
    """Play it and say what fired, and when."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.alerts.live")
    parser.add_argument("--factor", type=float, default=FACTOR, help="by how much time is shortened (%(default)g)")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw the dashboard of the faults, by a browser")
    given = parser.parse_args()
    factor, began = given.factor, time.monotonic()
    with tempfile.TemporaryDirectory() as folder, play(Path(folder), factor) as made:
        made.stay_calm()
        made.strike()
        if given.picture is not None:
            page = Path(folder) / "dashboard.html"
            page.write_text(made.dashboard().page(PICTURED.format(factor=factor)), encoding="utf-8")
            dashboard_look.photograph(page, given.picture.resolve(), PICTURE_HEIGHT)
        made.stop_and_start()
        made.let_another_join()
        lines = [f"time is shortened by {factor:g}; nothing fired in calm"]
        for name, about in ALL:
            at = made.first(name, about)
            assert at is not None
            shown = ", ".join(f"{label}={value}" for label, value in about.items())
            lines.append(f"{name:32} {shown:48} after {at:5.1f} s, which stand for {at * factor / 60:4.1f} min")
        lines.append(
            f"about what is healthy: {made.of_the_healthy() or 'nothing'}; {time.monotonic() - began:.0f} s in all"
        )
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
