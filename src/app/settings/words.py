"""pydantic's findings in plain words: which setting, what is wrong with it, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from doka.app.settings.outline import at, bare, field_at, nearest, suggestion
from doka.app.settings.problems import Origins, Problem, SettingPath, alternatives, origin_of

# What pydantic adds although the cause is told by another finding.
_ECHOES = frozenset({"default_factory_not_called"})


def problems_of(error: ValidationError, root: type[BaseModel], origins: Origins) -> list[Problem]:
    """Translate a validation error; one problem for each setting, in the order of the file."""
    found: dict[SettingPath, Problem] = {}
    for detail in error.errors(include_url=False):
        for problem in _translate(detail, root):
            found.setdefault(problem.path, Problem(problem.told, problem.path, origin_of(problem.path, origins)))
    return list(found.values())


def _translate(detail: ErrorDetails, root: type[BaseModel]) -> Iterator[Problem]:
    """Give the problem, if it is one of its own, that one finding tells of."""
    kind, given, limits = detail["type"], detail.get("input"), detail.get("ctx", {})
    path = tuple(part for part in detail["loc"] if part != "[key]")
    if kind in _ECHOES or (kind == "too_short" and _length(given) >= limits["min_length"]):
        return
    if kind == "extra_forbidden":
        told = f"is unknown; {suggestion(root, path)}"
    elif detail["loc"] and detail["loc"][-1] == "[key]":
        told = f"has a name that {_told(kind, given, limits, root, path)}"
    else:
        told = _told(kind, given, limits, root, path)
    yield Problem(told, path)


def _told(kind: str, given: Any, limits: Mapping[str, Any], root: type[BaseModel], path: SettingPath) -> str:
    """Say what is wrong with one value, and the cure."""
    match kind:
        case "missing":
            return f"is missing{_example(root, path)}"
        case "value_error":
            return str(limits["error"])
        case "literal_error":
            return _choice(root, path, given)
        case "string_type":
            return f"must be text{_cure_for_text(given)}"
        case "bool_type" | "bool_parsing":
            return "must be true or false, without quotes"
        case "int_type" | "int_from_float" | "int_parsing":
            return f"must be a whole number{_range(root, path)}"
        case "float_type" | "float_parsing" | "finite_number":
            return f"must be a number{_range(root, path)}"
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return f"must be{_range(root, path) or ' within its limits'}"
        case "string_too_short":
            return "must not be empty"
        case "string_too_long":
            return f"is too long; {limits['max_length']} characters are the most"
        case "too_short":
            return f"needs at least one entry{_example(root, path)}"
        case "too_long":
            return f"has too many entries; {limits['max_length']} are the most"
        case "tuple_type" | "list_type":
            return f"must be a list{_example(root, path) or ', like [a, b]'}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be a group of settings: lines of `name: value` below it, further to the right"
        case _:
            return "has a value that cannot be taken here"


def _example(root: type[BaseModel], path: SettingPath) -> str:
    field = field_at(root, path)
    return f"; write it like `{path[-1]}: {_flow(field.examples[0])}`" if field is not None and field.examples else ""


def _flow(value: Any) -> str:
    """Write an example as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return f'"{value}"' if ":" in str(value) else str(value)


def _choice(root: type[BaseModel], path: SettingPath, given: Any) -> str:
    words = [str(word) for word in get_args(bare(at(root, path)))]
    near = nearest(given, words) if isinstance(given, str) else None
    return f"must be {alternatives(words)}" + ("" if near is None else f"; did you mean {near}?")


def _cure_for_text(given: Any) -> str:
    if given is None:
        return "; it is empty"
    if isinstance(given, bool):
        return "; YAML reads yes, no, on, off, true and false as switches, so put it in quotes"
    if isinstance(given, int | float):
        return "; put the number in quotes"
    return "; it is a list or a group"


def _range(root: type[BaseModel], path: SettingPath) -> str:
    """Say the limits of a number as ` from 1 to 500`; empty where it has none."""
    field = field_at(root, path)
    least: Any = None
    most: Any = None
    above = False
    for limit in field.metadata if field is not None else ():
        if isinstance(limit, Ge):
            least = limit.ge
        elif isinstance(limit, Gt):
            least, above = limit.gt, True
        elif isinstance(limit, Le):
            most = limit.le
        elif isinstance(limit, Lt):
            most = limit.lt
    if least is None or most is None:
        return ""
    return f" above {least}, up to {most}" if above else f" from {least} to {most}"


def _length(given: Any) -> int:
    return len(given) if isinstance(given, list | tuple) else 0
