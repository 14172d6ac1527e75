"""Mutants: drawn by a seed from every file of the domain, each one change, judged in a copy and put back."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import mutants
from scripts.mutants import (
    KILLED,
    NOT_ASKED,
    SURVIVED,
    TIMEOUT,
    Mutant,
    Runner,
    Verdict,
    as_json,
    draw,
    judge,
    line_of,
    mutants_of,
    mutated,
    own_tests,
    sources_of,
    summary,
)

FILE = "src/domain/held/ledger.py"
SOURCE = '''
class Ledger:
    def __init__(self):
        self.open = 0

    def settle(self, places):
        """Settle places."""
        first = places[0]
        if first < self.open and not self.gone:
            self.open -= len(places)
            self.moved(first)
        return self.open + 1
'''
SPOILT = Mutant(FILE, 0, 9, "And to Or")


def test_every_kind_of_change_is_found_once() -> None:
    """Comparison, sum, `and`, `not` and each statement with an effect; no constructor, no local name, no docstring."""
    assert [
        (9, "And to Or"),
        (9, "Lt to LtE"),
        (9, "drop not"),
        (10, "leave out self.open -= len(places)"),
        (11, "leave out self.moved(first)"),
        (12, "Add to Sub"),
    ] == [(mutant.line, mutant.what) for mutant in mutants_of(FILE, SOURCE)]


def test_each_mutant_is_one_change_of_the_text() -> None:
    """Every mutant can be parsed, differs from the honest text, and from each of its siblings."""
    honest = ast.unparse(ast.parse(SOURCE))
    texts = [mutated(SOURCE, mutant.number) for mutant in mutants_of(FILE, SOURCE)]
    assert len(texts) == len({honest, *map(str.strip, texts)}) - 1
    assert [1] * 6 == [
        sum(mine != theirs for mine, theirs in zip(text.splitlines(), honest.splitlines(), strict=False))
        for text in texts
    ]


def test_a_seed_draws_the_same_from_the_same_tree() -> None:
    """The order in which files are given changes nothing, another seed does, and nothing is drawn twice."""
    sources = {f"src/domain/{name}.py": SOURCE for name in "abc"}
    drawn = draw(sources, 7, 10)
    assert drawn == draw(dict(reversed(sources.items())), 7, 10)
    assert drawn != draw(sources, 8, 10)
    assert 10 == len(set(drawn))
    assert 18 == len(draw(sources, 7, 1_000))


def test_every_room_of_the_domain_is_drawn_from() -> None:
    """Of the real domain each folder has mutants, and all of them can be made."""
    sources = sources_of(mutants.ROOT)
    every = draw(sources, 7, 100_000)
    rooms = {Path(file).parent for file in sources if not file.endswith("__init__.py")}
    assert rooms == {Path(mutant.file).parent for mutant in every}
    assert len(every) > 600
    for mutant in every[:100]:
        ast.parse(mutated(sources[mutant.file], mutant.number))


def test_the_tests_of_a_module_carry_its_name() -> None:
    """In the same room of the tests, and its subjects with it."""
    assert ["tests/unit/domain/held/test_ledger.py", "tests/unit/domain/held/test_ledger_*.py"] == own_tests(FILE)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy that holds one module and its test file."""
    for name in (FILE, *own_tests(FILE)[:1]):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(SOURCE)
    return tmp_path


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ((KILLED, SURVIVED), (KILLED, KILLED, SURVIVED)),
        ((SURVIVED, KILLED, KILLED), (SURVIVED, KILLED, KILLED)),
        ((SURVIVED, TIMEOUT, SURVIVED), (SURVIVED, TIMEOUT, SURVIVED)),
    ],
)
def test_the_modules_own_tests_judge_first(copy: Path, answers: Sequence[str], verdict: Sequence[str]) -> None:
    """All unit tests are asked only where its own let a mutant pass, the simulator always; every time it is there."""
    seen: list[tuple[str, bool]] = []
    left = iter(answers)

    def run(where: Path, words: Sequence[str], seconds: float) -> str:
        spoilt = " or " in (where / FILE).read_text()
        seen.append((Path(words[-1]).name if "pytest" in words else words[1], spoilt))
        return next(left)

    judged = judge(SPOILT, copy, run, 5)
    assert Verdict(SPOILT, *verdict) == judged
    asked = ["test_ledger.py", "domain", "tests.simulation"]
    assert [(name, True) for name in asked if name != "domain" or answers[0] == SURVIVED] == seen
    assert SOURCE == (copy / FILE).read_text()


def test_a_file_is_put_back_when_judging_is_broken_off(copy: Path) -> None:
    """Ctrl-C in the middle of a mutant leaves the honest file in the copy."""

    def run(where: Path, words: Sequence[str], seconds: float) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(SPOILT, copy, run, 5)
    assert SOURCE == (copy / FILE).read_text()


def test_a_mutant_that_loops_is_ended_by_the_time_of_the_processor(tmp_path: Path) -> None:
    """What others do on the machine does not count; an exit code is what it is, and only a passed run lets one live."""
    run = Runner()
    codes = {"while True: pass": TIMEOUT, "raise SystemExit(0)": SURVIVED, "raise SystemExit(2)": KILLED}
    assert codes == {words: run(tmp_path, ["-c", words], 1) for words in codes}


def test_the_simulators_time_is_counted_in_seeds(copy: Path) -> None:
    """A minute is always as many seeds, in one process that ends at the first broken rule."""
    asked: list[tuple[Sequence[str], float]] = []

    def run(where: Path, words: Sequence[str], seconds: float) -> str:
        asked.append((words, seconds))
        return KILLED

    judge(SPOILT, copy, run, 60)
    assert (["-m", "tests.simulation", "swarm", "--seeds", "5640", "--workers", "1"], 600) == asked[-1]


def test_survivors_are_told_and_shares_counted() -> None:
    """A mutant that nobody noticed is marked; the shares are those of what was judged; a timeout is a kill."""
    verdicts = [
        Verdict(SPOILT, KILLED, KILLED, TIMEOUT),
        Verdict(SPOILT, SURVIVED, KILLED, SURVIVED),
        Verdict(SPOILT, SURVIVED, SURVIVED, KILLED),
        Verdict(SPOILT, SURVIVED, SURVIVED, SURVIVED),
    ]
    assert [False, False, False, True] == ["NOBODY NOTICED" in line_of(verdict) for verdict in verdicts]
    assert [
        "killed 1 of 4 (25 %) by the test file of their own module",
        "killed 2 of 4 (50 %) by the unit tests of the domain",
        "killed 2 of 4 (50 %) by the simulator alone",
        "survived the unit tests: held/ledger.py:9 And to Or",
        "nobody noticed: held/ledger.py:9 And to Or",
    ] == summary(verdicts).splitlines()


def test_a_simulator_without_time_is_not_asked(copy: Path) -> None:
    """With no seconds the simulator does not run and has no share; what the unit tests let pass, nobody noticed."""

    def run(where: Path, words: Sequence[str], seconds: float) -> str:
        assert "pytest" in words
        return SURVIVED

    judged = judge(SPOILT, copy, run, 0)
    assert Verdict(SPOILT, SURVIVED, SURVIVED, NOT_ASKED) == judged
    assert judged.unnoticed
    assert [
        "killed 0 of 1 (0 %) by the test file of their own module",
        "killed 0 of 1 (0 %) by the unit tests of the domain",
        "killed 0 of 0 (0 %) by the simulator alone",
        "nobody noticed: held/ledger.py:9 And to Or",
    ] == summary([judged]).splitlines()


def test_a_machine_can_read_it() -> None:
    """The JSON holds the seed, how many seeds the simulator had and every verdict with its mutant."""
    told = json.loads(as_json(7, 60.0, [Verdict(SPOILT, KILLED, KILLED, SURVIVED)]))
    mutant = {"file": FILE, "number": 0, "line": 9, "what": "And to Or"}
    assert {
        "seed": 7,
        "simulator_seeds": 5640,
        "mutants": [{"mutant": mutant, "own": KILLED, "unit": KILLED, "simulator": SURVIVED}],
    } == told
