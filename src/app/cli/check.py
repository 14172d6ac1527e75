"""`doka check`: runs the preflight with the service's own parts, and tells what it finds while it goes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from doka.app.check.findings import Finding, FindingVerdict, all_fine
from doka.app.check.preflight import not_asked, preflight
from doka.app.config_options import ConfigOptions
from doka.app.preflight_parts import parts_of
from doka.app.service import build_quiet
from doka.app.settings.load import hostname, read_configuration

_MARKS = {
    FindingVerdict.FINE: ("✓", "green"),
    FindingVerdict.WARNING: ("!", "yellow"),
    FindingVerdict.FAILED: ("✗", "bold red"),
    FindingVerdict.SKIPPED: ("-", "dim"),
}


def check(options: ConfigOptions, *, probe_writes: bool = False, as_json: bool = False) -> int:
    """Try everything out; give 0 when nothing failed, else 1.

    With `probe_writes` an endpoint that is not AWS is sent dry runs too: one that does not know them stores a record.

    Raises:
        UsageError: the configuration cannot be used.
    """
    settings = read_configuration(options)
    parts = parts_of(build_quiet(settings, hostname()), probe_writes=probe_writes)
    findings, left = preflight(settings, options.source, parts), not_asked(settings, tries_puts=parts.tries_puts)
    return report(findings, left, as_json=as_json, console=Console(highlight=False, soft_wrap=True))


def report(findings: Iterable[Finding], left: Sequence[str], *, as_json: bool, console: Console) -> int:
    """Tell the findings, for a person one by one as they come, for a machine all in one; give the exit code."""
    if as_json:
        found = list(findings)
        fine = all_fine(found)
        data = {"fine": fine, "not_asked": list(left), "findings": [finding.as_data() for finding in found]}
        print(json.dumps(data, indent=2))  # noqa: T201
        return 0 if fine else 1
    found = []
    for finding in findings:
        found.append(finding)
        console.print(_line(finding))
        if finding.cure is not None:
            console.print(Text.assemble("    → ", finding.cure))
    failed = sum(finding.verdict is FindingVerdict.FAILED for finding in found)
    if all_fine(found):
        console.print(Text("\nEverything that was asked for is there. Next: doka run", style="bold green"))
        if left:
            console.print(
                f"Not asked: {', '.join(left)}. Where that is denied, the service blocks its route and says so."
            )
        return 0
    console.print(Text(f"\n{failed} to mend; a service would start, wait for it, and say so.", style="bold red"))
    return 1


def _line(finding: Finding) -> Text:
    mark, style = _MARKS[finding.verdict]
    return Text.assemble((mark, style), f" {finding.step} ", (finding.subject, "bold"), f": {finding.told}")
