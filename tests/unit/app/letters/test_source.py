"""The source of a resend: what it gives, what it commits, and when it ends; for any history of resends."""

from __future__ import annotations

import errno
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doka.adapters.kafka.not_told import NotToldError
from doka.app.letters.source import WAITS_FOR_OTHERS_NS
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, GapFound, RecordsFetched, SourceFailed
from doka.domain.letters import resent
from doka.domain.limits import NS_PER_SECOND
from tests.unit.app.letters.planted import BUGS, Plant
from tests.unit.app.letters.world import CODES, DEAD, Kafka, Machine, Member, history

P0, P1 = DEAD
SEEDS = 200


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_each_letter_lands_and_only_a_kill_repeats_one(seed: int) -> None:
    """Whoever chooses what, is refused a commit, or is killed."""
    assert [] == history(seed)


@pytest.mark.parametrize("plant", BUGS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a few hundred histories."""
    plant(monkeypatch)

    def wrong(seed: int) -> bool:
        try:
            return history(seed) != []
        except AssertionError:
            return True

    assert any(map(wrong, range(SEEDS)))


def given_letters(**codes: str) -> Kafka:
    """Give letters by a sign each: n, r, v, and a dot for what is no letter."""
    signs = {"n": CODES[0], "r": CODES[1], "v": CODES[2], ".": None}
    kafka = Kafka()
    for partition, name in ((P0, "p0"), (P1, "p1")):
        kafka.codes[partition] = [signs[sign] for sign in codes.get(name, "")]
    return kafka


def test_two_at_once_share_the_partitions_and_send_each_letter_once() -> None:
    """One takes over what the group takes from the other, and knows what that has sent; both end."""
    kafka = given_letters(p0="nrnrnrnr", p1="rrnn")
    rng = Random(7)
    first = Machine(kafka, rng, CODES[:1], Member(kafka, rng))
    second = Machine(kafka, rng, CODES, Member(kafka, rng, ()))
    first.source.open(first)
    second.source.open(second)
    for _ in range(3):
        first.step()
    first.member.take(frozenset({P0}))
    second.member.give([P0])
    for _ in range(400):
        first.step()
        second.step()
        if first.ended and second.ended:
            break
    assert {1} == set((first.landed + second.landed).values())
    assert set(range(8)) == {offset for p, offset in first.landed + second.landed if p == P0}
    assert {2, 3} == {offset for p, offset in first.landed if p == P1}
    assert {P0: (8, ""), P1: (0, "CC")} == kafka.commits


def test_one_that_gets_no_partition_waits_for_a_moment_and_ends() -> None:
    """Another resend has them all; only once the group has answered does waiting count."""
    kafka = given_letters(p0="n")
    machine = Machine(kafka, Random(1), CODES, Member(kafka, Random(1), ()))
    machine.source.open(machine)
    machine.clock.pass_seconds(2 * WAITS_FOR_OTHERS_NS / NS_PER_SECOND)
    machine.source.fetch(1, 0)
    assert [] == list(machine.inbox.drain())
    machine.source.status()
    machine.source.fetch(1, 0)
    assert [] == list(machine.inbox.drain())
    machine.clock.pass_seconds(WAITS_FOR_OTHERS_NS / NS_PER_SECOND)
    machine.source.fetch(1, 0)
    assert 1 == len(list(machine.inbox.drain()))


def test_a_receipt_that_cannot_be_written_ends_it_before_the_commit() -> None:
    """A letter that counts as done has its receipt."""
    kafka = given_letters(p0="nn")
    machine = Machine(kafka, Random(1), CODES)
    machine.source.open(machine)
    machine.source.fetch(10, 0)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "sent.jsonl")

    machine.out.flush = full  # type: ignore[method-assign] # a disk that is full
    machine.source.commit(CommitOffsets(1, {P0: 2}))
    why = "receipts cannot be written to sent.jsonl: No space left on device"
    assert [CommitAnswered(1, why), SourceFailed(why)] == machine.source.fetch(10, 0)[:2]
    assert {} == kafka.commits


def test_what_cannot_be_noted_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that says less than is so goes to Kafka."""
    monkeypatch.setattr(resent, "NOTE_CHARACTERS_MAX", 1)
    kafka = given_letters(p0="rnrn")
    machine = Machine(kafka, Random(1), CODES[:1])
    machine.source.open(machine)
    machine.source.fetch(10, 0)
    machine.source.commit(CommitOffsets(1, {P0: 4}))
    assert any(isinstance(event, SourceFailed) for event in machine.source.fetch(10, 0))
    assert {} == kafka.commits


def test_it_sends_nothing_where_nobody_says_what_was_sent() -> None:
    """The failure comes before the first record."""
    kafka = given_letters(p0="nn")
    machine = Machine(kafka, Random(1), CODES)

    def silent(_partitions: object) -> dict[object, object]:
        raise NotToldError("Kafka did not answer as it should")

    machine.source._resent_of = silent  # type: ignore[assignment]
    machine.source.open(machine)
    found = machine.source.fetch(10, 0)
    assert SourceFailed("Kafka did not answer as it should") == found[0]
    assert [] == [event for event in found if isinstance(event, RecordsFetched)]


def test_what_retention_took_is_no_longer_left() -> None:
    """It is told as a gap, and the commit does not wait for it."""
    kafka = given_letters(p0="rrnr")
    machine = Machine(kafka, Random(1), CODES[:1])
    machine.source.open(machine)
    gap = GapFound(P0, expected=0, log_start=2, log_end=4)
    machine.member.answers.append(gap)
    machine.member.next[P0] = 2
    assert gap in machine.source.fetch(10, 0)
    machine.source.commit(CommitOffsets(1, {P0: 3}))
    assert {P0: (3, "")} == kafka.commits


def test_a_long_rest_serves_the_group() -> None:
    """A record that is paid for minutes must not let the member be expelled: it is polled, and delivers nothing."""
    kafka = given_letters(p0="nn")
    machine = Machine(kafka, Random(1), CODES)
    paused: list[object] = []
    machine.member.pause = paused.append  # type: ignore[assignment,method-assign] # to see it
    machine.source.open(machine)
    machine.source._pace.spent(10_000_000, 0, machine.clock.now())
    machine.member.answers.append(CommitAnswered(7, "REFUSED"))
    machine.member.next.clear()
    machine.source.fetch(10, 100)
    assert ([frozenset(DEAD)], [CommitAnswered(7, "REFUSED")]) == (paused, list(machine.source.fetch(10, 100)))
