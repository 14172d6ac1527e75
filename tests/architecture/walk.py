"""`python -m tests.architecture.walk`: follows one record through the domain alone, and counts what a reader must open.

The record is fetched, decided on and sent, its request is answered, its offset is committed, the commit is answered.
Printed are, for each way in which records may be ordered, the calls, the functions, the files, and the moves: how often a
call leads into another file than the call before it. Who wants to understand what becomes of a record makes these moves.

Only the machine's public face is used: events go in, commands come out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, TypeVar

from doka.domain.commands import Command, CommitOffsets, SendPut
from doka.domain.events import CommitAnswered, Event, Landings, PutAnswered, RecordsFetched
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.rules import AggregationRules, Ordering
from tests.unit.domain.builders import Machine, chunk, route_rules

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = ROOT / "src" / "domain"

WAYS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "key": {},
        "key_in_request": {"ordering": Ordering.KEY_IN_REQUEST},
        "aggregated": {"aggregation": AggregationRules(linger=0)},
    }
)
"""The three ways in which records are ordered and packed: what each changes in a route's rules."""

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One call of a function of the domain."""

    file: str
    function: str


@dataclass(frozen=True)
class Stage:
    """One stretch of the way: what was called, in order."""

    name: str
    calls: Sequence[Call]

    @property
    def way(self) -> list[str]:
        """The files in the order in which one comes to them, each as often as one comes to it anew."""
        files = [call.file for call in self.calls]
        return [file for i, file in enumerate(files) if i == 0 or file != files[i - 1]]

    @property
    def moves(self) -> int:
        """How often one goes on in another file."""
        return max(0, len(self.way) - 1)


@dataclass(frozen=True)
class Walk:
    """The whole way of one record."""

    ordering: str
    stages: Sequence[Stage]

    @property
    def calls(self) -> list[Call]:
        """All calls, in order."""
        return [call for stage in self.stages for call in stage.calls]

    @property
    def files(self) -> set[str]:
        """The files that one must have open."""
        return {call.file for call in self.calls}

    @property
    def functions(self) -> set[Call]:
        """The functions that one reads."""
        return set(self.calls)

    @property
    def moves(self) -> int:
        """The moves between files, within the stages."""
        return sum(stage.moves for stage in self.stages)

    def __str__(self) -> str:
        """Show the stages with their files, and the figures of the whole."""
        lines = [f"{self.ordering}:"]
        for stage in self.stages:
            files = len({call.file for call in stage.calls})
            lines.append(f"  {stage.name}: {len(stage.calls)} calls, {files} files, {stage.moves} moves")
            lines.append(f"    {' > '.join(file.removesuffix('.py') for file in stage.way)}")
        figures = f"{len(self.files)} files, {len(self.functions)} functions, {self.moves} moves"
        return "\n".join([*lines, f"  in all: {figures}, {len(self.calls)} calls"])


class Tracer:
    """Notes the calls of functions of the domain while one thing is done."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def follow(self, name: str, what: Callable[[], T]) -> T:
        """Do something, and note what is called for it as one stage; gives what came of it."""
        calls: list[Call] = []

        def note(frame: FrameType, event: str, _: object) -> None:
            code = frame.f_code
            path = Path(code.co_filename)
            if event == "call" and DOMAIN in path.resolve().parents and not code.co_name.startswith("<"):
                calls.append(Call(path.resolve().relative_to(DOMAIN).as_posix(), code.co_qualname))

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            found = what()
        finally:
            sys.setprofile(before)
        self.stages.append(Stage(name, calls))
        return found


def walk(ordering: str) -> Walk:
    """Follow one record in a machine that is open; raises KeyError for a way that there is not."""
    machine = Machine([route_rules(**WAYS[ordering])])
    machine.open()
    tracer, forwarder = Tracer(), machine.forwarder

    def handle(name: str, event: Event) -> None:
        tracer.follow(name, lambda: forwarder.handle(event, machine.now))

    def decide(name: str, wanted: type[T], after: int) -> T:
        machine.now += after
        commands = commands_of(tracer.follow(name, lambda: forwarder.decide(machine.now)))
        (found,) = (command for command in commands if isinstance(command, wanted))
        return found

    handle("fetched", RecordsFetched(chunk(["k"])))
    put = decide("decided: it is sent", SendPut, NS_PER_MS)
    landings = Landings(["shard"], ["1"]) if put.wants_landings else None
    machine.now += NS_PER_MS
    handle("answered", PutAnswered(put.put, {}, landings))
    commit = decide("decided: it is committed", CommitOffsets, 2 * NS_PER_SECOND)
    handle("commit answered", CommitAnswered(commit.commit))
    return Walk(ordering, tracer.stages)


def commands_of(decided: Any) -> Sequence[Command]:
    """Give the commands of a decision, whether it is a list of them or has one."""
    commands: Sequence[Command] = getattr(decided, "commands", decided)
    return commands


def main() -> int:
    """Print the walks of all orderings."""
    for ordering in WAYS:
        print(walk(ordering))  # noqa: T201 - a command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
