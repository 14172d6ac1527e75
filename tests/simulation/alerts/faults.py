"""Every fault of the simulated world, alone and for an hour and more, and the minute in which each alert rule speaks up.

A fault that raises nothing says why that is right, and lasts for two hours. What is calm raises nothing either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from doka.adapters.simulated.plan import Kind, Plan, Span
from doka.adapters.simulated.schemas import written as by_schema
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import LimitRules, OnGap, OnPoison, OnUnreadable, Ordering
from tests.simulation.stage import STEADY, Stage

BEGINS = 600.0
"""When a fault begins (s): the service has been calm for ten minutes, longer than most rules look back."""
LASTS = 7_200.0
"""How long (s) what raises nothing is played: two whole lives of a lease."""
RAISING_LASTS = 4_500.0
"""How long (s) what raises an alert is played: a whole life of a lease, and more than any rule looks back."""
SELDOM = replace(STEADY, work=replace(STEADY.work, every=Span(40 * NS_PER_SECOND, 40 * NS_PER_SECOND)))
"""Traffic that is thin enough for two hours of it to be played in a third of a second, and thick enough to be missed."""

PATTERNED = replace(SELDOM, patterned=True)
"""The same by a pattern, which brings one topic at first."""

Strike = Callable[[Stage], object]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, and what the rules make of it."""

    strike: Strike
    raises: Mapping[str, int] = field(default_factory=dict)
    """Each alert that fires, with the minute of the fault in which it does so first; 1 is the first minute."""
    plan: Plan = SELDOM
    plays: float | None = None
    """How long it is played (s), where that is neither LASTS nor RAISING_LASTS."""
    harmless: str = ""
    """Why it need not raise anything."""
    begins: float = BEGINS
    """From when minutes are counted (s)."""

    @property
    def lasts(self) -> float:
        """How long it is played (s)."""
        return self.plays or (RAISING_LASTS if self.raises else LASTS)


# --- how it strikes --------------------------------------------------------------------------------------------------


def lasting(kind: Kind, draw: int = 0, since: float = BEGINS) -> Strike:
    """Let a fault last from its beginning to the end."""
    return lambda stage: stage.strike(kind, since, BEGINS + LASTS + 60, draw)


def once(kind: Kind, seconds: float = 0, draw: int = 0) -> Strike:
    """Let something happen once, and last for some seconds."""
    return lambda stage: stage.strike(kind, BEGINS, BEGINS + seconds, draw)


def again(kind: Kind, every: int, seconds: float = 0, draw: int = 0) -> Strike:
    """Let something happen again and again, each time for some seconds."""

    def strike(stage: Stage) -> None:
        for moment in range(int(BEGINS), int(BEGINS + LASTS), every):
            stage.strike(kind, moment, moment + seconds, draw)

    return strike


def fates(**rates: float) -> Strike:
    """Let requests, entries, commits and questions meet these fates."""
    return lambda stage: stage.weather(BEGINS, BEGINS + LASTS + 60, **rates)


def written(key: bytes, value: bytes, besides: Strike = lambda _: None) -> Strike:
    """Write one record, while something else is wrong besides."""

    def strike(stage: Stage) -> None:
        besides(stage)
        stage.at(BEGINS + 1, lambda: stage.write(0, key, value))

    return strike


def trimmed(stage: Stage) -> None:
    """Let retention overtake a service that cannot reach Kafka for two minutes."""
    stage.strike(Kind.BROKER_UNREACHABLE, BEGINS, BEGINS + 120, draw=1)
    stage.strike(Kind.RETENTION, BEGINS + 110, BEGINS + 110, draw=99)  # all but a hundredth


def recreated(stage: Stage) -> None:
    """Delete the topic and make it anew, shorter than it was."""
    # Not Kind.TOPIC_RECREATED, which is for a world whose producer comes to an end.
    for log in stage.world.logs.values():
        stage.at(BEGINS + 1, log.recreate)


def newly_written(besides: Strike) -> Strike:
    """Write a record by a schema that no process has fetched yet, while something else is wrong besides."""

    def strike(stage: Stage) -> None:
        besides(stage)
        stage.world.schemas_since["2"] = 0
        stage.at(BEGINS + 1, lambda: stage.write(0, b"k", by_schema(2, b"v")))

    return strike


def refused_with(code: str) -> Strike:
    """Let the stream refuse each request with a code."""
    return lambda stage: stage.at(BEGINS, lambda: setattr(stage.world.streams["s0"], "refuses_with", code))


def dying_at_once(stage: Stage) -> None:
    """Kill each life within five seconds of its start."""
    again(Kind.CRASH, every=5)(stage)


def ordinary(stage: Stage) -> None:
    """Let a broker restart, the coordinator move, members come and go, the process with them, and a call take 25 s."""
    days_events = (
        (Kind.CRASH, 0, 0),
        (Kind.BROKER_STALL, 15, 0),
        (Kind.REBALANCE, 300, 1),
        (Kind.TOKENS_REVOKED, 0, 0),
        (Kind.COORDINATOR_FROZEN, 15, 0),
        (Kind.STOP, 0, 0),
        (Kind.SHARD_SPLIT, 0, 0),
        (Kind.EXPELLED, 0, 0),
        (Kind.SHARD_MERGE, 0, 0),
        (Kind.CONSUMER_DEAD, 0, 0),
        (Kind.REBALANCE, 30, 3),
    )
    for number, (kind, seconds, draw) in enumerate(days_events):
        moment = BEGINS + 600 * number
        stage.strike(kind, moment, moment + seconds, draw)
    stage.hang(BEGINS + 280, BEGINS + 305)  # while it is scraped


POISON = b"", b"a key that Kinesis refuses"
TOO_LARGE = b"k", b"." * 2_000_000
IDLE = replace(SELDOM, work=replace(SELDOM.work, records=0))
TWO_KEYS = replace(SELDOM, work=replace(SELDOM.work, keys=2, partitions=1))
ONE_KEY_SHARED = replace(SELDOM, work=replace(SELDOM.work, keys=1), ordering=Ordering.KEY_IN_REQUEST)
LITTLE_ROOM = replace(TWO_KEYS, limits=LimitRules(held_bytes=20_000))
DECODING = replace(SELDOM, decodes=True)
TO_LETTERS = replace(SELDOM, on_poison=OnPoison.DEAD_LETTER)
TRIED_AGAIN = 1_200.0
"""How long (s) what happens again some times a second, or for each record, is played: nothing new comes of more."""

UNLANDED = {"DokaRecordUnsettled": 3, "DokaDataWaits": 6, "DokaDataLate": 6}
BLOCKED = {"DokaRouteBlocked": 3, **UNLANDED, "DokaNotReady": 6}
UNANSWERED = {"DokaPossibleDuplicates": 1, **BLOCKED}
TIMED_OUT = {**UNANSWERED, "DokaRouteBlocked": 4, "DokaNotReady": 7}
NO_LEASE = {"DokaLeaseRunsOut": 49, "DokaRouteBlocked": 52, "DokaDataWaits": 56, "DokaDataLate": 56, "DokaNotReady": 55}
LANE_STUCK = {"DokaPartitionStuck": 3, **UNLANDED, "DokaNotReady": 6}
POISONED = {"DokaPoison": 1, **LANE_STUCK}
NO_LETTER = {"DokaLettersFail": 1, **POISONED}
NOTHING_SENT = {"DokaRouteBlocked": 3, "DokaDataWaits": 6, "DokaDataLate": 6, "DokaNotReady": 6}
STANDING = {"DokaPartitionStuck": 3, "DokaDataWaits": 5, "DokaDataLate": 5, "DokaNotReady": 6}

CALM: dict[str, Fault] = {
    "healthy traffic": Fault(lambda _: None),
    "an idle topic": Fault(lambda _: None, plan=IDLE),
    "what happens on any day": Fault(ordinary),
    "the stream is resharded for two hours": Fault(lasting(Kind.STREAM_UPDATING, draw=1)),
    "a person lets a record be passed": Fault(once(Kind.SKIP_ORDERED, draw=1)),
    "the stream takes larger records": Fault(once(Kind.RECORD_LIMIT_RAISED)),
    "the log is compacted": Fault(again(Kind.COMPACTION, every=300, draw=3)),
}

FAULTS: dict[str, Fault] = {
    # Credentials.
    "STS is out of reach": Fault(lasting(Kind.STS_DOWN), NO_LEASE),
    "the role may not be assumed": Fault(lasting(Kind.STS_DENIED), NO_LEASE),
    "the role may not be assumed, from the start": Fault(lasting(Kind.STS_DENIED, since=0), NOTHING_SENT, begins=0),
    "STS throttles": Fault(lasting(Kind.STS_THROTTLED), NO_LEASE),
    "each question to STS fails": Fault(fates(sts_failed=1.0), NO_LEASE),
    "three questions of ten to STS fail": Fault(
        fates(sts_failed=0.3), harmless="it asks again, ten minutes before a lease ends"
    ),
    "STS is slow": Fault(lasting(Kind.STS_SLOW), harmless="it asks ten minutes before a lease ends"),
    "leases are shorter than asked for": Fault(fates(sts_short=1.0), harmless="they are renewed sooner"),
    "leases have ended when they come": Fault(
        fates(sts_past=1.0),
        {"DokaLeaseRunsOut": 40, "DokaRouteBlocked": 41, "DokaDataWaits": 44, "DokaDataLate": 44, "DokaNotReady": 44},
    ),
    "no stream recognises a lease": Fault(
        fates(sts_unknown=1.0),
        {"DokaLeasesRejected": 39, "DokaRouteBlocked": 41, "DokaRecordUnsettled": 41, "DokaDataWaits": 44}
        | {"DokaDataLate": 44, "DokaNotReady": 44},
    ),
    "sessions are revoked each minute": Fault(again(Kind.TOKENS_REVOKED, every=60), {"DokaLeasesRejected": 3}),
    "the clock is 20 min ahead": Fault(lasting(Kind.WALL_JUMP, draw=1), NO_LEASE),
    "the clock is 20 min behind": Fault(lasting(Kind.WALL_JUMP), NO_LEASE),
    # Kinesis.
    "the role may not write": Fault(lasting(Kind.ACCESS_DENIED), BLOCKED),
    "the role may not write to one stream": Fault(lasting(Kind.STREAM_DENIED), BLOCKED),
    "the stream is gone": Fault(lasting(Kind.STREAM_MISSING), BLOCKED),
    "the stream is being created": Fault(lasting(Kind.STREAM_UPDATING), BLOCKED),
    "the stream's key is denied": Fault(refused_with("KMSAccessDeniedException"), BLOCKED),
    "the stream's key is throttled": Fault(refused_with("KMSThrottlingException"), UNLANDED, plays=TRIED_AGAIN),
    "the stream says what nobody knows": Fault(refused_with("UnheardOfException"), BLOCKED),
    "the stream refuses every request as invalid": Fault(lasting(Kind.STREAM_REFUSING), BLOCKED),
    "the stream ignores partition keys": Fault(lasting(Kind.STREAM_AUTO, since=0), NOTHING_SENT, begins=0),
    "the stream is set to ignore partition keys": Fault(lasting(Kind.STREAM_AUTO), NOTHING_SENT),
    "the stream may not be described": Fault(
        lasting(Kind.DESCRIBE_DENIED, since=0), harmless="1 MiB a record is assumed, and puts go on; a warning says so"
    ),
    "no description of the stream arrives": Fault(
        fates(describe_failed=1.0), harmless="what was told at the start is still true, and puts go on"
    ),
    "the schema registry is down": Fault(newly_written(lasting(Kind.REGISTRY_DOWN)), NOTHING_SENT, DECODING),
    "the schema registry fails": Fault(newly_written(fates(registry_failed=1.0)), NOTHING_SENT, DECODING),
    "a shard is throttled": Fault(lasting(Kind.SHARD_HOT), UNLANDED, TWO_KEYS, TRIED_AGAIN),
    "a shard is throttled, and memory is full": Fault(lasting(Kind.SHARD_HOT), UNLANDED, LITTLE_ROOM, TRIED_AGAIN),
    "each request is throttled": Fault(fates(throttled=1.0), UNLANDED, plays=TRIED_AGAIN),
    "each entry is throttled": Fault(fates(entry_throttled=1.0), UNLANDED, TWO_KEYS, TRIED_AGAIN),
    "three entries of ten are throttled": Fault(
        fates(entry_throttled=0.3), harmless="the others land, and those the next time: nothing waits for long"
    ),
    "each entry fails": Fault(
        fates(entry_failed=1.0), {"DokaPossibleDuplicates": 1, **UNLANDED}, TWO_KEYS, plays=TRIED_AGAIN
    ),
    "each entry is refused with what nobody knows": Fault(
        fates(entry_unheard=1.0), {"DokaPartitionStuck": 3, **UNLANDED, "DokaNotReady": 6}, plays=TRIED_AGAIN
    ),
    "requests never leave": Fault(fates(unsent=1.0), BLOCKED),
    "connections are reset before the request": Fault(fates(reset_before=1.0), UNANSWERED),
    "connections are reset behind the request": Fault(fates(reset_after=1.0), UNANSWERED),
    "requests vanish": Fault(fates(vanished=1.0), TIMED_OUT),
    "answers are lost": Fault(fates(answer_lost=1.0), TIMED_OUT),
    "three answers of ten are lost": Fault(fates(answer_lost=0.3), {"DokaPossibleDuplicates": 7}),
    "answers are garbled": Fault(fates(garbled=1.0), UNANSWERED),
    "requests arrive late": Fault(
        fates(late=1.0),
        {"DokaPossibleDuplicates": 1, "DokaRecordUnsettled": 57},
        plays=LASTS,
    ),
    "the service fails before it lands": Fault(fates(failed_before=1.0), UNANSWERED),
    "the service fails when all has landed": Fault(fates(failed_after=1.0), UNANSWERED),
    "a box on the way says answers twice": Fault(fates(repeated=1.0), UNANSWERED),
    "requests land in another order": Fault(
        fates(reordered=1.0), harmless="a request has one record of a key, so no key is out of order"
    ),
    "requests with several records of a key land in another order": Fault(
        fates(reordered=1.0), {"DokaOrderBreaks": 1}, ONE_KEY_SHARED
    ),
    "entries among several of a key are throttled": Fault(
        fates(entry_throttled=0.3), {"DokaOrderBreaks": 3}, ONE_KEY_SHARED
    ),
    # Poison and dead letters.
    "poison, and it blocks": Fault(written(*POISON), POISONED),
    "poison, and it is dropped": Fault(
        written(*POISON), {"DokaPoison": 1, "DokaRecordsDropped": 1}, replace(SELDOM, on_poison=OnPoison.DROP)
    ),
    "poison, and it becomes a letter": Fault(written(*POISON), {"DokaPoison": 1}, TO_LETTERS),
    "a record is too large": Fault(written(*TOO_LARGE), POISONED),
    "no letter can be sent": Fault(written(*POISON, besides=lasting(Kind.LETTERS_DOWN)), NO_LETTER, TO_LETTERS),
    "letters are refused": Fault(written(*POISON, besides=fates(letter_refused=1.0)), NO_LETTER, TO_LETTERS),
    "a letter is refused once": Fault(
        written(*POISON, besides=lambda stage: stage.weather(BEGINS, BEGINS + 1.5, letter_refused=1.0)),
        {"DokaPoison": 1, "DokaLettersFail": 1},
        TO_LETTERS,
    ),
    "letters are not acknowledged": Fault(
        written(*POISON, besides=fates(letter_unacknowledged=1.0)), NO_LETTER, TO_LETTERS
    ),
    # Kafka.
    "all brokers are gone": Fault(lasting(Kind.BROKER_STALL), STANDING),
    "one broker cannot be reached": Fault(lasting(Kind.BROKER_UNREACHABLE, draw=1), STANDING),
    "a broker answers and brings nothing": Fault(
        lasting(Kind.PARTITION_STALL, draw=1),
        {"DokaPartitionStuck": 4, "DokaDataWaits": 6, "DokaDataLate": 6, "DokaNotReady": 7},
    ),
    "the coordinator does not answer": Fault(
        lasting(Kind.COORDINATOR_FROZEN), {"DokaCommitsFail": 5, "DokaNotReady": 6}
    ),
    "the coordinator does not answer, and there is nothing to commit": Fault(
        lasting(Kind.COORDINATOR_FROZEN), {"DokaNotReady": 6}, IDLE
    ),
    "the group lets it in no more": Fault(
        lasting(Kind.GROUP_REFUSED), {"DokaGone": 3, "DokaNotReady": 5, "DokaPartitionsUnowned": 11}
    ),
    "the group never lets it in": Fault(
        lasting(Kind.GROUP_REFUSED, since=0),
        {"DokaGone": 3, "DokaNotReady": 6, "DokaPartitionsUnowned": 11},
        begins=0,
    ),
    "a member that nobody scrapes has taken a partition": Fault(
        once(Kind.REBALANCE, LASTS + 60, draw=1), {"DokaPartitionsUnowned": 11}
    ),
    "the group declares it dead again and again": Fault(again(Kind.EXPELLED, every=50), {"DokaDeclaredDead": 2}),
    "the group takes partitions again and again": Fault(
        again(Kind.REBALANCE, every=50, seconds=25, draw=1), {"DokaGroupRestless": 17}, plays=TRIED_AGAIN
    ),
    "the topic is gone": Fault(lasting(Kind.TOPIC_MISSING), STANDING),
    "the topic may not be read": Fault(lasting(Kind.TOPIC_REFUSED), STANDING),
    "a topic appears that a pattern brings": Fault(
        once(Kind.TOPIC_APPEARS), plan=PATTERNED, harmless="it is found within a minute, and read from its first record"
    ),
    "a partition is added": Fault(
        once(Kind.PARTITION_ADDED), plan=PATTERNED, harmless="the group gives it to a member, which reads it whole"
    ),
    "a pattern brings more topics than its bound": Fault(
        once(Kind.TOPIC_APPEARS), {"DokaNotReady": 6}, replace(PATTERNED, topics_max=1)
    ),
    "a transaction stays open": Fault(
        lasting(Kind.TRANSACTION_OPEN, draw=1),
        {"DokaDataWaits": 6, "DokaDataLate": 6, "DokaPartitionStuck": 18, "DokaNotReady": 21},
    ),
    "a quota lets nearly nothing through": Fault(
        lasting(Kind.QUOTA, draw=59),
        {"DokaKafkaThrottles": 1, "DokaPartitionStuck": 3, "DokaDataWaits": 11, "DokaDataLate": 11, "DokaNotReady": 11},
    ),
    "a quota takes an eighth of the time": Fault(lasting(Kind.QUOTA), {"DokaKafkaThrottles": 7}),
    "commits are refused": Fault(fates(commit_refused=1.0), {"DokaCommitsFail": 1}),
    "three commits of ten are refused": Fault(fates(commit_refused=0.3), {"DokaCommitsFail": 10}),
    "commits vanish": Fault(fates(commit_vanished=1.0), {"DokaCommitsFail": 5}),
    "commits are stored and never answered": Fault(fates(commit_unanswered=1.0), {"DokaCommitsFail": 5}),
    "retention overtook the group, and it blocks": Fault(
        trimmed,
        {"DokaRecordsLeftTheLog": 3, "DokaPartitionStuck": 5, "DokaDataWaits": 5, "DokaDataLate": 5, "DokaNotReady": 6},
    ),
    "retention overtook the group, and it goes on": Fault(
        trimmed, {"DokaRecordsLeftTheLog": 3}, replace(SELDOM, on_gap=OnGap.CONTINUE)
    ),
    "the topic was made anew, and it blocks": Fault(
        recreated,
        {
            "DokaRecordsLeftTheLog": 1,
            "DokaPartitionStuck": 3,
            "DokaNotReady": 6,
            "DokaDataWaits": 18,
            "DokaDataLate": 18,
        },
    ),
    "the topic was made anew, and it goes on": Fault(
        recreated, {"DokaRecordsLeftTheLog": 1}, replace(SELDOM, on_gap=OnGap.CONTINUE)
    ),
    "a batch cannot be read, and it blocks": Fault(
        lasting(Kind.BATCH_UNREADABLE, draw=1),
        {"DokaUnreadable": 3, "DokaPartitionStuck": 5, "DokaDataWaits": 6, "DokaDataLate": 6, "DokaNotReady": 7},
    ),
    "a batch cannot be read, and it goes on": Fault(
        lasting(Kind.BATCH_UNREADABLE, draw=1),
        {"DokaUnreadable": 3},
        replace(SELDOM, on_unreadable=OnUnreadable.CONTINUE),
    ),
    # The process.
    "the process is suspended": Fault(lasting(Kind.SUSPENDED), {"DokaGone": 2}),
    "the loop hangs": Fault(lambda stage: stage.hang(BEGINS, BEGINS + LASTS + 60), {"DokaHangs": 1}),
    "the loop hangs for half an hour": Fault(lambda stage: stage.hang(BEGINS, BEGINS + 1_800), {"DokaHangs": 1}),
    "the process is killed each two minutes": Fault(again(Kind.CRASH, every=120), {"DokaRestarts": 5}),
    "the Kafka client fails for good each two minutes": Fault(
        again(Kind.CONSUMER_DEAD, every=120), {"DokaRestarts": 5}
    ),
    "each process dies at once": Fault(dying_at_once, {"DokaGone": 3}, replace(SELDOM, restart=60 * NS_PER_SECOND)),
    "the process is killed, and nobody starts it": Fault(
        once(Kind.CRASH), {"DokaGone": 3}, replace(SELDOM, restart=10**14)
    ),
}
