"""Where the cases of a trial are played: one stream of one shard, and doka's own adapters around it.

What is put goes by the service's sink, what is read back by the audit's reader of one shard.
A bench must never say that something did not land before it has seen what was put behind it: one shard has one order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

from doka.adapters.aws.held_lease import HeldLease, Pause
from doka.adapters.aws.kinesis.asking import Asking, Place
from doka.adapters.aws.kinesis.dry_run import DryRuns
from doka.adapters.aws.kinesis.questions import Refusal
from doka.adapters.aws.kinesis.sink import KinesisSink
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.kinesis.trial_stream import TrialStream
from doka.adapters.aws.session import NewSession
from doka.domain.backoff import Jitter
from doka.domain.commands import SendPut
from doka.domain.events import Event, Landings, PutAmbiguous, PutAnswered, PutRefused, PutUnsent, StreamDescribed
from doka.domain.lease import Lease
from doka.domain.limits import GET_RECORDS_MAX, NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Authority, Clock, Sink
from doka.domain.verdicts import Verdict, of_entry, of_request

TIMEOUT_NS: Final = 30 * NS_PER_SECOND
"""Of one put: a request of 10 MiB over a thin line is no failure of AWS."""
PATIENCE_NS: Final = 60 * NS_PER_SECOND
"""How long is waited for what must come: for a record to land, and for one that landed to be read back."""
AGAIN_NS: Final = 250 * NS_PER_MS
"""Between two reads of a shard, which gives its readers five answers a second, and before what was throttled goes again."""
TAKEN: Final = "taken"

Entry = tuple[str, bytes]
"""Partition key and data."""


class NotJudgedError(Exception):
    """A case cannot go on; says why, as a clause."""


class LeftOutError(Exception):
    """A case has nothing to ask here; says why, as a clause."""


class RefusedError(Exception):
    """A record that was to land was refused for good; `code` is the service's."""

    def __init__(self, code: str, told: str) -> None:
        super().__init__(told)
        self.code = code


class Record(NamedTuple):
    """One record of the stream, as it was read back."""

    key: str
    data: bytes
    number: str


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is sent; a real stream wants enough to be throttled, a test as little as shows something."""

    in_turn: int = 60
    """Records of one key, each behind the answer to the one before."""
    requests_of_one_key: int = 3
    entries_of_one_key: int = 200
    burst_requests: int = 12
    """Of 500 records each, all at once: six times what a shard takes in a second."""
    burst_mib: int = 8
    keys: int = 1_000
    rounds: int = 5
    """Records of each of so many keys, while the shard throttles."""

    @property
    def records_at_most(self) -> int:
        """About how many records a trial puts at most, for its price; what is refused is not paid, and goes again."""
        return (
            3 * self.in_turn
            + self.requests_of_one_key * self.entries_of_one_key
            + 500 * (self.burst_requests + 2)
            + self.keys * self.rounds
            + self.burst_mib * 32
            + 2_000
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What a bench is put together from; `route` is the user's own, by whose role all is signed."""

    clock: Clock
    leases: HeldLease
    jitter: Jitter
    pause: Pause
    """Waits so many ns; raises what ends the trial where somebody has asked for its end."""
    sessions: NewSession
    short: tuple[str, Authority] | None = None
    """The role, and what issues sessions of 15 minutes for it; None where the route has no role."""
    own: tuple[StreamTarget, DryRuns] | None = None
    """The route's own stream and what asks it by dry run; None where what answers is not AWS."""


class SkewedClock:
    """A clock whose wall is so many seconds ahead of the true one."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def now(self) -> int:
        """Give the steady time, in ns."""
        return self._clock.now()

    def wall(self) -> float:
        """Give the wrong time, in seconds since the epoch."""
        return self._clock.wall() + self._seconds


class Bench:
    """Puts into one stream, and reads it back.

    Raises UsageError for a region or endpoint URL that cannot be.
    """

    def __init__(
        self, stream: TrialStream, found: StreamDescribed, parts: Parts, amounts: Amounts | None = None
    ) -> None:
        self.stream = stream
        self.found = found
        self.parts = parts
        self.amounts = amounts or Amounts()
        self.clock = parts.clock
        self.arn = found.arn
        """What puts name the stream by; None: its name, where what answers takes no ARN."""
        self._targets = {stream.target.route: stream.target}
        self._sinks: list[KinesisSink] = []
        self._puts = itertools.count(1)
        self._marks = itertools.count(1)
        self._read: list[Record] = []
        self._since_ms = round((self.clock.wall() - 60) * 1_000)

    @cached_property
    def sink(self) -> KinesisSink:
        """The service's own."""
        return self.new_sink(self.clock)

    def new_sink(self, clock: Clock) -> KinesisSink:
        """Give a sink on a clock of its own."""
        sink = KinesisSink(self._targets, clock, self.parts.sessions)
        self._sinks.append(sink)
        return sink

    @cached_property
    def asking(self) -> Asking:
        """What reads the stream back."""
        parts = self.parts
        return Asking(
            self.stream.target, parts.leases, parts.clock, parts.jitter, pause=parts.pause, new_session=parts.sessions
        )

    def close(self) -> None:
        """Drop all connections."""
        for sink in self._sinks:
            sink.close()

    def lease(self) -> Lease:
        """Give the lease that signs now. Raises StreamUnreadableError: the role gives none."""
        return self.parts.leases.get()

    # --- puts ----------------------------------------------------------------------------------------------------------

    def put(
        self,
        entries: Sequence[Entry],
        *,
        lease: Lease | None = None,
        sink: Sink | None = None,
        hash_keys: Sequence[str | None] | None = None,
    ) -> Event:
        """Put one request, and give its answer."""
        sink = sink or self.sink
        command = self._command(entries, lease or self.lease())
        sink.submit(command if hash_keys is None else replace(command, hash_keys=hash_keys))
        return self._answers(sink, [command.put])[0]

    def put_all(self, requests: Sequence[Sequence[Entry]]) -> list[Event]:
        """Put these requests all at once, and give their answers in the order of the requests."""
        lease = self.lease()
        commands = [self._command(entries, lease) for entries in requests]
        for command in commands:
            self.sink.submit(command)
        return self._answers(self.sink, [command.put for command in commands])

    def _command(self, entries: Sequence[Entry], lease: Lease) -> SendPut:
        keys, values = [key for key, _ in entries], [data for _, data in entries]
        route = self.stream.target.route
        put, arn = next(self._puts), self.arn
        return SendPut(put, route, lease, keys, values, TIMEOUT_NS, stream_arn=arn, wants_landings=True)

    def _answers(self, sink: Sink, puts: Sequence[int]) -> list[Event]:
        """Wait for the answers to these puts; each comes, at the latest at its timeout."""
        found: dict[int, Event] = {}
        while len(found) < len(puts):
            for event in sink.answers(50 * NS_PER_MS):
                if isinstance(event, PutAnswered | PutRefused | PutAmbiguous | PutUnsent):
                    found[event.put] = event
            self.parts.pause(0)
        return [found[put] for put in puts]

    def settle(self, entries: Sequence[Entry]) -> Landings:
        """Send until each of these has landed, as the service does, and give where the first landing of each lies.

        Raises NotJudgedError where that takes too long, RefusedError for a code that no other try would change.
        """
        shards, numbers, left = [""] * len(entries), [""] * len(entries), list(range(len(entries)))
        gives_up_at = self.clock.now() + PATIENCE_NS
        while True:
            event = self.put([entries[index] for index in left])
            if isinstance(event, PutAnswered) and event.landings is not None:
                for place, index in enumerate(left):
                    shards[index], numbers[index] = event.landings.shards[place], event.landings.numbers[place]
                left = [left[place] for place in event.failed]
            if not left:
                return Landings(shards, numbers)
            code = refusal_for_good(event)
            if code is not None:
                raise RefusedError(code, told(event))
            if self.clock.now() >= gives_up_at:
                raise NotJudgedError(f"a record did not land within {PATIENCE_NS // NS_PER_SECOND} s: {told(event)}")
            self.parts.pause(AGAIN_NS)

    # --- what is in the stream -----------------------------------------------------------------------------------------

    def landed(self, prefix: str) -> list[Record]:
        """Give what is in the stream of keys that begin so, in the shard's order: all that was put before this call.

        Raises NotJudgedError where it cannot be read back within a minute, StreamUnreadableError where it is refused.
        """
        mark = (f"mark-{next(self._marks)}", b"mark")
        shard = self.settle([mark]).shards[0]
        since, iterator, refusals = self.clock.now(), None, 0
        while not self._read or self._read[-1].key != mark[0]:
            last = self._read[-1].number if self._read else None
            asked = self.asking.records(Place(shard, iterator, last, self._since_ms), GET_RECORDS_MAX)
            if isinstance(asked.answer, Refusal):
                refusals, iterator = refusals + 1, None
                self.parts.pause(self.asking.wait_behind(asked.answer, asked.lease, refusals, since=since))
            else:
                refusals, iterator = 0, asked.answer.next_iterator
                self._read += map(Record, *asked.answer[:3])
                if not asked.answer.keys:
                    self.parts.pause(AGAIN_NS)
            if self.clock.now() - since > PATIENCE_NS:
                raise NotJudgedError("what landed could not be read back within a minute")
        return [record for record in self._read if record.key.startswith(prefix)]


# --- what an answer says -----------------------------------------------------------------------------------------------


def coded(code: str, message: str) -> str:
    """Give a refusal's code, and the service's words where it has some."""
    return f"{code} ({message.rstrip('.')})" if message else code


def told(event: Event) -> str:
    """Say what an answer was, by its codes."""
    match event:
        case PutAnswered(failed=failed) if failed:
            codes = sorted(set(failed.values()))
            return f"{len(failed)} refused in an answer of 200: {', '.join(codes)}"
        case PutAnswered():
            return TAKEN
        case PutRefused(code=code, message=message):
            return coded(code, message)
        case PutAmbiguous(reason=reason):
            return f"no answer that can be believed: {reason}"
        case PutUnsent(reason=reason):
            return f"not sent: {reason}"
        case _:
            return type(event).__name__


def refusal_for_good(event: Event) -> str | None:
    """Give the code of an answer that another try would not change, of the request or of an entry; None where there is none."""
    again = {Verdict.THROTTLED, Verdict.AMBIGUOUS, Verdict.RETRY}
    if isinstance(event, PutRefused):
        return None if of_request(event.code) in again else event.code
    if isinstance(event, PutAnswered):
        return next((code for code in event.failed.values() if of_entry(code) not in again), None)
    return None
