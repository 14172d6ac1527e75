"""What the service knows of its streams: it looks again and again, but not too often (I9, I10), and shows what it was told (I14)."""

from __future__ import annotations

from collections import deque

from doka.adapters.simulated.plan import Plan
from doka.domain.events import Event, StreamDescribed, StreamRefused
from doka.domain.facts import RecordFreed, StreamChanged
from doka.domain.limits import DESCRIBE_EVERY_NS, NS_PER_SECOND, SURE_OF_LIMIT_NS
from doka.domain.status import Status
from tests.simulation.invariants.evidence import Evidence
from tests.simulation.invariants.figures import SIGNING
from tests.simulation.invariants.violation import ViolationError

LOOKED_AT_WITHIN_NS = DESCRIBE_EVERY_NS * 3 // 2 + 10 * NS_PER_SECOND
KNOWN_WITHIN_NS = SURE_OF_LIMIT_NS + 3 * NS_PER_SECOND  # a question and its answer take their time
ANSWERS_MAX, ANSWERS_WITHIN_NS = 60, 10 * NS_PER_SECOND


class Streams(Evidence):
    """A change of a stream is known within minutes, and a record is never put aside by what was told long ago."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._told_of: dict[str, StreamDescribed] = {}
        self._answers: dict[str, deque[int]] = {}  # when questions about a stream were answered, well or not
        self._refused_at: dict[str, int] = {}
        self._may_look_since = 0

    def end_life(self) -> None:
        super().end_life()
        self._told_of.clear()
        self._answers.clear()

    def woke(self) -> None:
        super().woke()
        self._may_look_since = self.world.timeline.now

    def note_stream(self, event: Event) -> None:
        """Note what the process reads of a stream."""
        if not isinstance(event, StreamDescribed | StreamRefused):
            return
        now, answers = self.world.timeline.now, self._answers.setdefault(event.route, deque(maxlen=ANSWERS_MAX))
        soon = len(answers) == ANSWERS_MAX and now - answers[0] < ANSWERS_WITHIN_NS
        self.require(
            not soon, "I10", f"the stream of {event.route} was asked for {ANSWERS_MAX} times within ten seconds"
        )
        answers.append(now)
        if isinstance(event, StreamDescribed):
            self._told_of[event.route] = event
        else:
            self._refused_at[event.route] = now

    def may_not_know(self, route: str) -> bool:
        """Say whether it is too early to know that a stream takes larger records, or whether it did not answer."""
        now, raised_at = self.world.timeline.now, self.world.streams[route].limit_raised_at
        moments = (raised_at, self._refused_at.get(route))
        return any(moment is not None and now - moment <= KNOWN_WITHIN_NS for moment in moments)

    def told_freed(self, fact: RecordFreed) -> None:
        """Judge that what goes on was held, and may land by now."""
        ownership = self.owned.get(fact.partition)
        held = ownership is not None and fact.offset in ownership.parked
        self.require(held, "I14", f"{fact.partition} {fact.offset} was told as freed, and was not held")
        may = fact.offset not in self.truths[fact.partition].poison
        self.require(may, "I14", f"{fact.partition} {fact.offset} was told as freed, and can never land")
        self.reached["a record that was too large was freed"] += 1
        if ownership is not None:
            ownership.parked.discard(fact.offset)

    def told_changed(self, fact: StreamChanged) -> None:
        """Note a change that was told, and judge that it is one."""
        self.require(
            fact.before != fact.after, "I14", f"{fact.route}: {fact.what} was told as changed, and is as it was"
        )
        self.reached[f"a stream was changed: {fact.what}"] += 1

    def judge_streams(self, status: Status) -> None:
        """Judge a status: what it shows of a stream was told last, and not too long ago."""
        now = self.world.timeline.now
        if not all(lease.state in SIGNING for lease in status.leases.values()):
            self._may_look_since = now
        for name, route in status.routes.items():
            told, shown = self._told_of.get(name), route.stream
            if told is None or shown is None:
                continue
            right = (shown.record_bytes_max, shown.open_shards) == (told.record_bytes_max, told.open_shards)
            if not right:
                raise ViolationError("I14", f"{name} shows {shown}, and its stream told {told}")
            since = max(self._answers[name][-1], self._may_look_since)
            late = now - since > LOOKED_AT_WITHIN_NS and not status.draining
            self.require(
                not late, "I9", f"the stream of {name} was not looked at for {(now - since) // NS_PER_SECOND} s"
            )
