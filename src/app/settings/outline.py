"""The shape of the settings, for those who must find their way in it: variables, and hints at misspelt names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from doka.app.settings.problems import SettingPath, alternatives, dotted

_NEAR, _ALIKE = 0.6, 0.8  # difflib's ratio: `role_arn` is near `role`, `topic` is `topics` misspelt


def bare(kind: Any) -> Any:
    """Take annotations and `| None` off a type."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in {Union, UnionType}:
            kind = next(option for option in get_args(kind) if option is not type(None))
        else:
            return kind


def may_be_null(kind: Any) -> bool:
    """Tell whether a type takes null."""
    if get_origin(kind) is Annotated:
        return may_be_null(get_args(kind)[0])
    return get_origin(kind) in {Union, UnionType} and type(None) in get_args(kind)


def model_of(kind: Any) -> type[BaseModel] | None:
    """Give the section that a type is; None for values, lists and maps."""
    kind = bare(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def is_list(kind: Any) -> bool:
    """Tell whether a type is a list of settings."""
    return get_origin(bare(kind)) is tuple


def is_map(kind: Any) -> bool:
    """Tell whether a type is a map with free keys."""
    return get_origin(bare(kind)) is dict


def is_text(kind: Any) -> bool:
    """Tell whether a type is text, a secret, or a choice of words."""
    kind = bare(kind)
    return kind in {str, SecretStr} or get_origin(kind) is Literal


def child(kind: Any, part: str | int) -> Any | None:
    """Give the type one step further; None where there is no such thing."""
    model = model_of(kind)
    if model is not None:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        return None if field is None else field.annotation
    if is_list(kind):
        return get_args(bare(kind))[0] if isinstance(part, int) else None
    return get_args(bare(kind))[1] if is_map(kind) else None


def at(root: type[BaseModel], path: SettingPath) -> Any | None:
    """Give the type at a path; None where the path leads nowhere."""
    kind: Any | None = root
    for part in path:
        kind = None if kind is None else child(kind, part)
    return kind


def field_at(root: type[BaseModel], path: SettingPath) -> FieldInfo | None:
    """Give the field that a path ends at; None where it ends at an item or nowhere."""
    model = model_of(at(root, path[:-1])) if path else None
    return None if model is None or not isinstance(path[-1], str) else model.model_fields.get(path[-1])


def leaves(kind: Any, path: SettingPath = ()) -> Iterator[SettingPath]:
    """List the paths of all single settings; a list is shown by its first entry, a map by NAME."""
    model = model_of(kind)
    if model is not None:
        for name, field in model.model_fields.items():
            yield from leaves(field.annotation, (*path, name))
    elif is_list(kind) and model_of(child(kind, 0)) is not None:
        yield from leaves(child(kind, 0), (*path, 0))
    elif is_map(kind) and model_of(child(kind, "NAME")) is not None:
        yield from leaves(child(kind, "NAME"), (*path, "NAME"))
    else:
        yield path


def suggestion(root: type[BaseModel], path: SettingPath) -> str:
    """Say, for an unknown setting, what may have been meant: a near name beside it, a like one elsewhere, or all."""
    here, name = path[:-1], str(path[-1])
    model = model_of(at(root, here))
    names = list(model.model_fields) if model is not None else []
    twin = nearest(name, names, _ALIKE)
    elsewhere = [leaf for leaf in leaves(root) if _plain(str(leaf[-1])) == _plain(name)]
    if twin is None and elsewhere:
        return f"did you mean {alternatives(dotted(leaf) for leaf in elsewhere[:3])}?"
    near = twin or nearest(name, names)
    return f"there is {', '.join(names)}" if near is None else f"did you mean {dotted((*here, near))}?"


def nearest(name: str, names: list[str], least: float = _NEAR) -> str | None:
    """Give the one of `names` that is most like `name`, whatever its case and underscores; None if none is near."""
    plain = {_plain(candidate): candidate for candidate in names}
    found = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=least)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
