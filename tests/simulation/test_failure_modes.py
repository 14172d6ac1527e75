"""Rows of docs/failure-modes.md in virtual time: the real service with its real instruments, and a world that fails.

Each play begins in quiet weather, then something befalls it, and somebody looks at all that is shown every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from doka.adapters.simulated.plan import Kind, Plan, Span
from doka.adapters.simulated.schemas import written
from doka.domain.errors import InvariantError
from doka.domain.forwarder import Forwarder
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import LimitRules, OnPoison
from tests.failure_modes import Sample, Seen, Sees
from tests.simulation.stage import STEADY, Stage

pytest_plugins = ["tests.failure_modes.fixtures"]

BEFALLS = 60.0
"""When, in seconds after the start: the service has been at work for a while."""
STUCK = "doka_partition_stuck"
FIRST = {"topic": "t0", "partition": "0"}

Prepare = Callable[[Stage], object]


def play(prepare: Prepare, lasts: float, *, every: float = 5, plan: Plan = STEADY) -> list[Seen]:
    """Let something befall the service, and give what was seen from then on, for so many seconds.

    The log is that from then on, too.
    """
    stage, looks = Stage(plan), list[Seen]()

    def look() -> None:
        metrics, readyz, healthz = map(stage.ask, ("/metrics", "/readyz", "/healthz"))
        after = stage.now - BEFALLS
        log = [line for line in stage.log if line["at"] >= BEFALLS]
        if metrics is None or readyz is None or healthz is None:
            code = stage.endings[-1].code if stage.endings else None
            looks.append(Seen(log=log, exit_code=code, after=after))
            return
        reasons, ill = (orjson.loads(answer.body)["reasons"] for answer in (readyz, healthz))
        looks.append(Seen(Sample.of_page(metrics.body.decode()), reasons, ill, log, after=after))

    prepare(stage)
    moment = BEFALLS
    while moment < BEFALLS + lasts:
        stage.at(moment, look)
        moment += every
    stage.run_to(BEFALLS + lasts)
    return looks


def strike(kind: Kind, draw: int = 0, *, lasts: float = 10_000) -> Prepare:
    """Let a fault of the world begin, and last for so many seconds."""
    return lambda stage: stage.strike(kind, BEFALLS, BEFALLS + lasts, draw)


def about(looks: list[Seen], **names: str) -> list[Seen]:
    """Keep what is told of these."""
    return [look.about(**names) for look in looks]


# --- Kafka: brokers, the group, what waits -----------------------------------------------------------------------------


@pytest.mark.failure_mode("the coordinator does not answer")
def test_a_coordinator_that_does_not_answer(sees: Sees) -> None:
    """The group is lost after a while."""
    sees(*play(strike(Kind.COORDINATOR_FROZEN), 60))


@pytest.mark.failure_mode("one broker cannot be reached, the others can")
def test_a_broker_that_cannot_be_reached(sees: Sees) -> None:
    """Its partition says so, and has no lag in records; that of the other is known."""
    looks = play(strike(Kind.BROKER_UNREACHABLE, draw=0b01), 90)
    sees(*about(looks, **FIRST))
    others = [s for look in about(looks, topic="t0", partition="1") for s in look.samples]
    assert len(looks) == len([s for s in others if s.name == "doka_lag_records"])
    assert {0.0} == {s.value for s in others if s.name == "doka_partition_stuck"}


@pytest.mark.failure_mode("a transaction stays open")
def test_a_transaction_that_stays_open(sees: Sees) -> None:
    """What stands behind it waits, in figures at once and in words when the broker should have ended it."""
    sees(*about(play(strike(Kind.TRANSACTION_OPEN, draw=0b01), 1_200, every=10), **FIRST))


@pytest.mark.failure_mode("a quota throttles the consumer")
def test_a_quota(sees: Sees) -> None:
    """Every fetch is followed by a minute without one."""
    sees(*play(strike(Kind.QUOTA, draw=55), 200))


@pytest.mark.failure_mode("records wait and the client brings none, nobody knows why")
def test_a_client_that_brings_nothing(sees: Sees) -> None:
    """Ends of logs are known and grow, and nothing comes."""
    sees(*play(strike(Kind.PARTITION_STALL, draw=0b11), 120))


@pytest.mark.failure_mode("records with old or wrong timestamps")
def test_timestamps_of_years_ago(sees: Sees) -> None:
    """The lag by timestamps is that of the timestamps; the wait is that of the record."""

    def prepare(stage: Stage) -> None:
        stage.weather(BEFALLS, 10_000, vanished=1.0)
        stage.at(BEFALLS, lambda: next(iter(stage.world.logs.values())).append(b"k", b"v", 1))

    looks = about(play(prepare, 30, every=2), **FIRST)
    sees(*looks)
    last = {sample.name: sample.value for sample in looks[-1].samples}
    assert last["doka_lag_seconds"] > 365 * 24 * 3_600
    assert 20 <= last["doka_waiting_seconds"] <= 60


# --- Kinesis: a stream that is changed -------------------------------------------------------------------------------


@pytest.mark.failure_mode("it is switched to AUTO while doka runs")
def test_a_stream_that_is_switched_to_auto(sees: Sees) -> None:
    """It is seen at one of the looks, and the route stops."""
    sees(*play(strike(Kind.STREAM_AUTO), 460, every=20))


@pytest.mark.failure_mode("somebody raises the stream's record limit")
def test_a_record_limit_that_is_raised(sees: Sees) -> None:
    """A record that is too large is written first, and waits; the other key of its partition goes on."""
    plan = replace(STEADY, record_bytes_max=2_000)

    def prepare(stage: Stage) -> None:
        stage.at(10, lambda: stage.write(0, b"large", b"x" * 4_000))
        stage.strike(Kind.RECORD_LIMIT_RAISED, BEFALLS, BEFALLS)

    looks = play(prepare, 200, every=10, plan=plan)
    sees(*looks)
    stuck = [sample.value for look in about(looks, **FIRST) for sample in look.samples if sample.name == STUCK]
    assert (1.0, 0.0) == (stuck[0], stuck[-1])


@pytest.mark.failure_mode("somebody changes the stream's shards")
def test_a_stream_that_is_split(sees: Sees) -> None:
    """The count is told and shown."""
    sees(*play(strike(Kind.SHARD_SPLIT), 460, every=20))


@pytest.mark.failure_mode("the stream cannot be described again, and puts work")
def test_a_stream_that_may_not_be_described_any_more(sees: Sees) -> None:
    """It is told once, and records land all the time."""
    looks = play(strike(Kind.DESCRIBE_DENIED), 900, every=20)
    sees(*looks)
    assert 1 == len([line for line in looks[-1].log if line["event"] == "stream_look_failed"])
    assert not any(look.reasons for look in looks)


# --- schema registries -----------------------------------------------------------------------------------------------


def by_new_schema(schema: int) -> Prepare:
    """Write a record by a schema that was not fetched before."""
    return lambda stage: stage.at(BEFALLS + 1, lambda: stage.write(0, b"k", written(schema, b"v")))


@pytest.mark.failure_mode("a schema registry is down, or refuses")
def test_a_registry_that_is_down(sees: Sees) -> None:
    """As soon as a new schema is needed nothing more is taken in, and when it is back all of it is."""

    def prepare(stage: Stage) -> None:
        stage.world.schemas_since["2"] = 0
        strike(Kind.REGISTRY_DOWN, lasts=200)(stage)
        by_new_schema(2)(stage)

    looks = play(prepare, 400, plan=replace(STEADY, decodes=True))
    sees(*looks)
    assert not looks[-1].reasons
    assert ["intake_closed", "intake_opened"] == [
        line["event"] for line in looks[-1].log if line["event"].startswith("intake")
    ]


@pytest.mark.failure_mode("a value names a schema that the registry does not have")
def test_a_schema_that_there_is_not(sees: Sees) -> None:
    """It is poison after some seconds, and the others go on."""
    sees(*play(by_new_schema(77), 60, plan=replace(STEADY, decodes=True)))


# --- Kafka: topics, commits, ownership --------------------------------------------------------------------------------


@pytest.mark.failure_mode("a topic does not exist")
def test_a_topic_that_does_not_exist(sees: Sees) -> None:
    """It is named."""
    sees(*play(strike(Kind.TOPIC_MISSING), 20), NAME="t0")


@pytest.mark.failure_mode("a topic may not be read")
def test_a_topic_that_may_not_be_read(sees: Sees) -> None:
    """It is named."""
    sees(*play(strike(Kind.TOPIC_REFUSED), 20), NAME="t0")


@pytest.mark.failure_mode("commits are refused, or nobody answers")
@pytest.mark.parametrize("fate", ["commit_refused", "commit_vanished"])
def test_commits_that_are_not_stored(sees: Sees, fate: str) -> None:
    """What a crash would repeat grows, until the partition waits."""
    plan = replace(STEADY, limits=LimitRules(ahead_records=5))
    sees(*play(lambda stage: stage.weather(BEFALLS, 10_000, **{fate: 1.0}), 300, every=20, plan=plan))


@pytest.mark.failure_mode("of several routes that read a topic one is blocked")
def test_one_of_several_routes_is_blocked(sees: Sees) -> None:
    """The other one lands what comes for a while; then it waits, and says for whom."""
    plan = replace(STEADY, work=replace(STEADY.work, tee=2), limits=LimitRules(ahead_records=10))
    found: list[Stage] = []

    def prepare(stage: Stage) -> None:
        found.append(stage)
        stage.at(BEFALLS, lambda: setattr(stage.world.streams["s0x1"], "refuses_with", "AccessDeniedException"))

    looks = play(prepare, 300, every=10, plan=plan)
    sees(*looks, CODE="AccessDeniedException", NAME="s0x1")
    landed = [len(found[0].world.streams[name].landed) for name in ("s0", "s0x1")]
    assert 10 < landed[0] - landed[1] <= 2 * 10


@pytest.mark.failure_mode("a rebalance takes partitions away")
def test_a_rebalance(sees: Sees) -> None:
    """It is counted and told."""
    sees(*play(strike(Kind.REBALANCE, draw=0b01, lasts=30), 60))


@pytest.mark.failure_mode("the member was declared dead")
def test_a_member_that_was_declared_dead(sees: Sees) -> None:
    """It is counted and told."""
    sees(*play(strike(Kind.EXPELLED), 30))


# --- Kafka: the log ----------------------------------------------------------------------------------------------------


@pytest.mark.failure_mode("retention overtook the group")
def test_retention_that_overtakes_the_group(sees: Sees) -> None:
    """While nothing could be fetched the log was trimmed to its end."""

    def prepare(stage: Stage) -> None:
        stage.strike(Kind.PARTITION_STALL, BEFALLS, BEFALLS + 200, 0b01)
        stage.strike(Kind.RETENTION, BEFALLS + 190, BEFALLS + 190, 99)

    sees(*about(play(prepare, 260), **FIRST))


@pytest.mark.failure_mode("a stored batch cannot be read: damaged on disk, or it unpacks to more than 100 MB")
def test_a_batch_that_cannot_be_read(sees: Sees) -> None:
    """It is told with its place in Kafka."""
    sees(*about(play(strike(Kind.BATCH_UNREADABLE, draw=0b01), 200), **FIRST))


@pytest.mark.failure_mode("the committed offset lies above the log's end")
def test_a_log_that_ends_below_what_is_committed(sees: Sees) -> None:
    """Somebody has cut it."""

    def cut(stage: Stage) -> None:
        next(iter(stage.world.logs.values())).recreate()
        stage.world.stir()

    sees(*about(play(lambda stage: stage.at(BEFALLS, lambda: cut(stage)), 30), **FIRST))


@pytest.mark.failure_mode("Kafka forgot the group's offsets")
def test_offsets_that_are_forgotten(sees: Sees) -> None:
    """The next member says where it begins."""

    def prepare(stage: Stage) -> None:
        stage.at(BEFALLS - 1, stage.world.group.committed.clear)
        stage.strike(Kind.CRASH, BEFALLS, BEFALLS)

    looks = play(prepare, 120)
    sees(*looks)
    (assigned,) = [line for line in looks[-1].log if line["event"] == "partitions_assigned"]
    assert ["t0[0]@0", "t0[1]@0"] == assigned["partitions"]


# --- topics by patterns ------------------------------------------------------------------------------------------------

PATTERNED = replace(STEADY, patterned=True, discovery=5 * NS_PER_SECOND)


@pytest.mark.failure_mode("more topics match a route's patterns than `routes[].topics_max`")
def test_more_topics_than_the_bound(sees: Sees) -> None:
    """The new one is told and stays where it is; what was read goes on."""
    looks = play(strike(Kind.TOPIC_APPEARS), 120, plan=replace(PATTERNED, topics_max=1))
    sees(*looks)
    last = {(s.name, s.labels.get("topic")): s.value for s in looks[-1].samples if s.labels.get("partition") == "0"}
    assert ("doka_lag_records", "t0") in last
    assert ("doka_lag_records", "t0.1") not in last


@pytest.mark.failure_mode("a topic that a pattern brings is deleted, or may not be seen any more")
def test_a_topic_of_a_pattern_that_goes(sees: Sees) -> None:
    """It is given up at the second look that does not list it."""

    def prepare(stage: Stage) -> None:
        stage.strike(Kind.TOPIC_APPEARS, BEFALLS - 40, BEFALLS - 40)
        stage.strike(Kind.TOPIC_MISSING, BEFALLS, 10_000, draw=1)

    sees(*play(prepare, 60, plan=PATTERNED))


@pytest.mark.failure_mode("no topic matches a route's patterns")
def test_patterns_that_nothing_matches(sees: Sees) -> None:
    """As where the only one was deleted."""
    sees(*play(strike(Kind.TOPIC_MISSING), 60, plan=PATTERNED))


# --- dead letters ------------------------------------------------------------------------------------------------------


@pytest.mark.failure_mode("the dead-letter topic is not there, full, or refuses a letter")
@pytest.mark.parametrize(("rate", "code"), [("letter_refused", "NOT_ENOUGH_REPLICAS"), (None, "_MSG_TIMED_OUT")])
def test_dead_letters_that_are_not_stored(sees: Sees, rate: str | None, code: str) -> None:
    """The topic refuses each letter, or nobody acknowledges one: the letter of a record that can never land is told."""

    def prepare(stage: Stage) -> None:
        if rate is None:
            stage.strike(Kind.LETTERS_DOWN, BEFALLS, 10_000)
        else:
            stage.weather(BEFALLS, 10_000, **{rate: 1.0})
        stage.at(BEFALLS, lambda: stage.write(0, b"k" * 257, b"value"))

    sees(
        *about(play(prepare, 60, plan=replace(STEADY, on_poison=OnPoison.DEAD_LETTER)), route="s0", **FIRST), CODE=code
    )


# --- the process -------------------------------------------------------------------------------------------------------


@pytest.mark.failure_mode("`kill -9`, out of memory, a lost node")
def test_a_process_that_was_killed(sees: Sees) -> None:
    """The next owner tells when it begins, and where."""
    sees(*play(strike(Kind.CRASH), 90))


@pytest.mark.failure_mode(
    "SIGTERM, and partitions go to another member before what was sent of them is settled and committed: a rebalance, "
    "a session that timed out"
)
def test_a_stop_that_loses_partitions(sees: Sees) -> None:
    """The group declares it dead in the middle of its drain."""

    def prepare(stage: Stage) -> None:
        stage.weather(BEFALLS - 30, BEFALLS + 10, vanished=1.0)
        stage.strike(Kind.STOP, BEFALLS, BEFALLS)
        stage.strike(Kind.EXPELLED, BEFALLS + 1, BEFALLS + 10)

    sees(*play(prepare, 4, every=0.5))


@pytest.mark.failure_mode("memory is full")
def test_a_memory_that_is_full(sees: Sees) -> None:
    """Nothing settles, and what is held comes to its limit."""
    plan = replace(
        STEADY,
        limits=LimitRules(held_bytes=20_000),
        work=replace(STEADY.work, burst=20, value_bytes=400, every=Span(NS_PER_SECOND, NS_PER_SECOND)),
    )
    looks = play(lambda stage: stage.weather(BEFALLS, 10_000, entry_throttled=1.0), 60, plan=plan)
    sees(*looks)
    last = {sample.name: sample.value for sample in looks[-1].samples}
    assert last["doka_held_bytes"] > 0.7 * last["doka_held_bytes_max"]


@pytest.mark.failure_mode("the loop hangs")
def test_a_loop_that_hangs(sees: Sees) -> None:
    """The pages go on to be served, and say so."""
    sees(*play(lambda stage: stage.hang(BEFALLS, BEFALLS + 100), 100))


@pytest.mark.failure_mode("a rule that protects the data is broken")
def test_a_rule_that_is_broken(sees: Sees, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends, with the words and the code."""

    def prepare(stage: Stage) -> None:
        def broken(*_: object) -> None:
            raise InvariantError("an offset was settled twice")

        stage.at(BEFALLS, lambda: monkeypatch.setattr(Forwarder, "decide", broken))

    sees(*play(prepare, 4, every=1))
