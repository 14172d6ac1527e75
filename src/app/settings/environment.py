"""Lays `DOKA_*` variables over the file: `DOKA_ROUTES__0__STREAM__NAME` is `routes[0].stream.name`.

Two underscores part the names, list indices are numbers, text is taken as it stands, anything else is read as YAML.
A variable that is no setting is an error: a misspelt one would otherwise be obeyed by nobody.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from doka.app.settings.outline import bare, child, is_list, is_map, is_text, leaves, may_be_null, model_of
from doka.app.settings.problems import Problem, SettingPath
from doka.app.settings.yamlfile import parse_scalar

PREFIX = "DOKA_"
SEPARATOR = "__"
INDEX = re.compile(r"[0-9]{1,6}")  # a million entries is no configuration, and beyond 4,300 digits int() raises
# Read by doka's own test suite and its docker-compose.test.yml, and so in the environment of services beside them.
NOT_SETTINGS = frozenset(
    {"DOKA_CONTAINERS", "DOKA_KUBERNETES", "DOKA_TEST_AWS_PORT", "DOKA_TEST_HTTP_PORT", "DOKA_TEST_KAFKA_PORT"}
)


def overlay(
    environ: Mapping[str, str], root: type[BaseModel], data: dict[str, Any], origins: dict[SettingPath, str]
) -> list[Problem]:
    """Write the variables' values into `data`, and their names into `origins`; give what is wrong with them."""
    problems: list[Problem] = []
    for variable in sorted(_ours(environ), key=_in_order):
        try:
            path, kind = _resolve(variable, root, data)
            value = _value(environ[variable], kind)
        except ValueError as error:
            problems.append(Problem(str(error), origin=variable))
            continue
        if put(data, path, value):
            for below in [known for known in origins if known[: len(path)] == path]:
                del origins[below]
            origins[path] = variable
    return problems


def put(data: dict[str, Any], path: SettingPath, value: Any) -> bool:
    """Write a value into nested maps and lists, making what is missing on the way.

    False where something else stands in the way; the model then says what must stand there.
    """
    place: Any = data
    for part, following in zip(path, (*path[1:], None), strict=True):
        fresh: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(place, dict) and isinstance(part, str):
            if following is None or place.get(part) is None:
                place[part] = fresh
        elif isinstance(place, list) and isinstance(part, int) and part <= len(place):
            if part == len(place):
                place.append(fresh)
            elif following is None or place[part] is None:
                place[part] = fresh
        else:
            return False
        place = place[part]
    return True


def put_new(data: dict[str, Any], path: SettingPath, value: Any) -> bool:
    """Write a value as `put` does, unless something stands there already; say whether it was written."""
    place: Any = data
    for part in path:
        place = place.get(part) if isinstance(place, dict) else place
    return place is None and put(data, path, value)


def variable_of(path: SettingPath) -> str:
    """Name the variable that sets what stands at a path."""
    return PREFIX + SEPARATOR.join(re.sub(r"[^A-Z0-9]", "_", str(part).upper()) for part in path)


def _ours(environ: Mapping[str, str]) -> Iterator[str]:
    """List the variables that are meant for doka.

    Kubernetes sets some for each Service of the namespace (`DOKA_SERVICE_HOST`, `DOKA_PORT_9400_TCP_ADDR`, ...), and a
    Service is often called doka: those are not settings.
    """
    services = [name.removesuffix("_SERVICE_HOST") for name in environ if name.endswith("_SERVICE_HOST")]
    link = re.compile(
        rf"(?:{'|'.join(map(re.escape, services)) or '(?!)'})"
        r"_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
    )
    for name in environ:
        if name.startswith(PREFIX) and name not in NOT_SETTINGS and link.fullmatch(name) is None:
            yield name


def _in_order(variable: str) -> list[tuple[int, int, str]]:
    """Sort whole groups before their parts, and entries of lists by number."""
    parts = variable.split(SEPARATOR)
    return [(0, int(part), "") if INDEX.fullmatch(part) else (1, 0, part) for part in parts]


def _resolve(variable: str, root: type[BaseModel], data: Any) -> tuple[SettingPath, Any]:
    """Find the path that a variable means, and the type that stands there.

    Raises:
        ValueError: there is no such setting; the text says which is near.
    """
    path: list[str | int] = []
    kind: Any = root
    for part in variable.removeprefix(PREFIX).split(SEPARATOR):
        key = _key(part, kind, data, path)
        above, kind = kind, child(kind, key) if part else None
        if kind is None:
            raise ValueError(f"is no setting of doka; the nearest is {_nearest(variable, root, tuple(path), above)}")
        path.append(key)
        data = _below(data, key)
    return tuple(path), kind


def _key(part: str, kind: Any, data: Any, path: list[str | int]) -> str | int:
    """Give the name or index that a part of a variable means."""
    if is_list(kind):
        if INDEX.fullmatch(part) is None:
            raise ValueError(f"needs the number of an entry after {variable_of(tuple(path))}, like 0, not {part}")
        length = len(data) if isinstance(data, list) else 0
        if int(part) > length:
            following = variable_of((*path, length))
            raise ValueError(f"leaves a hole in the list, which has {length} entries; go on with {following}")
        return int(part)
    if is_map(kind):
        return _map_key(part, kind, data, path)
    return part.lower()


def _map_key(part: str, kind: Any, data: Any, path: list[str | int]) -> str:
    """Give the free key that a part means: one that is there already, else as its map is used to write it."""
    known = data if isinstance(data, dict) else {}
    for key in known:
        if re.sub(r"[^A-Z0-9]", "_", str(key).upper()) == part.upper():
            return str(key)
    if path == ["kafka", "client"]:  # librdkafka's keys are words with dots
        return part.lower().replace("_", ".")
    return part.lower() if model_of(child(kind, part)) is not None else part


def _below(data: Any, key: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(key)
    return data[key] if isinstance(data, list) and isinstance(key, int) and key < len(data) else None


def _value(raw: str, kind: Any) -> Any:
    """Read a variable's text as the type wants it.

    Raises:
        ValueError: it should be YAML and is none.
    """
    if is_text(kind):
        empty = {""} if bare(kind) is SecretStr else {"", "null", "~"}
        return None if may_be_null(kind) and raw in empty else raw
    value = parse_scalar(raw)
    if is_list(kind) and is_text(child(kind, 0)) and not isinstance(value, list | dict):
        return [item.strip() for item in raw.split(",")]  # b-1:9098,b-2:9098
    return value


def _nearest(variable: str, root: type[BaseModel], path: SettingPath, kind: Any) -> str:
    """Name the variable that is most like an unknown one; `path` and `kind` are how far it could be followed."""
    below = [(*path, *leaf) for leaf in leaves(kind)] if path and model_of(kind) is not None else leaves(root)
    return difflib.get_close_matches(variable.upper(), map(variable_of, below), n=1, cutoff=0.0)[0]
