"""Bugs of how an answer is read, and of what is sent again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from doka.adapters.simulated.kinesis import Put, SimulatedSink
from doka.domain.events import Event, PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from doka.domain.held.ledger import HeldChunk, OffsetLedger, Part
from doka.domain.poison.quarantine import Poison
from doka.domain.routes.route import Route
from doka.domain.sending import put
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.put import Refusal
from doka.domain.turn import Turn
from doka.domain.verdicts import Verdict, of_request
from tests.simulation.planted.bug import Patch, bug

TRIES_MAX = 2


def ignore_entry_zero(patch: Patch) -> None:
    """Never look at the first entry of an answer."""
    honest = Route.answered

    def planted(self: Route, event: PutAnswered, now: int, turn: Turn) -> None:
        honest(self, replace(event, failed={i: code for i, code in event.failed.items() if i}), now, turn)

    patch.replace(Route, "answered", planted)


def take_200_as_success(patch: Patch) -> None:
    """Take an answer of 200 as success of every entry."""
    honest = Route.answered

    def planted(self: Route, event: PutAnswered, now: int, turn: Turn) -> None:
        honest(self, PutAnswered(event.put), now, turn)

    patch.replace(Route, "answered", planted)


def swap_the_results(patch: Patch) -> None:
    """Pair the results of an answer with its entries from the last to the first."""
    honest = Route.answered

    def planted(self: Route, event: PutAnswered, now: int, turn: Turn) -> None:
        last = len(self.puts[event.put].keys) - 1
        honest(self, replace(event, failed={last - i: code for i, code in event.failed.items()}), now, turn)

    patch.replace(Route, "answered", planted)


def trust_a_wrong_number_of_results(patch: Patch) -> None:
    """Believe an answer that has another number of results than the request has entries."""
    honest = Route.unknown

    def planted(self: Route, event: PutAmbiguous | PutUnsent, now: int, turn: Turn) -> None:
        if event.reason == "wrong_result_count":
            self.answered(PutAnswered(event.put), now, turn)
        else:
            honest(self, event, now, turn)

    patch.replace(Route, "unknown", planted)


def take_unknown_for_landed(patch: Patch) -> None:
    """Take a put of which nobody knows for one that landed."""

    def planted(self: Route, event: PutAmbiguous | PutUnsent, now: int, turn: Turn) -> None:
        self.answered(PutAnswered(event.put), now, turn)

    patch.replace(Route, "unknown", planted)


def take_a_timeout_for_failed(patch: Patch) -> None:
    """Take a put of which nobody knows for one that failed: what it repeats is not counted as possibly doubled."""
    honest = Route.unknown

    def planted(self: Route, event: PutAmbiguous | PutUnsent, now: int, turn: Turn) -> None:
        honest(self, PutUnsent(event.put, event.reason), now, turn)

    patch.replace(Route, "unknown", planted)


def drop_on_expired_token(patch: Patch) -> None:
    """Drop what an expired token refused: the incident from which doka comes."""
    honest = Route.refused

    def planted(self: Route, event: PutRefused, now: int, turn: Turn) -> None:
        if event.code == "ExpiredTokenException":
            self.answered(PutAnswered(event.put), now, turn)
        else:
            honest(self, event, now, turn)

    patch.replace(Route, "refused", planted)


def count_the_neighbours_of_a_bad_record(patch: Patch) -> None:
    """Where a whole request is refused for one bad record, count the others as delivered."""
    honest = Route.refused

    def planted(self: Route, event: PutRefused, now: int, turn: Turn) -> None:
        if of_request(event.code) is Verdict.SEARCH:
            self.answered(PutAnswered(event.put, {0: event.code}), now, turn)
        else:
            honest(self, event, now, turn)

    patch.replace(Route, "refused", planted)


def resend_the_whole_batch(patch: Patch) -> None:
    """After a partial failure send everything again, what landed included."""
    honest = put.Put.refusals

    def planted(self: put.Put, failed: Mapping[int, str]) -> list[Refusal]:
        return honest(self, dict.fromkeys(range(len(self.keys)), next(iter(failed.values()))))

    patch.replace(put.Put, "refusals", planted)


def give_up_after_a_few_tries(patch: Patch) -> None:
    """Let go of a record that was refused three times."""
    honest = Outbox.delay

    def planted(self: Outbox, parts: Iterable[Part], until: int) -> None:
        several = list(parts)
        honest(self, (part for part in several if part.attempts <= TRIES_MAX), until)
        for part in several:
            for place in part.places if part.attempts > TRIES_MAX else ():
                self.settle_poison(Poison(part.chunk, place, "GaveUp", part.attempts), until)

    patch.replace(Outbox, "delay", planted)


def settle_on_the_wrong_chunk(patch: Patch) -> None:
    """Subtract what settled from the oldest chunk that is open."""
    honest = OffsetLedger.settle_each

    def planted(self: OffsetLedger, settled: Mapping[HeldChunk, int]) -> int:
        oldest, records = self.oldest, sum(settled.values())
        return honest(self, {oldest: records} if oldest is not None and oldest.open >= records else settled)

    patch.replace(OffsetLedger, "settle_each", planted)


def let_the_client_repeat(patch: Patch) -> None:
    """Let the HTTP client send a put again by itself when its connection died past acceptance."""
    honest = SimulatedSink._serve

    def planted(self: SimulatedSink, put: Put) -> Event:
        if put.fate == "reset_after":
            honest(self, put)
            put.fate = ""
        return honest(self, put)

    patch.replace(SimulatedSink, "_serve", planted)


def believe_a_repeated_answer(patch: Patch) -> None:
    """Believe an answer that was given before, to another request."""

    def planted(self: SimulatedSink, put: Put) -> Event:
        return PutAnswered(put.command.put)

    patch.replace(SimulatedSink, "_repeated", planted)


BUGS = (
    bug(ignore_entry_zero, "I1", "I4", "I14"),
    bug(take_200_as_success, "I1", "I4", "I14"),
    bug(swap_the_results, "I1", "I4", "I8", "I11", "I14"),
    bug(trust_a_wrong_number_of_results, "I1", "I4", "I14", "I16"),
    bug(take_unknown_for_landed, "I1", "I4", "I14"),
    bug(take_a_timeout_for_failed, "I8", "I14"),
    bug(drop_on_expired_token, "I1", "I4", "I5", "I14"),
    bug(count_the_neighbours_of_a_bad_record, "I1", "I4", "I11", "I14"),
    bug(resend_the_whole_batch, "I4", "I8", "I11", "I12"),
    bug(give_up_after_a_few_tries, "I1", "I4", "I14"),
    bug(settle_on_the_wrong_chunk, "I1", "I8", "I12"),
    bug(let_the_client_repeat, "I8"),
    bug(believe_a_repeated_answer, "I1", "I4", "I14", "I16"),
)
