"""The commands are tested as they are typed, in tests/unit/app/commands/test_simulate.py; here what cannot be typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.simulate.commands import incident
from doka.domain.errors import UsageError


def test_a_report_that_cannot_be_written_names_the_cure(tmp_path: Path) -> None:
    """A folder is no file."""
    with pytest.raises(UsageError, match="name a file in a folder that is there"):
        incident(hours=1.0, rate=0.1, seed=1, as_json=True, report=tmp_path, jobs=1)
