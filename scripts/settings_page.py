"""Writes docs/settings.md from the schema of the settings: the names, kinds, defaults and words of the code itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from doka.app.settings.environment import variable_of
from doka.app.settings.show import schema

Row = tuple[str, str, str, str]


def sections() -> Iterator[tuple[str, str, list[Row]]]:
    """Give each group of settings: its path, what it is, and a row for each setting: name, kind, default, meaning."""
    whole = schema()
    for name, given in whole["properties"].items():
        group, step = _group_of(given, whole["$defs"])
        if group is None:
            raise LookupError(f"{name} is a setting outside any group, and this page has no place for one")
        yield from _below((name + step,), group, whole["$defs"])


def _below(
    path: tuple[str, ...], group: Mapping[str, Any], defs: Mapping[str, Any]
) -> Iterator[tuple[str, str, list[Row]]]:
    rows: list[Row] = []
    deeper: list[tuple[tuple[str, ...], Mapping[str, Any]]] = []
    required = set(group.get("required", ()))
    for name, given in group["properties"].items():
        inner, step = _group_of(given, defs)
        if inner is not None:
            deeper.append(((*path, name + step), inner))
            continue
        default = "required" if name in required else _shown(given.get("default"))
        rows.append((f"`{'.'.join((*path, name))}`", _kind(given, defs), default, given.get("description", "")))
    if rows:
        yield ".".join(path), group.get("description", ""), rows
    for below, inner in deeper:
        yield from _below(below, inner, defs)


def _group_of(given: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """Give the group that stands at a setting, and how one gets into it: by name, by an entry, by any key."""
    ways = [(given, ""), (given.get("items", {}), "[]")]
    ways += [(kind, ".*") for kind in given.get("patternProperties", {}).values()]
    for kind, step in ways:
        named = kind.get("$ref")
        if named is not None:
            found = defs[named.rpartition("/")[2]]
            if "properties" in found:
                return found, step
    return None, ""


def _kind(given: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Say in words what a setting takes."""
    if "$ref" in given:
        return _kind(defs[given["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in given:
        kinds = [_kind(each, defs) for each in given["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in given:
        return ", ".join(f"`{value}`" for value in given["enum"])
    if "const" in given:
        return f"`{given['const']}`"
    match given.get("type"):
        case "array":
            return f"list of {_kind(given.get('items', {}), defs)}"
        case "object":
            return "map"
        case "boolean":
            return "`true`, `false`"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + _range(given)
        case _:
            return "text"


def _range(given: Mapping[str, Any]) -> str:
    low, high = given.get("minimum"), given.get("maximum")
    if low is not None and high is not None:
        return f", {low:,} to {high:,}"
    if "exclusiveMinimum" in given:
        told = f", above {given['exclusiveMinimum']:,}"
        return told if high is None else f"{told}, to {high:,}"
    return "" if low is None else f", {low:,} or more"


def _shown(default: Any) -> str:
    if default is None or default in ({}, []):
        return "-"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def parts() -> Iterable[str]:
    """Give the page below its title."""
    yield (
        "Every setting of the configuration file, written from the code that reads it.\n"
        "`[]` stands for the number of an entry, `*` for a name of your own.\n"
        f"A setting can also come from a variable: `limits.held_mib` from `{variable_of(('limits', 'held_mib'))}`, the "
        f"stream of the first route from `{variable_of(('routes', 0, 'stream', 'name'))}`.\n"
        "Options go before variables, variables before the file.\n"
        "What single settings cannot know (times that do not fit together, permissions that are missing) is checked when "
        "the service starts, and told with the cure; `doka config show --config doka.yaml` prints what is in effect."
    )
    for path, told, rows in sections():
        yield f"## {path}"
        if told:
            yield told
        yield _table(rows)


def _table(rows: Iterable[Row]) -> str:
    head = ("setting", "takes", "default", "meaning")
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
