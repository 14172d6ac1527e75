"""What a reload may not change, and what tells one configuration from another."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from doka.app.config_options import ConfigOptions
from doka.app.settings.model import Settings
from doka.app.settings.problems import Problem, SettingPath
from doka.app.settings.show import in_one_line

HASH_DIGITS = 12
"""Enough to tell a team's configurations apart, too few to find a secret by: and secrets are stars where it is taken."""

_OTHER_GROUP = "another group has committed other offsets, and the old one's members would send beside it"
_ONE_PROTOCOL = "a broker that does not offer it ends each member that asks for it"
_NAMES = "members of one group must not have and lack a name"
_PAGES = "the pages are served by the process that goes on"
_EXPORTS = "what sends is part of the process that goes on"
_LINES = "lines of two forms would stand in one log"
FIXED: dict[SettingPath, str] = {
    ("kafka", "bootstrap_servers"): "it may be another cluster, whose offsets are others",
    ("kafka", "group_id"): _OTHER_GROUP,
    ("kafka", "group_protocol"): _ONE_PROTOCOL,
    ("kafka", "group_instance_id"): _NAMES,
    ("http",): _PAGES,
    ("otlp",): _EXPORTS,
    ("log", "format"): _LINES,
}
"""Each setting, or section, that only a restart changes, and why."""


def unchangeable(running: Settings, new: Settings) -> list[Problem]:
    """Give a line for each setting that differs and that only a restart changes."""
    return list(_unchangeable(running, new))


def _unchangeable(running: Settings, new: Settings) -> Iterator[Problem]:
    for path, why in FIXED.items():
        if _at(running, path) != _at(new, path):
            yield Problem(f"cannot be changed by a reload, since {why}; put it back, or restart doka", path)


def _at(settings: Settings, path: SettingPath) -> object:
    found: object = settings
    for name in path:
        found = getattr(found, str(name))
    return found


def hash_of(settings: Settings) -> str:
    """Give a short name of what is set and of what the transforms' files hold; no secret has a part in it."""
    parts = [in_one_line(settings).encode(), *(held or b"" for held in transform_files(settings).values())]
    return sha256(b"\0".join(sha256(part).digest() for part in parts)).hexdigest()[:HASH_DIGITS]


def transform_files(settings: Settings) -> dict[str, bytes | None]:
    """Read the files of transforms, which a worker loads at its start only: path -> content, None where it cannot be read."""
    names = [route.transform.file for route in settings.routes if route.transform.file is not None]
    return {name: read(Path(name)) for name in names}


def watched_files(options: ConfigOptions, running: Settings) -> dict[str, bytes | None]:
    """Read what is watched: the configuration's file, and the transforms of what runs."""
    path = options.config or options.legacy_config
    return ({} if path is None else {str(path): read(path)}) | transform_files(running)


def read(path: Path) -> bytes | None:
    """Give a file's content; None where it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError):
        return None
