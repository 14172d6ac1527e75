from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from confluent_kafka import KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.commits import SentCommits
from doka.adapters.kafka.membership import Membership
from doka.adapters.kafka.starting import Starts, StartUnknownError
from doka.domain.partitions.start_positions import Birth
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import Listener
from tests.unit.adapters.kafka.scripted import P0, P1, ScriptedConsumer

ELSEWHERE = TopicPartition("orders", 9)


class KnownStarts:
    """Knows where partitions start, or that it cannot know."""

    def __init__(self, positions: Mapping[TopicPartition, int], fresh: frozenset[TopicPartition]) -> None:
        self.positions = positions
        self.fresh = fresh
        self.error: Exception | None = None

    def find(self, _consumer: object, partitions: Sequence[TopicPartition]) -> Starts:
        if self.error is not None:
            raise self.error
        found = {partition: self.positions[partition] for partition in partitions}
        return Starts(found, self.fresh.intersection(found), {P1: Birth(1, 2)})


class Rig:
    """A membership with a scripted client: partition 0 was committed at 5, partition 1 is new and starts at 7."""

    def __init__(self) -> None:
        self.listener = Listener()
        self.consumer = ScriptedConsumer()
        self.commits = SentCommits(note=lambda _: None)
        self.starting = KnownStarts({P0: 5, P1: 7}, frozenset({P1}))
        stand_in: Any = self.starting
        self.members = Membership(self.listener, stand_in, self.commits)

    def call(self, callback: Callable[[Any, list[KafkaPartition]], None], *partitions: TopicPartition) -> None:
        """Call one of the three callbacks as the client does."""
        callback(self.consumer, [KafkaPartition(*partition) for partition in partitions])

    def send_starts(self) -> None:
        """Send what the group still lacks; nothing, where it lacks nothing."""
        self.commits.send_starts(cast("Any", self.consumer))

    def owning(self) -> Rig:
        """Own both partitions, and forget what was done for it."""
        self.call(self.members.assigned, P0, P1)
        self.consumer.deeds.clear()
        self.members.moved.clear()
        return self


def test_every_partition_begins_at_an_explicit_offset_and_resumed() -> None:
    """A new start is committed before anything is read, and a pause flag of an earlier ownership is taken away."""
    rig = Rig()
    rig.members.paused.add(P0)
    rig.call(rig.members.assigned, P0, P1)

    assert [("commit", {1: 7}), ("assign", [(0, 5), (1, 7)]), ("resume", [0, 1])] == rig.consumer.deeds
    assert ({P0: 5, P1: 7}, {P0, P1}, set()) == (rig.members.next_offsets, rig.members.moved, rig.members.paused)
    assert [{P0: 5, P1: 7}] == rig.listener.assigned


def test_an_empty_assignment_is_answered_too() -> None:
    """The group has let us in, though it gives nothing: the client waits for the answer, the listener for no word."""
    rig = Rig()
    rig.call(rig.members.assigned)

    assert ([("assign", [])], True, []) == (rig.consumer.deeds, rig.members.answered, rig.listener.assigned)


def test_a_start_that_cannot_be_found_assigns_nothing() -> None:
    """The error is kept, not raised into the client, and no partition is read from a guess."""
    rig = Rig()
    rig.starting.error = StartUnknownError("Kafka did not tell")
    rig.call(rig.members.assigned, P0)

    assert rig.starting.error is rig.members.error
    assert ([], {}, [], False) == (
        rig.consumer.deeds,
        rig.members.next_offsets,
        rig.listener.assigned,
        rig.members.inside,
    )


def test_the_listener_drains_before_anything_is_given_back() -> None:
    """While it does, the partition is still owned and nobody may fetch; then the client lets go of it."""
    rig = Rig().owning()
    seen: list[tuple[bool, bool, list[tuple[str, object]]]] = []
    rig.listener.on_revoked = lambda: seen.append(
        (P0 in rig.members.next_offsets, rig.members.inside, list(rig.consumer.deeds))
    )
    rig.call(rig.members.revoked, P0)

    assert [(True, True, [])] == seen
    assert ("unassign", [0]) == rig.consumer.deeds[-1]
    assert ({P1: 7}, {P0}, False) == (rig.members.next_offsets, rig.members.moved, rig.members.inside)


def test_a_listener_that_raises_still_gives_back() -> None:
    """An unanswered revoke would hold up the group; the first error is kept for the source."""
    rig = Rig().owning()
    first = KeyboardInterrupt()

    def fail() -> None:
        raise first

    rig.listener.on_revoked = fail
    rig.consumer.failing["unassign"] = KafkaError(KafkaError._STATE)
    rig.call(rig.members.revoked, P0)

    assert first is rig.members.error
    assert {P1: 7} == rig.members.next_offsets


def test_a_revoked_start_that_is_not_stored_goes_to_the_next_owner() -> None:
    """What the group refused is sent once more before the partition is given back."""
    rig = Rig()
    rig.consumer.failing["commit"] = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)
    rig.owning()
    rig.consumer.failing.clear()
    rig.call(rig.members.revoked, P1)
    rig.send_starts()

    assert [("commit", {1: 7}), ("unassign", [1])] == rig.consumer.deeds


def test_a_lost_partition_is_forgotten_and_nothing_is_committed() -> None:
    """It is somebody else's already: the listener hears that it is lost, not that it may drain."""
    rig = Rig().owning()
    rig.members.paused.add(P1)
    rig.call(rig.members.lost, P1)
    rig.send_starts()

    assert ([("unassign", [1])], [frozenset({P1})], []) == (
        rig.consumer.deeds,
        rig.listener.lost,
        rig.listener.revoked,
    )
    assert ({P0: 5}, set()) == (rig.members.next_offsets, rig.members.paused)


def test_a_revoke_of_what_is_not_owned_is_answered_without_a_drain() -> None:
    """The client wants its answer; the listener never heard of the partition."""
    rig = Rig().owning()
    rig.call(rig.members.revoked, ELSEWHERE)
    rig.call(rig.members.lost, ELSEWHERE)

    assert ([], [], [("unassign", [])] * 2) == (rig.listener.revoked, rig.listener.lost, rig.consumer.deeds)


def test_a_seek_moves_the_next_offset_of_an_owned_partition_alone() -> None:
    """The client is told the same place; of a partition that is not ours it is told nothing."""
    rig = Rig().owning()
    client: Any = rig.consumer
    rig.members.seek(client, P0, 3)
    rig.members.seek(client, ELSEWHERE, 3)

    assert ([("seek", (0, 3))], {P0: 3, P1: 7}) == (rig.consumer.deeds, rig.members.next_offsets)
    assert set() == rig.members.moved


def test_a_seek_inside_a_callback_marks_what_the_client_holds() -> None:
    """The records in its hand were read from the former place, so the source must drop them."""
    rig = Rig().owning()
    client: Any = rig.consumer
    rig.listener.on_revoked = lambda: rig.members.seek(client, P0, 3)
    rig.call(rig.members.revoked, P1)

    assert {P0, P1} == rig.members.moved


def test_a_seek_that_is_refused_becomes_a_new_beginning() -> None:
    """A partition whose fetching has ended is assigned anew at the place, paused if it was."""
    rig = Rig().owning()
    client: Any = rig.consumer
    rig.members.pause(client, [P0])
    rig.consumer.deeds.clear()
    rig.consumer.failing["seek"] = KafkaError(KafkaError._STATE)
    rig.members.seek(client, P0, 3)
    rig.members.seek(client, P1, 4)

    assert [
        ("unassign", [0]),
        ("assign", [(0, 3)]),
        ("pause", [0]),
        ("unassign", [1]),
        ("assign", [(1, 4)]),
        ("resume", [1]),
    ] == rig.consumer.deeds


def test_only_owned_partitions_are_paused_and_resumed() -> None:
    """The client would refuse the whole call for one partition that is not ours."""
    rig = Rig().owning()
    client: Any = rig.consumer
    rig.members.pause(client, [P0, ELSEWHERE])
    paused = set(rig.members.paused)
    rig.members.resume(client, [P0, ELSEWHERE])

    assert ({P0}, set()) == (paused, rig.members.paused)
    assert [("pause", [0]), ("resume", [0])] == rig.consumer.deeds
