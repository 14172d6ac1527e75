"""Writes the pages of docs/ that say what the code says, so that they cannot say anything else; rules and a chart too.

`pages` gives every page as text; `make docs` writes them, and a test compares them with what is committed.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector, CollectorRegistry

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.audit_telemetry import AuditMetrics
from doka.adapters.telemetry.merged_page import SupervisorMetrics
from doka.adapters.telemetry.metrics import Metrics
from doka.domain import verdicts
from doka.domain.leases import keeper as lease_keeper
from doka.domain.leases.keeper import SIGNING, TRANSITIONS, LeaseState
from doka.domain.records import TopicPartition
from doka.domain.status import LeaseStatus, PartitionStatus, RouteStatus, Status
from doka.domain.verdicts import ENTRY, REQUEST
from scripts import alerts, chart, dashboard, iam_page, settings_page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
IAM = ROOT / "deploy" / "iam"
WRITTEN = "<!-- Written by `make docs` from {source}. Edit that instead. -->"

Row = tuple[str, ...]


def pages() -> Mapping[str, str]:
    """Give each file that is generated, wholly or in part: its path -> its whole text."""
    return {
        "docs/iam.md": _iam_page(),
        "docs/metrics.md": _metrics_page(),
        "docs/lease.md": _lease_page(),
        "docs/settings.md": _page("src/app/settings", "Settings", *settings_page.parts()),
        "docs/verdicts.md": _verdicts_page(),
        "docs/operating.md": alerts.written_into((DOCS / "operating.md").read_text(encoding="utf-8")),
        "deploy/alerts.yaml": alerts.rule_file(),
        "deploy/grafana/doka.json": (drawn := dashboard.written(metric_labels())),
        **chart.files(ROOT, drawn),
    }


def metric_names() -> frozenset[str]:
    """Give every name that a scrape may show, suffixes included, and the family's name of a histogram."""
    return frozenset(metric_labels())


def metric_labels() -> Mapping[str, Row]:
    """Give the labels of each of these names, that of a histogram's buckets among them."""
    suffixes = {"histogram": ("", "_bucket", "_sum", "_count"), "counter": ("_total",)}
    return {
        name + suffix: (*labels, "le") if suffix == "_bucket" else labels
        for name, kind, labels, _ in _metrics()
        for suffix in suffixes.get(kind, ("",))
    }


# --- metrics -----------------------------------------------------------------------------------------------------


def _metrics_page() -> str:
    rows = [
        (f"`{name}_total`" if kind == "counter" else f"`{name}`", kind, ", ".join(labels) or "-", meaning)
        for name, kind, labels, meaning in sorted(set(_metrics()))
    ]
    return _page(
        "src/adapters/telemetry",
        "Metrics",
        "What `/metrics` shows, in Prometheus' text format.\n"
        "The page is made anew for each state, about once a second; `/healthz` and `/readyz` are judged anew at each question.\n"
        "A gauge whose value is not known is left out; it is never shown as zero.\n"
        "Codes come from services, so the distinct values of `code` and `reason` are bounded; what is beyond the bound "
        "is `other`.\n"
        "No label holds a key, a payload or an ARN.\n"
        "With `--workers`, and with `--watch`, every series has the label `worker` too: the number of the process it is from, and `supervisor` "
        "for the supervisor's own process. With several `--config` every series has the label `config`, the name of its file.\n"
        "Those of audits are shown by the process that audits, which forwards nothing and has no others but its own.\n"
        "Which of them to alert on stands in [operating.md](operating.md#alerts).",
        _table(("metric", "type", "labels", "meaning"), rows),
    )


def _metrics() -> Iterable[tuple[str, str, tuple[str, ...], str]]:
    """Give name, type, labels and meaning of every family, as the registry of a service holds them."""
    metrics = Metrics(SystemClock(), "0", routes=["route"], roles=["role"])
    metrics.publish(_status())
    metrics.turned(0)
    metrics.fetched(TopicPartition("topic", 0), 1, 1)
    audits = AuditMetrics(SystemClock(), "0", ["route"], 0)
    registry = metrics._registry  # noqa: SLF001 - asked for what it holds, and for nothing else
    for collector in (
        *_collectors(registry),
        *_collectors(_watched().registry),
        *_collectors(audits.registry),
    ):
        if isinstance(collector, MetricWrapperBase):
            labels: tuple[str, ...] = tuple(collector._labelnames)  # noqa: SLF001 - the library has no public name for it
            yield from ((m.name, m.type, labels, m.documentation) for m in collector.describe())
        else:
            for family in collector.collect():
                of_samples = {name: None for sample in family.samples for name in sample.labels if name != "le"}
                yield family.name, family.type, tuple(of_samples), family.documentation


def _watched() -> SupervisorMetrics:
    """Give a supervisor's metrics with those of a configuration that changes."""
    supervisor = SupervisorMetrics(2)
    supervisor.shows_configuration().runs("hash", 0.0)
    return supervisor


def _collectors(registry: CollectorRegistry) -> list[Collector]:
    return list(registry._collector_to_names)  # noqa: SLF001 - as above; the library lists them nowhere else


def _status() -> Status:
    """Give a state in which every gauge has a value."""
    partition = PartitionStatus("route", 0, 0, 1, 0, 0, 0, paused=False, stuck=None, log_end=1, waiting=0)
    return Status(
        at=0,
        held_bytes=0,
        held_bytes_max=0,
        partitions={TopicPartition("topic", 0): partition},
        leases={"role": LeaseStatus("role", LeaseState.FRESH.value, 1, 1, has_end=True)},
        routes={"route": RouteStatus("route", None, 0, 0, filtered={"reason": 0})},
        topic_partitions={"topic": 1},
    )


# --- IAM ---------------------------------------------------------------------------------------------------------


def _iam_page() -> str:
    tables = [part for above, head, rows in iam_page.tables() for part in (above, _table(head, rows))]
    return _page(
        "src/app/iam",
        "Permissions",
        "`doka policy --config doka.yaml` prints every IAM document that a configuration needs, each under the account that "
        "it belongs to, and asks nothing of AWS.\n"
        "`--out DIR` writes a file for each; `--format terraform` and `--format cloudformation` make a template for each "
        "account.\n"
        "[deploy/iam](../deploy/iam/) has all of them for the two accounts of [first-record.md](first-record.md).\n"
        "`doka check` then tries what they allow, and names the action that is missing.",
        *tables,
        "Whatever is in capitals is no ARN, so AWS refuses a document in which it was forgotten.\n"
        "A trust policy can name a role only once that is there: begin with the workload's account, and go on hop by hop.\n"
        "A template creates a role that it has the trust policy of, and adds to a role that it has not: "
        "`--workload` decides that for the workload's.\n"
        "What is one document in AWS is told to be so: a stream's resource policy and an endpoint's policy replace what "
        "stands there; the statement for a key's policy is in no template.",
    )


# --- the tables of the domain ------------------------------------------------------------------------------------


def _lease_page() -> str:
    moves = [
        f"    {before.name} --> {after.name}: {what.value}"
        for (before, what), after in TRANSITIONS.items()
        if before is not after
    ]
    stays = [(before.name, what.value) for (before, what), after in TRANSITIONS.items() if before is after]
    diagram = "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> ABSENT", *moves, "```"])
    signing = " and ".join(sorted(state.name for state in SIGNING))
    return _page(
        "src/domain/leases/keeper.py",
        "Leases",
        _theory(lease_keeper),
        f"Only in {signing} does anything leave signed.",
        diagram,
        "Whatever else happens leaves the state as it was; of that, these are in the table because they mean something:",
        _table(("state", "what happens and leaves it there"), stays),
    )


def _verdicts_page() -> str:
    codes = dict.fromkeys((*REQUEST, *ENTRY))
    rows = [
        (f"`{code}`", ENTRY[code].name if code in ENTRY else "-", REQUEST[code].name if code in REQUEST else "-")
        for code in codes
    ]
    rows.append(("any other", verdicts.of_entry("").name, verdicts.of_request("").name))
    return _page(
        "src/domain/verdicts.py",
        "Verdicts",
        _theory(verdicts),
        _table(("error code", "of one entry in an answer of 200", "of a refused request"), rows),
    )


def _theory(module: ModuleType) -> str:
    """Give a module's docstring; its indented tables are code in Markdown as they stand."""
    return inspect.cleandoc(module.__doc__ or "")


# --- Markdown ----------------------------------------------------------------------------------------------------


def _page(source: str, title: str, *parts: str) -> str:
    return "\n\n".join((WRITTEN.format(source=source), f"# {title}", *parts)) + "\n"


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def main() -> None:
    """Write every page, and the documents of deploy/iam."""
    for name, text in pages().items():
        (ROOT / name).write_text(text, encoding="utf-8")
    IAM.mkdir(exist_ok=True)
    for name, text in iam_page.examples().items():
        (IAM / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
