"""The fixture `sees`; a test module takes it with `pytest_plugins = ["tests.failure_modes.fixtures"]`."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.failure_modes.plays import Sees


@pytest.fixture
def sees(request: pytest.FixtureRequest) -> Sees:
    """Give what compares looks with the rows of docs/failure-modes.md that the test is marked with."""
    return Sees(marker.args[0] for marker in request.node.iter_markers("failure_mode"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that says which row it plays, and passed without having looked at all that the row says."""
    passed = yield
    if item.get_closest_marker("failure_mode") is not None:
        asked = item.funcargs.get("sees") if isinstance(item, pytest.Function) else None
        assert isinstance(asked, Sees), "it is marked with a row, and compares nothing with it"
        asked.close()
    return passed
