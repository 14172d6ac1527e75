"""A route: topics -> one stream, with its own lanes, requests, failures and state; and a role, which several may share.

Theory of operation. Whatever happens to a request, its records stay here until they are settled: it comes from the outbox,
or from the search for poison that stands in front of it, and what did not settle of it goes back to where it came from.
`standing.py` says whether requests may leave at all; after a failure of a whole request only one leaves at a time,
until one succeeds, so that a black hole never takes the requests of the other routes.

Routes that write by one role share its lease. Whatever a stream says about a lease (it has expired, it is not recognised, it
may be revoked) its route tells the keeper; a lease that cannot be had blocks all routes of the role, and one that is there
again opens them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from doka.domain.backoff import Jitter
from doka.domain.commands import FetchSchemas, RequestLease
from doka.domain.errors import InvariantError
from doka.domain.events import (
    LeaseIssued,
    LeaseRefused,
    LetterAcknowledged,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    RegistryRefused,
    SchemasFetched,
    StreamDescribed,
    StreamRefused,
)
from doka.domain.facts import (
    IntakeClosed,
    IntakeOpened,
    OrderBroken,
    RecordFreed,
    RecordsFailed,
    RecordsSettled,
    RecordsTransformed,
    RouteBlocked,
    SchemaLearned,
    TransformRaised,
)
from doka.domain.held.budget import Budget, held_size
from doka.domain.held.ledger import HeldChunk, OffsetLedger, Part, count
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.poison.quarantine import Quarantine
from doka.domain.records import Chunk
from doka.domain.routes.decoding import Decoding
from doka.domain.routes.mapping import RecordMapping
from doka.domain.routes.shaping import Shaped, shaping_of
from doka.domain.routes.standing import Failures, RouteState, Standing
from doka.domain.rules import LimitRules, RotationPolicy, RouteRules
from doka.domain.schemas import Found, Unusable
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from doka.domain.sending.order_breaks import count_breaks
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.outgoing import Outgoing, Sender
from doka.domain.sending.put import Put, Refusal
from doka.domain.sending.search import Group, Search
from doka.domain.status import LeaseStatus, RouteStatus
from doka.domain.turn import Turn
from doka.domain.verdicts import Verdict, of_entry, of_request

TOO_MUCH_POISON = "too_much_poison"
TRANSFORM_FAILED = "transform_failed"
REGISTRY_FAILED = "schema_registry"
_HINTS = frozenset({Verdict.BLOCKED, Verdict.SEARCH})
"""What a change of the stream would explain: it is gone, its key or its record limit is another."""
_LEASE_REASONS = frozenset({"clock_skew", "lease_refused", "lease_ended", "lease_rejected"})


class Route:
    """A sick stream is this route's matter alone; a sick lease is its role's."""

    def __init__(
        self, rules: RouteRules, limits: LimitRules, budget: Budget, keeper: LeaseKeeper, jitter: Jitter
    ) -> None:
        """Build a route that is not open yet; what its stream says about a lease is told to `keeper`."""
        self.rules = rules
        self.quarantine = Quarantine(rules.name, rules.on_poison, limits.poison_per_minute, jitter)
        self.outbox = _outbox(rules, limits, budget, self.quarantine)
        self.standing = Standing(rules, jitter)
        self.puts: dict[int, Put] = {}  # in flight
        self._search: Search | None = None  # while it lasts, nothing leaves but what it asks
        self._failures = Failures(jitter)
        self._keeper = keeper
        self._budget = budget
        self._mapping = RecordMapping(rules, jitter, limits.key_cache_bytes)
        self.decoding = None if rules.decode is None else Decoding(rules.decode, jitter)
        self._shaping = shaping_of(rules, gives_up=True, decoding=self.decoding)
        self._filtered = Counter(dict.fromkeys(() if self._shaping is None else self._shaping.reasons, 0))
        self.closed: str | None = None  # why nothing more is taken in, though what was taken in is sent
        self._closed_since = 0
        self._makes_data = rules.makes_data
        self._remakes_values = rules.remakes_values

    @property
    def blocked(self) -> str | None:
        """Why nothing may be sent, or taken in; None when it may."""
        return self.standing.blocked if self.closed is None else self.closed

    # --- in ------------------------------------------------------------------------------------------------------

    def admit(self, ledger: OffsetLedger, chunk: Chunk, now: int, turn: Turn) -> bool:
        """Take a chunk of an owned partition into ledger, lanes and outbox.

        False: the route's transform fails for all records, so that it takes nothing in any more; the chunk stays where it was.
        Of a route that decodes, all schemas of the chunk are known (`Decoding.known_part`).
        """
        if self._shaping is None:
            self._hold(ledger, chunk, now)
            return True
        shaped = self._shaping.of(chunk)
        if self.rules.transform is not None:
            self._tell_transformed(ledger, chunk, shaped, turn)
        if shaped.broken is not None:
            self.closed = f"{TRANSFORM_FAILED}:{shaped.broken}"
            message = "the transform fails whatever it is given: mend it, and restart"
            turn.commands.append(RouteBlocked(self.rules.name, self.closed, message))
            turn.look = True
            return False
        self._admit_shaped(ledger, chunk, shaped, now)
        if self._budget.squeezed and shaped.filtered:
            turn.look = True  # there may be room again, which no answer has made
        return True

    def _tell_transformed(self, ledger: OffsetLedger, chunk: Chunk, shaped: Shaped, turn: Turn) -> None:
        name = self.rules.name
        turn.commands.append(RecordsTransformed(name, chunk.count, shaped.took))
        turn.commands += [TransformRaised(name, ledger.tp, offset, kind) for offset, kind in shaped.raised.items()]

    def _admit_shaped(self, ledger: OffsetLedger, chunk: Chunk, shaped: Shaped, now: int) -> None:
        """Take what is left of a chunk; what was filtered is a hole in the offsets, at its end the end of the log."""
        left = shaped.chunk
        self._filtered.update(shaped.filtered.values())
        freed = held_size(chunk) - (0 if left is None else held_size(left))
        if freed > 0:
            self._budget.release(ledger, freed)
        elif freed:
            self._budget.take(ledger, -freed, chunk.count)
        if left is not None:
            self._hold(ledger, left, now, shaped)
        if left is None or left.end < chunk.end:
            ledger.complete_to(chunk.end)

    def _hold(self, ledger: OffsetLedger, chunk: Chunk, now: int, shaped: Shaped | None = None) -> None:
        """Take records that are to be sent; `shaped` says what is known of them already."""
        limit = self.standing.record_bytes_max
        if shaped is None:
            keys, values, poison = self._mapping.map(chunk, limit)
        else:
            keys, values, poison = self._mapping.map(chunk, limit, shaped.poison, shaped.keys)
        held_bytes = held_size(chunk)
        if self._makes_data or (self._remakes_values and chunk.originals):
            more = _made_bytes(chunk, values)
            if more > 0:
                self._budget.take(ledger, more, chunk.count)
            else:
                self._budget.release(ledger, -more)
            held_bytes += more
        held = HeldChunk(
            ledger,
            chunk.offsets,
            keys,
            values,
            arrived=now,
            timestamp_ms=chunk.timestamp_ms,
            held_bytes=held_bytes,
            poison=poison or None,
            originals=chunk.originals,
        )
        ledger.append(held)
        self.outbox.admit(held, now)

    # --- schemas -------------------------------------------------------------------------------------------------

    def schemas_fetched(self, event: SchemasFetched, now: int, turn: Turn) -> None:
        """Take schemas; what waited for them goes on, and the route, where it was closed."""
        if self.decoding is None:
            raise InvariantError(f"schemas came for route {self.rules.name}, which decodes nothing")
        for schema, found in self.decoding.answered(event.found, now).items():
            turn.commands.append(_learned(self.rules.name, schema, found))
        self._go_on_decoding(now, turn)
        turn.look = True

    def registry_refused(self, event: RegistryRefused, now: int, turn: Turn) -> None:
        """Act on a registry that gives no schemas: it is asked again, and from the second time on nothing more is taken in."""
        blocks = self.decoding is not None and self.decoding.refused(now)
        reason = f"{REGISTRY_FAILED}:{event.code}"
        if not blocks or self.closed == reason or not (self.closed is None or self._closed_by_registry):
            return
        if self.closed is None:
            self._closed_since = now
        self.closed = reason
        turn.commands.append(IntakeClosed(self.rules.name, reason, event.message))
        turn.look = True

    def tend_schemas(self, now: int, turn: Turn) -> None:
        """Go on where nothing waits for a schema any more: its partition went, and whoever has it now asks."""
        if self.closed is not None and self.decoding is not None and not self.decoding.waits:
            self._go_on_decoding(now, turn)

    def ask_for_schemas(self, now: int, turn: Turn) -> None:
        """Ask the registry for what is waited for, when it is time."""
        wanted = () if self.decoding is None else self.decoding.wanted(now)
        if wanted:
            turn.commands.append(FetchSchemas(self.rules.name, wanted))

    @property
    def _closed_by_registry(self) -> bool:
        return self.closed is not None and self.closed.startswith(f"{REGISTRY_FAILED}:")

    def _go_on_decoding(self, now: int, turn: Turn) -> None:
        if self._closed_by_registry:
            self.closed = None
            turn.commands.append(IntakeOpened(self.rules.name, now - self._closed_since))
            turn.look = True

    # --- out -----------------------------------------------------------------------------------------------------

    def wants_description(self, now: int) -> bool:
        """Say whether to ask for the stream's facts now, and note that it was asked for."""
        standing = self.standing
        at = standing.watch.at  # read here, not asked of the watch: this is on the way of a record
        if at is not None and now >= at and standing.wants_look():
            return True
        if self.puts or (standing.usable and standing.state is RouteState.OPEN):
            return False
        return standing.wants_description(now, nothing_to_send=not self._has_something(now))

    def wants_to_send(self, now: int) -> bool:
        """Say whether a request should leave now: a full one, or one that has waited long enough to be filled."""
        standing, search, idle = self.standing, self._search, not self.puts
        blocked = standing.state is not RouteState.OPEN
        probe = blocked and standing.probes(now)
        at = (search or self.outbox).leaves_at(now, idle=idle, probe=probe)
        if at is None or at > now or not standing.usable:
            return False
        if search is None and not blocked and not self._failures.in_a_row:
            return True
        return idle and now >= standing.probe_at and standing.state is not RouteState.UNKNOWN

    def next_put(self, number: int, lease: int, now: int, turn: Turn) -> Put | None:
        """Pack the request that leaves now; None when nothing is left to send."""
        put = (self._search or self.outbox).pack(number, lease, now)
        if put is None:
            self._go_on_searching(now, turn)
        else:
            self.puts[number] = put
        return put

    def _has_something(self, now: int) -> bool:
        outbox = self.outbox
        return self._search is not None or outbox.waiting > 0 or outbox.leaves_at(now, idle=True) is not None

    def needs_lease(self, now: int) -> bool:
        """Say whether something waits to be signed: records, a search for poison, a probe, or a look for a higher limit."""
        standing = self.standing
        if self.quarantine.waits_for_limit and standing.watch.due(now):
            return True
        return standing.blocked is not None or self._has_something(now)

    def next_wake(self, now: int) -> int | None:
        """Give the next moment at which time alone lets something leave."""
        leaves = (self._search or self.outbox).leaves_at(now, idle=not self.puts)
        letter = self.quarantine.next_wake(now)
        probe = None if self.standing.blocked is None else self.standing.probe_at
        look = self.standing.watch.at
        schema = None if self.decoding is None else self.decoding.next_wake()
        wake: int | None = None
        for moment in (leaves, letter, probe, look, schema):  # a loop: it is asked in nearly each turn
            if moment is not None and moment > now and (wake is None or moment < wake):
                wake = moment
        return wake

    # --- answers -------------------------------------------------------------------------------------------------

    def answered(self, event: PutAnswered, now: int, turn: Turn) -> None:
        """Settle what landed, keep what was refused."""
        put, failed = self.puts.pop(event.put), event.failed
        if put.shares:
            self._tell_breaks(put, event, turn)
        by_timestamp = self.outbox.settle(put, failed, turn.moved, now)
        records, payload = put.landed(failed) if failed else (put.records, put.payload_bytes)
        if records:
            turn.commands.append(RecordsSettled(self.rules.name, records, payload, now - put.sent_at, by_timestamp))
            self._failures.succeeded(put.lease)
            self._keeper.landed(put.lease)
            if self.standing.blocked is not None and not self.standing.forbidden:
                self.standing.open(now, turn)
        elif self.standing.blocked is not None and not self.standing.forbidden:
            self.standing.refused(failed.values(), now, turn)
        search = self._search_of(put)
        if search is not None:
            search.answered(landed=records > 0)
        if failed:
            self._slow_down(put, failed, now)
            for refusal in put.refusals(failed):
                self._keep(refusal, search, now, turn, control=records > 0)
        self._go_on_searching(now, turn)  # only now: a control must not overtake what came back just before

    def _keep(self, refusal: Refusal, search: Search | None, now: int, turn: Turn, *, control: bool) -> None:
        """Keep refused records that are tried together; `control`: others of their request landed.

        Poison is who was refused by himself while others landed. `search`: the one that asked for them.
        """
        self._note_refused(refusal, now, turn)
        parts, codes, apart = refusal
        poison = of_entry(codes[0]) is Verdict.SEARCH
        if poison:
            self.standing.watch.hinted(now)
        if poison and not (control and apart):
            self._look_for_poison(parts, codes[0], search, now, control=control)
            return
        behind = () if search is None else search.let_go(parts)
        if poison:
            self.outbox.put_back(behind, now)  # before its key is held up: what waits in lanes is behind it
            self.outbox.poisoned(parts, codes[0])
        else:
            wait = max(self._wait(parts[0].attempts, each) for each in dict.fromkeys(map(of_entry, codes)))
            self.outbox.delay((*parts, *behind), now + wait)

    def _note_refused(self, refusal: Refusal, now: int, turn: Turn) -> None:
        """Tell of refused records by their codes."""
        for code in dict.fromkeys(refusal.codes):
            parts = [part for part, its in zip(refusal.parts, refusal.codes, strict=True) if its == code]
            verdict = of_entry(code)
            ambiguous = verdict is Verdict.AMBIGUOUS
            turn.commands.append(RecordsFailed(self.rules.name, code, count(parts), ambiguous=ambiguous))
            if verdict is Verdict.LANE:
                for part in parts:  # an aggregate may hold records of several partitions, and all of them wait
                    self.quarantine.note_unknown(part.chunk, part.places[0], code, now)

    def _slow_down(self, put: Put, failed: Mapping[int, str], now: int) -> None:
        """Slow the shards down whose entries were throttled."""
        for entry, code in failed.items():
            if of_entry(code) is Verdict.THROTTLED:
                self.outbox.pacer.throttled(put.hashed(entry), now)
                self.standing.watch.throttled(now)

    def _tell_breaks(self, put: Put, answer: PutAnswered | None, turn: Turn) -> None:
        """Tell of records that came behind a later one of their key; `answer` is None where nobody knows what landed."""
        breaks = count_breaks(put, answer)
        turn.commands += [OrderBroken(self.rules.name, cause, records) for cause, records in breaks.items()]

    def refused(self, event: PutRefused, now: int, turn: Turn) -> None:
        """Act on a request that the service refused as a whole."""
        verdict = of_request(event.code)
        if verdict in _HINTS:
            self.standing.watch.hinted(now)
        elif verdict is Verdict.THROTTLED:
            self.standing.watch.throttled(now)
        put, parts = self._failed_whole(event.put, event.code, now, turn, ambiguous=verdict is Verdict.AMBIGUOUS)
        if verdict is Verdict.DENIED and self._failures.may_be_revoked(put.lease):
            verdict = Verdict.LEASE
        match verdict:
            case Verdict.SEARCH:
                self._look_for_poison(parts, event.code, self._search_of(put), now, entries=put.records)
            case Verdict.LEASE:
                self._keeper.rejected(put.lease, event.code, now, turn)
                self._sender_of(put).put_back(parts, now)
            case Verdict.DENIED | Verdict.BLOCKED | Verdict.LANE:
                if verdict is Verdict.DENIED:
                    self._keeper.doubted(put.lease, now)
                self._sender_of(put).put_back(parts, now)
                self._block(event.code, event.message, now, turn)
            case _:
                self._try_again(put, parts, (verdict, event.code), now, turn)
        self._go_on_searching(now, turn)

    def unknown(self, event: PutAmbiguous | PutUnsent, now: int, turn: Turn) -> None:
        """Act on a request whose outcome nobody knows, or that never left: send it again after a backoff."""
        ambiguous = isinstance(event, PutAmbiguous)
        put, parts = self._failed_whole(event.put, event.reason, now, turn, ambiguous=ambiguous)
        why = (Verdict.AMBIGUOUS if ambiguous else Verdict.RETRY, event.reason)
        self._try_again(put, parts, why, now, turn)
        self._go_on_searching(now, turn)

    def _failed_whole(self, number: int, code: str, now: int, turn: Turn, *, ambiguous: bool) -> tuple[Put, Group]:
        """Tell of a request that failed as a whole; give it, and its records as far as they are owned."""
        put = self.puts.pop(number)
        turn.commands.append(RecordsFailed(self.rules.name, code, put.records, ambiguous=ambiguous))
        if ambiguous and put.shares:
            self._tell_breaks(put, None, turn)
        return put, self.outbox.unsettled(put, now)

    def _try_again(self, put: Put, parts: Group, why: tuple[Verdict, str], now: int, turn: Turn) -> None:
        verdict, code = why
        too_many = self._failures.failed(verdict)
        sender = self._sender_of(put)
        if self.standing.blocked is not None or too_many:
            sender.put_back(parts, now)
            self._block(code, "no request succeeds", now, turn)
        else:
            sender.delay(parts, now + self._wait(put.attempts, verdict))

    def _block(self, code: str, message: str, now: int, turn: Turn, *, seeks_control: bool = False) -> None:
        """Block for what an answer says; what the stream's own description forbids stands until the next one."""
        if not self.standing.forbidden:
            self.standing.block(code, message, now, turn, seeks_control=seeks_control)

    def _wait(self, attempts: int, verdict: Verdict) -> int:
        return self._failures.wait(attempts, verdict, paced=bool(self.outbox.pacer.paces))

    # --- poison --------------------------------------------------------------------------------------------------

    def _search_of(self, put: Put) -> Search | None:
        """Give the search that asked by this request."""
        search = self._search
        return search if search is not None and search.carries(put) else None

    def _sender_of(self, put: Put) -> Sender:
        """Give where what did not settle of a request goes back to."""
        return self._search_of(put) or self.outbox

    def _look_for_poison(
        self,
        parts: Group,
        code: str,
        search: Search | None,
        now: int,
        *,
        entries: int | None = None,
        control: bool = False,
    ) -> None:
        """Look for the record that makes Kinesis refuse these; while one search goes on, others wait for it.

        `entries` records were refused as one request; None: the service named these themselves.
        `control`: others of the same request landed. `search`: the one that asked for them.
        """
        if search is not None:
            search.refused(parts, entries=entries)
        elif self._search is not None:
            self.outbox.put_back(parts, now)
        elif parts:
            in_order = self.rules.needs_keys
            self._search = Search(self.outbox, parts, code, entries=entries, control=control, in_order=in_order)

    def _go_on_searching(self, now: int, turn: Turn) -> None:
        """Let the search choose what it asks next; where it is over, the outbox is the sender again.

        One that has no hope goes on, but loudly, and by one request a backoff: many bad records in a row look like a stream that
        takes none.
        """
        search = self._search
        if search is None:
            return
        over = search.ends(now)
        if over:
            self._search = None
        if search.unproven if over else search.hopeless:
            message = "a record is refused, and no other landed to show that it is the record that is wrong"
            self._block(search.code, message, now, turn, seeks_control=True)

    def tend_poison(self, now: int, turn: Turn, number: Callable[[], int]) -> None:
        """Do with poison what the policy says; `number` names a letter."""
        for poison in self.quarantine.decide(now, turn, number):
            turn.moved[poison.chunk.owner] = None
            self.outbox.settle_poison(poison, now)
        if self.quarantine.doubted:
            self.standing.watch.doubted(now)
        elif self.quarantine.waits_for_limit:
            self.standing.watch.hinted(now)
        self._send_what_fits(now, turn)
        if self.quarantine.overrun(now):
            if self.standing.blocked is None:
                message = "more records were refused within a minute than limits.max_poison_per_minute allows"
                self.standing.block(TOO_MUCH_POISON, message, now, turn)
            self.standing.probe_at = max(self.standing.probe_at, self.quarantine.next_wake(now) or now)

    def _send_what_fits(self, now: int, turn: Turn) -> None:
        """Send what was too large, and is so no more."""
        freed, self.quarantine.freed = self.quarantine.freed, []
        for poison, told in freed:
            self.outbox.free(poison, now)
            if told:
                turn.commands.append(RecordFreed(self.rules.name, poison.chunk.owner.tp, poison.offset))

    def letter_stored(self, event: LetterAcknowledged, now: int, turn: Turn) -> None:
        """Settle a record whose dead letter was acknowledged."""
        poison = self.quarantine.acknowledged(event, turn)
        if poison is not None:
            turn.moved[poison.chunk.owner] = None
            self.outbox.settle_poison(poison, now)

    # --- a partition that goes -----------------------------------------------------------------------------------

    def holds(self, ledger: OffsetLedger) -> bool:
        """Say whether anything of a partition that was sent is not settled and still on its way."""
        return any(part.chunk.owner is ledger for part in self._parts()) or self.quarantine.awaits(ledger)

    def has_in_flight(self, ledger: OffsetLedger) -> bool:
        """Say whether a request is in flight that carries records of a partition."""
        return any(part.chunk.owner is ledger for put in self.puts.values() for part in put.parts)

    def _parts(self) -> list[Part]:
        """Give all records that are on their way: in the outbox, in the search, in flight."""
        found = [part for put in self.puts.values() for part in put.parts]
        found += self.outbox.parts()
        if self._search is not None:
            found += self._search.parts()
        return found

    def forget_unsent(self, ledger: OffsetLedger) -> None:
        """Forget what nobody sent of a partition that drains or is gone."""
        self.outbox.forget_unsent(ledger)
        if self._search is not None:
            self._search.forget_unsent(ledger)
        self.quarantine.forget_unsent(ledger)
        if self.decoding is not None:
            self.decoding.forget(ledger.tp)

    # --- the stream ----------------------------------------------------------------------------------------------

    def described(self, event: StreamDescribed, now: int, turn: Turn) -> None:
        """Take the stream's facts; open the route unless they forbid it, and send what was too large and fits now."""
        self.outbox.learn(event)
        if not self.standing.looks:
            self._failures.forget()
        self.standing.described(event, now, turn, waited_for=self.quarantine.waits_for_limit)
        self._limit_known(now, turn)

    def undescribed(self, event: StreamRefused, now: int, turn: Turn) -> None:
        """Act on a stream that could not be described."""
        if self.standing.looks:
            idle = not self.puts and not self._has_something(now)
            self.standing.look_failed(event, now, turn, idle=idle)
            self._limit_known(now, turn)
            return
        verdict = of_request(event.code)
        self.standing.undescribed(event, verdict, now, turn)
        self._limit_known(now, turn)
        if event.lease is None:
            return
        if verdict is Verdict.LEASE:
            self._keeper.rejected(event.lease, event.code, now, turn)
        elif verdict is Verdict.DENIED and self.standing.blocked is not None:
            self._keeper.doubted(event.lease, now)

    def _limit_known(self, now: int, turn: Turn) -> None:
        """Let what was put off until the stream was asked be decided by what is known now."""
        self.quarantine.learn(self.standing.record_bytes_max, self.standing.watch.sure_until)
        self._send_what_fits(now, turn)

    def status(self) -> RouteStatus:
        """Give the present state in figures."""
        return RouteStatus(
            self.rules.name,
            self.blocked,
            in_flight=len(self.puts),
            waiting=self.outbox.waiting,
            key_fallbacks=self._mapping.cache.fallbacks,
            filtered=dict(self._filtered),
            schemas=None if self.decoding is None else self.decoding.schemas,
            stream=self.standing.status(),
        )


class Role:
    """A sick lease is a matter of this role's routes, and of no other."""

    def __init__(self, keeper: LeaseKeeper, routes: Sequence[Route]) -> None:
        """Keep the lease of these routes."""
        self.keeper = keeper
        self._routes = routes
        self._on_demand = keeper.rules.policy is RotationPolicy.ON_DEMAND

    def issued(self, event: LeaseIssued, now: int, turn: Turn) -> None:
        """Take a lease; routes that waited for one go on."""
        self.keeper.issued(event, now, turn)
        for route in self._routes:
            if (route.standing.reason or "").partition(":")[0] in _LEASE_REASONS:
                route.standing.lease_is_back(now, turn)

    def refused(self, event: LeaseRefused, now: int, turn: Turn) -> None:
        """Note that no lease was to be had."""
        self.keeper.refused(event, now, turn)

    def tend(self, now: int, turn: Turn) -> None:
        """Block the routes while no lease is to be had; ask for one when it is time."""
        trouble = self.keeper.trouble(now)
        if trouble is not None:
            for route in self._routes:
                if route.standing.reason != trouble[0]:
                    route.standing.block(*trouble, now, turn)
        # Only now: a route that was just blocked needs one.
        if self.keeper.wants_lease(now, needed=self._needs_lease(now)):
            turn.commands.append(RequestLease(self.keeper.rules.name))

    def status(self, now: int) -> LeaseStatus:
        """Give the present state of the lease in figures."""
        return self.keeper.status(now, needed=self._needs_lease(now))

    def _needs_lease(self, now: int) -> bool:
        """Say whether it may not be missing: only one that is renewed on demand may, while nothing waits to be signed."""
        return not self._on_demand or any(route.needs_lease(now) for route in self._routes)


def _learned(route: str, schema: str, found: Found) -> SchemaLearned:
    if found is None:
        return SchemaLearned(route, schema, "unknown", "the registry has no schema of this id")
    if isinstance(found, Unusable):
        return SchemaLearned(route, schema, "unusable", found.why)
    return SchemaLearned(route, schema, "usable")


def _made_bytes(chunk: Chunk, data: Sequence[bytes]) -> int:
    """Give how many bytes more are held from here on than were fetched: fewer than none where they were compressed.

    What was fetched is let go, but for whole records, which hold theirs.
    """
    made = sum(map(len, data))
    return made if chunk.originals else made - sum(map(len, filter(None, chunk.values)))


def _outbox(rules: RouteRules, limits: LimitRules, budget: Budget, quarantine: Quarantine) -> Outgoing:
    """Make what fits a route's rules."""
    if rules.aggregation is not None:
        return AggregatedOutbox(rules.aggregation, limits, budget, quarantine)
    return Outbox(limits, budget, quarantine, shares=rules.has_shared_lanes)
