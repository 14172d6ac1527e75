"""What imports what, in one direction: whoever reads a file reads nothing that leads back to it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source_tree import SRC, modules, nodes

pytestmark = pytest.mark.xdist_group("sources")  # test_tidy.py parses the same files

Graph = Mapping[str, Collection[str]]

KNOWN_AMONG_SIBLINGS: Mapping[str, frozenset[str]] = {
    "doka.adapters.simulated": frozenset({"group", "kinesis", "neighbour", "witness", "world"}),
}
"""Folders of which files or folders still stand in a circle, and which. Take out what does no longer, and add none."""


@cache
def names() -> Mapping[str, Path]:
    """Give every module of src by the name by which it is imported; a package's name is that of its `__init__`."""
    found = {}
    for path in modules(SRC):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(("doka", *(parts[:-1] if parts[-1] == "__init__" else parts)))] = path
    return found


@cache
def imported() -> Graph:
    """Give for each module all modules of src that it names, for types only and inside functions too."""
    graph: dict[str, set[str]] = defaultdict(set)
    for name, path in names().items():
        for node in nodes(path):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & names().keys()
            elif isinstance(node, ast.ImportFrom):
                of = node.module or ""
                found = {f"{of}.{alias.name}" for alias in node.names}
                graph[name] |= found & names().keys() or {of} & names().keys()
    return graph


def circles(graph: Graph) -> list[frozenset[str]]:
    """Give the sets of nodes each of which can be reached from each other one, largest first."""
    reached = {node: _reached(graph, node) for node in graph}
    together = {frozenset(other for other in reached[node] if node in reached.get(other, ())) for node in graph}
    return sorted((circle for circle in together if len(circle) > 1), key=lambda circle: (-len(circle), sorted(circle)))


def _reached(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for other in graph.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def between(folder: str, names_of: Iterable[str]) -> Graph:
    """Give what the files and folders that lie in a folder import of each other, each folder as a whole."""
    graph: dict[str, set[str]] = defaultdict(set)
    for name in names_of:
        mine = _child(folder, name)
        if mine is not None:
            others = (_child(folder, other) for other in imported().get(name, ()))
            graph[mine] |= {other for other in others if other is not None and other != mine}
    return graph


def _child(folder: str, name: str) -> str | None:
    inside = name.removeprefix(f"{folder}.")
    return None if inside == name else inside.split(".")[0]


def test_the_domain_has_no_circle() -> None:
    """No module of the domain is imported by what it imports, however far around, types included."""
    domain = {name: others for name, others in imported().items() if name.startswith("doka.domain")}
    assert len(domain) > 20
    assert [] == circles(domain)


def test_no_folder_has_a_circle_inside() -> None:
    """Of the files and folders in one folder none imports another that imports it, however far around."""
    folders = {".".join(name.split(".")[:i]) for name in names() for i in range(1, name.count(".") + 1)}
    assert {"doka", "doka.domain", "doka.adapters.aws", "doka.app"} <= folders
    found = {folder: frozenset().union(*circles(between(folder, names()))) for folder in sorted(folders)}
    assert KNOWN_AMONG_SIBLINGS == {folder: circle for folder, circle in found.items() if circle}


def test_a_circle_is_found() -> None:
    """Two that lead to each other, by a third or not, are one circle; a way without return is none."""
    assert [{"a", "b", "c"}] == circles({"a": "b", "b": "c", "c": "ad", "d": ""})
    assert [] == circles({"a": "bc", "b": "c", "c": ""})
