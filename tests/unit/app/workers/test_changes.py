from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from doka.app.settings.load import settings_from
from doka.app.settings.model import Settings
from doka.app.workers.changes import hash_of, transform_files, unchangeable
from tests.unit.app.given import LONELY


def changed(**sections: dict[str, Any]) -> Settings:
    """Give the settings with these merged into their sections."""
    given = copy.deepcopy(dict(LONELY))
    for name, more in sections.items():
        given[name] = {**given.get(name, {}), **more}
    return settings_from(given, hostname="pod-1")


SAFE: list[dict[str, Any]] = [
    {},
    {"limits": {"held_mib": 128, "drain_seconds": 30.0}},
    {"log": {"level": "debug"}},
    {"kafka": {"start_from": "latest", "client": {"fetch.wait.max.ms": 50}}},
    {"dead_letters": {"topic": "dead"}},
]


@pytest.mark.parametrize("sections", SAFE)
def test_what_a_reload_may_change(sections: dict[str, Any]) -> None:
    """Whatever a member of its own can have otherwise than its siblings."""
    assert [] == unchangeable(changed(), changed(**sections))


@pytest.mark.parametrize(
    ("sections", "setting"),
    [
        ({"kafka": {"group_id": "other"}}, "kafka.group_id"),
        ({"kafka": {"bootstrap_servers": ["127.0.0.1:2"]}}, "kafka.bootstrap_servers"),
        ({"kafka": {"group_protocol": "consumer"}}, "kafka.group_protocol"),
        ({"kafka": {"group_instance_id": "me"}}, "kafka.group_instance_id"),
        ({"http": {"port": 1}}, "http"),
        ({"http": {"page": False}}, "http"),
        ({"otlp": {"endpoint": "http://localhost:4318"}}, "otlp"),
        ({"log": {"format": "text"}}, "log.format"),
    ],
)
def test_what_only_a_restart_changes_is_named_with_the_cure(sections: dict[str, Any], setting: str) -> None:
    """One line: the setting, why, and what to do."""
    (problem,) = unchangeable(changed(), changed(**sections))
    assert str(problem).startswith(f"{setting} cannot be changed by a reload, since ")
    assert str(problem).endswith("; put it back, or restart doka")


def test_the_hash_is_of_what_is_set_and_of_the_transforms(tmp_path: Path) -> None:
    """The same settings have the same one; a setting, or what a transform's file holds, makes another."""
    file = tmp_path / "own.py"
    file.write_text("a")
    route = {**LONELY["routes"][0], "transform": {"file": str(file), "function": "own"}}
    with_transform = settings_from({**LONELY, "routes": [route]}, hostname="pod-1")
    first = hash_of(with_transform)
    assert first == hash_of(with_transform)
    file.write_text("b")
    assert {str(file): b"b"} == transform_files(with_transform)
    second = hash_of(with_transform)
    file.unlink()
    assert {str(file): None} == transform_files(with_transform)
    hashes = [first, second, hash_of(with_transform), hash_of(changed()), hash_of(changed(limits={"linger_ms": 9}))]
    assert len(hashes) == len(set(hashes))


def test_no_secret_has_a_part_in_the_hash() -> None:
    """It stands on a page that anybody may read, and a password could be tried out against it."""
    security = {"protocol": "sasl_plaintext", "mechanism": "plain", "username": "u", "allow_plaintext": True}
    hashes = {hash_of(changed(kafka={"security": security | {"password": word}})) for word in ("one", "two")}
    assert 1 == len(hashes)
