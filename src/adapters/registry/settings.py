"""What a registry of one route is told: where it is, how to log in there, and how what is decoded is written as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from doka.domain.limits import NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Writing:
    """How what JSON has no form for is written."""

    unions: Literal["plain", "tagged"] = "plain"
    """plain: the value alone; tagged: an object that names the branch, as Avro's own JSON encoding has it."""
    bytes: Literal["base64", "hex", "latin1"] = "base64"
    """latin1: a character for each byte, as Avro's own JSON encoding has it."""
    decimals: Literal["text", "number"] = "text"
    timestamps: Literal["iso", "number"] = "iso"
    """Of dates and times too; number: as they stand in the data, in the unit that the schema says."""


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """One registry that speaks Confluent's API. `timeout` of one question in ns."""

    url: str
    username: str | None = None
    password: Callable[[], str | None] = field(default=lambda: None, repr=False)
    """Reads it anew, for it may be replaced; None: there is none, or it cannot be read just now."""
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    timeout: int = 5 * NS_PER_SECOND
