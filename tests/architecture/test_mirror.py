"""Whoever looks for the tests of a module finds them by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, SRC, TESTS, imports, modules, shown

pytestmark = pytest.mark.xdist_group("sources")  # test_tidy.py parses the same files

KINDS = ("unit", "simulation", "integration", "containers")

COVERED_BY: dict[str, str] = {
    "adapters/embedded/kafka_cluster.py": "tests/integration/kafka/test_kafka_cluster.py",
}
"""Modules whose tests stand under another name: the module -> the test file, which must import it."""

SUBJECTS: dict[str, tuple[str, ...]] = {
    "domain/forwarder.py": ("endings", "filtered", "in_flight", "ownership", "skips", "tee"),
    "domain/partitions/partition.py": ("intake",),
    "domain/routes/route.py": ("blocked", "changed", "decode", "role", "search", "sharing", "transform"),
    "domain/sending/outbox.py": ("sharing",),
}
"""Modules whose unit tests fill more than one file: beside `test_MODULE.py` a `test_MODULE_SUBJECT.py` for each of these."""

SIMULATED = "tests/simulation runs it and judges every step; tests/contract holds its ports to the real ones"

WITHOUT_TESTS_OF_THEIR_OWN = {
    "domain/commands.py": "values without a rule of their own; whoever takes or gives them tests them",
    "domain/events.py": "values without a rule of their own",
    "domain/facts.py": "values without a rule of their own; test_sentences and test_metrics go through all of them",
    "domain/ports.py": "protocols; tests/contract holds every adapter to them",
    "adapters/simulated/background.py": SIMULATED,
    "adapters/simulated/chance.py": SIMULATED,
    "adapters/simulated/clock.py": SIMULATED,
    "adapters/simulated/describer.py": SIMULATED,
    "adapters/simulated/discovery.py": SIMULATED,
    "adapters/simulated/inbox.py": SIMULATED,
    "adapters/simulated/incidents.py": SIMULATED,
    "adapters/simulated/kafka.py": SIMULATED,
    "adapters/simulated/kinesis.py": SIMULATED,
    "adapters/simulated/letters.py": SIMULATED,
    "adapters/simulated/life.py": SIMULATED,
    "adapters/simulated/neighbour.py": SIMULATED,
    "adapters/simulated/plan.py": SIMULATED,
    "adapters/simulated/producer.py": SIMULATED,
    "adapters/simulated/registry.py": SIMULATED,
    "adapters/simulated/schemas.py": SIMULATED,
    "adapters/simulated/sts.py": SIMULATED,
    "adapters/simulated/watchdog.py": SIMULATED,
    "adapters/simulated/weather.py": SIMULATED,
    "adapters/simulated/witness.py": SIMULATED,
    "adapters/simulated/world.py": SIMULATED,
}
"""Both lists may only become shorter."""


def mirrors(inside: Path) -> list[Path]:
    """Give where the tests of a source file may stand: in the same folder, the package's own name left out or not."""
    test = f"test_{inside.stem.strip('_')}.py"
    folders = (inside.parent, Path(*inside.parent.parts[1:]))
    return [TESTS / kind / folder / test for kind in KINDS for folder in folders]


def sources() -> set[str]:
    """Give all source files that hold code, from src."""
    return {path.relative_to(SRC).as_posix() for path in modules(SRC) if path.name != "__init__.py"}


def mirrored() -> set[str]:
    """Give the source files that have a test file of their name."""
    return {name for name in sources() if any(test.exists() for test in mirrors(Path(name)))}


def test_every_module_has_its_tests() -> None:
    """Beside each source file there is a test file of the same name in the same folder of the tests."""
    missing = sources() - mirrored() - COVERED_BY.keys() - WITHOUT_TESTS_OF_THEIR_OWN.keys()
    assert [] == sorted(missing)


def test_what_is_covered_elsewhere_is_covered() -> None:
    """A module whose tests have another name is imported by the test file that is named for it."""
    idle = [
        f"{name}: {test}"
        for name, test in COVERED_BY.items()
        if "doka." + Path(name).with_suffix("").as_posix().replace("/", ".") not in imports(ROOT / test)
    ]
    assert [] == idle


def test_no_exception_is_stale() -> None:
    """A file that has its tests by its name, or is gone, is no exception any more."""
    exceptions = COVERED_BY.keys() | WITHOUT_TESTS_OF_THEIR_OWN.keys()
    assert [] == sorted(exceptions & mirrored())
    assert [] == sorted(exceptions - sources())


def test_no_unit_test_is_orphaned() -> None:
    """Each unit test file has the source file whose name it carries, or is one subject of it."""
    subjects = {
        TESTS / "unit" / Path(name).with_name(f"test_{Path(name).stem}_{subject}.py")
        for name, all_of_them in SUBJECTS.items()
        for subject in all_of_them
    }
    assert [] == [shown(path) for path in sorted(subjects) if not path.exists()]
    orphans = [
        shown(path)
        for path in modules(*(TESTS / "unit" / package for package in ("domain", "adapters", "app")))
        if path.name.startswith("test_")
        and path not in subjects
        and not any(
            (SRC / path.relative_to(TESTS / "unit").parent / f"{stem}.py").exists()
            for stem in (path.stem.removeprefix("test_"), f"__{path.stem.removeprefix('test_')}__")
        )
    ]
    assert [] == orphans
