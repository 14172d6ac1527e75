from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, SRC, TESTS, imports, modules, nodes, parsed, project_files, shown

LINES_MAX = 650
"""A file is as long as its idea: a lower bound cut classes by their size. What a reader must open counts test_walk.py."""

POSITIONAL_MAX = 6

LEFT_OVERS = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
THIS_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/|(?<!\w)\.\./shared\b")
AN_INDEX = re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host|\bPIP_INDEX_URL|/simple/?\b")
VAGUE = re.compile(r"(?i)(?<!context)manager|util(?:s|ity|ities)?(?:$|_)|helpers?(?:$|_)|^misc$|^common$")
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".sh", ".json", ".ini", ".cfg", ""}
PLACES_OF_THE_IMAGES_SCRIPT = {".ci/run"}  # its one path outside the checkout is how CI gets its images
AT_THE_TOP = {
    *(".ci", ".dockerignore", ".github", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", "LICENSE"),
    *("Makefile", "README.md", "SECURITY.md", "benchmarks", "deploy", "docker-compose.test.yml", "docs", "doka"),
    *("examples", "pyproject.toml", "requirements", "scripts", "src", "tests"),
}
"""What a clone has beside each other; what somebody made by trying a page of docs/ is none of it."""
pytestmark = pytest.mark.xdist_group("sources")  # each process that runs one parses all of them

SLEEPERS = {"tests/waiting.py"}  # the one place that waits between two looks at a condition


@cache
def texts() -> list[tuple[Path, str]]:
    """Give every text file of the project with what is in it."""
    return [(path, path.read_text(encoding="utf-8")) for path in project_files() if path.suffix in TEXT]


def found(pattern: re.Pattern[str], *, but: frozenset[str] = frozenset()) -> list[str]:
    """Give each line in which the pattern occurs, as one would look it up."""
    return [
        f"{shown(path)}:{number}: {line.strip()}"
        for path, text in texts()
        if path != Path(__file__) and shown(path) not in but
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    """No file holds a mark that something is still to be done: what is to be done is an issue."""
    assert [] == found(LEFT_OVERS)


def test_the_top_holds_what_belongs_there() -> None:
    """A file that was written by trying a command is not committed beside the project's own; what nobody committed may lie there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.decode()
    assert set() == {name.split("/")[0] for name in listed.split("\0") if name} - AT_THE_TOP


def test_no_path_of_a_machine() -> None:
    """No file names a folder that exists only on the machine where it was written."""
    assert [] == found(THIS_MACHINE, but=frozenset(PLACES_OF_THE_IMAGES_SCRIPT))


def test_no_index_is_named() -> None:
    """Where packages come from is the user's to say, in his own configuration of pip."""
    allowed = {"scripts/lock", "scripts/setup"}  # they tell the tools to write none, or to use none
    assert [] == found(AN_INDEX, but=frozenset(allowed))


def test_the_patterns_find_what_they_look_for() -> None:
    """Each of the patterns matches examples of what it bans, and leaves alone what it must."""
    assert LEFT_OVERS.search("# TODO: later")
    assert all(THIS_MACHINE.search(text) for text in ("see /work/main", "see ../shared/tools", "'/home/me/doka'"))
    assert not THIS_MACHINE.search("homework/rooted and network/work/x")
    assert AN_INDEX.search("pip install --index-url x")
    assert all(VAGUE.search(name) for name in ("LeaseManager", "string_utils", "helpers"))
    assert not any(VAGUE.search(name) for name in ("contextmanager", "utilisation", "ledger"))


def test_no_vague_names() -> None:
    """No file, class or function of ours is named for being useful: a name says what it is."""
    named = [(shown(path), path.stem) for path in modules(SRC, TESTS)]
    named += [
        (shown(path), node.name)
        for path in modules(SRC, TESTS)
        for node in nodes(path)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [] == [f"{where}: {name}" for where, name in named if VAGUE.search(name)]


def test_a_file_is_one_thought() -> None:
    """A source file has a docstring that says why it exists, and is no longer than one idea can be."""
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(SRC)}
    assert [] == [
        f"{shown(path)} does not say why it exists" for path in modules(SRC) if not ast.get_docstring(parsed(path))
    ]
    assert [] == [f"{name} has {lines} lines" for name, lines in lengths.items() if lines > LINES_MAX]


def test_no_call_is_a_riddle() -> None:
    """No call of src has more than six positional arguments: beyond that nobody sees which is which."""
    riddles = [
        f"{shown(path)}:{node.lineno}"
        for path in modules(SRC)
        for node in nodes(path)
        if isinstance(node, ast.Call) and len(node.args) > POSITIONAL_MAX
    ]
    assert [] == riddles


def test_nobody_sleeps() -> None:
    """Nothing waits for a time in the hope that it is enough: it waits for a condition, with a deadline."""
    sleeping = [
        f"{shown(path)}:{node.lineno}"
        for path in modules(SRC, TESTS)
        if shown(path) not in SLEEPERS
        for node in nodes(path)
        if (isinstance(node, ast.Attribute) and node.attr == "sleep" and isinstance(node.value, ast.Name))
        and node.value.id in {"time", "asyncio"}
    ]
    sleeping += [
        f"{shown(path)}:{node.lineno}"
        for path in modules(SRC, TESTS)
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.module == "time" and "sleep" in {a.name for a in node.names}
    ]
    assert [] == sleeping


def test_clocks_are_read_in_one_place() -> None:
    """In src only the system's clock imports `time`; everything else takes `now` and `wall` from the port."""
    assert {"src/adapters/system/clock.py"} == {shown(path) for path in modules(SRC) if "time" in imports(path)}


def test_every_test_says_what_must_hold() -> None:
    """Each test has a docstring of whole sentences."""
    silent = [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path in modules(TESTS)
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and path.name.startswith("test_")
        and not (ast.get_docstring(node) or "").rstrip().endswith(".")
    ]
    assert [] == silent


def test_scripts_can_be_run() -> None:
    """What is started by its path may be executed, and stops at the first error."""
    scripts = [path for path in project_files() if path.suffix in {"", ".sh"} and path.read_bytes()[:2] == b"#!"]
    assert ROOT / ".ci" / "run" in scripts
    for path in scripts:
        assert "set -euo pipefail" in path.read_text(encoding="utf-8"), shown(path)
