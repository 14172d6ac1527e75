"""Bugs of what can never land: who is called so, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from doka.domain.events import Event, LetterAcknowledged, LetterRefused
from doka.domain.forwarder import Forwarder
from doka.domain.held.ledger import HeldChunk, Part
from doka.domain.poison.quarantine import Poison, Quarantine
from doka.domain.routes import route
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.put import Put
from doka.domain.sending.search import Search
from doka.domain.turn import Turn
from doka.domain.verdicts import Verdict, of_entry
from tests.simulation.planted.bug import Patch, bug
from tests.simulation.planted.plans import (
    dead_letters_that_fail,
    letters_fail_while_moving,
    little_room,
    searches_in_little_room,
)


def drop_when_the_dead_letters_fail(patch: Patch) -> None:
    """Settle a record when the dead-letter topic does not take it."""
    honest = Forwarder.handle

    def planted(self: Forwarder, event: Event, now: int) -> None:
        honest(self, LetterAcknowledged(event.letter) if isinstance(event, LetterRefused) else event, now)

    patch.replace(Forwarder, "handle", planted)


def drop_poison_that_should_block(patch: Patch) -> None:
    """Settle what can never land, whatever the policy says."""
    honest = Outbox._let_go

    def planted(self: Outbox, chunk: HeldChunk, places: Sequence[int], now: int) -> None:
        poison = chunk.poison or {}
        honest(self, chunk, [i for i in places if i not in poison], now)
        for place in places:
            if place in poison:
                self.settle_poison(Poison(chunk, place, poison[place]), now)

    patch.replace(Outbox, "_let_go", planted)


def call_a_whole_topic_poison(patch: Patch) -> None:
    """Take what is refused for poison although nothing else has landed to compare it with."""

    def planted(self: Search) -> list[Part]:
        self._control = True
        return self.suspects

    patch.replace(Search, "culprits", planted)


def judge_by_a_later_control(patch: Patch) -> None:
    """Take for poison what was refused while everything was, once something else has landed."""

    def planted(self: Search, *, landed: bool) -> None:
        self._put = None
        self._control |= landed

    patch.replace(Search, "answered", planted)


def forget_the_rest_of_a_search(patch: Patch) -> None:
    """Put nothing back when a search for poison has ended without an answer."""

    def planted(self: Search) -> list[Part]:
        return []

    patch.replace(Search, "rest", planted)


def forget_what_found_no_room_in_a_search(patch: Patch) -> None:
    """Lose what was to go with a request of a search and did not fit into it."""
    honest = Search.pack

    def planted(self: Search, number: int, lease: int, now: int) -> Put | None:
        waiting = len(self._groups)
        put = honest(self, number, lease, now)
        if len(self._groups) > waiting:
            self._groups.popleft()
        return put

    patch.replace(Search, "pack", planted)


def send_letters_for_the_gone(patch: Patch) -> None:
    """Send a refused letter again, whoever owns its partition by now."""
    honest = Quarantine.decide

    def planted(self: Quarantine, now: int, turn: Turn, number: Callable[[], int]) -> Iterator[Poison]:
        gone = [(poison, tries) for at, poison, tries in self.again if at <= now and poison.chunk.owner.gone]
        yield from honest(self, now, turn, number)
        turn.commands += [self._letter(number(), *of) for of in gone]

    patch.replace(Quarantine, "decide", planted)


def forget_a_refused_letter(patch: Patch) -> None:
    """Keep no record whose dead letter was refused."""
    honest = Quarantine.refused

    def planted(self: Quarantine, event: LetterRefused, now: int, turn: Turn) -> None:
        honest(self, event, now, turn)
        self.again.clear()

    patch.replace(Quarantine, "refused", planted)


def take_an_unheard_code_for_poison(patch: Patch) -> None:
    """Take a record that is refused with a code that nobody knows for one that can never land."""

    def planted(code: str) -> Verdict:
        verdict = of_entry(code)
        return Verdict.SEARCH if verdict is Verdict.LANE else verdict

    patch.replace(route, "of_entry", planted)


BUGS = (
    bug(drop_when_the_dead_letters_fail, "I1", "I4", "I14", plan=dead_letters_that_fail),
    bug(drop_poison_that_should_block, "I1", "I4", "I13", "I14"),
    bug(call_a_whole_topic_poison, "I11"),
    bug(judge_by_a_later_control, "I11"),
    bug(forget_the_rest_of_a_search, "I9", "I14"),
    bug(forget_what_found_no_room_in_a_search, "I9", "I14", plan=searches_in_little_room),
    bug(take_an_unheard_code_for_poison, "I9", "I11", plan=little_room),
    bug(forget_a_refused_letter, "I14", plan=dead_letters_that_fail),
    bug(send_letters_for_the_gone, "I13", plan=letters_fail_while_moving),
)
