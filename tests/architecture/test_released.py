from __future__ import annotations

import copy
import json
import re

from scripts.released import FILE, Promise, broken, present
from tests.architecture.source_tree import ROOT

RELEASED: Promise = json.loads(FILE.read_text(encoding="utf-8"))


def test_nothing_that_was_released_is_gone_without_a_word() -> None:
    """Settings, metrics, commands and options of the last release are there in their form, or docs/upgrading.md names them."""
    page = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    silent = [
        line
        for line in broken(RELEASED, present())
        if f"`{line.split(' was ')[0].removesuffix(' is gone')}`" not in page
    ]
    assert [] == silent


def test_the_promise_is_that_of_the_last_release() -> None:
    """What is compared was written down for the newest version that has a date in the changelog."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    dated = re.findall(r"^## \[(\S+)\] - \d", changelog, re.MULTILINE)
    assert dated[0] == str(RELEASED["version"]), "run python -m scripts.released when a release is made"
    assert len(RELEASED["settings"]) > 60
    assert len(RELEASED["metrics"]) > 30
    assert len(RELEASED["commands"]) > 5


def test_each_broken_promise_is_found() -> None:
    """A setting that is gone or takes something else, a metric with another label, an option less: each is told."""
    now = copy.deepcopy(RELEASED)
    del now["settings"]["limits.held_mib"]
    now["settings"]["kafka.group_id"][1] = "`doka`"
    now["metrics"]["doka_lag_seconds"][1] = "route"
    now["commands"]["doka run"].remove("--workers")
    del now["commands"]["doka check"]
    found = "\n".join(broken(RELEASED, now))
    assert "limits.held_mib is gone" in found
    assert "kafka.group_id was " in found
    assert "doka_lag_seconds was " in found
    assert "doka run --workers is gone" in found
    assert "doka check is gone" in found
    assert [] == list(broken(RELEASED, copy.deepcopy(RELEASED)))
