from __future__ import annotations

from typing import Any

import pytest

from doka.app.settings.problems import SettingPath
from tests.unit.app.settings.given import WRITER, settings, told

ROLE: SettingPath = ("roles", "analytics")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"hops": []}, 'hops needs at least one entry; write it like `hops: [{role_arn: "' + WRITER + '"}]`'),
        ({"hops": [{"role_arn": WRITER}] * 9}, "hops has too many entries; 8 are the most"),
        ({"source_identity": "a"}, "source_identity must be 2 to 64 letters, digits or any of _ + = , . @ -"),
        ({"tags": {"": "x"}}, "tags. has a name that must not be empty"),
        ({"tags": {"team": "x" * 257}}, "tags.team is too long; 256 characters are the most"),
        ({"tags": {f"t{n}": "x" for n in range(51)}}, "tags has too many entries; 50 are the most"),
        ({"session_policy": "x" * 2_049}, "session_policy is too long; 2048 characters are the most"),
        ({"rotation": {"margin_seconds": -1}}, "rotation.margin_seconds must be from 0 to 43200"),
        ({"rotation": {"policy": "hourly"}}, "rotation.policy must be before_expiry, interval, on_demand or never"),
    ],
)
def test_what_sts_would_refuse_is_refused_first(changes: dict[str, Any], expected: str) -> None:
    """Its limits are told with the setting, not with the first AssumeRole."""
    assert told({(*ROLE, name): value for name, value in changes.items()}) == [f"roles.analytics.{expected}"]


def test_a_first_hop_may_live_for_twelve_hours() -> None:
    """The longest that a role can allow."""
    long: SettingPath = (*ROLE, "hops", 0, "duration_seconds")
    assert settings({long: 43_200}).roles["analytics"].hops[0].duration_seconds == 43_200
