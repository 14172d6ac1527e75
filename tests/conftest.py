"""What every test process shares."""

from __future__ import annotations

import gc

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let no garbage be looked for until the tests are collected: what is loaded by then stays, and is a third of the time."""
    gc.disable()
    config.add_cleanup(gc.enable)


def pytest_collection_finish() -> None:
    """Look for garbage from here on, but not in what was loaded."""
    gc.collect()
    gc.freeze()
    gc.enable()
