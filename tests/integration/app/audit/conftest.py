"""What the tests of audits share: a place, on a cluster that knows no times, and an environment with its credentials alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app.audit.place import Place, patch, running_place
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a place whose topic and stream are empty."""
    patch(monkeypatch)
    monkeypatch.chdir(tmp_path)
    with running_place(tmp_path) as running:
        yield running
