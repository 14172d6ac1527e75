"""What leaves, and what became of it: each request is judged entry by entry, each landing and each answer when it comes.

I3   nothing is sent before it was delivered
I4   the order of keys, see order.py
I5   no request is signed with a lease that is past its end, or decided under one that it could outlive
I6   the three secrets of a signature come from one issue
I7   requests in flight and entries of a request are bounded
I8   nothing is sent again that has settled, or that is in flight
I10  no record is sent again and again without waiting
I11  what can never land, as everybody can see, is never sent
I13  nothing is sent of a partition that is not owned; a drain sends nothing new (what was decided before it is not new)
I16  what an answer calls landed has landed
"""

from __future__ import annotations

from collections.abc import Mapping

from doka.adapters.simulated.kinesis import UNHEARD, Put
from doka.adapters.simulated.producer import UNUSABLE_KEYS
from doka.adapters.simulated.tokens import triple
from doka.adapters.simulated.unfold import unfold
from doka.domain.commands import SendPut
from doka.domain.events import Event, PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from doka.domain.limits import NS_PER_SECOND, PARTITION_KEY_BYTES_MAX
from doka.domain.records import TopicPartition
from doka.domain.rules import NullKey
from tests.simulation.invariants.facts import Facts
from tests.simulation.invariants.order import Order
from tests.simulation.invariants.violation import ViolationError
from tests.simulation.truth import Ownership

MANY_ENTRIES = 20
THIRD_TIME = 3
ATTEMPTS_MAX = 60  # of one record in a second


class Puts(Order, Facts):
    """A put is begun, landed and answered, and each of these breaks no rule."""

    def put_began(self, command: SendPut) -> None:
        self._in_flight += 1
        self._judge_signature(command)
        self._judge_bounds(command)
        scattered = command.route in self._scattered
        self.require(not scattered, "I4", f"put {command.put} goes to a stream that ignores keys, and so breaks order")
        world, owned = self.world, self.owned
        now, put = world.timeline.now, command.put
        self._left_at[command.route] = now
        member = None if world.member is None else world.member.number
        owner_of = world.group.owner
        entries, entry_of = self._entries[put], self._entry_of[put] = [], []
        sizes: list[int] = []
        together: set[tuple[TopicPartition, int]] = set()  # what goes in this entry, or in this request, in order
        for entry, records in enumerate(self._aggregates.began(command)):
            if not self.shares:
                together = set()
            if len(records) > 1:
                self._judge_aggregate(command, entry)
            for key, value in records:
                truth, offset = self._bare.get(value or key) or self.record_of(key, value)
                ownership = owned.get(truth.tp)
                if ownership is None:
                    raise ViolationError("I13", f"{truth.tp} offset {offset} was sent, and is not owned")
                if ownership.truth is not truth:
                    raise ViolationError("I13", f"{truth.tp} offset {offset} of a former topic was sent")
                wanted = truth.lanes[offset]
                if wanted is not None and key != wanted:
                    raise ViolationError("I4", f"{truth.tp} offset {offset} of key {wanted!r} was sent as {key!r}")
                self._may_send(ownership, offset, together, now)
                together.add((truth.tp, offset))
                if owner_of[truth.tp] != member:
                    self.duplicates_allowed += 1
                ownership.in_flight[offset] = put
                if offset >= ownership.sent_to:
                    ownership.sent_to = offset + 1
                entries.append((ownership, offset))
                entry_of.append(entry)
                sizes.append(len(value))
        self.judge_probe(command.route)
        self.carried(command, entries)
        self.note_put(command, sizes)
        if len(entries) > len(command.keys):
            self.reached["a put of aggregates"] += 1

    def _judge_signature(self, command: SendPut) -> None:
        """Judge the lease: I5 and I6."""
        world, lease = self.world, command.lease
        ends_at = world.tokens.tokens[lease.serial].ends_at
        now = world.timeline.now
        if lease.secrets != triple(lease.serial):
            raise ViolationError("I6", f"put {command.put} mixes two issues of secrets")
        if now >= ends_at:
            raise ViolationError("I5", f"put {command.put} is signed {now - ends_at} ns after its lease has ended")
        outlives = now - world.slept_in_hand + command.timeout - ends_at
        if outlives > 0:
            raise ViolationError("I5", f"put {command.put} may outlive its lease by {outlives} ns")
        if world.slept_in_hand:
            self.reached["the process stood still between a decision and its signature"] += 1

    def _judge_bounds(self, command: SendPut) -> None:
        """Judge the size of the request and how many there are: I7."""
        limits, count = self.plan.limits, len(command.keys)
        most = max(limits.requests_in_flight, self.plan.work.routes)
        if self._in_flight > most:
            raise ViolationError("I7", f"{self._in_flight} puts in flight, allowed are {most}")
        if not 0 < count <= limits.request_records:
            raise ViolationError("I7", f"a put of {count} entries")
        if count > 1 and sum(map(len, command.values)) + count * PARTITION_KEY_BYTES_MAX > limits.request_bytes:
            size = sum(map(len, command.values)) + sum(len(key.encode()) for key in command.keys)
            if size > limits.request_bytes:
                raise ViolationError("I7", f"a put of {count} entries and {size} bytes")
            self.reached["a put that its bytes bound"] += 1
        if count == 1:
            self.reached["a put of one entry"] += 1
        elif count >= MANY_ENTRIES:
            self.reached["a put of twenty entries or more"] += 1

    def _judge_aggregate(self, command: SendPut, entry: int) -> None:
        """Judge that the stream takes an aggregate, as far as the process can know: I7."""
        size = len(command.keys[entry]) + len(command.values[entry])
        most = self.world.streams[command.route].record_bytes_max
        self.require(size <= self.plan.limits.request_bytes, "I7", f"an aggregate of {size} bytes, for one request")
        if size > most and command.route in self._described:
            raise ViolationError("I7", f"an aggregate of {size} bytes, and the stream takes {most}")

    def _may_send(self, ownership: Ownership, offset: int, together: set[tuple[TopicPartition, int]], now: int) -> None:
        truth = ownership.truth
        if offset >= ownership.expected:
            raise ViolationError("I3", f"{truth.tp} offset {offset} was sent before it was delivered")
        if offset in truth.unwanted:
            raise ViolationError("I11", f"{truth.tp} offset {offset} is left out by its route, and was sent")
        if offset not in ownership.unsettled:
            raise ViolationError("I8", f"{truth.tp} offset {offset} was sent again after it had settled")
        if offset in ownership.in_flight:
            raise ViolationError("I8", f"{truth.tp} offset {offset} was sent while it was in flight")
        if offset in truth.poison and self._never_lands(truth.keys[offset]):
            raise ViolationError("I11", f"{truth.tp} offset {offset} can never land, and was sent")
        if offset >= max(ownership.sent_to, ownership.drains_to) and (ownership.draining or self.draining):
            raise ViolationError("I13", f"{truth.tp} offset {offset} was sent first in a drain")
        self.may_follow(ownership, offset, together)
        sent = ownership.attempts.setdefault(offset, [])
        sent.append(now)
        if len(sent) == THIRD_TIME:
            self.reached["a record was refused twice"] += 1
        if len(sent) > ATTEMPTS_MAX and now - sent[-ATTEMPTS_MAX - 1] <= NS_PER_SECOND:
            raise ViolationError("I10", f"{truth.tp} offset {offset} was sent {ATTEMPTS_MAX} times within a second")

    def _never_lands(self, key: bytes | None) -> bool:
        """Say whether everybody can see that what never lands does not, by its key."""
        return key in UNUSABLE_KEYS or (key is None and self.plan.null_key is NullKey.REJECT)

    def never_signed(self, command: SendPut) -> None:
        records = 0
        for key, value in zip(command.keys, command.values, strict=True):
            for inner in unfold(key, value):
                records += 1
                truth, offset = self.record_of(inner.key, inner.value)
                ownership = self.owned.get(truth.tp)
                if ownership is not None:  # it was on its way, as far as the machine can know: a drain fills this hole
                    ownership.sent_to = max(ownership.sent_to, offset + 1)
        self.note_unsigned(command, records)
        self.reached["a lease ended between a decision and its signature"] += 1

    def landed(self, put: Put | None, entry: int, key: str, value: bytes, route: str) -> None:
        direct = self._records if put is None else self._bare  # the other member sends what it reads
        truth, offset = direct.get(value or key) or self.record_of(key, value)
        landed = truth.landed
        self.landed_entry(put, entry)
        if offset in landed:
            landed[offset] += 1
            return
        landed[offset] = 1
        if truth.sizes[offset] > self.plan.record_bytes_max and put is not None:
            self.reached["a record that is too large as it came landed compressed"] += 1
        self.world.progress()
        self.lands(put, entry, truth, offset)
        if put is not None and not put.life.alive:
            self.reached["a record first landed after its sender's death"] += 1
        elif put is not None and put.answered:
            self.reached["a put landed after it was given up"] += 1

    def put_answered(self, put: Put, event: Event) -> None:
        self._in_flight -= 1
        self._aggregates.answered(put.command.put)
        self.answer_of(put.command, event)
        entries, entry_of = self._entries.pop(put.command.put), self._entry_of.pop(put.command.put)
        self.note_answer(put, event, entries, entry_of)
        if isinstance(event, PutAnswered):
            if len(event.failed) < len(put.command.keys):
                self._note_landed(put)
            self._answered(entries, {i: event.failed[at] for i, at in enumerate(entry_of) if at in event.failed})
            return
        self._failing.add(put.command.route)
        for ownership, offset in entries:
            del ownership.in_flight[offset]
        if isinstance(event, PutAmbiguous):
            self.duplicates_allowed += len(entries)
            self._ambiguous_here += len(entries)
            landed = any(offset in ownership.truth.landed for ownership, offset in entries)
            self.reached[f"a put was ambiguous and had {'' if landed else 'not '}landed"] += 1
            if any(ownership.draining for ownership, _ in entries):
                self.reached["a put was ambiguous in the drain of its partition"] += 1
        elif isinstance(event, PutUnsent):
            self.reached["a put never left the process"] += 1
        elif isinstance(event, PutRefused):
            self._refused_leases.add(put.command.lease.serial)
            self.reached[f"a put was refused with {event.code}"] += 1

    def _note_landed(self, put: Put) -> None:
        """Note that something of a request has landed, as the process now knows."""
        self._failing.discard(put.command.route)
        if self._lease is not None and self._lease.serial == put.command.lease.serial:
            self._deaths_in_a_row = 0

    def _answered(self, entries: list[tuple[Ownership, int]], failed: Mapping[int, str]) -> None:
        self._settled_here += len(entries) - len(failed)
        if len(failed) < len(entries):
            self._dead_leases.clear()
        if len(failed) == len(entries):
            self.reached["every entry of a put was refused"] += 1
        elif len(failed) == 1 and len(entries) - 1 in failed:
            self.reached["only the last entry of a put was refused"] += 1
        elif 0 in failed:
            self.reached["the first entry was refused and a later one landed"] += 1
        for i, (ownership, offset) in enumerate(entries):
            del ownership.in_flight[offset]
            if i not in failed:
                if offset not in ownership.truth.landed:
                    raise ViolationError("I16", f"{ownership.truth.tp} {offset} did not land")
                ownership.settled.add(offset)
                ownership.settled_at = ownership.moved_at = self.world.timeline.now
                del ownership.unsettled[offset]
                continue
            if failed[i] == "InternalFailure":
                self.duplicates_allowed += 1
            elif failed[i] == UNHEARD:
                ownership.unheard[offset] = self.world.timeline.now
