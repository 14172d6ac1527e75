"""A function is loaded out of the user's file, or it is said in one line why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.settings.mapping import to_rules
from doka.app.settings.problems import SettingsError
from doka.app.transforms import NotLoadedError, load_transform
from doka.domain.batch import Batch
from tests.manual_clock import ManualClock
from tests.unit.app.settings.given import settings

GOOD = """
from doka.transform import Batch, transform

loads = []

@transform
def plain(batch: Batch) -> None:
    batch.drop(0)

@transform(headers=True, timestamps=True)
def whole(batch: Batch) -> None:
    pass

def bare(batch): pass
number = 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file with functions."""
    path = tmp_path / "orders.py"
    path.write_text(GOOD)
    return path


def test_a_function_comes_with_what_it_reads(file: Path) -> None:
    """And with a name for people, and the hash of its file."""
    plain, whole = (load_transform(str(file), name, ManualClock()) for name in ("plain", "whole"))
    assert ("orders.py:plain", False, False) == (plain.name, plain.headers, plain.timestamps)
    assert (True, True, plain.digest) == (whole.headers, whole.timestamps, whole.digest)
    batch = Batch("orders", 0, [5], [None], [b"x"])
    plain.function(batch)
    assert frozenset({0}) == batch.dropped


def test_a_file_is_loaded_once_until_it_is_another_one(file: Path) -> None:
    """What it does when it is loaded is not done again for each that asks."""
    first = load_transform(str(file), "plain", ManualClock())
    assert first.function is load_transform(str(file), "plain", ManualClock()).function
    file.write_text(f"{GOOD}\n# changed\n")
    assert first.function is not load_transform(str(file), "plain", ManualClock()).function


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("missing", "names a function that is not in the file; correct the name, or write it"),
        ("number", "names a function that is not in the file; correct the name, or write it"),
        (
            "bare",
            "names a function without its decorator; write @transform above it, from doka.transform import transform",
        ),
    ],
)
def test_a_function_that_cannot_be_had_is_told(file: Path, function: str, told: str) -> None:
    """With the setting to mend."""
    with pytest.raises(NotLoadedError) as raised:
        load_transform(str(file), function, ManualClock())
    assert (told, "function") == (str(raised.value), raised.value.setting)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\nraise ValueError('a secret')\n", "names a file that cannot be loaded: ValueError in line 2; mend it"),
        ("x = (\n", "names a file that cannot be loaded: SyntaxError in line 1; mend it"),
        ("import sys\nsys.exit(3)\n", "names a file that cannot be loaded: SystemExit in line 2; mend it"),
        ("import nothing_like_this\n", "names a file that cannot be loaded: ModuleNotFoundError in line 1; mend it"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told(tmp_path: Path, source: str, told: str) -> None:
    """With the line, and without what the exception says."""
    path = tmp_path / "orders.py"
    path.write_text(source)
    with pytest.raises(NotLoadedError) as raised:
        load_transform(str(path), "transform", ManualClock())
    assert (told, "file") == (str(raised.value), raised.value.setting)


def test_a_file_that_is_not_there_or_no_module_is_told(tmp_path: Path) -> None:
    """A folder is none either."""
    (tmp_path / "orders.txt").write_text("")
    for path, told in (
        (tmp_path / "missing.py", "names a file that cannot be read; check the path and its permissions"),
        (tmp_path, "names a file that cannot be read; check the path and its permissions"),
        (
            Path("missing.py"),
            "names a file that cannot be read; check the path, which begins where doka is started, and its permissions",
        ),
        (tmp_path / "orders.txt", "names a file that is no module of Python; its name must end with .py"),
    ):
        with pytest.raises(NotLoadedError) as raised:
            load_transform(str(path), "transform", ManualClock())
        assert told == str(raised.value)


def test_rules_have_it_and_errors_have_the_name_of_the_setting(file: Path) -> None:
    """In one line, as any other setting's."""
    of_route = ("routes", 0, "transform")
    good = settings({(*of_route, "file"): str(file), (*of_route, "function"): "whole"})
    (route,) = to_rules(good).routes
    assert route.transform is not None
    assert ("orders.py:whole", True) == (route.transform.name, route.needs_originals)
    with pytest.raises(
        SettingsError, match=r"^routes\[0\]\.transform\.function names a function that is not in the file"
    ):
        to_rules(settings({(*of_route, "file"): str(file), (*of_route, "function"): "transform"}))
