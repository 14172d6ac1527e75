from __future__ import annotations

from pathlib import Path

from tests.architecture.source_tree import SRC, TESTS, modules, project_files, shown

KINDS = ("unit", "integration", "containers")

WITHOUT_A_TEST_OF_THEIR_OWN = {
    "domain/commands.py": "values without a rule of their own; whoever takes or gives them tests them",
    "domain/events.py": "values without a rule of their own",
    "domain/facts.py": "values without a rule of their own; test_sentences and test_metrics go through all of them",
    "domain/ports.py": "protocols; tests/contract holds every adapter to them",
}
"""This list may only become shorter."""


def mirrors(path: Path) -> list[Path]:
    """Give where the tests of a source file may stand."""
    inside = path.relative_to(SRC)
    return [TESTS / kind / inside.parent / f"test_{inside.stem.strip('_')}.py" for kind in KINDS]


def test_every_module_has_its_tests() -> None:
    """Beside each source file there is a test file of the same name in the same folder of the tests."""
    there = set(project_files())
    missing = {
        path.relative_to(SRC).as_posix()
        for path in modules(SRC)
        if path.name != "__init__.py" and not there.intersection(mirrors(path))
    }
    assert set() == missing - WITHOUT_A_TEST_OF_THEIR_OWN.keys()


def test_no_exception_is_stale() -> None:
    """A file that has its tests, or is gone, is no exception any more."""
    there = set(project_files())
    stale = [
        name
        for name in WITHOUT_A_TEST_OF_THEIR_OWN
        if SRC / name not in there or there.intersection(mirrors(SRC / name))
    ]
    assert [] == stale


def test_no_unit_test_is_orphaned() -> None:
    """Each unit test file has the source file whose name it carries."""
    orphans = [
        shown(path)
        for path in modules(TESTS / "unit" / "domain", TESTS / "unit" / "adapters", TESTS / "unit" / "app")
        if path.name.startswith("test_")
        and not any(
            (SRC / path.relative_to(TESTS / "unit").parent / f"{stem}.py").exists()
            for stem in (path.stem.removeprefix("test_"), f"__{path.stem.removeprefix('test_')}__")
        )
    ]
    assert [] == orphans
