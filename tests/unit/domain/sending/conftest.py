"""What the tests of sending share."""

from __future__ import annotations

import pytest

from doka.domain.poison.quarantine import Quarantine
from tests.unit.domain.sending.outboxes import blocking


@pytest.fixture
def quarantine() -> Quarantine:
    """Give where poison goes."""
    return blocking()
