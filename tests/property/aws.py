"""What AWS may answer, and the broker to dead letters: to requests, to questions about streams and for leases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from doka.domain.events import (
    Landings,
    LeaseIssued,
    LeaseRefused,
    LetterAcknowledged,
    LetterRefused,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    ShardRange,
    StreamDescribed,
    StreamRefused,
)
from doka.domain.lease import Lease, Secrets
from doka.domain.sending.pacing import SLOWER_AT_MOST_EVERY_NS
from doka.domain.verdicts import Verdict, of_entry, of_request
from tests.property.truth import STREAM_LIMIT, Flight
from tests.property.turns import Turns


class Aws(Turns):
    """Kinesis and STS, and who stores dead letters."""

    def answer(
        self,
        put: int,
        failed: dict[int, str] | None = None,
        *,
        landed: Iterable[int] = (),
        order: Callable[[list[int]], None] = list.sort,
    ) -> None:
        """Answer 200; of the refused entries those in `landed` landed all the same. `order` puts those that land in order."""
        flight = self._returned(put)
        failed = {place: code for place, code in (failed or {}).items() if place < len(flight.entries)}
        failed |= dict.fromkeys(flight.bad, "InvalidArgumentException")
        good = [place for place in range(len(flight.entries)) if place not in failed]
        lands = good + [p for p in landed if failed.get(p) == "InternalFailure"]
        order(lands)
        flight.land(lands)
        for place in good:
            for record, own in flight.entries[place]:
                own.settled.add(record.offset)
        for place, code in failed.items():
            self._refused_entry(flight, place, code, alone=not good)
        self.feed(PutAnswered(put, failed, self._landings(flight, lands, failed)))

    def _landings(self, flight: Flight, lands: Sequence[int], failed: Mapping[int, str]) -> Landings:
        """Say where the entries that are told as landed came to lie."""
        numbers = {place: str(self.landings + i) for i, place in enumerate(lands) if place not in failed}
        self.landings += len(lands)
        told = [numbers.get(place, "") for place in range(len(flight.entries))]
        return Landings(["shard-0" if number else "" for number in told], told)

    def refuse(self, put: int, code: str) -> None:
        """Refuse a request as a whole."""
        flight = self._returned(put)
        verdict = of_request(code)
        if verdict is Verdict.LEASE:
            self.rejected.add(flight.command.lease.serial)
        if self._several(flight):
            self.met[f"a request with an aggregate is refused: {verdict.value}"] += 1
        if verdict is Verdict.SEARCH and len(flight.entries) == 1:
            self._searched(flight)
        self.feed(PutRefused(put, code))

    def _refused_entry(self, flight: Flight, place: int, code: str, *, alone: bool) -> None:
        if len(flight.entries[place]) > 1:
            self.met[f"an aggregate is refused: {of_entry(code).value}"] += 1
            self.met["an aggregate is refused, and another entry landed"] += not alone
        if of_entry(code) is Verdict.SEARCH and len(flight.entries) == 1:
            self._searched(flight)

    def _searched(self, flight: Flight) -> None:
        """Remember what a search sends next, where all that was refused is one aggregate."""
        records = [record for record, own in flight.sent if own is self.owned.get(record.tp)]
        if len(records) == len(flight.sent) > 1 and flight.command.hash_keys is not None:
            self.halves[flight.command.route] = frozenset(records[: len(records) // 2])

    @staticmethod
    def _several(flight: Flight) -> bool:
        """Say whether an entry carries several records."""
        return any(len(entry) > 1 for entry in flight.entries)

    def lose_answer(self, put: int, landed: Iterable[int], later: Iterable[int] = ()) -> None:
        """Lose an answer: some entries had landed, some will land later, and nobody knows which."""
        flight = self._returned(put)
        now = sorted(p for p in landed if p in flight.good)
        flight.land(now)
        self.late.append((flight, sorted(p for p in later if p in flight.good and p not in now)))
        self.met["nobody knows what became of an aggregate"] += self._several(flight)
        self.feed(PutAmbiguous(put, "timeout"))

    def land_late(self, which: int) -> None:
        """Let the rest of a lost request land now."""
        flight, places = self.late.pop(which)
        self.met["an aggregate lands late"] += any(len(flight.entries[place]) > 1 for place in places)
        flight.land(places)

    def acknowledge(self, letter: int) -> None:
        """Store a dead letter."""
        record, own = self.letters.pop(letter)
        record.lettered = True
        own.settled.add(record.offset)
        self.feed(LetterAcknowledged(letter))

    def refuse_letter(self, letter: int) -> None:
        """Do not store a dead letter."""
        del self.letters[letter]
        self.feed(LetterRefused(letter, "MSG_SIZE_TOO_LARGE"))

    def unsend(self, put: int) -> None:
        """Let a request fail before it left."""
        self.met["an aggregate never leaves"] += self._several(self._returned(put))
        self.feed(PutUnsent(put, "no connection"))

    def _returned(self, put: int) -> Flight:
        flight = self.flights.pop(put)
        self.aggregates[flight.command.route].answered(put)
        for record, own in flight.sent:
            own.flying.discard(record.offset)
        if self._several(flight):
            gone = [own is not self.owned.get(record.tp) for record, own in flight.sent]
            self.met["an aggregate is answered of which a part belongs to others"] += any(gone)
        return flight

    def issue(self, role: str, life: int | None, late: int = 0) -> None:
        """Issue a lease that was asked for `late` ns ago."""
        self.lease_wanted.discard(role)
        self.serial += 1
        issued_at = self.now - late
        ends_at = None if life is None else issued_at + life
        self.leases[role] = Lease(self.serial, role, Secrets("", "", None), issued_at, ends_at)
        self.feed(LeaseIssued(self.leases[role]))

    def refuse_lease(self, role: str, code: str) -> None:
        """Refuse a lease."""
        self.lease_wanted.discard(role)
        self.feed(LeaseRefused(role, code))

    def describe(self, route: str, status: str = "ACTIVE", *, honours_keys: bool = True) -> None:
        """Answer a question about a stream."""
        del self.describing[route]
        shards = (ShardRange("shard-0", 0), ShardRange("shard-1", 1 << 127))
        self.feed(StreamDescribed(route, None, status, STREAM_LIMIT, honours_keys, len(shards), shards))

    def slow_down(self, route: str, key: str) -> None:
        """Let the shard of a key have been throttled for long, so that its pace is the slowest there is."""
        pacer = self.forwarder._routes[route].outbox.pacer
        place = self.aggregates[route].place_of(key)
        by = key if place is None else int(place)
        for ago in range(20, 0, -1):
            pacer.throttled(by, self.now - ago * SLOWER_AT_MOST_EVERY_NS)
        for _ in range(8):  # and what may leave at once has left
            pacer.leaves_at(by, 1, self.now)

    def refuse_description(self, route: str, code: str) -> None:
        """Refuse a question about a stream."""
        serial = self.describing.pop(route).lease.serial
        if of_request(code) is Verdict.LEASE:
            self.rejected.add(serial)
        self.feed(StreamRefused(route, code, lease=serial))
