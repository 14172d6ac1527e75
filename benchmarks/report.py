"""A run's figures and all that they hang on, as a file that a later run can be compared with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.rounds import Round

FORMAT = 1
LIBRARIES = ("doka-connector", "confluent-kafka", "pycurl", "orjson", "pybase64", "botocore", "duckdb")
HERE = Path(__file__).parent


class UnreadableReportError(Exception):
    """A file is no report of this benchmark."""


@dataclass(frozen=True, slots=True)
class Report:
    """One run; `cases` holds the rounds of each case as they were measured, not only what was made of them."""

    at: str
    commit: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    kafka: str
    quick: bool
    load_before: float
    load_after: float
    """Load averages of the last minute; on a calm machine the first is near 0."""
    cases: Mapping[str, Sequence[Round]]

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps({"format": FORMAT, **asdict(self)}, option=orjson.OPT_INDENT_2))


def read_report(path: Path) -> Report:
    """Give what `write` wrote. Raises UnreadableReportError, which says why."""
    try:
        given = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UnreadableReportError(f"{path} cannot be read: {error}") from error
    if not isinstance(given, dict) or given.pop("format", None) != FORMAT:
        raise UnreadableReportError(f"{path} is no report of `make bench` in format {FORMAT}")
    try:
        return Report(**given)
    except TypeError as error:
        raise UnreadableReportError(f"{path} is not whole: {error}") from error


def now() -> str:
    """Give the time for a report, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def commit() -> str:
    """Give the commit of the checkout, with a + where the code differs from it; «unknown» without git."""
    words = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    described = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"


def machine() -> dict[str, Any]:
    """Give what of the machine decides about figures."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Give the versions of what runs."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in LIBRARIES}
