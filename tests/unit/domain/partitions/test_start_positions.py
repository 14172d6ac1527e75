from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from doka.domain.events import GapFound
from doka.domain.partitions.start_positions import (
    Birth,
    Committed,
    LogEdge,
    Sight,
    StartFrom,
    birth_of,
    gap_at,
    metadata_of,
    note_in,
    start_of,
    topic_id_in,
    topics_to_ask,
)
from doka.domain.records import TopicPartition

NEW = TopicPartition("orders", 2)
OLD = TopicPartition("orders", 0)
ELSEWHERE = TopicPartition("payments", 0)
NOON_MS = 1_795_348_800_000


@pytest.mark.parametrize("start_from", [LogEdge.EARLIEST, LogEdge.LATEST, NOON_MS])
def test_a_topic_without_commits_begins_where_the_operator_says(start_from: StartFrom) -> None:
    """Where the group has nothing on the topic, `start_from` decides, whatever it has on other topics."""
    assert start_from == start_of(NEW, {ELSEWHERE: Committed(9)}, start_from)


@pytest.mark.parametrize("start_from", [LogEdge.EARLIEST, LogEdge.LATEST, NOON_MS])
def test_a_partition_beside_committed_ones_is_new(start_from: StartFrom) -> None:
    """A partition that was added after the group began is read from its beginning: nobody owned it before."""
    assert start_of(NEW, {OLD: Committed(9)}, start_from) is LogEdge.EARLIEST


def test_members_that_start_together_share_the_birth() -> None:
    """A partition that existed at the group's birth begins at that moment, not at the beginning of the log."""
    born = Birth(at_ms=NOON_MS, partitions=3)

    assert start_of(NEW, {OLD: Committed(9, born)}, LogEdge.LATEST) == NOON_MS


def test_a_partition_newer_than_the_birth_is_read_whole() -> None:
    """A partition that did not exist at the group's birth is read from its beginning, birth or not."""
    born = Birth(at_ms=NOON_MS, partitions=2)

    assert start_of(NEW, {OLD: Committed(9, born)}, LogEdge.LATEST) is LogEdge.EARLIEST


def test_the_earliest_of_several_births_counts() -> None:
    """Clocks of hosts differ; the earliest birth skips nothing."""
    group = {
        OLD: Committed(9, Birth(NOON_MS + 5, 3)),
        TopicPartition("orders", 1): Committed(9, Birth(NOON_MS, 3)),
    }

    assert start_of(NEW, group, LogEdge.LATEST) == NOON_MS


def test_a_topics_id_survives_the_commit_metadata_with_or_without_a_birth() -> None:
    """It stands beside the birth; what has none, or is another tool's, has no id."""
    born = Birth(NOON_MS, 3)
    both = metadata_of(born, "MCwTTIUBSyybYE2GhNlyNw")
    assert (born, "MCwTTIUBSyybYE2GhNlyNw") == (Birth.parse(both), topic_id_in(both))
    alone = metadata_of(None, "a-_Z")
    assert (None, "a-_Z") == (Birth.parse(alone), topic_id_in(alone))
    assert (str(born), None) == (metadata_of(born, None), metadata_of(None, None))
    assert [None] * 5 == [topic_id_in(other) for other in (None, "", str(born), "doka:topic=x y", "doka:topic=a:b")]


@given(st.text(string.ascii_letters + string.digits + "+/-_=", min_size=1, max_size=64))
@example("489MQZ3jS/2ud0Te06HNGw")
@example("TOma1vqSTTykdG+2Xwv1Cw==")
def test_no_letter_that_an_id_may_have_hides_it_or_the_birth_beside_it(topic_id: str) -> None:
    """Kafka's own tools write one alphabet of Base64 and librdkafka the other, in which half of all ids hold + or /."""
    for born in (Birth(NOON_MS, 3), None):
        metadata = metadata_of(born, topic_id)
        assert (born, topic_id) == (Birth.parse(metadata), topic_id_in(metadata))


def test_a_birth_survives_the_commit_metadata() -> None:
    """What is written into a commit is read from it again."""
    born = Birth(at_ms=NOON_MS, partitions=12)

    assert born == Birth.parse(str(born))


@pytest.mark.parametrize("metadata", [None, "", "somebody else's", "doka:born=x:partitions=1", "doka:born=1"])
def test_other_metadata_holds_no_birth(metadata: str | None) -> None:
    """A commit of another tool says nothing about a birth, and never fails to be read."""
    assert Birth.parse(metadata) is None


def test_a_group_from_the_beginning_needs_no_birth() -> None:
    """From the beginning of the log, new and old partitions begin alike."""
    assert birth_of(LogEdge.EARLIEST, NOON_MS, 3) is None


def test_a_birth_is_now_or_the_time_that_was_asked_for() -> None:
    """With `latest` a group is born when it begins, with a timestamp at that time."""
    assert Birth(NOON_MS, 3) == birth_of(LogEdge.LATEST, NOON_MS, 3)
    assert Birth(1_000, 3) == birth_of(1_000, NOON_MS, 3)


def test_only_topics_with_an_unknown_partition_are_asked() -> None:
    """The other partitions of a topic matter only where one of its wanted partitions has no commit."""
    assert frozenset({"orders"}) == topics_to_ask([NEW, ELSEWHERE], {ELSEWHERE: Committed(1)})


@pytest.mark.parametrize(("expected", "gap"), [(9, True), (10, False), (15, False), (20, False), (21, True)])
def test_a_position_outside_the_log_is_a_gap(expected: int, gap: bool) -> None:  # noqa: FBT001 - a table
    """Below the start records are gone, above the end it is another log; both ends themselves are fine."""
    wanted = GapFound(NEW, expected, 10, 20) if gap else None

    assert wanted == gap_at(NEW, expected, log_start=10, log_end=20)


@pytest.mark.parametrize("birth", [None, Birth(NOON_MS, 3)])
@pytest.mark.parametrize("topic_id", [None, "a-_Z="])
def test_a_note_stands_beside_what_a_commit_says_already(birth: Birth | None, topic_id: str | None) -> None:
    """Each is read by itself; where there is none nothing is."""
    metadata = metadata_of(birth, topic_id, "B-_9")
    assert (birth, topic_id, "B-_9") == (Birth.parse(metadata), topic_id_in(metadata), note_in(metadata))
    assert [None] * 3 == [note_in(other) for other in (None, "else", metadata_of(birth, topic_id))]


BESIDE = Sight(beside=frozenset({"payments"}))


@pytest.mark.parametrize("start_from", [LogEdge.EARLIEST, LogEdge.LATEST, NOON_MS])
def test_a_topic_that_appeared_is_read_whole(start_from: StartFrom) -> None:
    """All in it was written after this process first looked."""
    assert start_of(NEW, {}, start_from, Sight(newcomer=True)) is LogEdge.EARLIEST


@pytest.mark.parametrize("start_from", [LogEdge.EARLIEST, LogEdge.LATEST, NOON_MS - 9])
def test_a_topic_beside_others_that_the_group_read_before_is_read_whole(start_from: StartFrom) -> None:
    """The group had begun with the pattern before this process looked, so it may be newer than the group's first look.

    Whenever that was by somebody's clock.
    """
    for born in (None, Birth(NOON_MS - 9, 3), Birth(NOON_MS, 3), Birth(NOON_MS << 1, 3)):
        assert start_of(NEW, {ELSEWHERE: Committed(9, born)}, start_from, BESIDE) is LogEdge.EARLIEST


def test_members_that_start_together_share_the_birth_of_a_patterns_topics() -> None:
    """Who had looked before the group was born saw the topic then: it begins at that moment."""
    unborn = replace(BESIDE, unborn=True)

    assert start_of(NEW, {ELSEWHERE: Committed(9, Birth(NOON_MS, 3))}, LogEdge.LATEST, unborn) == NOON_MS
    assert start_of(NEW, {ELSEWHERE: Committed(9)}, LogEdge.LATEST, unborn) is LogEdge.EARLIEST


def test_a_topic_of_another_pattern_tells_nothing() -> None:
    """Commits on topics that are not beside it are no history of it."""
    sight = Sight(beside=frozenset({"returns"}))

    assert start_of(NEW, {ELSEWHERE: Committed(9)}, LogEdge.LATEST, sight) is LogEdge.LATEST


def test_commits_on_the_topic_itself_come_before_those_beside_it() -> None:
    """As without a pattern."""
    group = {OLD: Committed(9, Birth(NOON_MS - 1, 3)), ELSEWHERE: Committed(9)}

    assert start_of(NEW, group, LogEdge.LATEST, BESIDE) == NOON_MS - 1
