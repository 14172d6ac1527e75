"""Writes docs/evidence.md from results that commands have left; it counts nothing and invents nothing.

A part that has no result is told as not run. A result of another commit than the page's says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Part = Mapping[str, Any]
NOT_RUN = "**Not run.**"


def page(at: str, commit: str, machine: Part, parts: Mapping[str, Part | None]) -> str:
    """Give the page: when it was written, for which commit, on what, and each part's result or that there is none."""
    sections = [
        "<!-- Written by `make evidence`. -->",
        "# Evidence",
        (
            "What was run, on what, and what came of it. Each figure was measured by the command that stands above it;\n"
            "none was typed. Run the command to see it for yourself: machines differ, verdicts must not."
        ),
        _table(
            {
                "written": at,
                "commit": f"{commit} (with changes that are not committed)" if commit.endswith("+") else commit,
                "machine": f"{machine['cores']} cores, {machine['cpu']}, {machine['memory_gib']} GiB, {machine['system']}",
                "Python": machine["python"],
            },
            ("", ""),
        ),
        *_section("Simulated worlds", "make simulate", parts.get("simulation"), commit, _simulation),
        *_section("Planted bugs", "make planted", parts.get("planted"), commit, _planted),
        *_section("The real service, killed", "make chaos", parts.get("chaos"), commit, _chaos),
        *_section("Tests", "make test", parts.get("tests"), commit, _tests),
    ]
    return "\n\n".join(sections) + "\n"


def _section(title: str, command: str, result: Part | None, commit: str, told: Any) -> list[str]:
    if result is None:
        return [f"## {title}", f"`{command}`: {NOT_RUN}"]
    run = f"`{result.get('command', command)}`, {result['at']}"
    if result["commit"] != commit:
        run += f", at commit {result['commit']}, which is not this page's"
    return [f"## {title}", f"{run}.", *told(result)]


def _simulation(result: Part) -> list[str]:
    hours = result["virtual_seconds"] / 3600
    failure = result["failure"]
    missed = [name for name, count in result["reached"].items() if not count]
    reached = len(result["reached"]) - len(missed)
    return [
        "The loop and the machine of production in virtual time; every rule is judged at every step.\n"
        + ("**No rule was broken.**" if failure is None else f"**A rule was broken**: {failure}"),
        _table(
            {
                "seeds": f"{result['seeds']:,}",
                "steps": f"{result['steps']:,}",
                "virtual hours": f"{hours:,.1f}",
                "seconds of the wall": f"{result['seconds']:g}",
                "seconds of CPU": f"{result['cpu_seconds']:.0f}",
                "incidents": f"{sum(result['befell'].values()):,} of {len(result['befell'])} kinds",
                "named situations reached": f"{reached} of {len(result['reached'])}",
            },
            ("", ""),
        ),
        *([f"Not reached: {'; '.join(missed)}."] if missed else []),
        "Incidents, by kind (refusals, losses and delays of single requests are drawn besides, and not counted here):",
        _counts({kind.replace("_", " "): count for kind, count in result["befell"].items()}, "incident"),
        "Situations, and how often each was met:",
        _counts(result["reached"], "situation"),
    ]


def _planted(result: Part) -> list[str]:
    findings = result["findings"]
    found = [each for each in findings if each["found"]]
    lost = [f"`{each['bug']}` (tried {each['seeds']} seeds)" for each in findings if not each["found"]]
    seeds = sorted(each["seeds"] for each in found)
    told = [
        (
            "A check that cannot fail proves nothing: bugs were put into the machine, one at a time, and looked for.\n"
            f"**Found {len(found)} of {len(findings)}**, each by a rule that is there for it."
        )
    ]
    if seeds:
        told.append(f"Seeds that it took: {seeds[len(seeds) // 2]} in the median, {seeds[-1]} at most.")
    if lost:
        told.append(f"Not found: {', '.join(lost)}.")
    return told


def _chaos(result: Part) -> list[str]:
    broken = result["broken"]
    return [
        "`doka run` beside a real broker, killed with SIGKILL while a producer writes and faults fire.\n"
        "The verdict comes from the producer's acknowledgements, the stream's landings and the group's offsets.\n"
        + ("**No rule was broken.**" if not broken else f"**A rule was broken**: {broken[0].splitlines()[0]}"),
        _table(
            {
                "kills": f"{result['kills']:,} of {result['rounds']:,}",
                "seed": result["seed"],
                "minutes": f"{result['seconds'] / 60:.1f}",
                "records": f"{result['records']:,}",
                "lost": f"{result['lost']:,}",
                "out of order": f"{result['out_of_order']:,}",
                "duplicates": f"{result['duplicates']:,}",
                "left to repeat by the offsets, over all kills": f"{result['could_repeat']:,}",
                "promised bound": f"{result['bound']:,}",
                "kills that left something to repeat": f"{result['kills_with_repeats']:,}",
            },
            ("", ""),
        ),
        (
            "The bound is `limits.ahead_records` for each partition and kill, and what the puts held whose connection was\n"
            "torn after they had been accepted."
        ),
        "What the service was doing when it was killed:",
        _counts(result["moments"], "moment"),
        "What befell it meanwhile:",
        _counts(result["faults"], "fault"),
    ]


def _tests(result: Part) -> list[str]:
    kinds = result["kinds"]
    return [
        f"{sum(kinds.values()):,} tests are collected; this counts them, `make test` runs them.",
        _counts(kinds, "kind"),
    ]


def _counts(counts: Mapping[str, int], what: str) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return _table({name: f"{count:,}" for name, count in ordered}, (what, "count"))


def _table(rows: Mapping[str, Any], header: tuple[str, str]) -> str:
    lines = [f"| {header[0]} | {header[1]} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join(lines)
