"""One route: topics -> one stream, with its own lanes, requests, failures and state.

Theory of operation. Whatever happens to a request, its records stay in the outbox until they are settled.
`standing.py` says whether requests may leave at all; after a failure of a whole request only one leaves at a time,
until one succeeds, so that a black hole never takes the requests of the other routes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from doka.domain.backoff import Jitter
from doka.domain.commands import SendLetter
from doka.domain.events import (
    LetterAcknowledged,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    StreamDescribed,
    StreamRefused,
)
from doka.domain.facts import Fact, OrderBroken, RecordsFailed, RecordsSettled
from doka.domain.held.budget import Budget, held_size
from doka.domain.held.ledger import HeldChunk
from doka.domain.held.parts import Part, count, without_unsent
from doka.domain.limits import PARTIAL_PUT_WAIT_NS
from doka.domain.partitions.partition import Partition
from doka.domain.poison.quarantine import Poison, Quarantine
from doka.domain.poison.search import Group, Isolation
from doka.domain.records import Chunk
from doka.domain.routes.mapping import RecordMapping
from doka.domain.routes.setbacks import Setbacks
from doka.domain.routes.standing import RouteState, Standing
from doka.domain.rules import LimitRules, RouteRules
from doka.domain.sending.outbox import Flight
from doka.domain.sending.outgoing import choose_outgoing
from doka.domain.status import RouteStatus
from doka.domain.verdicts import Verdict, of_entry, of_request

TOO_MUCH_POISON = "too_much_poison"


class Route:
    """A sick stream is this route's matter alone; a sick lease is its role's."""

    def __init__(self, rules: RouteRules, limits: LimitRules, budget: Budget, jitter: Jitter) -> None:
        self.rules = rules
        self.outbox = choose_outgoing(rules, limits, budget)
        self.quarantine = Quarantine(rules.name, rules.on_poison, limits.poison_per_minute, jitter)
        self.standing = Standing(rules, jitter)
        self.lease_to_reject: tuple[int, str] | None = None  # taken by the forwarder after each answer
        self.lease_to_renew: int | None = None  # likewise
        self._isolation: Isolation | None = None
        self._group: Group = ()  # what the isolation sends next
        self._facts: list[Fact] = []  # what came up between two answers
        self._budget = budget
        self._mapping = RecordMapping(rules, jitter, limits.key_cache_bytes)
        self._setbacks = Setbacks(jitter)

    @property
    def blocked(self) -> str | None:
        """Why nothing may be sent; None when it may."""
        return self.standing.blocked

    @property
    def landed_with(self) -> int | None:
        """The serial of the lease that landed the last request."""
        return self._setbacks.landed_with

    # --- in ------------------------------------------------------------------------------------------------------

    def admit(self, partition: Partition, chunk: Chunk, now: int) -> None:
        """Take a chunk of an owned partition into ledger, lanes and outbox."""
        keys, values, poison = self._mapping.map(chunk, self.standing.record_bytes_max)
        if self.rules.envelope:  # the columns that are held from here on are larger than what was fetched
            self._budget.take(partition, sum(map(len, values)), len(chunk))
        held = HeldChunk(
            partition,
            chunk.offsets,
            keys,
            values,
            arrived=now,
            timestamp_ms=chunk.timestamp_ms,
            held_bytes=held_size(chunk) + (sum(map(len, values)) if self.rules.envelope else 0),
            poison=poison or None,
            originals=chunk.originals,
        )
        partition.ledger.append(held)
        self.outbox.admit(held, now)

    # --- out -----------------------------------------------------------------------------------------------------

    def wants_description(self, now: int) -> bool:
        """Say whether to ask for the stream's facts now, and note that it was asked for."""
        outbox = self.outbox
        return not outbox.flights and self.standing.wants_description(
            now, nothing_to_send=outbox.empty and self._isolation is None
        )

    def wants_to_send(self, now: int) -> bool:
        """Say whether a request should leave now: a full one, or one that has waited long enough to be filled."""
        outbox, standing = self.outbox, self.standing
        outbox.wake(now, all_of_them=standing.probes(now))
        if standing.state is RouteState.UNKNOWN or not standing.usable:
            return False
        if not outbox.ready and self._isolation is None:
            return False
        flights = len(outbox.flights)
        if self._isolation is not None:
            return not flights and now >= max(self._isolation.not_before, standing.probe_at)
        if standing.state is RouteState.BLOCKED:
            return not flights and standing.probes(now)
        if self._setbacks:
            return not flights
        return not flights or outbox.full or now - (outbox.ready_since or 0) >= PARTIAL_PUT_WAIT_NS

    def next_flight(self, put: int, lease: int, now: int) -> Flight | None:
        """Pack the request that leaves now; None when nothing is left to send."""
        isolation = self._isolation
        if isolation is None:
            return self.outbox.pack(put, lease, now)
        group = [part for part in self._group if not part.chunk.owner.gone]
        self._group = ()
        if not group:
            self._go_on_isolating(now)
            return None
        isolation.put = put
        flight, rest = self.outbox.pack_parts(group, put, lease, now)
        isolation.put_off(rest)
        return flight

    @property
    def needs_lease(self) -> bool:
        """Whether something waits to be signed: records, a search for poison, or a probe."""
        return not self.outbox.empty or self._isolation is not None or self.blocked is not None

    def holds(self, partition: Partition) -> bool:
        """Say whether anything of a partition that was sent is not settled and still on its way."""
        isolated = self._isolation is not None and self._isolation.holds(partition)
        grouped = any(part.chunk.owner is partition for part in self._group)
        return grouped or isolated or self.outbox.holds(partition) or self.quarantine.awaits(partition)

    def forget_unsent(self, partition: Partition) -> None:
        """Forget what nobody sent of a partition that drains or is gone."""
        self.outbox.forget_unsent(partition)
        self._group = without_unsent(self._group, partition)
        if self._isolation is not None:
            self._isolation.forget_unsent(partition)
        self.quarantine.forget_unsent(partition)

    def next_wake(self, now: int) -> int | None:
        """Give the next moment at which time alone lets something leave."""
        moments = [self.outbox.next_wake, self.quarantine.next_wake(now)]
        if self._isolation is not None:
            moments.append(self._isolation.not_before)
        if self.blocked is not None:
            moments.append(self.standing.probe_at)
        elif self.outbox.ready and self.outbox.ready_since is not None:
            moments.append(self.outbox.ready_since + PARTIAL_PUT_WAIT_NS)
        return min([m for m in moments if m is not None and m > now], default=None)

    # --- answers -------------------------------------------------------------------------------------------------

    def answered(self, event: PutAnswered, now: int) -> tuple[list[Fact], Iterable[Partition]]:
        """Settle what landed, keep what was refused; give the facts and the partitions that moved on."""
        flight = self.outbox.answered(event.put, now)
        facts = self._breaks(flight, event)
        moved = self.outbox.settle(flight, event.failed, now)
        landed, payload = flight.landed(event.failed)
        if landed:
            facts.append(RecordsSettled(self.rules.name, landed, payload, now - flight.sent_at))
            self._succeeded(flight, now, facts)
        elif self.blocked is not None:
            facts += self.standing.refused(event.failed.values(), now)
        if (isolation := self._isolating(event.put)) is not None:
            isolation.answered(landed=landed > 0, now=now)
        for group, codes in self.outbox.failed_groups(flight, event.failed) if event.failed else ():
            verdict = of_entry(codes[0])
            facts += self._note_refused(group, codes, now)
            known = landed and (self.outbox.tells_records_apart or count(group) == 1)  # the others are the control
            if verdict is Verdict.ISOLATE and not known:
                self._isolate(group, codes[0], now, isolation=isolation, control=landed > 0)
                continue
            behind = () if isolation is None else isolation.let_go(group)
            if verdict is Verdict.ISOLATE:
                self.outbox.put_back(behind, now)  # first: what waits in lanes is behind it
                self._poisoned(group, codes[0])
            else:
                attempts, verdicts = group[0].attempts, dict.fromkeys(map(of_entry, codes))
                wait = max(self._wait(attempts, each) for each in verdicts)
                self.outbox.delay((*group, *behind), now + wait)
        if self._isolation is not None and self._isolation.put is None and not self._group:
            self._go_on_isolating(now)  # only now: a control must not overtake what came back just before
        return facts, moved

    def _note_refused(self, group: Sequence[Part], codes: Sequence[str], now: int) -> list[Fact]:
        """Take note of refused entries that are tried together, by their codes."""
        facts: list[Fact] = []
        for code in dict.fromkeys(codes):
            parts = [part for part, its in zip(group, codes, strict=True) if its == code]
            verdict = of_entry(code)
            ambiguous = verdict is Verdict.AMBIGUOUS
            facts.append(RecordsFailed(self.rules.name, code, count(parts), ambiguous=ambiguous))
            if verdict is Verdict.THROTTLED:
                self.outbox.throttled(parts, now)
            if verdict is Verdict.LANE:
                self.quarantine.note_unknown(parts[0].chunk, parts[0].places[0], code, now)
        return facts

    def _breaks(self, flight: Flight, answer: PutAnswered | None) -> list[Fact]:
        """Tell of records that came behind a later one of their key; `answer` is None where nobody knows what landed."""
        breaks = self.outbox.order_breaks(flight, answer)
        return [OrderBroken(self.rules.name, cause, records) for cause, records in breaks.items()]

    def refused(self, event: PutRefused, now: int) -> list[Fact]:
        """Act on a request that the service refused as a whole."""
        flight = self.outbox.answered(event.put, now)
        verdict = of_request(event.code)
        parts = self.outbox.unsettled_parts(flight)
        ambiguous = verdict is Verdict.AMBIGUOUS
        facts: list[Fact] = [RecordsFailed(self.rules.name, event.code, flight.records, ambiguous=ambiguous)]
        facts += self._breaks(flight, None) if ambiguous else ()
        if verdict is Verdict.DENIED and self._setbacks.may_be_revoked(flight.lease):
            self._setbacks.denied(flight.lease)
            verdict = Verdict.LEASE
        if verdict is Verdict.LEASE:
            self.lease_to_reject = (flight.lease, event.code)
            self._take_back(parts, flight, now)
        elif verdict is Verdict.ISOLATE:
            self._isolate(parts, event.code, now, isolation=self._isolating(event.put), entries=flight.records)
        elif verdict in {Verdict.DENIED, Verdict.BLOCKED, Verdict.LANE}:
            if verdict is Verdict.DENIED:
                self.lease_to_renew = flight.lease
            self._take_back(parts, flight, now)
            facts += self.standing.block(event.code, event.message, now)
        else:
            facts += self._failed(parts, flight, verdict, event.code, now)
        return facts

    def unknown(self, event: PutAmbiguous | PutUnsent, now: int) -> list[Fact]:
        """Act on a request whose outcome nobody knows, or that never left: send it again after a backoff."""
        flight = self.outbox.answered(event.put, now)
        ambiguous = isinstance(event, PutAmbiguous)
        verdict = Verdict.AMBIGUOUS if ambiguous else Verdict.RETRY
        parts = self.outbox.unsettled_parts(flight)
        facts: list[Fact] = [RecordsFailed(self.rules.name, event.reason, flight.records, ambiguous=ambiguous)]
        facts += self._breaks(flight, None) if ambiguous else ()
        return facts + self._failed(parts, flight, verdict, event.reason, now)

    def _failed(self, parts: Sequence[Part], flight: Flight, verdict: Verdict, code: str, now: int) -> list[Fact]:
        too_many = self._setbacks.failed(verdict)
        if self.blocked is not None or too_many:
            self._take_back(parts, flight, now)
            return self.standing.block(code, "no request succeeds", now)
        at = now + self._wait(flight.attempts, verdict)
        if self._isolating(flight.put) is not None:
            self._take_back(parts, flight, at)
        else:
            self.outbox.delay(parts, at)
        return []

    def _wait(self, attempts: int, verdict: Verdict) -> int:
        return self._setbacks.wait(attempts, verdict, paced=self.outbox.pacer.active)

    def _take_back(self, parts: Sequence[Part], flight: Flight, retry_at: int) -> None:
        """Keep the records of a request that failed for a reason that is not theirs."""
        isolation = self._isolating(flight.put)
        if isolation is not None:
            isolation.unknown(parts, retry_at)
            self._go_on_isolating(retry_at)
        else:
            self.outbox.put_back(parts, retry_at)

    def _succeeded(self, flight: Flight, now: int, facts: list[Fact]) -> None:
        self._setbacks.succeeded(flight.lease)
        if self.blocked is not None:
            facts.append(self.standing.open(now))

    # --- poison --------------------------------------------------------------------------------------------------

    def tend_poison(
        self, now: int, number: Callable[[], int]
    ) -> tuple[list[SendLetter], list[Fact], Sequence[Partition]]:
        """Do with poison what the policy says; give letters, facts, and the partitions that moved on."""
        met = self.outbox.take_poison()
        if not (met or self._facts or self.quarantine.busy):
            return [], [], ()  # as nearly always
        facts, self._facts = self._facts, []
        moved: dict[Partition, None] = {}

        def settle(poison: Poison) -> None:
            moved[poison.chunk.owner] = None
            self.outbox.settle_poison(poison, now)
            self.quarantine.take(self.outbox.take_poison())

        self.quarantine.take(met)
        letters, told = self.quarantine.decide(now, settle, number)
        facts += told
        if self.quarantine.overrun(now):
            if self.blocked is None:
                message = "more records were refused within a minute than limits.max_poison_per_minute allows"
                facts += self.standing.block(TOO_MUCH_POISON, message, now)
            self.standing.probe_at = max(self.standing.probe_at, self.quarantine.next_wake(now) or now)
        return letters, facts, list(moved)

    def letter_stored(self, event: LetterAcknowledged, now: int) -> tuple[list[Fact], Iterable[Partition]]:
        """Settle a record whose dead letter was acknowledged."""
        poison, facts = self.quarantine.acknowledged(event)
        if poison is None:
            return facts, ()
        self.outbox.settle_poison(poison, now)
        return facts, (poison.chunk.owner,)

    def _isolating(self, put: int) -> Isolation | None:
        """Give the search that a request belongs to."""
        return self._isolation if self._isolation is not None and self._isolation.put == put else None

    def _isolate(
        self,
        parts: Sequence[Part],
        code: str,
        now: int,
        *,
        isolation: Isolation | None,
        entries: int | None = None,
        control: bool = False,
    ) -> None:
        """Look for the record that makes Kinesis refuse these; while one search goes on, others wait for it.

        `entries` records were refused as one request; None: the service named these themselves.
        `control`: others of the same request landed. `isolation` is the search that they belong to.
        """
        if isolation is not None:
            isolation.refused(parts, entries=entries)
        elif self._isolation is not None:
            self.outbox.put_back(parts, now)
            return
        elif parts:
            several = self.outbox.several_of_a_key
            self._isolation = Isolation(parts, code, entries=entries, control=control, in_order=several)
        if entries is not None:
            self._go_on_isolating(now)

    def _poisoned(self, parts: Iterable[Part], code: str) -> None:
        for part in parts:
            for poison in (Poison(part.chunk, place, code, part.attempts) for place in part.places):
                self.outbox.keep_lane(poison)
                self.quarantine.take((poison,))

    def _go_on_isolating(self, now: int) -> None:
        """Choose the next group of the search, or end it: culprits are poison, the rest goes back."""
        isolation = self._isolation
        if isolation is None:
            return
        group = isolation.next_group(self.outbox.take_for_control)
        if group is not None:
            self._group = group
            return
        self._isolation = None
        culprits = isolation.culprits()
        self.outbox.put_back(isolation.rest(), now)
        self._poisoned(culprits, isolation.code)
        if isolation.suspects and not culprits:
            message = "a record is refused, and no other landed to show that it is the record that is wrong"
            self._facts += self.standing.block(isolation.code, message, now, seeks_control=True)

    # --- the stream ----------------------------------------------------------------------------------------------

    def described(self, event: StreamDescribed, now: int) -> list[Fact]:
        """Take the stream's facts; open the route unless they forbid it."""
        self.outbox.learn(event)
        self._setbacks.forget()
        return self.standing.described(event, now)

    def undescribed(self, event: StreamRefused, now: int) -> list[Fact]:
        """Act on a stream that could not be described."""
        verdict = of_request(event.code)
        facts = self.standing.undescribed(event, verdict, now)
        if verdict is Verdict.LEASE and event.lease is not None:
            self.lease_to_reject = (event.lease, event.code)
        elif verdict is Verdict.DENIED and self.blocked is not None:
            self.lease_to_renew = event.lease
        return facts

    def status(self) -> RouteStatus:
        """Give the present state in figures."""
        return RouteStatus(self.rules.name, self.blocked, len(self.outbox.flights), self.outbox.waiting)
