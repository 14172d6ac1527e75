"""What is said of the records that stand in Kafka: an end that is believed or left out, an age that grows, a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.log_watch import (
    BROKER_UNREACHABLE,
    END_TRUSTED_NS,
    MARKS_MAX,
    NOT_DELIVERED,
    NOTHING_COMES_NS,
    OPEN_TRANSACTION,
    THROTTLED,
    THROTTLED_NS,
    TRANSACTION_NS,
    LogWatch,
)
from doka.domain.status import LogStatus

SECOND = NS_PER_SECOND


class Scene:
    """A partition whose broker tells the end of its log each ten seconds, until it does not any more."""

    def __init__(self) -> None:
        self.watch = LogWatch()
        self.now = 1_000 * SECOND
        self.watermark = 0
        self.log = LogStatus(0, self.now, broker="broker 3 (b3:9092)")
        self.answers = True
        self.look()

    def look(self) -> None:
        """Look, as is done once a second."""
        told_at = self.log.told_at
        if self.answers and (told_at is None or self.now - told_at >= 10 * SECOND):
            self.log = replace(self.log, told_at=self.now)
        self.watch.look(self.now, self.watermark, self.log)

    def pass_seconds(self, seconds: int) -> None:
        """Let time pass, with a look at each second."""
        for _ in range(seconds):
            self.now += SECOND
            self.look()

    def told(self, end: int) -> None:
        """Let the broker tell another end, now."""
        self.log = replace(self.log, end=end, told_at=self.now)
        self.look()

    @property
    def waiting(self) -> float | None:
        """Seconds for which something has waited in Kafka."""
        waits = self.watch.waiting(self.now, held=None)
        return None if waits is None else waits / SECOND

    def reason(self, *, brings_nothing: bool = True) -> str | None:
        """The word for what it waits for."""
        stuck = self.watch.stuck(self.now, brings_nothing=brings_nothing)
        return None if stuck is None else stuck.reason


def test_all_that_is_there_has_settled() -> None:
    """At the end of its log nothing waits, for as long as its broker says so."""
    scene = Scene()
    scene.pass_seconds(120)
    assert (0, 0.0, None) == (scene.watch.end, scene.waiting, scene.reason())


def test_what_waits_grows_older() -> None:
    """Records that come while nothing is fetched have waited since the watermark was last at the end, at most.

    An end that is told again is remembered once.
    """
    scene = Scene()
    scene.pass_seconds(10)
    scene.log = replace(scene.log, end=500)
    scene.pass_seconds(40)
    assert (500, 40.0, 1) == (scene.watch.end, scene.waiting, len(scene.watch._marks))


def test_steady_traffic_is_not_old() -> None:
    """A watermark that never meets the end of the log, and passes each one soon, is as late as that."""
    scene = Scene()
    for _ in range(300):
        scene.now += SECOND
        scene.watermark = max(scene.watermark, (scene.log.end or 0) - 50)  # the records of half a second
        scene.told((scene.log.end or 0) + 100)
    assert (2.0, None) == (scene.waiting, scene.reason(brings_nothing=False))


def test_an_end_that_is_old_is_not_told() -> None:
    """A broker that says nothing any more: its end is left out, the wait grows from what it said last, and it is named."""
    scene = Scene()
    scene.pass_seconds(10)
    scene.answers = False
    scene.pass_seconds(END_TRUSTED_NS // SECOND)
    assert (0, 0.0, None) == (scene.watch.end, scene.waiting, scene.reason())
    scene.pass_seconds(1)
    assert (None, 26.0, BROKER_UNREACHABLE) == (scene.watch.end, scene.waiting, scene.reason())
    stuck = scene.watch.stuck(scene.now, brings_nothing=True)
    assert stuck is not None
    assert "broker 3 (b3:9092) cannot be reached: it has told nothing of this partition for 26 s" == stuck.sentence
    scene.answers = True
    scene.pass_seconds(1)
    assert (0, 0.0, None) == (scene.watch.end, scene.waiting, scene.reason())


def test_a_broker_that_never_said_anything_is_named() -> None:
    """From the assignment on it has as long as any other."""
    scene = Scene()
    scene.log, scene.answers = LogStatus(), False
    scene.watch = LogWatch()
    scene.look()
    assert (None, 0.0, None) == (scene.watch.end, scene.waiting, scene.reason())
    scene.pass_seconds(26)
    assert (None, 26.0, BROKER_UNREACHABLE) == (scene.watch.end, scene.waiting, scene.reason())


def test_a_source_that_says_nothing_of_a_partition_lets_nothing_be_said() -> None:
    """Without a word of the log there is no figure, but that of the records that are held."""
    watch = LogWatch()
    assert watch.waiting(5, held=None) is None
    watch.look(5, 0, None)
    assert (None, None, None) == (watch.end, watch.waiting(5, held=None), watch.stuck(5, brings_nothing=True))
    assert watch.waiting(5, held=3) == 3


def test_a_record_that_is_held_may_be_older_than_what_is_known_of_the_log() -> None:
    """The wait is that of the oldest record, wherever it is."""
    scene = Scene()
    assert 7 * SECOND == scene.watch.waiting(scene.now, held=7 * SECOND)


def test_the_times_are_those_of_the_page() -> None:
    """What docs/failure-modes.md promises, in seconds; the first is the broker's own transaction.max.timeout.ms."""
    assert [900, 30, 60, 25] == [
        each / SECOND for each in (TRANSACTION_NS, THROTTLED_NS, NOTHING_COMES_NS, END_TRUSTED_NS)
    ]


@pytest.mark.parametrize(
    ("changes", "after", "reason"),
    [
        ({}, NOTHING_COMES_NS, NOT_DELIVERED),
        ({"open_from": 0}, TRANSACTION_NS, OPEN_TRANSACTION),
        ({"throttled_until": 1 << 62}, THROTTLED_NS, THROTTLED),
        ({"open_from": 400}, NOTHING_COMES_NS, NOT_DELIVERED),
        ({"throttled_until": 0}, NOTHING_COMES_NS, NOT_DELIVERED),
    ],
    ids=["nobody knows", "open transaction", "quota", "a transaction further up", "a quota that is over"],
)
def test_what_it_waits_for(changes: dict[str, int], after: int, reason: str) -> None:
    """Records in Kafka that do not come are explained, each cause after the time that it may lawfully take."""
    scene = Scene()
    scene.pass_seconds(10)
    scene.log = replace(scene.log, end=500, **changes)  # type: ignore[arg-type]  # fields of LogStatus
    scene.pass_seconds(after // SECOND)
    assert scene.reason() is None
    scene.pass_seconds(1)
    assert (reason, None) == (scene.reason(), scene.reason(brings_nothing=False))
    scene.watermark = 100
    scene.look()
    assert scene.reason() is None


def test_another_log_under_the_same_name_is_believed() -> None:
    """An end below an earlier one is that of a new log; the old ends are not waited for."""
    scene = Scene()
    scene.pass_seconds(10)
    scene.told(500)
    scene.pass_seconds(10)
    scene.told(3)
    scene.watermark = 3
    scene.pass_seconds(1)
    assert (3, 0.0) == (scene.watch.end, scene.waiting)


def test_what_is_kept_is_bounded_and_never_calmer_than_the_truth() -> None:
    """However long a partition stands still, few ends are kept: a wait is told too long by a thirtieth of the longest.

    It is never told too short; and how old the clock is makes no difference.
    """
    scene = Scene()
    scene.now *= 100
    scene.told(0)
    kept = set[int]()
    for _ in range(5_000):
        scene.now += SECOND
        scene.told((scene.log.end or 0) + 1)
        kept.add(len(scene.watch._marks))
    assert MARKS_MAX == max(kept)
    assert 5_000.0 == scene.waiting
    scene.watermark = 4_000
    scene.look()
    waiting = scene.waiting
    assert waiting is not None
    assert 1_000.0 <= waiting <= 1_000.0 + 5_000.0 / 30


@pytest.mark.parametrize(
    ("gone", "moved", "waiting"),
    [(50, 1, 91.0), (61, 1, 1.0), (61, 0, 102.0)],
    ids=["for a moment", "for long", "for long, and nobody moved it on"],
)
def test_a_partition_that_comes_back_soon_has_the_wait_that_it_had(gone: int, moved: int, waiting: float) -> None:
    """A rebalance does not make what waits young, nor a long one without an owner; its broker has as long as any other."""
    scene = Scene()
    scene.pass_seconds(10)
    scene.log = replace(scene.log, end=500)
    scene.pass_seconds(40)
    scene.now += gone * SECOND
    scene.watch = scene.watch.taken_over(scene.watermark + moved)
    scene.log, scene.answers = LogStatus(), False
    scene.look()
    scene.pass_seconds(1)
    assert (waiting, None) == (scene.waiting, scene.reason())
