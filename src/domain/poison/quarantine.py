"""What can never land, and what becomes of it.

Theory of operation. A poison record keeps its lane: the later records of its key wait behind it, whatever is decided.

    block        it stays; its partition goes on to `ahead_records` above it, then waits, loudly
    drop         it is settled at once, because somebody asked for that, and counted
    dead_letter  a letter is sent; the record is settled when the broker has acknowledged it, never before

A letter that is refused is sent again, for as long as it takes. More poison than `poison_per_minute` blocks the route:
then it is not the records that are wrong, and the rest is kept.

What is too large is so by what the stream has said of itself, and may land when its record limit is raised.

    block              it is freed by a higher limit, with its lane
    drop, dead_letter  it is put aside only by a limit that was told just now; until the stream has been asked, it is doubted
    a letter           stays one: it may be stored already
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from doka.domain.backoff import Jitter, backoff
from doka.domain.commands import SendLetter
from doka.domain.events import LetterAcknowledged, LetterRefused
from doka.domain.facts import LetterFailed, LetterStored, RecordsPoisoned
from doka.domain.held.ledger import HeldChunk, OffsetLedger
from doka.domain.limits import BACKOFF_LAST_NS, NS_PER_SECOND, RECORD_BYTES_MAX
from doka.domain.rules import OnPoison
from doka.domain.skip import place_shown
from doka.domain.status import Stuck
from doka.domain.turn import Turn

TOO_LARGE = "RecordTooLarge"
"""Code of a record that is larger than its stream takes."""
MINUTE_NS = 60 * NS_PER_SECOND
_UNKNOWN_FOR_NS = BACKOFF_LAST_NS * 3 // 2
"""How long a refusal with an unknown code is news: its record is tried again, and refused again, sooner than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Poison:
    """One record that can never land as it is, and why."""

    chunk: HeldChunk
    place: int
    code: str
    attempts: int = 0
    """How often it was sent to Kinesis."""

    @property
    def offset(self) -> int:
        """Its offset in Kafka."""
        return self.chunk.offsets[self.place]

    @property
    def size(self) -> int:
        """Its bytes in the stream, by itself: data and key; not to be asked of what a drain has forgotten."""
        return len(self.chunk.values[self.place]) + len(self.chunk.keys[self.place].encode())

    def unsent_of(self, ledger: OffsetLedger) -> bool:
        """Say whether a drain of this partition forgets it: its ledger does not count it any more."""
        owner = self.chunk.owner
        return owner.gone or (owner is ledger and self.offset >= ledger.sent_to)


class Quarantine:
    """No record leaves here but by an acknowledged letter, an explicit drop, or with its partition."""

    def __init__(self, route: str, policy: OnPoison, per_minute: int, jitter: Jitter) -> None:
        """Keep the poison of one route by its policy."""
        self._route = route
        self._policy = policy
        self._per_minute = per_minute
        self._jitter = jitter
        self.waiting: deque[Poison] = deque()  # met, and not decided: more than a minute may bring
        self._met: deque[int] = deque()  # when the decided ones were, within the last minute
        self._letters: dict[int, tuple[Poison, int]] = {}  # under way: the letter -> poison, tries
        self.again: list[tuple[int, Poison, int]] = []  # refused: when, poison, tries
        self.doubted: list[Poison] = []  # too large by what the stream has told some time ago; Route: it is asked
        self.freed: list[tuple[Poison, bool]] = []  # to be sent, by Route: they fit; whether told as poison
        self.sure_until: int | None = None  # Route: until when what the stream has told holds; None: without an end
        self._raised = False  # whether the limit was, since the first one was told: what has come before may fit
        self._record_bytes_max = 0  # as the stream has told it; 0: it has not
        self._parked: dict[OffsetLedger, list[Poison]] = {}  # those that block a lane, as they were met
        self._too_large: set[OffsetLedger] = set()  # that have such a one among them
        self._unstored: dict[Poison, str] = {}  # whose letter was refused the last time, and with which code
        self._unknown: dict[
            OffsetLedger, tuple[int, str, int]
        ] = {}  # refused, nobody knows why: offset, code, until when

    # --- in ------------------------------------------------------------------------------------------------------

    def take(self, met: Iterable[Poison]) -> None:
        """Take records over whose lanes are theirs."""
        self.waiting += met

    def note_unknown(self, chunk: HeldChunk, place: int, code: str, now: int) -> None:
        """Note that a record was refused with a code that nobody knows: it is no poison, but its lane waits."""
        offset, owner = chunk.offsets[place], chunk.owner
        if owner.gone:
            return
        offset_told, _, until = self._unknown.get(owner, (offset, "", 0))
        if offset <= offset_told or until < now:
            self._unknown[owner] = (offset, code, now + _UNKNOWN_FOR_NS)

    def learn(self, record_bytes_max: int, sure_until: int | None) -> None:
        """Take the stream's record limit, in bytes, and free what fits now; nothing is doubted before `sure_until`.

        A record that the service refused by itself is freed too where the limit that was known explains the refusal.
        """
        before, self._record_bytes_max = self._record_bytes_max, record_bytes_max
        self._raised |= 0 < before < record_bytes_max
        self.sure_until = sure_until
        self.waiting.extendleft(reversed(self.doubted))
        self.doubted = []
        for ledger, parked in list(self._parked.items()) if record_bytes_max > before else ():
            if ledger.draining:
                continue  # it is read again by whoever owns it next
            staying: list[Poison] = []
            for poison in parked:
                if self._fits(poison) and (poison.code == TOO_LARGE or poison.size > before):
                    self.freed.append((poison, True))
                else:
                    staying.append(poison)
            self._parked[ledger] = staying
            if not any(poison.code == TOO_LARGE for poison in staying):
                self._too_large.discard(ledger)

    def _fits(self, poison: Poison) -> bool:
        return poison.size <= self._record_bytes_max

    @property
    def waits_for_limit(self) -> bool:
        """Whether a record waits that a higher record limit would let land."""
        return bool(self.doubted or self._too_large)

    def overrun(self, now: int) -> bool:
        """Say whether poison waits for the minute to pass."""
        return bool(self.waiting) and self._policy is not OnPoison.BLOCK and self._room(now) <= 0

    # --- out -----------------------------------------------------------------------------------------------------

    def decide(self, now: int, turn: Turn, number: Callable[[], int]) -> Iterator[Poison]:
        """Do what the policy says with what waits; give each record that is dropped, to be settled before the next one.

        Settling it frees its lane, and may bring the next one here. `number` names a letter.
        """
        while self.waiting and (self._policy is OnPoison.BLOCK or self._room(now) > 0):
            poison = self.waiting.popleft()
            if poison.chunk.owner.gone:
                continue
            if poison.code == TOO_LARGE and self._raised and self._fits(poison):
                self.freed.append((poison, False))
                continue
            if poison.code == TOO_LARGE and self._is_doubted(now):
                self.doubted.append(poison)
                continue
            turn.commands.append(self._fact(poison))
            if self._policy is OnPoison.BLOCK:
                self._park(poison)
                continue
            self._met.append(now)
            if self._policy is OnPoison.DROP:
                yield poison
            else:
                turn.commands.append(self._letter(number(), poison, 1))
        due = [entry for entry in self.again if entry[0] <= now] if self.again else ()
        if due:
            self.again = [entry for entry in self.again if entry[0] > now]
            turn.commands += [
                self._letter(number(), poison, tries) for _, poison, tries in due if not poison.chunk.owner.gone
            ]

    def _park(self, poison: Poison) -> None:
        owner = poison.chunk.owner
        self._parked.setdefault(owner, []).append(poison)
        if poison.code == TOO_LARGE:
            self._too_large.add(owner)

    def _is_doubted(self, now: int) -> bool:
        """Say whether a record may be put aside for ever by what the stream has told too long ago."""
        return self._policy is not OnPoison.BLOCK and self.sure_until is not None and now >= self.sure_until

    def _letter(self, letter: int, poison: Poison, tries: int) -> SendLetter:
        self._letters[letter] = (poison, tries)
        chunk, place = poison.chunk, poison.place
        offset = chunk.offsets[place]
        chunk.owner.note_sent(offset)
        original, attempts = chunk.originals[place], poison.attempts
        return SendLetter(letter, chunk.owner.tp, offset, original, poison.code, attempts=attempts, route=self._route)

    def _room(self, now: int) -> int:
        while self._met and now - self._met[0] >= MINUTE_NS:
            self._met.popleft()
        return self._per_minute - len(self._met)

    def _fact(self, poison: Poison) -> RecordsPoisoned:
        return RecordsPoisoned(self._route, poison.chunk.owner.tp, poison.offset, poison.code, self._policy.value)

    # --- answers -------------------------------------------------------------------------------------------------

    def acknowledged(self, event: LetterAcknowledged, turn: Turn) -> Poison | None:
        """Give the record that may settle now; None when its partition is gone."""
        poison, _ = self._letters.pop(event.letter)
        self._unstored.pop(poison, None)
        chunk = poison.chunk
        if chunk.owner.gone:
            return None
        turn.commands.append(LetterStored(self._route, chunk.owner.tp, poison.offset, poison.code))
        return poison

    def refused(self, event: LetterRefused, now: int, turn: Turn) -> None:
        """Keep the record and send its letter again after a backoff."""
        poison, tries = self._letters.pop(event.letter)
        chunk = poison.chunk
        if chunk.owner.gone:
            return
        self._unstored[poison] = event.code
        wait = backoff(tries, self._jitter)
        self.again.append((now + wait, poison, tries + 1))
        turn.commands.append(LetterFailed(self._route, chunk.owner.tp, poison.offset, event.code, wait))

    # --- besides -------------------------------------------------------------------------------------------------

    def stopped_lane(self, ledger: OffsetLedger, now: int) -> Stuck | None:
        """Say which record of a partition stops its lane until somebody acts; None when none does."""
        parked = self._parked.get(ledger)
        if parked:
            poison, offset = parked[0], parked[0].offset
            why = f"the record at offset {offset} can never land ({poison.code})"
            place = place_shown(ledger.tp, offset, offset + 1)
            raised = ""
            if poison.code == TOO_LARGE and not ledger.draining and poison.size <= RECORD_BYTES_MAX:
                raised = f"raise the stream's record limit to {-(-poison.size // 1024)} KiB or more, "
            return Stuck("poison", f"{why} and its key waits; {raised}see on_poison, or doka skip {place}")
        for poison, code in self._unstored.items():
            if poison.chunk.owner is ledger:
                why = f"the dead letter of the record at offset {poison.offset} is not stored ({code})"
                return Stuck("letter_failed", f"{why} and its key waits; it is tried again until it is")
        offset, code, until = self._unknown.get(ledger, (0, "", 0))
        if now >= until or offset < ledger.watermark:
            return None
        why = f"the record at offset {offset} is refused, and nobody knows why ({code}),"
        return Stuck("unknown_code", f"{why} and its key waits; it is tried again")

    def awaits(self, ledger: OffsetLedger) -> bool:
        """Say whether a letter of this ledger is under way or will be sent again."""
        return any(poison.chunk.owner is ledger for poison, _ in self._letters.values()) or any(
            poison.chunk.owner is ledger for _, poison, _ in self.again
        )

    def forget_unsent(self, ledger: OffsetLedger) -> None:
        """Forget what was met of a partition and not decided; a drain or another owner takes it from here."""
        self.waiting = deque(poison for poison in self.waiting if not poison.unsent_of(ledger))
        self.doubted = [poison for poison in self.doubted if not poison.unsent_of(ledger)]
        if ledger.gone:
            self._parked.pop(ledger, None)
            self._too_large.discard(ledger)
            self._unknown.pop(ledger, None)
            self._unstored = {p: code for p, code in self._unstored.items() if p.chunk.owner is not ledger}

    def next_wake(self, now: int) -> int | None:
        """Give the next moment at which a letter goes again, or the minute has room."""
        room = self._met[0] + MINUTE_NS if self.overrun(now) else None
        if not self.again:
            return room
        moments = [at for at, _, _ in self.again]
        return min(moments if room is None else (*moments, room))
