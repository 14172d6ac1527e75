"""What a reload decides: when a configuration is judged, which worker is replaced when, and when all goes back. Pure.

Theory of operation.

    asked -> judged -> refused: nothing has changed
                    -> accepted: place by place, a new worker is tried out, then the old one drains and ends
                                 -> all places have one of the new configuration, and none died: taken
                                 -> a new one dies, or is never ready: the way back, by the same steps

A place is what is replaced: it has one worker, and two while one is replaced. Their numbers are the place's own and that
plus the number of places, in turn, so a label of a figure is never of two processes and there are few of them.
The new worker is a member of the group before the old one begins to drain, so at no time nobody is at work. Static members
are the exception: two of one name cannot be in the group, so the old one ends first.
Whoever was put in by a reload is on trial until all are: it may die without stopping the others.
Every wait has an end, and what is asked for meanwhile waits its turn: the last wish counts, and is never forgotten.
It must never retire the worker of a place before another one has shown that it works, static members excepted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from doka.app.workers.health import SILENT_AFTER_NS
from doka.app.workers.supervision import Outage, Supervision
from doka.domain.limits import NS_PER_SECOND

JUDGE_WITHIN_NS = 60 * NS_PER_SECOND
"""A check asks brokers, STS and streams, each with a timeout of some seconds."""
READY_WITHIN_NS = 60 * NS_PER_SECOND
"""From its start to its being ready a worker takes some seconds; where the group is slow to let it in, half a minute."""
PROVEN_NS = 5 * NS_PER_SECOND
"""A stream that is refused shows a moment after a worker has joined; and who has fallen silent must show by then."""
assert PROVEN_NS > SILENT_AFTER_NS, "one word, and silence after it, would be enough"
SETTLED_NS = 10 * NS_PER_SECOND
"""After the last old worker has left: by then the new ones have all partitions, and have sent something."""
AGAIN_NS = 60 * NS_PER_SECOND
"""When what something outside refused is judged again: a permission spreads, a topic is created."""

Reports = Mapping[int, Sequence[str]]
"""Why each worker that was heard of is not ready; nothing where it is."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Read the configuration, and try it out without touching data."""


@dataclass(frozen=True, slots=True)
class StopJudging:
    """It takes too long, or all are to end."""

    late: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """All workers run by this configuration now."""

    by: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A new worker did not do, and the old configuration runs on."""

    reason: str


ReloadOrder = Judge | StopJudging | Taken | Failed


class _Phase(Enum):
    TRIED = "the new one is tried out"
    LEAVES = "the old one drains"
    LEAVES_FIRST = "the old one drains, and the new one takes its name then"
    GONE = "the new one drains, for it did not do"


@dataclass(slots=True)
class _Step:
    """One place's replacement."""

    phase: _Phase
    place: int
    old: int | None
    new: int
    since: int
    old_was_ready: bool
    ready_since: int | None = None


@dataclass(slots=True)
class _Pass:
    """All places on their way to one configuration."""

    target: int
    static: bool
    failed: str | None = None  # set: it is the way back
    step: _Step | None = None
    given_up: set[int] = field(default_factory=set)  # places that could not be brought back
    replaced: set[int] = field(default_factory=set)  # workers that were put in and stand on trial
    all_since: int | None = None


class Reloading:
    """Holds what is asked for and how far it is; is told what happened, gives orders, reads no clock."""

    def __init__(self, supervision: Supervision, places: int, drain: int) -> None:
        """Begin with so many workers by the configuration of number 0, which end within `drain` (ns)."""
        self._supervision = supervision
        self._places = places
        self._drains = {0: drain}
        self._by = 0
        self._wished = False
        self._judging_since: int | None = None
        self._again_at: int | None = None
        self._pass: _Pass | None = None
        self._how: dict[int, str] = {}  # how workers on trial went down

    @property
    def under_way(self) -> bool:
        """Whether something is judged or replaced."""
        return self._judging_since is not None or self._pass is not None

    def members(self) -> frozenset[int]:
        """Give the workers that the service is made of: not who is only tried out, nor who has been replaced."""
        found = set(self._supervision.members())
        step, static = (self._pass.step, self._pass.static) if self._pass is not None else (None, False)
        if step is not None and not static and step.phase is _Phase.TRIED:
            found.discard(step.new)
        elif step is not None and static and step.phase in {_Phase.LEAVES_FIRST, _Phase.GONE}:
            leaving = step.old if step.phase is _Phase.LEAVES_FIRST else step.new
            found |= {leaving} if leaving is not None else set()
        return frozenset(found)

    def used(self) -> frozenset[int]:
        """Give the numbers of the configurations by which any worker runs, or will be started again."""
        found = (self._supervision.by(worker) for worker in self._supervision.members())
        return frozenset(by for by in found if by is not None) | {self._by}

    # --- what happened -----------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Wish that the configuration is read again; while one is under way this waits its turn."""
        self._wished = True

    def refused(self, now: int, *, passing: bool) -> None:
        """Note that what was judged is not taken; `passing`: something outside is why, so it is judged again."""
        self._judging_since = None
        self._again_at = now + AGAIN_NS if passing else None

    def unchanged(self) -> None:
        """Note that what was judged is what runs."""
        self._judging_since = self._again_at = None

    def accepted(self, drain: int, *, static: bool) -> int:
        """Replace all workers from now on; give the number of the configuration that was judged.

        `drain` is the time in ns in which its workers end when asked, `static` says that each has a name in the group.
        """
        self._judging_since = self._again_at = None
        target = max(self._drains) + 1
        self._drains[target] = drain
        self._pass = _Pass(target, static)
        return target

    def ended(self, outage: Outage) -> None:
        """Note how a worker went down."""
        self._how[outage.worker] = outage.how

    # --- what is to be done ------------------------------------------------------------------------------------------

    def decide(self, now: int, reports: Reports) -> list[ReloadOrder]:
        """Give what is to be done now; workers are added to and retired from the supervision."""
        judging = self._judging_since
        if self._supervision.stopping:
            self._wished, self._again_at, self._pass, self._judging_since = False, None, None, None
            return [] if judging is None else [StopJudging(late=False)]
        if self._pass is not None:
            return self._advance(self._pass, now, reports)
        if judging is not None:
            return [StopJudging(late=True)] if now - judging >= JUDGE_WITHIN_NS else []
        if self._wished or (self._again_at is not None and now >= self._again_at):
            self._wished, self._again_at, self._judging_since = False, None, now
            return [Judge()]
        return []

    def _advance(self, going: _Pass, now: int, reports: Reports) -> list[ReloadOrder]:
        gone = [worker for worker in going.replaced if self._supervision.by(worker) is None]
        for worker in gone:
            going.replaced.discard(worker)
            if going.failed is None:
                self._fail(going, f"worker {worker} {self._how.get(worker, 'ended')}", now, reports)
        step = going.step
        if step is not None:
            self._go_on(going, step, now, reports)
            return []
        place = self._next_place(going)
        if place is not None:
            going.all_since = None
            self._begin(going, place, now, reports)
            return []
        return self._finish(going, now)

    def _next_place(self, going: _Pass) -> int | None:
        members = self._supervision.members()
        right = {worker % self._places for worker in members if self._supervision.by(worker) == going.target}
        return next((p for p in range(self._places) if p not in right and p not in going.given_up), None)

    def _begin(self, going: _Pass, place: int, now: int, reports: Reports) -> None:
        numbers = (place, place + self._places)
        old = next((worker for worker in self._supervision.members() if worker in numbers), None)
        new = next(number for number in numbers if self._supervision.by(number) is None)
        ready = old is not None and _is_ready(reports, old)
        if old is None:  # it died on trial: nothing is there to be compared with
            self._add(going, new, now, on_trial=False)
        elif going.static:
            going.step = _Step(_Phase.LEAVES_FIRST, place, old, new, now, ready)
            self._retire(going, old)
        else:
            going.step = _Step(_Phase.TRIED, place, old, new, now, ready)
            self._add(going, new, now, on_trial=True)

    def _go_on(self, going: _Pass, step: _Step, now: int, reports: Reports) -> None:
        match step.phase:
            case _Phase.TRIED:
                self._try(going, step, now, reports)
            case _Phase.LEAVES if step.old is None or self._supervision.by(step.old) is None:
                going.step = None
            case _Phase.LEAVES_FIRST if step.old is None or self._supervision.by(step.old) is None:
                step.phase, step.since = _Phase.TRIED, now
                self._add(going, step.new, now, on_trial=True)
            case _Phase.GONE if self._supervision.by(step.new) is None:
                going.step = None
            case _:
                pass  # its drain has an end, and past it it is killed

    def _try(self, going: _Pass, step: _Step, now: int, reports: Reports) -> None:
        if self._supervision.by(step.new) is None:
            self._fail(going, f"worker {step.new} {self._how.get(step.new, 'ended')}", now, reports)
            return
        if not _is_ready(reports, step.new):
            step.ready_since = None
        elif step.ready_since is None:
            step.ready_since = now
        if step.ready_since is None or now - step.ready_since < PROVEN_NS:
            if now - step.since < READY_WITHIN_NS:
                return
            if step.old_was_ready or (step.old is not None and _is_ready(reports, step.old)):
                why = next(iter(reports.get(step.new, ())), "it said nothing")
                limit = READY_WITHIN_NS // NS_PER_SECOND
                self._fail(going, f"worker {step.new} was not ready within {limit} s: {why}", now, reports)
                return
        going.replaced.add(step.new)
        if going.static or step.old is None:
            going.step = None
        else:
            step.phase = _Phase.LEAVES
            self._retire(going, step.old)

    def _fail(self, going: _Pass, reason: str, now: int, reports: Reports) -> None:
        """Turn back; where it is the way back already, leave what runs at this place as it is."""
        step = going.step
        old_is_there = step is not None and step.old is not None and self._supervision.by(step.old) is not None
        turns_back = going.failed is None
        if turns_back:
            going.failed, going.target = reason, self._by
        elif step is not None and old_is_there:
            going.given_up.add(step.place)
        if step is None or step.phase is not _Phase.TRIED:
            return
        new_works = _is_ready(reports, step.new)
        if turns_back and step.old is not None and old_is_there and new_works and not _is_ready(reports, step.old):
            # The old one was started again a moment ago: it has to be at work before the new one goes.
            going.replaced.add(step.new)
            going.step = _Step(_Phase.TRIED, step.place, step.new, step.old, now, old_was_ready=True)
            return
        self._retire(going, step.new)
        step.phase = _Phase.GONE

    def _finish(self, going: _Pass, now: int) -> list[ReloadOrder]:
        if going.failed is None:
            going.all_since = now if going.all_since is None else going.all_since
            if now - going.all_since < SETTLED_NS:
                return []
        for worker in going.replaced:
            self._supervision.take(worker)
        self._pass = None
        self._how.clear()
        if going.failed is None:
            self._by = going.target
            return [Taken(going.target)]
        left = ", ".join(str(place) for place in sorted(going.given_up))
        stays = f"; what runs at place {left} runs by the new one, for it could not be brought back" if left else ""
        return [Failed(going.failed + stays)]

    def _add(self, going: _Pass, worker: int, now: int, *, on_trial: bool) -> None:
        drain = self._drains[going.target]
        self._how.pop(worker, None)
        self._supervision.add(worker, by=going.target, drain=drain, now=now, on_trial=on_trial)

    def _retire(self, going: _Pass, worker: int) -> None:
        going.replaced.discard(worker)
        self._supervision.retire(worker)


def _is_ready(reports: Reports, worker: int) -> bool:
    reasons = reports.get(worker)
    return reasons is not None and not reasons
