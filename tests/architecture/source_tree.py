"""Where the files of this project are, and what is written in them; read as text, never imported."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
TESTS = ROOT / "tests"


@cache
def project_files() -> tuple[Path, ...]:
    """Give every file that is or would be committed; without git, every file of the source distribution."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
        return tuple(path for path in sorted({ROOT / name for name in names}) if path.is_file())
    kept = [path for top in (SRC, TESTS, ROOT / "docs") for path in top.rglob("*") if "__pycache__" not in path.parts]
    return tuple(path for path in (*kept, *ROOT.glob("*")) if path.is_file())


def modules(*tops: Path) -> list[Path]:
    """Give the Python files below these folders."""
    return [path for path in project_files() if path.suffix == ".py" and any(top in path.parents for top in tops)]


@cache
def parsed(path: Path) -> ast.Module:
    """Give a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Give every node of a file's syntax tree, as `ast.walk` does, which takes longer than a look at each."""
    return tuple(ast.walk(parsed(path)))


@cache
def imports(path: Path) -> set[str]:
    """Give the dotted names of all that a file imports, wherever in it."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{shown(path)} has a relative import"
            found.add(node.module or "")
    return found


def shown(path: Path) -> str:
    """Give a path as one writes it: from the project's folder."""
    return path.relative_to(ROOT).as_posix()
