"""The sink port over the simulated network: PutRecords with every fate that a request can have.

A put leaves, arrives (or not, or late, even after its sender's death), is judged by the authority and the stream, and
is answered (or not, or too late). Each put has exactly one answer, at the latest at its timeout.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from doka.adapters.simulated.life import Life
from doka.adapters.simulated.plan import CALM
from doka.adapters.simulated.stream import THROTTLED
from doka.adapters.simulated.unfold import decompressed, opened, unfold
from doka.adapters.simulated.weather import draw_fate, draw_span
from doka.adapters.simulated.world import World
from doka.domain.commands import SendPut
from doka.domain.errors import invariant
from doka.domain.events import Event, Landings, PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from doka.domain.limits import NS_PER_MS, RECORD_BYTES_DEFAULT

NEVER_ARRIVES = frozenset({"unsent", "reset_before", "vanished"})
UNSEEN = frozenset({"vanished", "answer_lost"})  # nothing comes back: the process waits for the timeout
UNSIGNED = "unsigned"  # it never left, nobody saw it
INVALID = "InvalidArgumentException"
UNHEARD = "UnheardOfException"
UNSENT_AFTER_NS = 3 * NS_PER_MS
LATE_TIMEOUTS_MAX = 3.0


@dataclass(slots=True, eq=False)
class Put:
    """One request on its way."""

    command: SendPut
    life: Life
    fate: str
    deadline: int
    answered: bool = False
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Shard and sequence number of each entry that landed, where the command wants them."""


class SimulatedSink:
    """The requests of one process; its queue of answers dies with it."""

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life
        self._chance = world.chance.of(f"kinesis/{life.number}")
        self._answers: deque[tuple[Put, Event]] = deque()
        self._closed = False

    # --- the port ------------------------------------------------------------------------------------------------

    def submit(self, command: SendPut) -> None:
        """Start one request."""
        world, chance = self._world, self._chance
        world.sign_step(self._life)
        invariant(not self._closed, "a put was submitted to a closed sink")
        now = world.timeline.now
        ends_at = command.lease.ends_at
        if ends_at is not None and now >= ends_at:
            put = Put(command, self._life, UNSIGNED, now)
            world.witness.never_signed(command)
            self._answer(put, PutUnsent(command.put, "lease_ended"))
            return
        fate = draw_fate(chance, _fates(world)) if world.rates is not CALM else ""
        put = Put(command, self._life, fate, now + command.timeout)
        world.trace.note("put", command.put, command.route, len(command.keys), command.lease.serial, fate)
        world.witness.put_began(command)
        delays = world.delays
        arrives = now + draw_span(chance, delays.put)
        back = draw_span(chance, delays.answer)
        if fate == "late":
            arrives = now + int(command.timeout * LATE_TIMEOUTS_MAX * chance.random())
        if fate == "unsent":
            world.timeline.after(UNSENT_AFTER_NS, lambda: self._answer(put, PutUnsent(command.put, "not_connected")))
        elif fate == "reset_before":
            world.timeline.at(arrives, lambda: self._answer(put, PutAmbiguous(command.put, "send_failed")))
        if fate in UNSEEN or arrives + back > put.deadline:
            world.timeline.at(put.deadline, lambda: self._answer(put, PutAmbiguous(command.put, "timeout")))
        if fate not in NEVER_ARRIVES:
            world.timeline.at(arrives, lambda: self._arrive(put, back))

    def answers(self, wait: int) -> Sequence[Event]:
        """Give the answers that are there, waiting at most `wait` ns for the first."""
        world = self._world
        world.wait_step(self._life)
        deadline = world.timeline.now + wait
        while not self._answers and world.timeline.step(deadline):
            pass
        if not self._answers:
            return ()
        taken = list(self._answers)
        self._answers.clear()
        for put, event in taken:
            if put.fate == UNSIGNED:
                continue
            world.witness.put_answered(put, event)
        return [event for _, event in taken]

    def close(self) -> None:
        """Drop all connections."""
        self._closed = True

    # --- the service ---------------------------------------------------------------------------------------------

    def _arrive(self, put: Put, back: int) -> None:
        event = self._serve(put)
        if put.fate in UNSEEN:
            return
        world = self._world
        if world.timeline.now + back <= put.deadline:
            world.timeline.after(back, lambda: self._answer(put, event))

    def _serve(self, put: Put) -> Event:
        """Judge a request as the service does, and land what may land."""
        world, command, fate = self._world, put.command, put.fate
        stream = world.streams[command.route]
        number = command.put
        if fate == "throttled":
            return PutRefused(number, THROTTLED)
        if fate == "repeated" and self._chance.random() < 0.5:  # noqa: PLR2004 - an even chance that it never arrives
            return self._repeated(put)
        if fate == "failed_before":
            return PutAmbiguous(number, "InternalFailure")
        code = world.tokens.judge(command.lease)
        if code is not None:
            world.trace.note("put_denied", number, code)
            world.witness.put_denied(put, code)
            return PutRefused(number, code)
        if not stream.usable:
            return PutRefused(
                number, "ResourceNotFoundException" if stream.status is None else "ResourceInUseException"
            )
        if stream.refuses_with is not None:
            return PutRefused(number, stream.refuses_with)
        refuses = partial(self._refuses, stream.record_bytes_max)
        refused = self._picky and any(map(refuses, command.keys, command.values))
        if refused and put.command.put % 2:
            return PutRefused(number, INVALID)
        failed = self._land(put)
        world.trace.note("put_lands", number, len(command.keys) - len(failed), put.life.alive)
        if fate == "failed_after":
            return PutAmbiguous(number, "InternalFailure")
        if fate == "reset_after":
            return PutAmbiguous(number, "receive_failed")
        if fate == "repeated":
            return self._repeated(put)
        if fate == "garbled":
            return PutAmbiguous(number, "wrong_result_count")
        return PutAnswered(number, failed, _landings(put, failed) if command.wants_landings else None)

    def _repeated(self, put: Put) -> Event:
        """Give what the process makes of an answer to another request: it knows it by its id."""
        return PutAmbiguous(put.command.put, "repeated_answer")

    def _land(self, put: Put) -> dict[int, str]:
        """Offer each entry to its shard; give the codes of those that were refused."""
        world, command = self._world, put.command
        stream = world.streams[command.route]
        now, witness, random, rates = world.timeline.now, world.witness, self._chance.random, world.rates
        throttled, unlucky = rates.entry_throttled, rates.entry_throttled + rates.entry_failed
        unheard = rates.entry_unheard
        failed: dict[int, str] = {}
        hash_keys = command.hash_keys
        for i in self._order(len(command.keys)):
            key, value = command.keys[i], command.values[i]
            if unheard and random() < unheard:
                failed[i] = UNHEARD
                continue
            draw = random() if unlucky else 1.0
            if draw < throttled:
                failed[i] = THROTTLED
                continue
            internal = draw < unlucky
            if internal and random() < 0.5:  # noqa: PLR2004 - an even chance that it failed before it landed
                failed[i] = "InternalFailure"
                continue
            if self._picky and self._refuses(stream.record_bytes_max, key, value):
                failed[i] = INVALID
                continue
            code = stream.offer(key, value, None if hash_keys is None else hash_keys[i], now)
            if code is None:
                if command.wants_landings:
                    put.places[i] = stream.landed[-1].shard, stream.taken
                for inner in unfold(key, value):
                    witness.landed(put, i, inner.key, inner.value, command.route)
            if code is not None or internal:
                failed[i] = code or "InternalFailure"
        return failed

    def _order(self, entries: int) -> Iterable[int]:
        """Draw in which order entries land."""
        reordered, random = self._world.rates.reordered, self._chance.random
        if not reordered or random() >= reordered:
            return range(entries)
        return sorted(range(entries), key=[random() for _ in range(entries)].__getitem__)

    @property
    def _picky(self) -> bool:
        """Whether there may be something that can never land."""
        return bool(self._world.refused_values) or self._world.plan.record_bytes_max < RECORD_BYTES_DEFAULT

    def _refuses(self, record_bytes_max: int, key: str, value: bytes) -> bool:
        """Say whether an entry is too large, or there is something in it that can never land."""
        if len(key.encode()) + len(value) > record_bytes_max:
            return True
        refused, plan = self._world.refused_values, self._world.plan
        for inner in unfold(key, value):
            data = decompressed(inner.value, plan.compress)
            if plan.envelope:
                data = str(opened(data)["value"]).encode()
            if data in refused or (plan.newline and data[:-1] in refused):
                return True
        return False

    def _answer(self, put: Put, event: Event) -> None:
        if not put.answered:
            put.answered = True
            if put.life.alive:
                self._answers.append((put, event))


def _landings(put: Put, failed: Mapping[int, str]) -> Landings:
    """Say where each entry came to lie, as far as the answer says that it landed."""
    told = [put.places[i] if i not in failed else None for i in range(len(put.command.keys))]
    return Landings(
        ["" if place is None else f"shard-{place[0]}" for place in told],
        ["" if place is None else str(place[1]) for place in told],
    )


def _fates(world: World) -> Sequence[tuple[str, float]]:
    rates = world.rates
    return [
        ("unsent", rates.unsent),
        ("reset_before", rates.reset_before),
        ("vanished", rates.vanished),
        ("answer_lost", rates.answer_lost),
        ("reset_after", rates.reset_after),
        ("garbled", rates.garbled),
        ("late", rates.late),
        ("throttled", rates.throttled),
        ("failed_before", rates.failed_before),
        ("failed_after", rates.failed_after),
        ("repeated", rates.repeated),
    ]
