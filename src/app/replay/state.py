"""The state file of a replay: what was asked for, how far it has come, and what became of it, so that a killed one goes on.

It is written as a whole and put in the place of the one before, so that whoever reads it finds one or the other. It holds
offsets, codes and counts, and nothing of what a record holds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from doka.app.replay.outcome import Outcome, range_of_data, ranges_as_data
from doka.domain.audit.fates import CLOCKS_APART_MS
from doka.domain.errors import UsageError
from doka.domain.records import TopicPartition
from doka.domain.replay.progress import Progress

KIND: Final = "doka replay 1"
LOSSES: Final = "of the losses"
"""The word that tells one set of losses from another."""


@dataclass(frozen=True, slots=True)
class State:
    """One replay."""

    asked: Mapping[str, Any]
    """The words by which it was asked for; a file goes on only with the same ones."""
    progress: Progress
    outcome: Outcome = field(default_factory=Outcome)
    missing: tuple[str, ...] = ()
    """What was no longer in the log, or may not have been, when it was planned; a sentence each."""
    short: bool = False
    """Whether some of what was asked for by offsets was not there when it was planned."""
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    """Of the topics whose offsets these are, as far as the cluster tells."""

    def write(self, file: Path) -> None:
        """Put it in the place of what stands there; raises OSError."""
        data = {
            "kind": KIND,
            "asked": dict(self.asked),
            "ranges": ranges_as_data(self.progress.asked),
            "settled": [{**p._asdict(), "offset": offset} for p, offset in sorted(self.progress.settled.items())],
            "outcome": self.outcome.as_data(),
            "missing": list(self.missing),
            "short": self.short,
            "topic_ids": dict(self.topic_ids),
        }
        beside = file.with_name(f"{file.name}.new")
        with beside.open("w", encoding="utf-8") as out:
            json.dump(data, out)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)


def read_state(file: Path, asked: Mapping[str, Any], looked_at_ms: int | None = None) -> State | None:
    """Give the state that stands in a file; None where there is no such file.

    None, too, where it is of a replay that had ended when its audit looked at the stream again (ms since the epoch).

    Raises:
        UsageError: it cannot be read, is something else, or belongs to another replay.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"--state {file} cannot be read: {why}") from None
    state = _state_in(text)
    if state is None:
        raise UsageError(f"--state {file} is no state of a replay; name another file")
    if state.progress.finished and looked_at_ms is not None and _but_losses(state.asked) == _but_losses(asked):
        written_ms = file.stat().st_mtime * 1_000
        if written_ms + CLOCKS_APART_MS < looked_at_ms:
            return None  # the audit has found what that one sent: what it calls lost now is lost since
    if dict(state.asked) != dict(asked):
        words = ", ".join(f"{name} {value}" for name, value in state.asked.items() if value)
        raise UsageError(f"--state {file} is of another replay ({words}); name another file, or the same words")
    return state


def _but_losses(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name != LOSSES}


def _state_in(text: str) -> State | None:
    """Read a state; None where it is something else."""
    try:
        data = json.loads(text)
        if data["kind"] != KIND:
            return None
        settled = {TopicPartition(p["topic"], p["partition"]): int(p["offset"]) for p in data["settled"]}
        return State(
            data["asked"],
            Progress(map(range_of_data, data["ranges"]), settled),
            Outcome.of_data(data["outcome"]),
            tuple(data["missing"]),
            short=bool(data["short"]),
            topic_ids=dict(data["topic_ids"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
