"""`python -m scripts.mutants`, which `make mutants` runs: breaks the domain in small ways and sees who notices.

A seed draws places in src/domain, and in each of them one thing is changed: a comparison, a sum, an `and`, a `not`, or a
statement is left out. The domain's unit tests then judge each mutant, the test file of its own module first, and the
simulator judges it alone. One that both let pass is a hole in the tests, or changes no behaviour: read it.

The simulator's time is counted in seeds, as many as `make simulate` gets through in it on two quiet cores; so a loaded
machine judges alike. It stops at the first broken rule. What loops is ended by the processor's time that it has used.

Everything happens in a copy of the checkout as it stands, so that an end by Ctrl-C leaves nothing behind.
"""

from __future__ import annotations

import argparse
import ast
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from queue import SimpleQueue
from random import Random  # noqa: TID251 - draws by a seed that is given

import orjson

ROOT = Path(__file__).resolve().parents[1]
DOMAIN = "src/domain"
UNIT_TESTS = "tests/unit/domain"
UNIT_SECONDS_MAX = 60  # of the processor; the domain's tests take a tenth of it
SEEDS_A_SECOND = 94  # of the swarm, in two processes on two quiet cores: 47 a second of each processor
SIMULATOR_SLOWER = 5  # so much slower a machine, or a mutant, may be
PATIENCE = 20  # seconds of the wall for each of the processor, where others use it too
MEMORY_BYTES_MAX = 4 * 1024**3  # of a process: a mutant may collect without end
SHOWN_CHARACTERS = 60

Judged = Callable[[Path, Sequence[str], float], str]
"""Runs a command in a copy, for so many seconds of the processor at most; gives how it ended: SURVIVED, KILLED or TIMEOUT."""

SURVIVED, KILLED, TIMEOUT = "survived", "killed", "timeout"
NOT_ASKED = "-"
PASSED, FAILED, NO_TESTS = 0, 1, 5

COMPARISONS: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
SUMS: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}


class BrokenBeforeError(Exception):
    """What is to judge mutants already fails without one."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the place by its number among all places of the file, so that it can be made again."""

    file: str
    number: int
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file.removeprefix(DOMAIN + '/')}:{self.line} {self.what}"


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    own: str
    """What the test files of its module said; survived where there are none."""
    unit: str
    """What all unit tests of the domain said."""
    simulator: str
    """What the simulator said; NOT_ASKED where it had no time."""

    @property
    def unnoticed(self) -> bool:
        """Say whether nobody who was asked has noticed."""
        return self.unit == SURVIVED and self.simulator in {SURVIVED, NOT_ASKED}


@dataclass
class _Place:
    """Where one thing can be changed in a tree that is already there."""

    line: int
    what: str
    change: Callable[[], None]


# --- the pure part: which mutants there are --------------------------------------------------------------------------


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Give every mutant of a file, in the order of its lines; the same for the same text."""
    places = _places(ast.parse(source))
    return [Mutant(file, number, place.line, place.what) for number, place in enumerate(places)]


def mutated(source: str, number: int) -> str:
    """Give the text of a file with its place of this number changed; comments are lost."""
    tree = ast.parse(source)
    _places(tree)[number].change()
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def draw(sources: Mapping[str, str], seed: int, count: int) -> list[Mutant]:
    """Draw mutants from all files, each place as likely as the next; fewer than `count` only where there are no more."""
    every = [mutant for file in sorted(sources) for mutant in mutants_of(file, sources[file])]
    return Random(seed).sample(every, min(count, len(every)))  # noqa: S311 - protects nothing


def own_tests(file: str) -> list[str]:
    """Give patterns of the test files that carry the name of a source file."""
    stem = Path(file).relative_to(DOMAIN)
    folder = Path(UNIT_TESTS) / stem.parent
    return [(folder / name).as_posix() for name in (f"test_{stem.stem}.py", f"test_{stem.stem}_*.py")]


def _places(tree: ast.Module) -> list[_Place]:
    found = [place for node in ast.walk(tree) for place in _of_node(node)]
    return sorted(found, key=lambda place: (place.line, place.what))


def _of_node(node: ast.AST) -> Iterator[_Place]:
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in COMPARISONS:
            other = COMPARISONS[type(op)]()
            yield _Place(node.lineno, _turned(op, other), lambda: node.ops.__setitem__(0, other))
        case ast.BinOp(op=op) if type(op) in SUMS and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            another = SUMS[type(op)]()
            yield _Place(node.lineno, _turned(op, another), lambda: setattr(node, "op", another))
        case ast.BoolOp(op=op):
            opposite = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield _Place(node.lineno, _turned(op, opposite), lambda: setattr(node, "op", opposite))
        case ast.UnaryOp(op=ast.Not()):
            twice = ast.UnaryOp(ast.Not(), node.operand)
            yield _Place(node.lineno, "drop not", lambda: setattr(node, "operand", twice))
        case ast.FunctionDef(name=name) if name not in {"__init__", "__repr__"}:
            yield from _left_out(node)
        case _:
            pass


def _turned(before: ast.AST, after: ast.AST) -> str:
    return f"{type(before).__name__} to {type(after).__name__}"


def _left_out(function: ast.FunctionDef) -> Iterator[_Place]:
    """Give each statement of a function that has an effect beyond its own variables, its own functions' left aside."""
    waiting: list[list[ast.stmt]] = [function.body]
    while waiting:
        body = waiting.pop()
        for i, statement in enumerate(body):
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                continue
            if _has_effect(statement):
                what = f"leave out {ast.unparse(statement)}".splitlines()[0][:SHOWN_CHARACTERS]
                yield _Place(statement.lineno, what, _replacing(body, i))
            waiting += [getattr(statement, block, []) for block in ("body", "orelse", "finalbody")]
            waiting += [case.body for case in getattr(statement, "cases", [])]
            waiting += [handler.body for handler in getattr(statement, "handlers", [])]


def _has_effect(statement: ast.stmt) -> bool:
    match statement:
        case ast.AugAssign() | ast.Delete() | ast.Expr(value=ast.Call()):
            return True
        case ast.Assign(targets=targets):
            return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
        case _:
            return False


def _replacing(body: list[ast.stmt], i: int) -> Callable[[], None]:
    return lambda: body.__setitem__(i, ast.Pass())


# --- judging ---------------------------------------------------------------------------------------------------------


def judge(mutant: Mutant, copy: Path, run: Judged, seconds: float) -> Verdict:
    """Put a mutant into a copy, let everybody judge it, and put the file back as it was."""
    path = copy / mutant.file
    honest = path.read_text(encoding="utf-8")
    path.write_text(mutated(honest, mutant.number), encoding="utf-8")
    try:
        mine = [str(test) for pattern in own_tests(mutant.file) for test in sorted(copy.glob(pattern))]
        own = run(copy, _pytest(*mine), UNIT_SECONDS_MAX) if mine else SURVIVED
        unit = own if own != SURVIVED else run(copy, _pytest(UNIT_TESTS), UNIT_SECONDS_MAX)
        simulator = _simulate(copy, run, seconds) if seconds else NOT_ASKED
    finally:
        path.write_text(honest, encoding="utf-8")
    return Verdict(mutant, own, unit, simulator)


def _pytest(*where: str) -> list[str]:
    return ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *where]


def _simulate(copy: Path, run: Judged, seconds: float) -> str:
    words = ["-m", "tests.simulation", "swarm", "--seeds", str(seeds_in(seconds)), "--workers", "1"]
    return run(copy, words, 2 * SIMULATOR_SLOWER * seconds)


def seeds_in(seconds: float) -> int:
    """Give how many seeds the simulator gets through in this time on two quiet cores; at least one."""
    return max(1, round(SEEDS_A_SECOND * seconds))


@dataclass
class Runner:
    """Runs commands, each in a session of its own, and can end all of them at once."""

    stopped: bool = False
    running: set[subprocess.Popen[bytes]] = field(default_factory=set)

    def __call__(self, copy: Path, words: Sequence[str], seconds: float) -> str:
        """Run Python in a copy; an exit code that says neither passed nor failed counts as killed too."""
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=copy,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if hasattr(resource, "prlimit"):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (ceil(seconds), ceil(seconds) + 1))
        self.running.add(process)
        try:
            if self.stopped:
                raise KeyboardInterrupt
            code = process.wait(PATIENCE * seconds)
        except subprocess.TimeoutExpired:
            return TIMEOUT
        finally:
            self.running.discard(process)
            _end(process)
        if code == -signal.SIGXCPU:
            return TIMEOUT
        return SURVIVED if code in {PASSED, NO_TESTS} else KILLED

    def stop(self) -> None:
        """End everything that runs, and start nothing more."""
        self.stopped = True
        for process in list(self.running):
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started, whether it is still there or not."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def copied(target: Path) -> Path:
    """Copy what is, or would be, committed of this checkout, links as links; give the copy."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if os.path.lexists(ROOT / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target


def sources_of(copy: Path) -> dict[str, str]:
    """Give the text of every file of the domain, by its path in the checkout."""
    paths = (copy / DOMAIN).rglob("*.py")
    return {path.relative_to(copy).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def require_green(copy: Path, run: Judged) -> None:
    """See that nothing is killed where nothing is changed.

    Raises:
        BrokenBeforeError: the unit tests or the simulator fail as they stand.
    """
    for what, words in (
        ("the domain's unit tests", _pytest(UNIT_TESTS)),
        ("the simulator", ["-m", "tests.simulation", "swarm", "--seeds", "3", "--workers", "1"]),
    ):
        if run(copy, words, UNIT_SECONDS_MAX) != SURVIVED:
            raise BrokenBeforeError(f"{what} fail without a mutant; run them and mend that first")


# --- telling ---------------------------------------------------------------------------------------------------------


def line_of(verdict: Verdict) -> str:
    """Give one line of the table; what nobody noticed is marked."""
    mark = "  <- NOBODY NOTICED" if verdict.unnoticed else ""
    return f"{verdict.own:<8}  {verdict.unit:<8}  {verdict.simulator:<9}  {verdict.mutant}{mark}"


def summary(verdicts: Sequence[Verdict]) -> str:
    """Give the shares, and the names of those that survived."""
    lines = [
        f"{_share(verdicts, 'own')} by the test file of their own module",
        f"{_share(verdicts, 'unit')} by the unit tests of the domain",
        f"{_share(verdicts, 'simulator')} by the simulator alone",
        *(f"survived the unit tests: {v.mutant}" for v in verdicts if v.unit == SURVIVED and not v.unnoticed),
        *(f"nobody noticed: {verdict.mutant}" for verdict in verdicts if verdict.unnoticed),
    ]
    return "\n".join(lines)


def _share(verdicts: Sequence[Verdict], who: str) -> str:
    asked = [getattr(verdict, who) for verdict in verdicts if getattr(verdict, who) != NOT_ASKED]
    killed = sum(said != SURVIVED for said in asked)
    return f"killed {killed} of {len(asked)} ({100 * killed / max(len(asked), 1):.0f} %)"


def as_json(seed: int, seconds: float, verdicts: Sequence[Verdict]) -> bytes:
    """Give everything for a machine."""
    told = {
        "seed": seed,
        "simulator_seeds": seeds_in(seconds) if seconds else 0,
        "mutants": [asdict(verdict) for verdict in verdicts],
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2)


def main(words: Sequence[str] | None = None) -> int:
    """Draw mutants and judge them; 1 where nobody noticed one, 2 where tests fail without one, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="draws the mutants (7)")
    parser.add_argument("--count", type=int, default=60, help="how many (60)")
    parser.add_argument("--jobs", type=int, default=1, help="how many are judged at once (1)")
    parser.add_argument(
        "--simulator-seconds",
        type=float,
        default=60.0,
        help=f"the simulator's time for each, as {SEEDS_A_SECOND} seeds a second; 0 leaves it out (60)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    given = parser.parse_args(words)
    verdicts: list[Verdict] = []
    run = Runner()
    with tempfile.TemporaryDirectory(prefix="doka-mutants-") as folder:
        copies = [copied(Path(folder) / str(i)) for i in range(given.jobs)]
        free: SimpleQueue[Path] = SimpleQueue()
        for copy in copies:
            free.put(copy)

        def judge_one(mutant: Mutant) -> Verdict:
            mine = free.get()
            try:
                return judge(mutant, mine, run, given.simulator_seconds)
            finally:
                free.put(mine)

        pool = ThreadPoolExecutor(given.jobs)
        code = 0
        try:
            require_green(copies[0], run)
            _say(f"{'own':<8}  {'unit':<8}  {'simulator':<9}  mutant")
            for verdict in pool.map(judge_one, draw(sources_of(copies[0]), given.seed, given.count)):
                verdicts.append(verdict)
                _say(line_of(verdict))
        except BrokenBeforeError as error:
            _say(str(error))
            code = 2
        except KeyboardInterrupt:
            _say(f"stopped after {len(verdicts)} of {given.count}")
            code = 130
        finally:
            run.stop()
            pool.shutdown(cancel_futures=True)
    if verdicts:
        _say(summary(verdicts))
    if given.json is not None:
        given.json.write_bytes(as_json(given.seed, given.simulator_seconds, verdicts))
    return code or int(any(verdict.unnoticed for verdict in verdicts))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
