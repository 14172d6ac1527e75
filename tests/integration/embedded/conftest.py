"""What the tests of the embedded AWS share: gates in front of moto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from doka.adapters.embedded.gate import ExpiringGate
from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.system.clock import SystemClock
from doka.domain.ports import Clock

MakeGate = Callable[..., ExpiringGate]


@pytest.fixture
def gate_of(moto: EmbeddedMoto) -> Iterator[MakeGate]:
    """Make gates in front of moto, closed at the end."""
    with ExitStack() as gates:

        def make(token_seconds: float = 900.0, clock: Clock | None = None, upstream: str | None = None) -> ExpiringGate:
            gate = ExpiringGate(upstream or moto.url, clock or SystemClock(), token_seconds)
            return gates.enter_context(gate)

        yield make
