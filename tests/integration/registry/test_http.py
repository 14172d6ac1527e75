"""A registry that speaks Confluent's API, over a real connection: logins, certificates, and every answer that is none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doka.adapters.registry.confluent import ConfluentRegistry
from doka.adapters.registry.registries import NoAnswerError
from doka.adapters.registry.settings import RegistrySettings, Writing
from doka.adapters.system.clock import SystemClock
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.certificates import make_authority
from tests.schema_registry import SchemaRegistry, schema_registry

POINT = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "int"}]}


@pytest.fixture
def there() -> Iterator[SchemaRegistry]:
    """Give a registry that runs."""
    with schema_registry() as running:
        yield running


def client(url: str, **settings: Any) -> ConfluentRegistry:
    """Give what asks it."""
    return ConfluentRegistry(RegistrySettings(url, **settings), Writing(), SystemClock())


def code_of(call: Callable[[], object]) -> tuple[str, str]:
    """Give what is told of a call that has no answer."""
    with pytest.raises(NoAnswerError) as caught:
        call()
    return caught.value.code, str(caught.value)


def test_a_registry_may_ask_for_a_login(there: SchemaRegistry) -> None:
    """The password is read for each question, and a refusal says what to look at, without it."""
    there.register("point", POINT)
    there.login = ("ada", "first secret")
    passwords = iter(["first secret", "second secret"])
    asks = client(there.url, username="ada", password=lambda: next(passwords))
    assert ["1"] == list(asks.fetch(("1",)))
    told = ("http_401", "it answers HTTP 401; see username and password_file, and what they may read")
    assert told == code_of(lambda: asks.fetch(("1",)))
    assert told == code_of(client(there.url).reach)


def test_only_a_registry_may_say_that_a_schema_is_not_there(there: SchemaRegistry) -> None:
    """Any other 404, page or redirect is no answer; a password goes nowhere else."""
    for status, body, code in (
        (404, None, "http_404"),
        (404, b'{"error_code":404,"message":"HTTP 404 Not Found"}', "http_404"),
        (200, b"<html>", "unreadable"),
        (200, b"[]", "unreadable"),
        (200, b'{"id":1}', "unreadable"),
        (500, b'{"error_code":40403}', "http_500"),
        (302, b"", "http_302"),
        (200, b'{"schema":"' + b" " * 17_000_000 + b'"}', "unreadable"),
    ):
        there.status, there.body = status, body
        assert code == code_of(lambda: client(there.url).fetch(("1",)))[0], (status, (body or b"")[:40])
        assert code == code_of(client(there.url).reach)[0]
    assert {"/schemas/ids/1", "/schemas/ids/0"} == set(there.asked)


def test_a_registry_that_does_not_answer_is_told(there: SchemaRegistry) -> None:
    """Within the time of one question; so is one that nobody finds, or that takes no connection."""
    there.hold = threading.Event()
    told = ("timed_out", "it does not answer in time")
    assert told == code_of(lambda: client(there.url, timeout=100 * NS_PER_MS).fetch(("1", "2")))
    assert ["/schemas/ids/1"] == there.asked
    assert "not_connected" == code_of(lambda: client("http://127.0.0.1:1").fetch(("1",)))[0]
    assert "not_found" == code_of(lambda: client("http://registry.invalid").fetch(("1",)))[0]


def test_a_registry_is_verified(tmp_path: Path) -> None:
    """By its authority, which may be one of the user's own."""
    authority = make_authority(tmp_path)
    with schema_registry(authority.server) as there:
        settings = RegistrySettings(there.url, ca_file=str(authority.ca_file), timeout=10 * NS_PER_SECOND)
        ConfluentRegistry(settings, Writing(), SystemClock()).reach()
        stranger = ConfluentRegistry(replace(settings, ca_file=None), Writing(), SystemClock())
        assert "not_trusted" == code_of(stranger.reach)[0]
    assert ["/schemas/ids/0"] == there.asked
