"""What tests of several parts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doka.adapters.embedded.moto_server import EmbeddedMoto


@pytest.fixture(scope="session")
def moto() -> Iterator[EmbeddedMoto]:
    """One moto for all tests of a process; each test has streams of its own name."""
    with EmbeddedMoto() as running:
        yield running
