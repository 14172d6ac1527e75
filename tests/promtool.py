"""Prometheus' own tool promtool, that evaluates alert rules on series."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from scripts.alerts import Alert, Record

Rule = Alert | Record
REQUIRED = "PROMTOOL_TESTS"
PROMTOOL_SECONDS = 60.0
FRUGAL = {"GOGC": "800", "GOMAXPROCS": "1"}
"""It lives for a second: collecting its garbage takes a third of its time, and other tests want the other cores."""
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - nothing but what promtool makes there, under names that nobody has
"""Where there is such a folder: each test has a database of its own, and waits for the disk to have written it."""
ANNOTATIONS = "annotations"
"""What an alert says is left out where it is asked when it fires: it would be written anew at each evaluation, for a third of the time."""
_GOT = re.compile(r'\{alertname="(\w+)"\} ([0-9.E+]+)')


def find_promtool(name: str = "promtool") -> str:
    """Give its command, or that of prometheus beside it; skip where there is none, unless PROMTOOL_TESTS=required."""
    found = shutil.which(name)
    if found is not None:
        return found
    missing = f"{name} is not installed (it comes with Debian's package prometheus)"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{missing} (and {REQUIRED}=required)", pytrace=False)
    pytest.skip(missing)


def written(values: Iterable[float | None]) -> str:
    """Write the values of a series; None: it is not there. A run of `n` values is one and `n - 1` more (`0x9`), a gap is as it is (`_x9`)."""
    written: list[str] = []
    for value, run in groupby(values):
        more = len(list(run)) - 1
        if value is not None:
            written.append(f"{value!r}x{more}")
        else:
            written += ["stale" if written else "_", *([f"_x{more}"] if more else [])]
    return " ".join(written)


def ask(folder: Path, tests: Sequence[Mapping[str, Any]], *, every: float, rules: Sequence[Rule] = ()) -> str:
    """Let promtool run the tests of a rule test file; give what it says, nothing else than a result being an error."""
    asked_of = [{word: said for word, said in rule.written().items() if word != ANNOTATIONS} for rule in rules]
    (folder / "rules.yaml").write_text(json.dumps({"groups": [{"name": "doka", "rules": asked_of}]}), encoding="utf-8")
    asked = {"rule_files": ["rules.yaml"], "evaluation_interval": f"{every:.0f}s", "tests": tests}
    file = folder / "test.yaml"
    file.write_text(json.dumps(asked), encoding="utf-8")  # JSON is YAML, and quick to write
    words = [find_promtool(), "test", "rules", str(file)]
    frugal = FRUGAL | ({"TMPDIR": str(IN_MEMORY)} if IN_MEMORY.is_dir() else {})
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=PROMTOOL_SECONDS, check=False, env=os.environ | frugal
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "got:" in said, said
    return said


def first_firings(
    folder: Path, rules: Sequence[Rule], series: Mapping[str, str], *, every: float, until: float
) -> dict[str, float]:
    """Give each alert that fires by the moment `until` (s), with the moment at which it does so first.

    The rules are evaluated and the series have a value each `every` seconds, the first at 0.
    """
    firing = f'timestamp(ALERTS{{alertstate="firing"}})[{until:.0f}s:{every:.0f}s]'
    first = {"expr": f"min by (alertname) (min_over_time({firing}))", "eval_time": f"{until:.0f}s"}
    given = [{"series": name, "values": values} for name, values in series.items()]
    # A result is told only where it is not the expected one, so none is expected.
    said = ask(
        folder,
        [{"interval": f"{every:.0f}s", "input_series": given, "promql_expr_test": [first]}],
        every=every,
        rules=rules,
    )
    found = {name: float(moment) for name, moment in _GOT.findall(said)}
    assert bool(found) == ("got:" in said), f"promtool writes results in another way than is read here: {said}"
    return found
