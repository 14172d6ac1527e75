"""A real Prometheus beside a test: it scrapes a service, evaluates the rules that are shipped, and is asked by its API.

Its time is shortened by a factor, in everything that a rule waits for alike: windows, offsets, `for`, limits that are
seconds, and how often it scrapes and evaluates. Nothing else of a rule is touched, so counts and shares stay what they are.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from scripts.alerts import ALERTS, BURNING, EVERY_SECONDS, RECORDS
from tests.promtool import Rule, find_promtool
from tests.waiting import eventually

SCRAPED_SECONDS = 30.0
EVALUATED_SECONDS = 15.0
UP_SECONDS = 30.0
_SPAN = re.compile(r"(\[|offset )(\d+)(m|h|d)\b")
_UNIT_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
_SECONDS = re.compile(r"(_seconds(?:_left)?\)? (?:> bool|>|<)) (\d+)")
"""A gauge in seconds and its limit."""


class Firing(NamedTuple):
    """An alert that fires, and what it is about."""

    name: str
    labels: frozenset[tuple[str, str]]

    def is_about(self, about: Iterable[tuple[str, str]]) -> bool:
        """Say whether it has these labels."""
        return set(about) <= self.labels


def shortened(rule: Rule, factor: float) -> dict[str, Any]:
    """Give a rule as a rule file has it, in shorter time."""
    written = dict(rule.written())
    expr = in_shorter_time(rule.expr, factor)
    written["expr"] = _SECONDS.sub(lambda found: f"{found[1]} {int(found[2]) / factor:g}", expr)
    if "for" in written:
        written["for"] = _ms(int(str(written["for"])[:-1]) * 60 / factor)
    return written


def in_shorter_time(expr: str, factor: float) -> str:
    """Give an expression with its windows and offsets in shorter time."""
    return _SPAN.sub(lambda found: f"{found[1]}{_ms(int(found[2]) * _UNIT_SECONDS[found[3]] / factor)}", expr)


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:.0f}ms"


class Prometheus:
    """One that runs; start it by `prometheus`."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], targets: Path) -> None:
        self._url = url
        self._targets = targets
        self.process = process

    def scrape(self, address: str) -> None:
        """Scrape a service at «host:port» from now on, under the name doka-0, and none else."""
        told = json.dumps([{"targets": [address], "labels": {"instance": "doka-0"}}])
        fresh = self._targets.with_suffix(".new")
        fresh.write_text(told, encoding="utf-8")
        fresh.rename(self._targets)

    def ask(self, path: str, **given: str) -> Any:
        """Ask its API; gives the data of the answer. Raises OSError where it does not answer."""
        words = f"?{urllib.parse.urlencode(given)}" if given else ""
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}{words}", timeout=10) as answer:  # noqa: S310 - its own
            return json.load(answer)["data"]

    def value(self, query: str) -> float | None:
        """Give the value of a query that has one result; None where it has none."""
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None

    def firing(self) -> set[Firing]:
        """Give the alerts that fire now."""
        return {
            Firing(each["labels"]["alertname"], frozenset(each["labels"].items()))
            for each in self.ask("alerts")["alerts"]
            if each["state"] == "firing"
        }

    def is_up(self) -> bool:
        """Say whether it answers."""
        assert self.process.poll() is None, f"prometheus ended with {self.process.poll()}"
        try:
            return self.value("vector(1)") == 1
        except OSError:
            return False


@contextmanager
def prometheus(folder: Path, factor: float) -> Iterator[Prometheus]:
    """Run one with all rules in time that is shorter by a factor; nothing is scraped yet, and it is gone afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    targets = folder / "targets.json"
    targets.write_text("[]", encoding="utf-8")
    groups: list[Mapping[str, Any]] = [
        {"name": "doka", "rules": [shortened(rule, factor) for rule in ALERTS]},
        {
            "name": "doka-objectives",
            "interval": _ms(EVERY_SECONDS / factor),
            "rules": [*(shortened(rule, factor) for rule in RECORDS), *(shortened(rule, factor) for rule in BURNING)],
        },
    ]
    (folder / "rules.yaml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
    every = _ms(SCRAPED_SECONDS / factor)
    job = {"job_name": "doka", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}]}
    config = {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": every,
            "evaluation_interval": _ms(EVALUATED_SECONDS / factor),
        },
        "rule_files": ["rules.yaml"],
        "scrape_configs": [job],
    }
    file = folder / "prometheus.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")
    words = [
        find_promtool("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
        f"--query.lookback-delta={_ms(300 / factor)}",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            running = Prometheus(f"http://{address}", process, targets)
            eventually(running.is_up, within=UP_SECONDS, what="prometheus to answer", every=0.1)
            yield running
        finally:
            process.kill()
