"""Bugs of a stream that is changed while doka runs: what is looked for, what is taken up, and what follows."""

from __future__ import annotations

from doka.domain.events import StreamDescribed
from doka.domain.held.ledger import Part
from doka.domain.poison.quarantine import Poison, Quarantine
from doka.domain.routes.standing import Standing
from doka.domain.routes.stream_watch import StreamWatch
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from doka.domain.sending.outbox import Outbox
from doka.domain.turn import Turn
from tests.simulation.planted.bug import Patch, bug, overwrite
from tests.simulation.planted.plans import large_and_raised, limits_raised, streams_changed


def never_look_again(patch: Patch) -> None:
    """Describe a stream at the start, and never again."""
    honest = StreamWatch.answered

    def planted(self: StreamWatch, now: int, *, news: bool, waited_for: bool) -> None:
        honest(self, now, news=news, waited_for=waited_for)
        self.at = None

    patch.replace(StreamWatch, "answered", planted)


def look_all_the_time(patch: Patch) -> None:
    """Look again as soon as a look is answered."""
    honest = StreamWatch.answered

    def planted(self: StreamWatch, now: int, *, news: bool, waited_for: bool) -> None:
        honest(self, now, news=news, waited_for=waited_for)
        self.at = now

    patch.replace(StreamWatch, "answered", planted)


def never_take_up_a_limit(patch: Patch) -> None:
    """Hold on to the record limit that the stream had at the start."""
    honest = Standing.described

    def planted(self: Standing, event: StreamDescribed, now: int, turn: Turn, *, waited_for: bool = False) -> None:
        limit, known = self.record_bytes_max, self.knows_limits
        honest(self, event, now, turn, waited_for=waited_for)
        self.record_bytes_max = limit if known else event.record_bytes_max

    patch.replace(Standing, "described", planted)


def free_nothing(patch: Patch) -> None:
    """Take a higher limit up for what comes, and leave what waits where it is."""
    honest = Quarantine.learn

    def planted(self: Quarantine, record_bytes_max: int, sure_until: int | None) -> None:
        parked = self._parked
        overwrite(self, "_parked", {})
        honest(self, record_bytes_max, sure_until)
        overwrite(self, "_parked", parked)

    patch.replace(Quarantine, "learn", planted)


def lose_what_is_freed(patch: Patch) -> None:
    """Let go of a record that is too large no more, without sending it."""

    def planted(self: Outbox, poison: Poison, now: int) -> None:
        pass

    patch.replace(Outbox, "free", planted)


def free_past_the_lane(patch: Patch) -> None:
    """Send what waited behind a record before that record, once it is too large no more."""
    honest = AggregatedOutbox._admit

    def planted(self: AggregatedOutbox, poison: Poison, now: int) -> None:
        chunk, place = poison.chunk, poison.place
        (chunk.poison or {}).pop(place, None)
        for part in (*self.parking.release(poison), Part(chunk, (place,))):
            honest(self, part.chunk, part.places, now)

    patch.replace(AggregatedOutbox, "free", planted)


def put_aside_by_old_facts(patch: Patch) -> None:
    """Drop a record as too large by what the stream told long ago."""

    def planted(self: Quarantine, now: int) -> bool:
        return False

    patch.replace(Quarantine, "_is_doubted", planted)


def forget_a_doubt(patch: Patch) -> None:
    """Lose a record that waits for the stream to be asked, once it has answered."""
    honest = Quarantine.learn

    def planted(self: Quarantine, record_bytes_max: int, sure_until: int | None) -> None:
        self.doubted = []
        honest(self, record_bytes_max, sure_until)

    patch.replace(Quarantine, "learn", planted)


def ignore_auto_while_it_sends(patch: Patch) -> None:
    """Take no notice of AUTO where the route sends already."""
    honest = Standing.described

    def planted(self: Standing, event: StreamDescribed, now: int, turn: Turn, *, waited_for: bool = False) -> None:
        sends = self.usable
        honest(self, event, now, turn, waited_for=waited_for)
        if sends and not self.usable:
            self.usable, self.forbidden = True, False
            self.open(now, turn)

    patch.replace(Standing, "described", planted)


BUGS = (
    bug(never_look_again, "I9", plan=streams_changed),
    bug(look_all_the_time, "I10", plan=streams_changed),
    bug(never_take_up_a_limit, "I14", plan=limits_raised),
    bug(free_nothing, "I9", plan=limits_raised),
    bug(lose_what_is_freed, "I9", "I14", plan=limits_raised),
    bug(free_past_the_lane, "I4", plan=large_and_raised),
    bug(put_aside_by_old_facts, "I11", plan=limits_raised),
    bug(forget_a_doubt, "I14", plan=limits_raised),
    bug(ignore_auto_while_it_sends, "I4", plan=streams_changed),
)
