"""One world of rounds: a topic, a group, a stream, and the service, which is killed in every round and comes back."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.chaos.history import History, Kill, Landing
from tests.chaos.plan import Change, Moment, Round, Shape, Weather
from tests.chaos.writer import Writer
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import Delay, FailEntries, FakeAwsProcess, Hold, Reset, unfold
from tests.waiting import eventually

STREAM = "orders"
RESET_SHARE = 0.2  # of puts, in a round with resets
HELD_PUTS = 4
WAIT_SECONDS = 60.0  # for anything that a well service does within a few
RELOAD_SECONDS = 150.0  # a judging and a new worker have a minute each
FIRST_LANDING_SECONDS = 5.0  # from a start
QUIET_SECONDS = 0.2  # without a landing: all has landed that there was
ASK_SECONDS = 30.0


@contextlib.contextmanager
def running_world(broker: KafkaBroker, shape: Shape, folder: Path, seed: int) -> Iterator[World]:
    """Have a world until the block ends: what the service says goes to `folder`, `seed` is of the fake's chance."""
    topic = broker.create_topic(shape.partitions)
    with FakeAwsProcess(seed=seed) as aws:
        aws.create_stream(STREAM, shards=shape.shards)
        aws.shape_leases(told_seconds=shape.lease_seconds, true_seconds=shape.lease_seconds)
        aws.inject(Delay(0.015, jitter=0.01), times=None)
        writer = Writer(broker.bootstrap_servers, topic, shape.partitions, shape.keys)
        given = _settings(broker, aws, topic, shape)
        with writer, DokaProcess(given, folder, shape.name, ["--watch"]) as doka:
            # It subscribes to nothing, and so asks for the group's offsets without being in it.
            group = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": topic, "log_level": 0})
            with contextlib.closing(group):
                yield World(group, shape, topic, given, aws=aws, writer=writer, doka=doka)


def _settings(broker: KafkaBroker, aws: FakeAwsProcess, topic: str, shape: Shape) -> dict[str, Any]:
    # With fetches that wait less a life is shorter, and there are more of them in the time there is.
    session = 30_000 if shape.static else 6_000  # who is no static member has to be missed before another one comes
    client = {"session.timeout.ms": session, "heartbeat.interval.ms": 500, "fetch.wait.max.ms": 50}
    member = {"group_instance_id": shape.name} if shape.static else {}
    given = settings(
        broker.bootstrap_servers,
        aws.url,
        {topic: STREAM},
        group_id=topic,
        kafka={**member, "client": client},
        limits={"ahead_records": shape.ahead_records, "commit_seconds": shape.commit_seconds},
    )
    if shape.aggregated:
        given["routes"][0]["aggregation"] = {"enabled": True, "linger_ms": 20}
    return given


class World:
    """The service is a supervisor and its worker, of which both are killed; its configuration changes in every life.

    As a static member a new life takes over at once what a dead one owned; else the dead one has to be missed first.
    """

    def __init__(
        self,
        group: Consumer,
        shape: Shape,
        topic: str,
        given: Mapping[str, Any],
        *,
        aws: FakeAwsProcess,
        writer: Writer,
        doka: DokaProcess,
    ) -> None:
        self._given = given
        """The last settings that were no mistake."""
        self.shape = shape
        self._group, self._topic, self._aws, self._writer, self._doka = group, topic, aws, writer, doka
        self._kills: list[Kill] = []
        self._rules: list[int] = []
        """Of the round: withdrawn when it ends."""
        self._partitions = [TopicPartition(topic, number) for number in range(shape.partitions)]

    # --- a round -------------------------------------------------------------------------------------------------

    def round(self, plan: Round) -> Kill:
        """Let the service live as planned, kill it, look at what it left, and start it again.

        Raises AssertionError where the service ended by itself, or never came to what the round waits for.
        """
        began = time.monotonic()
        self._writer.allow(self.shape.records)
        self._change(plan.change)
        if plan.told:
            self._work_until(self._reload_is_told, "what becomes of the reload")
        else:
            end = time.monotonic() + plan.worked
            self._work_until(lambda: time.monotonic() >= end, "the end of its work")
        before = self._landed()
        torn = self._begin(plan.weather)
        moment = self._live_until(plan, before)
        assert self._doka.runs, f"round {plan.number}: the service ended by itself, with {self._doka.exit_code}"
        self._doka.kill_all()
        landed = self._landed()  # before the offsets are asked for: what it has committed had landed when it died
        torn_puts = 0 if torn is None else self._aws.fired(torn)
        for rule in self._rules:
            self._aws.withdraw(rule)
        self._rules.clear()
        self._aws.release()
        kill = Kill(
            round=plan.number,
            moment=moment,
            weather=str(plan.weather),
            landed=landed,
            committed=self._committed(),
            leases=len(self._aws.issues()),
            torn=torn_puts,
            seconds=time.monotonic() - began,
        )
        self._kills.append(kill)
        self._doka.write(self._given)
        self._doka.start()
        return kill

    def _change(self, change: Change) -> None:
        """Write another file as soon as this life watches it, and let a SIGHUP tell of it."""
        self._until_watched()
        if change is Change.REFUSED:
            self._doka.write({**self._given, "limits": {**self._given["limits"], "commit_second": 1.0}})
        elif change is Change.LIMIT:
            linger = self._given["limits"].get("linger_ms", 5) % 10 + 1
            self._given = {**self._given, "limits": {**self._given["limits"], "linger_ms": linger}}
        else:
            route = dict(self._given["routes"][0])
            if route.pop("aggregation", None) is None:
                route["aggregation"] = {"enabled": True, "linger_ms": 20}
            self._given = {**self._given, "routes": [route]}
        if change is not Change.REFUSED:
            self._doka.write(self._given)
        self._doka.signal(signal.SIGHUP)

    def _until_watched(self) -> None:
        """Wait until this life watches its configuration, and so serves."""
        eventually(lambda: self._doka.lines_of_this_run("configuration_watched"), within=WAIT_SECONDS, what="the watch")

    def _work_until(self, condition: Callable[[], bool], what: str) -> None:
        """Let it work, with records all the while."""

        def over() -> bool:
            assert self._doka.runs, f"the service ended by itself, with {self._doka.exit_code}"
            if self._writer.idle:
                self._writer.allow(self.shape.records // 20)
            return condition()

        eventually(over, within=RELOAD_SECONDS, what=what, every=0.1)

    def _reload_is_told(self) -> bool:
        """Say whether this life has told what became of its reload."""
        ends = ("taken", "refused", "failed", "unchanged")
        return any(self._doka.lines_of_this_run(f"reload_{end}") for end in ends)

    def _reloads(self) -> dict[str, int]:
        events = ("begun", "accepted", "taken", "refused", "failed")
        return {event: len(self._doka.lines(f"reload_{event}")) for event in events}

    def _begin(self, weather: Weather) -> int | None:
        """Bring the faults of a round into force; gives the rule by which connections are torn, where one is."""
        if weather.refused:
            self._inject(FailEntries(weather.code, fraction=weather.refused), times=None)
        return self._inject(Reset("after"), times=None, fraction=RESET_SHARE) if weather.torn else None

    def _inject(self, action: FailEntries | Reset | Hold, **given: Any) -> int:
        rule = self._aws.inject(action, **given)
        self._rules.append(rule)
        return rule

    def _live_until(self, plan: Round, before: int) -> Moment:
        """Wait for what the round waits for; gives the moment that was met."""
        if plan.weather.revoked and plan.moment in {Moment.PUT_IN_FLIGHT, Moment.COMMIT_PENDING, Moment.IN_DRAIN}:
            self._until_landed(before + 1)
            self._aws.revoke()
        match plan.moment:
            case Moment.PUT_IN_FLIGHT:
                self._hold(plan)
            case Moment.IN_DRAIN:
                self._hold(plan)
                self._doka.signal(signal.SIGTERM)
                eventually(lambda: self._doka.metric("doka_draining"), within=WAIT_SECONDS, what="the drain")
            case Moment.COMMIT_PENDING:
                self._until_landed(before + plan.landings)
            case Moment.FIRST_FETCH:
                eventually(self._is_assigned, within=WAIT_SECONDS, what="the assignment")
            case Moment.BEFORE_ASSIGNMENT | Moment.ANY:
                pass
        self._pass(plan.past)
        if plan.moment is Moment.BEFORE_ASSIGNMENT and self._is_assigned():
            return Moment.ANY
        if plan.moment is Moment.FIRST_FETCH and self._landed() > before:
            return Moment.ANY
        return plan.moment

    def _hold(self, plan: Round) -> None:
        hold = Hold("put", at="acceptance" if plan.late else "answer")
        self._inject(hold, times=HELD_PUTS, skip=plan.puts)
        self._fed_until(lambda: self._aws.held() > 0, "a put in flight")

    def _pass(self, seconds: float) -> None:
        """Let time pass: the instant of a kill is chance, nothing is waited for."""
        end = time.monotonic() + seconds
        eventually(lambda: time.monotonic() >= end, within=seconds + 1)

    # --- the end -------------------------------------------------------------------------------------------------

    def finish(self) -> History:
        """Let the last life bring all to an end in good weather, stop it, and give the history."""
        self._writer.finish()
        ends = [self._group.get_watermark_offsets(each, timeout=ASK_SECONDS)[1] for each in self._partitions]
        while (reached := self._committed()) != ends:
            self._wait_for_commits_above(reached)
        self._until_watched()  # where all was committed already it may have begun a moment ago, when nothing heeds a stop
        code = self._doka.stop()
        assert code == 0, f"the service ended with {code}, which is not a clean stop"
        landings, before = self._landings()
        return History(
            topic=self._topic,
            ahead_records=self.shape.ahead_records,
            acknowledged=self._writer.acknowledged,
            landings=landings,
            kills=[replace(kill, landed=before[kill.landed]) for kill in self._kills],
            committed=self._committed(),
            log_ends=ends,
            torn=0,
            violations=self._aws.violations(),
            faults=self._faults(),
            reloads=self._reloads(),
        )

    def _wait_for_commits_above(self, reached: list[int]) -> None:
        what = f"commits above {reached}"
        eventually(lambda: self._committed() != reached, within=WAIT_SECONDS, what=what, every=0.1)

    def _faults(self) -> dict[str, int]:
        counts, leases = self._aws.counts(), self._aws.issues()
        refused = sum(
            count for name, count in counts.items() if name.startswith("records:") and name != "records:landed"
        )
        return {
            "entries refused": refused,
            "connections reset after acceptance": counts["PutRecords:reset"],
            "leases revoked": sum(lease.revoked_with is not None for lease in leases),
            "leases issued": len(leases),
        }

    # --- what is there -------------------------------------------------------------------------------------------

    def _landed(self) -> int:
        return self._aws.landed_count(STREAM)

    def _until_landed(self, count: int) -> None:
        self._fed_until(lambda: self._landed() >= count, f"{count} landings")

    def _fed_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the service does as long as there are records; there are more when it falls idle."""
        landed, quiet_at = self._landed(), time.monotonic() + FIRST_LANDING_SECONDS

        def there() -> bool:
            nonlocal landed, quiet_at
            if (count := self._landed()) != landed:
                landed, quiet_at = count, time.monotonic() + QUIET_SECONDS
            elif time.monotonic() >= quiet_at and self._writer.idle:
                self._writer.allow(self.shape.records // 4)
            return condition()

        eventually(there, within=WAIT_SECONDS, what=what)

    def _is_assigned(self) -> bool:
        return bool(self._doka.lines_of_this_run("partitions_assigned"))

    def _committed(self) -> list[int]:
        found = self._group.committed(self._partitions, timeout=ASK_SECONDS)
        return [max(0, each.offset) for each in found]

    def _landings(self) -> tuple[list[Landing], list[int]]:
        """Give what landed, taken out of its aggregates, and how much of it there was before each Kinesis record."""
        found: list[Landing] = []
        before: list[int] = []
        for record in self._aws.landed(STREAM):
            before.append(len(found))
            inner = unfold(record.data)
            payloads = [record.data] if inner is None else [each.data for each in inner]
            found += [Landing(payload, record.serial, record.request_id) for payload in payloads]
        return found, [*before, len(found)]
