"""Loads the function of a route's `transform` out of the user's file.

A file is loaded once, however often it is asked for, until it is another one: what it does when it is loaded is done once.
Nothing of what it raises is repeated but the class of the exception, since it may hold anything.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from doka.domain.batch import Transform
from doka.domain.ports import Clock
from doka.transform import READS, Reads, transform

_LOADED: Final[dict[tuple[str, str], ModuleType]] = {}
"""Modules by path and digest."""


class NotLoadedError(ValueError):
    """A transform cannot be had; the text goes on after the name of `setting`."""

    def __init__(self, told: str, setting: str = "file") -> None:
        self.setting = setting
        super().__init__(told)


def load_transform(file: str, function: str, clock: Clock) -> Transform:
    """Give a function as the domain takes it.

    Raises:
        NotLoadedError: there is no such file or function, or it does not say what it reads.
    """
    path = Path(file)
    try:
        source = path.read_bytes()
    except (OSError, ValueError):
        relative = "" if path.is_absolute() else ", which begins where doka is started,"
        raise NotLoadedError(
            f"names a file that cannot be read; check the path{relative} and its permissions"
        ) from None
    digest = sha256(source).hexdigest()
    found = getattr(_module(path, digest), function, None)
    if not callable(found) or found is transform:  # which is there because the file imports it
        raise NotLoadedError("names a function that is not in the file; correct the name, or write it", "function")
    reads = getattr(found, READS, None)
    if not isinstance(reads, Reads):
        told = "names a function without its decorator; write @transform above it, from doka.transform import transform"
        raise NotLoadedError(told, "function")
    return Transform(
        f"{path.name}:{function}",
        digest,
        found,
        clock.now,
        headers=reads.headers,
        timestamps=reads.timestamps,
    )


def _module(path: Path, digest: str) -> ModuleType:
    key = (str(path.absolute()), digest)
    if key in _LOADED:
        return _LOADED[key]
    name = f"doka_transform_{digest[:16]}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NotLoadedError("names a file that is no module of Python; its name must end with .py")
    module = module_from_spec(spec)
    sys.modules[name] = module  # as any import does: dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code
        del sys.modules[name]
        line = _line_of(error, path)
        raise NotLoadedError(f"names a file that cannot be loaded: {type(error).__name__}{line}; mend it") from None
    _LOADED[key] = module
    return module


def _line_of(error: BaseException, path: Path) -> str:
    """Say at which line of the file it was, where that is known."""
    if isinstance(error, SyntaxError):
        return "" if error.lineno is None else f" in line {error.lineno}"
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f" in line {lines[-1]}" if lines else ""
