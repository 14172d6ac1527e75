"""Several configurations of one service: their names, and what they must have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from doka.app.config_options import ConfigOptions
from doka.app.settings.model import Settings
from doka.domain.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Configured:
    """One configuration: where it was read, what it says, and its name where there are several."""

    options: ConfigOptions
    settings: Settings
    name: str | None = None


def named(several: Sequence[ConfigOptions]) -> list[str]:
    """Give each configuration's name, which is its file's without the ending.

    Raises:
        UsageError: two have one name, or one has none that could be a label.
    """
    names = [options.config.stem for options in several if options.config is not None]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(
            f"two files given with --config are called {twice[0]}; name them apart, for metrics and the log"
        )
    odd = [name for name in names if not _NAME.fullmatch(name)]
    if odd:
        raise UsageError(
            "a file given with --config beside others needs a name of letters, digits, dots, - and _ alone"
        )
    return names


def require_unity(several: Sequence[Configured]) -> None:
    """Refuse configurations that cannot share a process.

    Raises:
        UsageError: they differ in what is there once, or send to a collector, where their workers would be mistaken for
            each other.
    """
    first = several[0]
    for other in several[1:]:
        for path, one, another in (
            ("http", first.settings.http, other.settings.http),
            ("log", first.settings.log, other.settings.log),
        ):
            if one != another:
                told = "one page and one log serve all; give all files the same section"
                raise UsageError(f"{path} differs between {first.options.source} and {other.options.source}: {told}")
    for each in several:
        if each.settings.otlp.endpoint is not None and each.settings.otlp.enabled:
            told = (
                "its workers would be taken for those of the others; scrape /metrics, or run one service for each file"
            )
            raise UsageError(f"otlp.endpoint of {each.options.source} cannot be used beside other files: {told}")
