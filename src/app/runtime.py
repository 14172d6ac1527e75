"""The one loop: it fetches, feeds the forwarder, carries its commands out, and reads the answers.

Theory of operation. One thread owns everything that a record touches. A turn is

    fetch what has arrived -> answers of requests in flight -> inbox -> all of it to the forwarder -> one decision

and only the fetch or the answers may wait, never both, and never longer than 100 ms: signal handlers and the client's
callbacks wait for that.

Rebalance callbacks arrive inside `fetch`, on this thread. There the loop turns its inner step (answers, inbox,
decision), never `fetch` itself: the client aborts the process on re-entry.

A stop, and a revoke, is a drain with one deadline: min(start of the revoke, stop) + `drain`. Nothing new is sent, what
was sent is settled and committed, then the partitions are given back. What cannot be settled by then is said, never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from traceback import extract_tb

from doka.domain.commands import (
    Command,
    CommitOffsets,
    DescribeStream,
    FetchSchemas,
    Halt,
    PausePartitions,
    RequestLease,
    ResumePartitions,
    SeekPartition,
    SendLetter,
    SendPut,
)
from doka.domain.errors import InvariantError, UsageError
from doka.domain.events import (
    Event,
    GroupSeen,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    RecordsFetched,
    RevokeStarted,
    StopRequested,
)
from doka.domain.facts import Fact
from doka.domain.forwarder import Forwarder
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND, SERVE_CALLBACKS_NS
from doka.domain.ports import Background, Clock, DeadLetters, Inbox, Sink, Source, Telemetry
from doka.domain.records import TopicPartition
from doka.domain.turn import Decision, Left

PUBLISH_EVERY_NS = NS_PER_SECOND
BUSY_WAIT_NS = 5 * NS_PER_MS  # for answers while Kafka has nothing: the most that a record then waits to be fetched
FEW_RECORDS = 32  # a fetch that brings no more has brought all that there was
FULL_WAIT_NS = 50 * NS_PER_MS  # for answers while nothing may be fetched anyway
CLOSE_RESERVE_NS = 3 * NS_PER_SECOND  # of the drain's time, for leaving the group

Within = Callable[[Callable[[], None], int, Callable[[], None]], None]
"""Run an action that may hang; after so many ns call the last argument and leave the process."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: the process's exit code, and why in a sentence."""

    code: int
    reason: str


class Runtime:
    """Carries what happened in and what shall be done out; decides nothing itself but when to wait."""

    def __init__(
        self,
        *,
        forwarder: Forwarder,
        source: Source,
        sink: Sink,
        letters: DeadLetters,
        background: Background,
        inbox: Inbox,
        clock: Clock,
        telemetry: Telemetry,
        drain: int,
        within: Within,
    ) -> None:
        """Wire the loop; `drain` is the time in ns that a stop or a revoke may take, leaving the group included."""
        self._forwarder = forwarder
        self._source = source
        self._sink = sink
        self._letters = letters
        self._background = background
        self._inbox = inbox
        self._clock = clock
        self._telemetry = telemetry
        self._drain = drain
        self._within = within
        none = Decision((), fetch=0, in_flight=0, left=None, at=0, lingers_until=0, moments=lambda _: ())
        self._decision = none  # as long as none was taken
        self._fetched_at = 0
        self._brought_few = False  # whether the last fetch brought all that there was
        self._published_at: int | None = None
        self._stop_at: int | None = None  # the deadline of the stop
        self._stop_reason = ""
        self._halted: str | None = None

    def run(self) -> Ending:
        """Forward until somebody asks for a stop, or until it cannot go on."""
        try:
            self._source.open(self)
            while not self.finished:
                self.turn()
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be committed after it
            self._halt(_what_went_wrong(error))
        return self.close()

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do but to leave the group."""
        if self._halted is not None:
            return True
        if self._stop_at is None:
            return False
        left = self._decision.left
        if left is not None and left.drained and left.committed:
            return True
        return self._clock.now() >= self._stop_at - min(CLOSE_RESERVE_NS, self._drain // 4)

    def turn(self) -> None:
        """Do one round of the loop."""
        self._publish(self._step(self._time_for_answers(self._fetch(self._clock.now()))))

    def close(self) -> Ending:
        """Leave the group within what is left of the drain, and say how it went."""
        ending = self._ending()
        now = self._clock.now()
        deadline = now + self._drain // 4 if self._stop_at is None else max(self._stop_at, now + NS_PER_SECOND)
        self._publish(now, at_once=True)
        self._background.close()

        def late() -> None:
            self._telemetry.ended(1, f"{ending.reason}; leaving the consumer group hung past the drain's deadline")

        try:
            self._within(self._source.close, deadline - now, late)
        except Exception as error:  # noqa: BLE001 - the process ends here, and says how
            ending = Ending(1, f"while leaving the consumer group {_what_went_wrong(error)}")
        self._sink.close()
        self._letters.close()
        self._telemetry.ended(ending.code, ending.reason)
        return ending

    def _ending(self) -> Ending:
        if self._halted is not None:
            return Ending(1, self._halted)
        left = self._decision.left or Left(drained=True, committed=True, holes=0)
        if not left.drained:
            return Ending(1, f"not everything that was sent was answered in time; {left.holes} records will repeat")
        if not left.committed:
            return Ending(1, "Kafka did not take the last offsets in time; what they cover will repeat")
        if left.holes:
            return Ending(1, f"{left.holes} records landed above one that did not; they will repeat")
        if left.gone:
            why = "they were not settled and committed before their partitions went to another member"
            return Ending(1, f"{left.gone} records will repeat, or may: {why}")
        return Ending(0, self._stop_reason)

    # --- a turn --------------------------------------------------------------------------------------------------

    def _fetch(self, now: int) -> int | None:
        """Feed what Kafka has and say how many events that were; None when it was not asked, and so did not wait."""
        room, idle = self._decision.fetch, not self._decision.in_flight
        if room is None or self._rests(now) or not (room or idle or now - self._fetched_at >= SERVE_CALLBACKS_NS):
            return None
        events = self._source.fetch(room or 1, self._idle_time(now) if idle else 0)
        now = self._fetched_at = self._clock.now()
        records = 0
        for event in events:
            if isinstance(event, RecordsFetched):
                chunk = event.chunk
                records += chunk.count
                self._telemetry.fetched(chunk.partition, chunk.count, chunk.payload_bytes)
            self._forwarder.handle(event, now)
        self._brought_few = records <= FEW_RECORDS
        return len(events)

    def _rests(self, now: int) -> bool:
        """Whether what is fetched now would wait anyway, so that fetching it a little later costs nobody anything."""
        return self._brought_few and now < self._decision.lingers_until and now - self._fetched_at < SERVE_CALLBACKS_NS

    def _idle_time(self, now: int) -> int:
        """How long a fetch may wait: until time alone changes something, and never above 100 ms."""
        until = self._decision.until()
        if until is None or until - now >= SERVE_CALLBACKS_NS:
            return SERVE_CALLBACKS_NS
        return until - now if until > now else 0

    def _time_for_answers(self, fetched: int | None) -> int:
        """How long to wait for answers: where Kafka had nothing, and always where nothing else would wait."""
        if fetched:
            return 0
        if fetched is None and self._decision.fetch:  # it rests
            now = self._clock.now()
            return max(min(self._decision.lingers_until - now, self._idle_time(now)), 0)
        if not self._decision.in_flight:
            return 0 if fetched is not None else self._full_wait()
        return BUSY_WAIT_NS if self._decision.fetch else self._full_wait()

    def _full_wait(self) -> int:
        """How long to wait for answers while nothing may be fetched: what waits for its time must not wait for them too."""
        return min(FULL_WAIT_NS, self._idle_time(self._clock.now()))

    def _step(self, wait: int) -> int:
        """Feed what has arrived besides records, take one decision, carry it out; give the time of the decision."""
        forwarder = self._forwarder
        answers = self._sink.answers(wait) if wait or self._decision.in_flight else ()
        now = self._clock.now()
        for event in answers:
            forwarder.handle(event, now)
        for event in self._letters.answers():  # in every step: the client's errors and log lines wait for it too
            forwarder.handle(event, now)
        self._read_inbox(now)
        decision = self._decision = forwarder.decide(now)
        for command in decision.commands:
            self._carry_out(command)
        self._telemetry.turned(now)
        return now

    def _read_inbox(self, now: int) -> None:
        for event in self._inbox.drain():
            self._note_stop(event, now)
            self._forwarder.handle(event, now)

    def _carry_out(self, command: Command) -> None:
        match command:
            case SendPut():
                self._sink.submit(command)
            case SendLetter():
                self._letters.submit(command)
            case CommitOffsets():
                self._source.commit(command)
            case RequestLease(role):
                self._background.request_lease(role)
            case DescribeStream():
                self._background.describe_stream(command)
            case FetchSchemas():
                self._background.fetch_schemas(command)
            case PausePartitions(partitions):
                self._source.pause(partitions)
            case ResumePartitions(partitions):
                self._source.resume(partitions)
            case SeekPartition(partition, offset):
                self._source.seek(partition, offset)
            case Halt(reason):
                self._halt(reason)
            case _:
                self._tell(command)

    def _tell(self, fact: Fact) -> None:
        self._telemetry.tell(fact)

    def _note_stop(self, event: Event, now: int) -> None:
        if isinstance(event, StopRequested) and self._stop_at is None:
            self._stop_at = now + self._drain
            self._stop_reason = f"stopped by {event.reason}"

    def _halt(self, reason: str) -> None:
        if self._halted is None:
            self._halted = reason
            self._forwarder.halt(reason)

    def _publish(self, now: int, *, at_once: bool = False) -> None:
        if at_once or self._published_at is None or now - self._published_at >= PUBLISH_EVERY_NS:
            self._published_at = now
            source = None if at_once else self._source.status()
            if source is not None:
                self._forwarder.handle(GroupSeen(source.group), now)
            self._telemetry.publish(self._forwarder.status(now, source))

    # --- inside `fetch`, on this thread -----------------------------------------------------------------------------

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Own partitions from now on."""
        self._forwarder.handle(PartitionsAssigned(positions), self._clock.now())
        self._step(0)

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Settle and commit what was sent of these partitions, within the drain's time, then let go of them."""
        now = self._clock.now()
        deadline = now + self._drain if self._stop_at is None else min(self._stop_at, now + self._drain)
        deadline -= min(CLOSE_RESERVE_NS, self._drain // 4)
        if self._halted is None:
            self._forwarder.handle(RevokeStarted(partitions), now)
            self._step(0)
            while self._drains and self._clock.now() < deadline and self._halted is None:
                self._step(self._full_wait())
        self._forwarder.handle(PartitionsRevoked(partitions), self._clock.now())
        self._step(0)

    @property
    def _drains(self) -> bool:
        """Whether something that was sent of what is given back is still open."""
        left = self._decision.left
        return left is not None and not left.drained

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Let go of partitions that somebody else owns already."""
        self._forwarder.handle(PartitionsLost(partitions), self._clock.now())
        self._step(0)

    def asked_to_stop(self) -> bool:
        """Say whether a stop was asked for, also a moment ago: a callback may hold the loop for long."""
        self._read_inbox(self._clock.now())
        return self._stop_at is not None


def _what_went_wrong(error: Exception) -> str:
    """Say what went wrong inside doka; the text of an unknown error may hold a payload, its place does not."""
    if isinstance(error, InvariantError):
        return f"a rule that protects your data was broken, please report it: {error}"
    places = [
        f"{frame.name} ({frame.filename.rpartition('/')[2]}:{frame.lineno})"
        for frame in extract_tb(error.__traceback__)
    ]
    return f"an unexpected {type(error).__name__} came up, please report it: {' > '.join(places[-4:])}"
