from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source_tree import TESTS, modules, nodes, shown
from tests.failure_modes import rows

pytestmark = pytest.mark.xdist_group("sources")  # test_tidy.py parses the same files

MARK = "failure_mode"


def marks() -> Iterator[tuple[str, str]]:
    """Give the title of each `pytest.mark.failure_mode("...")` of the tests, and the file."""
    for path in modules(TESTS):
        if MARK not in path.read_text(encoding="utf-8"):
            continue
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == MARK:
                (title,) = node.args
                assert isinstance(title, ast.Constant), (
                    f"{shown(path)}: the title of a row is written out where it is played"
                )
                yield str(title.value), shown(path)


def test_every_row_is_played() -> None:
    """Each row of docs/failure-modes.md has a test that plays it, and each test that says so plays one that is there."""
    played = {title for title, _ in marks()}
    titles = [row.title for row in rows()]
    assert [] == [f"{title} ({path})" for title, path in marks() if title not in titles]
    assert [] == [title for title in titles if title not in played]
    assert len(titles) == len(set(titles))


def test_every_row_says_something_that_is_looked_for() -> None:
    """What one sees is told in words that a test can find, with the place where they are; and each row has a cure."""
    assert [] == [row.title for row in rows() if not (row.does and row.cure and all(c.parts for c in row.clauses()))]


def test_an_exit_code_stands_where_it_is_looked_for() -> None:
    """What a person sees is told in the column that tests compare, and in no other."""
    assert [] == [row.title for row in rows() if "exit code" in row.does]
