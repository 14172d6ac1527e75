from __future__ import annotations

from itertools import count

import pytest

from doka.domain.commands import Command, SendLetter
from doka.domain.events import LetterAcknowledged, LetterRefused
from doka.domain.facts import LetterFailed, LetterStored, RecordsPoisoned
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import BACKOFF_FIRST_NS
from doka.domain.poison.quarantine import MINUTE_NS, Poison, Quarantine
from doka.domain.rules import OnPoison
from doka.domain.turn import Turn
from tests.unit.domain.builders import ORDERS, SECOND, Extras, held, leg, no_jitter, told

NOW = 100 * SECOND


@pytest.fixture
def owner() -> OffsetLedger:
    """Give what is held of an owned partition."""
    return leg().ledger


class Scene:
    """A quarantine, what it dropped and what it sent."""

    def __init__(self, policy: OnPoison, per_minute: int = 100) -> None:
        self.quarantine = Quarantine("orders", policy, per_minute, no_jitter)
        self.dropped: list[Poison] = []
        self.now = NOW
        self._numbers = count(1)

    def decide(self) -> list[Command]:
        """Let the policy have its way; give letters and facts."""
        turn = Turn()
        self.dropped += self.quarantine.decide(self.now, turn, lambda: next(self._numbers))
        return turn.commands

    def letters(self) -> list[SendLetter]:
        """Let the policy have its way; give the letters."""
        return [command for command in self.decide() if isinstance(command, SendLetter)]

    def refused(self, letter: int, code: str) -> list[Command]:
        """Refuse a letter."""
        return told(self.quarantine.refused, LetterRefused(letter, code), self.now)


def poison(owner: OffsetLedger, records: int = 1, attempts: int = 0) -> list[Poison]:
    """Make so much poison, of one chunk."""
    originals = [Extras(of_value=b"%d" % i) for i in range(records)]
    chunk = held(owner, ["bad"] * records, originals=originals)
    return [Poison(chunk, place, "RecordTooLarge", attempts) for place in range(records)]


def test_block_keeps_and_tells_once(owner: OffsetLedger) -> None:
    """With `block` nothing leaves; each record is told by place and code, once, however many there are."""
    scene = Scene(OnPoison.BLOCK, per_minute=1)
    scene.quarantine.take(poison(owner, 3))
    expected = [RecordsPoisoned("orders", ORDERS, i, "RecordTooLarge", "block") for i in range(3)]
    assert (expected, []) == (scene.decide(), scene.dropped)
    assert [] == scene.decide()
    assert scene.quarantine.overrun(NOW) is False


def test_drop_settles_and_counts(owner: OffsetLedger) -> None:
    """With `drop` each record is settled, and told."""
    scene = Scene(OnPoison.DROP)
    met = poison(owner, 2)
    scene.quarantine.take(met)
    expected = [RecordsPoisoned("orders", ORDERS, i, "RecordTooLarge", "drop") for i in range(2)]
    assert (expected, met) == (scene.decide(), scene.dropped)


def test_a_letter_carries_the_whole_record(owner: OffsetLedger) -> None:
    """A dead letter names where the record came from, why, and after how many tries, and carries it unchanged."""
    scene = Scene(OnPoison.DEAD_LETTER)
    met = poison(owner, 2, attempts=3)
    scene.quarantine.take(met[1:])
    assert [SendLetter(1, ORDERS, 1, Extras(of_value=b"1"), "RecordTooLarge", 3, "orders")] == scene.letters()
    assert 2 == owner.sent_to  # a drain may not forget it any more


def test_a_record_settles_when_its_letter_is_acknowledged(owner: OffsetLedger) -> None:
    """Not when it was sent: only the broker's word counts."""
    scene = Scene(OnPoison.DEAD_LETTER)
    met = poison(owner)
    scene.quarantine.take(met)
    scene.decide()
    assert (True, []) == (scene.quarantine.awaits(owner), scene.dropped)
    turn = Turn()
    settled = scene.quarantine.acknowledged(LetterAcknowledged(1), turn)
    assert (met[0], [LetterStored("orders", ORDERS, 0, "RecordTooLarge")]) == (settled, turn.commands)
    assert scene.quarantine.awaits(owner) is False


def test_a_refused_letter_goes_again_for_as_long_as_it_takes(owner: OffsetLedger) -> None:
    """A broker that is down makes a record wait, never drops it, and the waits grow."""
    scene = Scene(OnPoison.DEAD_LETTER)
    scene.quarantine.take(poison(owner))
    scene.decide()
    waits: list[int] = []
    for letter in range(1, 30):
        (failed,) = scene.refused(letter, "_MSG_TIMED_OUT")
        assert isinstance(failed, LetterFailed)
        assert [] == scene.decide()
        waits.append(failed.retry_in)
        assert scene.now + waits[-1] == scene.quarantine.next_wake(scene.now)
        scene.now += waits[-1]
        assert [letter + 1] == [again.letter for again in scene.letters()]
    assert waits == sorted(waits)
    assert waits[0] < BACKOFF_FIRST_NS < waits[-1]


def test_a_stopped_lane_is_told_by_place_and_word(owner: OffsetLedger) -> None:
    """Poison that stays, a letter that is not stored, a code that nobody knows: each names the offset and the code."""
    scene = Scene(OnPoison.BLOCK)
    assert scene.quarantine.stopped_lane(owner, NOW) is None
    chunk = held(owner, "ab", 7)
    owner.append(chunk)
    scene.quarantine.note_unknown(chunk, 1, "NewError", NOW)
    told = scene.quarantine.stopped_lane(owner, NOW)
    assert told is not None
    assert ("unknown_code", True) == (
        told.reason,
        "offset 8 is refused, and nobody knows why (NewError)" in told.sentence,
    )
    scene.quarantine.take(poison(owner))
    scene.decide()
    told = scene.quarantine.stopped_lane(owner, NOW)
    assert told is not None
    assert ("poison", True) == (told.reason, "offset 0 can never land (RecordTooLarge)" in told.sentence)
    assert scene.quarantine.stopped_lane(leg().ledger, NOW) is None


def test_an_unknown_code_is_told_for_as_long_as_it_comes_again(owner: OffsetLedger) -> None:
    """The lowest offset is told; one that is not refused again, or is settled, is not told any longer."""
    quarantine = Scene(OnPoison.BLOCK).quarantine
    chunk = held(owner, "abc")
    owner.append(chunk)
    for place in (1, 0, 2):
        quarantine.note_unknown(chunk, place, f"Error{place}", NOW)

    def told(now: int) -> str | None:
        stopped = quarantine.stopped_lane(owner, now)
        return None if stopped is None else stopped.sentence

    assert "Error0" in (told(NOW + MINUTE_NS) or "")
    assert told(NOW + 2 * MINUTE_NS) is None
    quarantine.note_unknown(chunk, 2, "Error2", NOW + 2 * MINUTE_NS)
    assert "Error2" in (told(NOW + 2 * MINUTE_NS) or "")
    owner.settle(chunk, 3)
    assert told(NOW + 2 * MINUTE_NS) is None


def test_a_refusal_that_comes_again_is_told_anew(owner: OffsetLedger) -> None:
    """The same record, refused again before the word of it has aged, is told as long as if it were the first time."""
    quarantine = Scene(OnPoison.BLOCK).quarantine
    chunk = held(owner, "a")
    owner.append(chunk)
    for at, code in ((NOW, "First"), (NOW + MINUTE_NS, "Second")):
        quarantine.note_unknown(chunk, 0, code, at)
        stopped = quarantine.stopped_lane(owner, at + MINUTE_NS)
        assert stopped is not None
        assert code in stopped.sentence


def test_a_letter_that_is_not_stored_is_told_until_it_is(owner: OffsetLedger) -> None:
    """Through all tries, with the broker's word for it; a partition that is gone takes it along."""
    scene = Scene(OnPoison.DEAD_LETTER)
    scene.quarantine.take(poison(owner, 2))
    scene.decide()
    assert scene.quarantine.stopped_lane(owner, NOW) is None
    for letter in (1, 2):
        scene.refused(letter, "TOPIC_AUTHORIZATION_FAILED")
    scene.now += MINUTE_NS
    again = [letter.letter for letter in scene.letters()]
    told = scene.quarantine.stopped_lane(owner, scene.now)
    assert told is not None
    assert "letter_failed" == told.reason
    assert "dead letter of the record at offset 0 is not stored (TOPIC_AUTHORIZATION_FAILED)" in told.sentence
    scene.quarantine.acknowledged(LetterAcknowledged(again[0]), Turn())
    told = scene.quarantine.stopped_lane(owner, scene.now)
    assert told is not None
    assert "offset 1" in told.sentence
    owner.gone = True
    scene.quarantine.forget_unsent(owner)
    assert scene.quarantine.stopped_lane(owner, scene.now) is None


def test_a_drain_forgets_what_was_never_sent(owner: OffsetLedger) -> None:
    """The first offset that was not sent is not the drain's any more; the last that was is."""
    scene = Scene(OnPoison.DEAD_LETTER)
    met = poison(owner, 3)
    owner.note_sent(1)
    scene.quarantine.take(met)
    scene.quarantine.forget_unsent(owner)
    assert met[:2] == list(scene.quarantine.waiting)


def test_too_much_in_a_minute_waits(owner: OffsetLedger) -> None:
    """Beyond the limit poison is kept, the route is told, and the rest follows when the minute has passed."""
    scene = Scene(OnPoison.DEAD_LETTER, per_minute=2)
    scene.quarantine.take(poison(owner, 5))
    assert 2 == len(scene.letters())
    assert (True, NOW + MINUTE_NS) == (scene.quarantine.overrun(NOW), scene.quarantine.next_wake(NOW))
    assert [] == scene.decide()
    scene.now += MINUTE_NS
    assert 2 == len(scene.letters())
    scene.now += MINUTE_NS
    assert (1, False) == (len(scene.letters()), scene.quarantine.overrun(scene.now))


def test_a_lost_partition_takes_its_poison_along(owner: OffsetLedger) -> None:
    """Nothing of it is decided, sent again or settled any more; a late answer changes nothing."""
    scene = Scene(OnPoison.DEAD_LETTER)
    first, second, third = poison(owner, 3)
    scene.quarantine.take([first, second])
    scene.decide()
    scene.quarantine.take([third])
    owner.gone = True
    scene.quarantine.forget_unsent(owner)
    turn = Turn()
    assert (None, []) == (scene.quarantine.acknowledged(LetterAcknowledged(1), turn), turn.commands)
    assert [] == scene.refused(2, "_TRANSPORT")
    assert [] == scene.decide()
    assert scene.quarantine.awaits(owner) is False
