from __future__ import annotations

from typing import Any

import pytest

from app.settings.problems import Path
from tests.unit.app.settings.given import told

ROUTE: Path = ("routes", 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {(*ROUTE, "ordering"): "key_in_request"},
            "routes[0].ordering key_in_request is not in this version; take key or none",
        ),
    ],
)
def test_what_is_not_built_yet_is_refused(changes: dict[Path, Any], expected: str) -> None:
    """A setting that would quietly do nothing is worse than none."""
    assert told(changes) == [expected]
