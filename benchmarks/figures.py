"""What is measured, by name: how a figure is shown, which way is better, and how rounds become one figure.

Ratios are taken within a round, between processes that ran one after the other, and only then the median over rounds:
what else the machine did falls out of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.cases import AGGREGATED_REFERENCE, CASES, REFERENCE, Aim, Case
from benchmarks.rounds import Round

DOKA, FLOOR, BASELINE = "doka", "floor", "baseline"
AT_ONCE = "at_once"
"""doka with `limits.linger_ms: 0`: no record waits for others."""
BESIDE = "beside"
"""doka as another case has it, by the same records."""
BEFORE = "before"
"""doka as it was at the commit that it is compared with."""


@dataclass(frozen=True, slots=True)
class Figure:
    """How a value is told; `more_is_better` decides what a comparison calls an improvement."""

    label: str
    form: str
    more_is_better: bool = False

    def show(self, value: float) -> str:
        """Write a value with its unit."""
        return self.form.format(value)


FIGURES: Mapping[str, Figure] = {
    "cpu_us": Figure("CPU a record", "{:.2f} us"),
    "records_per_second": Figure("records/s", "{:,.0f}", more_is_better=True),
    "cpu_to_floor": Figure("CPU, times the floor's", "{:.1f}x"),
    "baseline_to_cpu": Figure("CPU, times less than the baseline's", "{:.1f}x", more_is_better=True),
    "cpu_to_at_once": Figure("CPU, times that with linger_ms: 0", "{:.2f}x"),
    "cpu_to_plain": Figure(f"CPU, times that of {REFERENCE}", "{:.2f}x"),
    "cpu_to_aggregated": Figure(f"CPU, times that of {AGGREGATED_REFERENCE}", "{:.2f}x"),
    "cpu_to_key": Figure("CPU, times that with ordering: key", "{:.2f}x"),
    "speed_to_plain": Figure(f"records/s, times those of {REFERENCE}", "{:.2f}x", more_is_better=True),
    "rss_mib": Figure("peak RSS", "{:.0f} MiB"),
    "base_mib": Figure("RSS with nothing to do", "{:.0f} MiB"),
    "rss_above_base_mib": Figure("peak RSS, above that with nothing to do", "{:.0f} MiB"),
    "judging_us": Figure("judging, a record", "{:.2f} us"),
    "disk_bytes": Figure("bytes on disk, a record", "{:.0f}"),
    "held_mib": Figure("held of limits.held_mib", "{:.0f} MiB"),
    "puts_in_flight": Figure("requests in flight", "{:.0f}"),
    "assigned_to_first_seconds": Figure("assignment to first record", "{:.2f} s"),
    "records_per_request": Figure("records a request", "{:.0f}", more_is_better=True),
    "records_per_entry": Figure("records in a Kinesis record", "{:.0f}", more_is_better=True),
    "p50_ms": Figure("latency p50", "{:.1f} ms"),
    "p99_ms": Figure("latency p99", "{:.1f} ms"),
    "p50_above_ms": Figure("latency p50, doka's own", "{:.1f} ms"),
    "p99_above_ms": Figure("latency p99, doka's own", "{:.1f} ms"),
    "most_ms": Figure("latency, longest", "{:.1f} ms"),
    "cores_busy": Figure("cores busy", "{:.2f}"),
    "endpoint_busy": Figure("null Kinesis busy", "{:.0%}"),
    "idle_cpu_percent": Figure("idle CPU of a core", "{:.2f} %"),
}


def medians(rounds: Sequence[Round], contender: str) -> dict[str, float]:
    """Give the median of each figure that a contender has in these rounds; doka's hold the ratios as well."""
    columns: dict[str, list[float]] = {}
    for each in rounds:
        for figure, value in _shown(each, contender).items():
            columns.setdefault(figure, []).append(value)
    return {figure: statistics.median(values) for figure, values in columns.items()}


def figures_of_doka(cases: Mapping[str, Sequence[Round]]) -> dict[str, dict[str, float]]:
    """Give doka's figures for each case, with what needs another case to compare with."""
    found = {name: medians(rounds, DOKA) for name, rounds in cases.items()}
    for figure, reference, of in (
        ("cpu_to_plain", REFERENCE, "cpu_us"),
        ("cpu_to_aggregated", AGGREGATED_REFERENCE, "cpu_us"),
        ("speed_to_plain", REFERENCE, "records_per_second"),
    ):
        value = found.get(reference, {}).get(of)
        if value:
            for figures in found.values():
                if of in figures:
                    figures[figure] = figures[of] / value
    for case in CASES:
        ratio = _to_beside(case, cases, found)
        if ratio is not None:
            found[case.name]["cpu_to_plain" if case.beside == REFERENCE else "cpu_to_key"] = ratio
    return found


def _to_beside(
    case: Case, cases: Mapping[str, Sequence[Round]], found: Mapping[str, Mapping[str, float]]
) -> float | None:
    """Give the cost of a case, times that of the one beside it: within its rounds, else, as in runs of before, of the same run."""
    ratios = [each[DOKA]["cpu_us"] / each[BESIDE]["cpu_us"] for each in cases.get(case.name, ()) if BESIDE in each]
    if ratios:
        return statistics.median(ratios)
    if case.name in found and case.beside in found:
        return found[case.name]["cpu_us"] / found[case.beside]["cpu_us"]
    return None


def by_contender(cases: Mapping[str, Sequence[Round]]) -> dict[str, dict[str, dict[str, float]]]:
    """Give the figures of each case for each contender."""
    doka = figures_of_doka(cases)
    return {
        name: {DOKA: doka[name], FLOOR: medians(rounds, FLOOR), BASELINE: medians(rounds, BASELINE)}
        for name, rounds in cases.items()
    }


def against_before(rounds: Sequence[Round]) -> Iterator[tuple[str, float, float, Sequence[float]]]:
    """Give each figure that both revisions have: its name, before, now, and now divided by before in each round."""
    for name in known(rounds[0].get(BEFORE, {}) if rounds else ()):
        pairs = [(each[BEFORE][name], each[DOKA][name]) for each in rounds if each[BEFORE].get(name)]
        if pairs:
            was, became = (statistics.median(values) for values in zip(*pairs, strict=True))
            yield name, was, became, [now / then for then, now in pairs]


def judged(cases: Mapping[str, Sequence[Round]], of: Iterable[Case], cores: int) -> Iterator[tuple[Case, Aim, float]]:
    """Give each aim of these cases with the value that was measured, where one was and `cores` are enough for it."""
    measured = figures_of_doka(cases)
    for case in of:
        for aim in case.aims:
            value = measured.get(case.name, {}).get(aim.figure)
            if value is not None and cores >= aim.cores:
                yield case, aim, value


def _shown(each: Round, contender: str) -> Mapping[str, float]:
    figures = dict(each.get(contender, {}))
    if contender != DOKA:
        return figures
    floor, baseline, at_once = each.get(FLOOR, {}), each.get(BASELINE, {}), each.get(AT_ONCE, {})
    if "cpu_us" in figures and "cpu_us" in floor:
        figures["cpu_to_floor"] = figures["cpu_us"] / floor["cpu_us"]
    if "cpu_us" in figures and "cpu_us" in baseline:
        figures["baseline_to_cpu"] = baseline["cpu_us"] / figures["cpu_us"]
    if "cpu_us" in figures and "cpu_us" in at_once:
        figures["cpu_to_at_once"] = figures["cpu_us"] / at_once["cpu_us"]
    return figures


def known(figures: Iterable[str]) -> list[str]:
    """Give those names that are shown, in the order in which they are shown."""
    given = set(figures)
    return [name for name in FIGURES if name in given]
