"""A plan as JSON and back, so that a run that was made smaller can be kept and run again.

Every field is written, defaults too: a plan file means the same when a default changes.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from doka.adapters.simulated.plan import Plan


class PlanFileError(ValueError):
    """A file is no plan; the text names what is wrong with it."""


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan."""
    path.write_text(json.dumps(_plain(plan), indent=2) + "\n", encoding="utf-8")


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        PlanFileError: the file is not there, or is none.
    """
    try:
        found = _made(Plan, json.loads(path.read_text(encoding="utf-8")), "plan")
    except (OSError, json.JSONDecodeError) as error:
        raise PlanFileError(f"{path} cannot be read as a plan: {error}") from error
    assert isinstance(found, Plan)
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(map(_plain, value))
    if isinstance(value, tuple):
        return list(map(_plain, value))
    return value


def _made(kind: Any, plain: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        if plain is None:
            return None
        (kind,) = (argument for argument in arguments if argument is not NoneType)
        return _made(kind, plain, where)
    if origin in {tuple, frozenset}:
        if not isinstance(plain, list):
            raise PlanFileError(f"{where} is no list")
        return origin(_made(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(plain))
    if is_dataclass(kind):
        return _dataclass(kind, plain, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(plain)
        except ValueError as error:
            raise PlanFileError(f"{where}: {error}") from error
    if kind is float and type(plain) is int:
        return float(plain)
    if type(plain) is not kind:
        raise PlanFileError(f"{where} is {plain!r} and should be of type {kind.__name__}")
    return plain


def _dataclass(kind: Any, plain: Any, where: str) -> Any:
    hints = get_type_hints(kind)
    if not isinstance(plain, dict):
        raise PlanFileError(f"{where} is no object")
    unknown = plain.keys() - hints.keys()
    if unknown:
        raise PlanFileError(f"{where} has no field {min(unknown)}")
    return kind(**{name: _made(hints[name], item, f"{where}.{name}") for name, item in plain.items()})
