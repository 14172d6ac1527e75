"""How leases are asked for: in time (I9), without storms and with jitter (I10), and what the token service saw (I6)."""

from __future__ import annotations

from doka.adapters.simulated.kinesis import Put
from doka.adapters.simulated.plan import Incident, Kind
from doka.adapters.simulated.tokens import triple
from doka.domain.events import Event, LeaseIssued, LeaseRefused, SchemasFetched, StreamDescribed, StreamRefused
from doka.domain.facts import LeaseRejected, LeaseRenewalFailed
from doka.domain.lease import Lease
from doka.domain.limits import BACKOFF_FIRST_NS, NS_PER_SECOND
from doka.domain.rules import Ordering, RotationPolicy
from doka.domain.status import Status
from tests.simulation.invariants.facts import EARLY_DEATHS_FORGIVEN, Facts
from tests.simulation.invariants.figures import SIGNING
from tests.simulation.invariants.streams import Streams
from tests.simulation.invariants.violation import ViolationError

LEASE_QUESTIONS_MAX = 90  # in ten seconds; short leases and a short interval need up to sixty
DEAD_LEASES_MAX = 15  # in ten seconds, with nothing landed between; a backoff comes to eight
LEASE_REASONS = ("clock_skew", "lease_")
"""How the reasons begin for which a route is blocked because its role has no lease."""
DOUBTED_AFTER_NS = 60 * NS_PER_SECOND  # a lease under which a stream denies access is renewed, so often at most
NEVER = 1 << 63
LEASE_REFUSALS_MAX = 40  # in ten seconds and in a row; a backoff comes to fewer than twenty


class Leases(Facts, Streams):
    """Questions to STS come in time (I9), and not too many of them (I10)."""

    def judge_renewal(self, now: int) -> None:
        """Judge, after a turn that was decided at `now`, that it has asked for the lease that was to be asked for: I9."""
        late = now - self._ask_by
        if late >= 0:
            self.require(self.machine_halted(), "I9", f"a lease was to be asked for {late} ns ago, and was not")

    def _must_ask_at(self, moment: int) -> None:
        """Note when the process must have asked for a lease, where it has not asked already, or renews on demand only."""
        waits = self.plan.role.policy in {RotationPolicy.ON_DEMAND, RotationPolicy.NEVER}
        self._ask_by = NEVER if self._asking or waits else moment

    def lease_asked(self, role: str) -> None:
        now = self.world.timeline.now
        self._asking = True
        self._ask_by = NEVER
        if 0 < self._lease_ends_at <= now and any(
            o.attempts.keys() & o.unsettled.keys() - o.in_flight.keys() for o in self.owned.values()
        ):
            self.reached["a lease ended while records waited for another try"] += 1
        once = self.plan.role.policy is RotationPolicy.NEVER and (self._lease is not None or self._deaths)
        self.require(not once, "I10", "a lease was asked for, and the policy is to have one only")
        self._questions.append(now)
        while now - self._questions[0] > 10 * NS_PER_SECOND:
            self._questions.popleft()
        count = len(self._questions)
        self.require(count <= LEASE_QUESTIONS_MAX, "I10", f"{count} leases were asked for within ten seconds")
        if self._lease is not None:
            early = self._renewed_from(self._lease) - now
            self.require(early <= 0, "I10", f"a lease was asked for {early} ns before the present one needs it")

    def _renewed_from(self, lease: Lease) -> int:
        """Give when a lease that nobody has rejected may be renewed first."""
        role = self.plan.role
        moments = [lease.issued_at + DOUBTED_AFTER_NS]
        if role.policy is RotationPolicy.INTERVAL:
            moments.append(lease.issued_at + role.interval)
        if lease.ends_at is not None:
            life = max(lease.ends_at - lease.issued_at, 0)
            margin = min(role.margin, life // 3)
            moments.append(lease.ends_at - min(self.plan.limits.request_timeout, life // 5))
            if role.policy is RotationPolicy.BEFORE_EXPIRY:
                moments.append(lease.ends_at - margin - margin // 5)
        return min(moments)

    def _renewed_by(self, lease: Lease) -> int:
        """Give when a lease that the process reads now must be renewed last, whatever the jitter; NEVER where it has to wait."""
        now, role = self.world.timeline.now, self.plan.role
        if lease.ends_at is None:
            return NEVER
        life = max(lease.ends_at - lease.issued_at, 0)
        by = lease.ends_at - min(self.plan.limits.request_timeout, life // 5)
        if now >= by:  # born dead
            self._died(now)
            return now if self._deaths <= EARLY_DEATHS_FORGIVEN else NEVER
        if role.policy is RotationPolicy.INTERVAL:
            by = min(by, lease.issued_at + role.interval)
        elif role.policy is RotationPolicy.BEFORE_EXPIRY:
            by = min(by, lease.ends_at - min(role.margin, life // 3))
        return max(by, now + BACKOFF_FIRST_NS)

    def read(self, event: Event) -> None:
        """Note what the process has read of its inbox."""
        self.note_lease(event)
        self.note_stream(event)
        self.note_schemas(event)
        if isinstance(event, SchemasFetched):
            self.turned_at[event.route] = self.world.timeline.now  # what waited for them comes in only now
        if isinstance(event, LeaseIssued):
            self._asking = False
            self._lease = event.lease
            self._must_ask_at(self._renewed_by(event.lease))
        elif isinstance(event, LeaseRefused):
            self._asking = False  # and when it asks again, it tells
        elif isinstance(event, StreamRefused) and event.lease is not None:
            self._refused_leases.add(event.lease)
        elif isinstance(event, StreamDescribed):
            self._described.add(event.route)
            keeps = self.plan.ordering is not Ordering.NONE or self.plan.aggregation is not None
            (self._scattered.discard if event.honours_keys or not keeps else self._scattered.add)(event.route)

    def judge_blocks(self, status: Status) -> None:
        """Judge that no route waits for a lease that is there: I9."""
        if all(lease.state in SIGNING for lease in status.leases.values()):
            waiting = [name for name, route in status.routes.items() if (route.blocked or "").startswith(LEASE_REASONS)]
            self.require(not waiting, "I9", f"there is a lease, and {waiting} wait for one")

    def asked_again(self, kind: str, name: str) -> None:
        raise ViolationError("I10", f"a {kind} of {name} was asked for again, and nobody has answered yet")

    def lease_answered(self, event: Event) -> None:
        self._leases_answered += 1
        self._look_at_lease(event)
        if not isinstance(event, LeaseRefused):
            self._refusals.clear()
        if isinstance(event, LeaseRefused):
            now = self.world.timeline.now
            self._refusals.append(now)
            while now - self._refusals[0] > 10 * NS_PER_SECOND:
                self._refusals.popleft()
            count = len(self._refusals)
            self.require(count <= LEASE_REFUSALS_MAX, "I10", f"STS refused {count} questions within ten seconds")
            if self._leases_answered == 1:
                self.reached["STS was down at the start of a life"] += 1
            self.reached["a lease was refused"] += 1
            if self._in_flight:
                self.reached["a lease was refused with a put in flight"] += 1
        elif self._in_flight:
            self.reached["a lease was renewed with a put in flight"] += 1
        if self.draining:
            self.reached["a lease was answered after the stop was asked for"] += 1

    def _look_at_lease(self, event: Event) -> None:
        if isinstance(event, LeaseIssued) and event.lease.ends_at is not None:
            lease, self._lease_ends_at = event.lease, event.lease.ends_at
            if self._lease_ends_at <= self.world.timeline.now:
                self.reached["a lease arrived past its end"] += 1
            elif self._lease_ends_at - lease.issued_at < self.plan.lease_life:
                self.reached["a lease arrived shorter than asked"] += 1

    def told_refused(self, fact: LeaseRenewalFailed) -> None:
        """Note when the process is going to ask again, as it says."""
        self._must_ask_at(self.world.timeline.now + fact.retry_in)

    def _died(self, now: int) -> None:
        """Note that a lease has died: rejected, or too late to be used."""
        self._deaths += 1
        self._deaths_in_a_row += 1
        self._dead_leases.append(now)
        while now - self._dead_leases[0] > 10 * NS_PER_SECOND:
            self._dead_leases.popleft()
        dead = len(self._dead_leases)
        self.require(dead <= DEAD_LEASES_MAX, "I10", f"{dead} leases died within ten seconds, and nothing landed")

    def told_rejected(self, fact: LeaseRejected) -> None:
        """Judge that a lease was given up: a denial may be its fault once, until something lands again on that route."""
        refused = fact.serial in self._refused_leases
        self.require(refused, "I10", f"lease {fact.serial} was given up, and no stream has refused it")
        now = self.world.timeline.now
        self._died(now)
        if self._lease is not None and self._lease.serial == fact.serial:
            self._lease = None
            self._must_ask_at(now if self._deaths <= EARLY_DEATHS_FORGIVEN else NEVER)
        self._denials += fact.code.startswith("AccessDenied")
        most = sum(
            self.plan.work.routes * self.plan.work.tee * (i.kind in {Kind.ACCESS_DENIED, Kind.STREAM_DENIED})
            + (i.kind is Kind.TOKENS_REVOKED)
            for i in self.plan.incidents
        )
        self.require(self._denials <= most, "I10", f"{self._denials} leases were rejected for a denial")

    def put_denied(self, put: Put, code: str) -> None:
        lease = put.command.lease
        if lease.secrets != triple(lease.serial):
            raise ViolationError("I6", f"the token service was shown secrets of two issues by put {put.command.put}")
        if self.world.timeline.now >= self.world.tokens.tokens[lease.serial].ends_at:
            self.reached["a token ended between signing and arrival"] += 1

    def befell(self, incident: Incident) -> None:
        if incident.kind is Kind.TOKENS_REVOKED and self._in_flight:
            self.reached["tokens were revoked with a put in flight"] += 1
        elif incident.kind is Kind.SHARD_SPLIT and self._in_flight:
            self.reached["a shard was split with a put in flight"] += 1
        elif incident.kind is Kind.SHARD_MERGE and self._in_flight:
            self.reached["shards were merged with a put in flight"] += 1
        elif incident.kind is Kind.REBALANCE and any(o.draining for o in self.owned.values()):
            self.reached["a rebalance began while a revoke was under way"] += 1

    def resumed(self) -> None:
        self.reached["a partition was paused and resumed"] += 1

    def woke(self) -> None:
        if self._lease_ends_at and self.world.timeline.now >= self._lease_ends_at:
            self.reached["the process was suspended past the end of its lease"] += 1
