"""Reads one YAML file into plain data, and remembers on which line each setting stands.

No message shows a piece of the file: what confuses the parser is often a password that starts with `*` or `!`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from doka.app.settings.problems import Problem, SettingPath, SettingsError

FILE_BYTES_MAX = 1024 * 1024  # a configuration is a page of text; a wrong file (a log, a device) is refused early
VALUES_MAX = 100_000  # after anchors are followed; ten thousand routes are fewer
DEPTH_MAX = 32  # the deepest setting stands seven deep
WHOLE_MAX = (
    2**63
)  # more than any setting takes; beyond some 4,300 digits Python itself refuses to read or show a number
_TOO_LARGE = "grows out of all bounds by its anchors; write it out"
_TOO_DEEP = f"is nested more than {DEPTH_MAX} deep, as no setting is; check its brackets and indentation"
_QUOTES = "; put text that begins with one of * & ! % @ ` in quotes"

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class _TooLargeError(Exception):
    """Aliases multiply the file beyond what a configuration can be."""


class _TooDeepError(Exception):
    """It is nested as no configuration is."""


class _ValueError(yaml.MarkedYAMLError):
    """A value that cannot be what it says it is."""


class _Loader(yaml.SafeLoader):
    """The safe loader, except that a time stays text: `start_from` judges its zone itself.

    And its own errors are all it raises, however odd a text is.
    """

    merged = 0

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as in the base
        """Make a value of a node; a tag that does not fit its value, and a number without measure, are an error."""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, OverflowError, LookupError, AttributeError, TypeError):
            if node.tag != "tag:yaml.org,2002:int" or re.fullmatch(r"[-+]?[0-9_:]+", str(node.value)) is None:
                raise _ValueError(problem="a value does not fit its tag", problem_mark=node.start_mark) from None
            value = WHOLE_MAX  # so many digits that Python refuses to read them
        if isinstance(value, int) and abs(value) >= WHOLE_MAX:
            raise _ValueError(problem="a number is larger than any setting takes", problem_mark=node.start_mark)
        return value

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Take in what merge keys name, counted before it is copied: the base copies without measure."""
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if isinstance(part, yaml.MappingNode):
                        self.flatten_mapping(part)
                        self.merged += len(part.value)
                    if self.merged > VALUES_MAX:
                        raise _TooLargeError
        super().flatten_mapping(node)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(file: Path) -> tuple[dict[str, Any], dict[SettingPath, str]]:
    """Read a file whose top is a map: its data, and where each setting stands (`doka.yaml:12`).

    Raises:
        SettingsError: it cannot be read, is not UTF-8, is not YAML, or says the same thing twice.
    """
    return parse_yaml(_read(file), str(file))


def parse_yaml(text: str, origin: str) -> tuple[dict[str, Any], dict[SettingPath, str]]:
    """Read a text as `read_yaml` reads a file.

    Raises:
        SettingsError: it is not YAML, its top is no map, or it says the same thing twice.
    """
    notes = _LineNotes(origin)
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return {}, notes.lines
            notes.walk(node, ())
            if notes.problems:
                raise SettingsError(notes.problems)
            data = _unshared(loader.construct_document(node), itertools.count())
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise SettingsError([_syntax_problem(error, origin)]) from None
    except _TooLargeError:
        raise SettingsError([Problem(_TOO_LARGE, origin=origin)]) from None
    except (_TooDeepError, RecursionError):
        raise SettingsError([Problem(_TOO_DEEP, origin=origin)]) from None
    if not isinstance(data, dict):
        raise SettingsError([Problem("must be lines of `name: value` at its top", origin=origin)])
    return data, notes.lines


def parse_scalar(text: str) -> Any:
    """Read the value of a variable or an option as YAML would.

    Raises:
        ValueError: it is no YAML; the text does not repeat it.
    """
    try:
        return _unshared(yaml.load(text, Loader=_Loader), itertools.count())  # noqa: S506 - a subclass of the safe loader
    except _TooLargeError:
        raise ValueError(_TOO_LARGE) from None
    except (_TooDeepError, RecursionError):
        raise ValueError(_TOO_DEEP) from None
    except _ValueError as error:
        raise ValueError(f"cannot be used: {error.problem}") from None
    except yaml.YAMLError:
        raise ValueError("cannot be read as YAML; check its brackets and quotes") from None


def _unshared(data: Any, counter: Iterator[int], depth: int = 0) -> Any:
    """Copy, so that what stands behind one anchor can be overridden in one place only."""
    if next(counter) > VALUES_MAX:
        raise _TooLargeError
    if depth > DEPTH_MAX:
        raise _TooDeepError
    if isinstance(data, dict):
        return {key: _unshared(value, counter, depth + 1) for key, value in data.items()}
    return [_unshared(item, counter, depth + 1) for item in data] if isinstance(data, list) else data


def _read(file: Path) -> str:
    told = ""
    try:
        with file.open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        told = "there is no such file; check the path"
    except IsADirectoryError:
        told = "is a directory; name the file in it"
    except PermissionError:
        told = "may not be read by this user; check its permissions"
    except (OSError, ValueError):
        told = "cannot be read; check the path"
    else:
        if len(raw) > FILE_BYTES_MAX:
            told = "is larger than 1 MiB, so it is no configuration; check the path"
        else:
            try:
                return raw.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                line = raw.count(b"\n", 0, error.start) + 1
                told = f"is not UTF-8 text (line {line}); save it as UTF-8"
    raise SettingsError([Problem(told, origin=str(file))])


class _LineNotes:
    """Notes the line of each setting; each node is walked once, so that anchors cannot blow up the work."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._seen: set[int] = set()
        self.lines: dict[SettingPath, str] = {(): origin}
        self.problems: list[Problem] = []

    def walk(self, node: yaml.Node, path: SettingPath, above: frozenset[int] = frozenset()) -> None:
        """Note a node and all below it; `above` are the nodes that it stands in."""
        self.lines.setdefault(path, self._line(node))
        if id(node) in above:
            told = "refers to itself; take the anchor (&) or the alias (*) away"
            self.problems.append(Problem(told, path, self._line(node)))
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        above |= {id(node)}
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.walk(item, (*path, index), above)
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, value in node.value:
                name = "<<" if key.tag == "tag:yaml.org,2002:merge" else self._name(key, path, first)
                if name is not None:
                    self.lines.setdefault((*path, name), self._line(key))
                    self.walk(value, (*path, name), above)

    def _name(self, key: yaml.Node, path: SettingPath, first: dict[str, int]) -> str | None:
        """Give a key that is text and stands there once; note what is wrong with any other."""
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            told = "a name is not text (YAML reads yes, no, on, off and numbers otherwise); put it in quotes"
            self.problems.append(Problem(told, origin=self._line(key)))
            return None
        name: str = key.value
        if name in first:
            told = f"stands there twice, in line {first[name]} too; keep one"
            self.problems.append(Problem(told, (*path, name), self._line(key)))
            return None
        first[name] = key.start_mark.line + 1
        return name

    def _line(self, node: yaml.Node) -> str:
        return f"{self._origin}:{node.start_mark.line + 1}"


def _syntax_problem(error: yaml.YAMLError, origin: str) -> Problem:
    """Say where and how a file is not YAML, without a piece of it."""
    if isinstance(error, yaml.reader.ReaderError):
        return Problem(f"holds a character that YAML forbids (U+{error.character:04X}); remove it", origin=origin)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        origin = f"{origin}:{mark.line + 1}:{mark.column + 1}"
    problem = str(getattr(error, "problem", None) or "a syntax error")
    if problem == "but found another document":
        return Problem("is a second document; keep one, without a line of three dashes before it", origin=origin)
    if problem == r"found character '\t' that cannot start any token":
        return Problem("is indented with a tab; use spaces", origin=origin)
    if isinstance(error, _ValueError):
        return Problem(f"cannot be used: {problem}; correct it", origin=origin)
    if isinstance(error, yaml.composer.ComposerError | yaml.constructor.ConstructorError):
        return Problem(f"is not YAML as doka takes it: an alias, an anchor or a tag{_QUOTES}", origin=origin)
    cure = _QUOTES if "cannot start any token" in problem else "; check its indentation, colons, brackets and quotes"
    return Problem(f"is not YAML: {_QUOTED.sub(_harmless, problem)}{cure}", origin=origin)


def _harmless(quoted: re.Match[str]) -> str:
    """Keep what the parser quotes of its own grammar: single signs and <names>; the rest comes from the file."""
    inner = quoted[0][1:-1]
    return quoted[0] if len(inner) <= 1 or re.fullmatch(r"<[a-z -]+>", inner) else "..."
