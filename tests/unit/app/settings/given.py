"""Configurations for tests: a smallest good one, and what is told about a changed one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from doka.app.settings import Settings, SettingsError, settings_from
from doka.app.settings.environment import put
from doka.app.settings.problems import SettingPath

WRITER = "arn:aws:iam::210987654321:role/doka-writer"
STREAM = "arn:aws:kinesis:eu-west-1:210987654321:stream/orders"

_SMALLEST: Mapping[str, Any] = {
    "kafka": {"bootstrap_servers": ["b-1.example:9098"], "group_id": "doka"},
    "aws": {"region": "eu-west-1"},
    "roles": {"analytics": {"hops": [{"role_arn": WRITER}]}},
    "routes": [{"topics": ["orders"], "stream": {"name": "orders", "role": "analytics"}}],
}


class Absent:
    """Stands for a setting that is taken away."""


def data(changes: Mapping[SettingPath, Any] | None = None) -> dict[str, Any]:
    """Give the smallest good configuration with these changes."""
    given = copy.deepcopy(dict(_SMALLEST))
    for path, value in (changes or {}).items():
        if value is Absent:
            place: Any = given
            for part in path[:-1]:
                place = place[part]
            del place[path[-1]]
        else:
            assert put(given, path, copy.deepcopy(value)), path
    return given


def settings(changes: Mapping[SettingPath, Any] | None = None) -> Settings:
    """Give settings of the smallest good configuration with these changes."""
    return settings_from(data(changes), hostname="pod-1")


def told(changes: Mapping[SettingPath, Any], hostname: str = "pod-1") -> list[str]:
    """Give the lines that the smallest good configuration with these changes is refused with; none if it is taken."""
    try:
        settings_from(data(changes), hostname=hostname)
    except SettingsError as error:
        return str(error).splitlines()
    return []
