"""`doka conformance`: asks AWS itself whether it does what the guarantees lean on, and writes a page of evidence.

It makes streams in a user's account: it must never do so unasked, and never end without saying what is left of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.status import Status as Line
from rich.text import Text

from doka.adapters.aws.held_lease import HeldLease, pause_for
from doka.adapters.aws.kinesis.dry_run import DryRuns
from doka.adapters.aws.kinesis.trial_stream import Mode
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.aws.sts.settings import AMBIENT_ROLE
from doka.adapters.system.inbox import ThreadInbox
from doka.adapters.system.signals import StopSignals
from doka.adapters.system.watchdog import leave_now
from doka.adapters.telemetry.sentences import many
from doka.app.check.cures import cure_for_lease, cure_for_stream
from doka.app.cli.routes import route_named
from doka.app.config_options import ConfigOptions
from doka.app.conformance.bench import Amounts, Parts
from doka.app.conformance.case import Need, Outcome
from doka.app.conformance.evidence import Evidence, counted, data_of, page_of, remove_command, without_accounts
from doka.app.conformance.price import price
from doka.app.conformance.table import CASES
from doka.app.conformance.trial import NotMadeError, Result, Trial
from doka.app.container import Container
from doka.app.plan.prices import read_prices
from doka.app.service import build_quiet
from doka.app.settings.endpoints import objection
from doka.app.settings.load import hostname, read_configuration
from doka.app.settings.mapping import to_role_chains
from doka.app.settings.model import Settings
from doka.app.settings.routes import RouteSettings
from doka.domain.errors import UsageError
from doka.domain.events import LeaseRefused
from doka.domain.limits import NS_PER_MS, ROLE_SECONDS_MIN
from doka.domain.ports import Inbox

SLICE_NS: Final = 100 * NS_PER_MS
"""How soon a stop is heard."""
_MARKS: Final = {
    Outcome.HOLDS: ("✓", "green"),
    Outcome.DIFFERS: ("!", "yellow"),
    Outcome.FAILS: ("✗", "bold red"),
    Outcome.OPEN: ("?", "yellow"),
    Outcome.LEFT_OUT: ("-", "dim"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody typed; `amounts` is for who has no real stream to throttle."""

    route: str | None
    cases: tuple[str, ...]
    wait_for_expiry: bool = False
    on_demand: bool = False
    page: Path | None = None
    prices: Path | None = None
    with_account: bool = False
    yes: bool = False
    as_json: bool = False
    amounts: Amounts = Amounts()  # noqa: RUF009 - frozen


class StoppedError(Exception):
    """Somebody asked for an end."""


def conformance(options: ConfigOptions, wanted: Wanted) -> int:
    """Play the cases; give 0 where the design holds in all of them, 130 where it was stopped, else 1.

    Raises:
        UsageError: the configuration cannot be used, the words are wrong, or nobody can be asked.
    """
    if not wanted.yes and (wanted.as_json or not sys.stdin.isatty()):
        raise UsageError("nobody can be asked here whether to make a stream: add --yes")
    settings = read_configuration(options)
    route = route_named(settings.routes, wanted.route)
    names = _cases(wanted)
    prices = read_prices(wanted.prices)
    page = wanted.page or Path(f"doka-conformance-{route.name}.md")
    if not page.absolute().parent.is_dir():
        raise UsageError(f"--page {page}: there is no such folder")
    container = build_quiet(settings, hostname())
    region = container.targets()[route.name].region
    console = Console(highlight=False, soft_wrap=True, markup=False, stderr=wanted.as_json)
    modes = [mode for mode in CASES if mode is Mode.ONE_SHARD or wanted.on_demand]
    called = "a stream of one shard" + (" and two on demand" if wanted.on_demand else "")
    console.print(
        f"It makes {called} in the account of route {route.name} ({region}), named doka-conformance-..., and removes it "
        f"at its end.\nThat costs {price(prices, wanted.amounts, modes, region)}."
    )
    if not wanted.yes and not typer.confirm("\nMake it?"):
        console.print("Nothing was made.")
        return 1
    return _Run(container, settings, route, wanted, console).run(names, page)


def _cases(wanted: Wanted) -> list[str]:
    known = [case.name for cases in CASES.values() for case in cases]
    for name in wanted.cases:
        if name not in known:
            raise UsageError(f"--case: there is no {name!r}; there are {', '.join(known)}")
    return [name for name in known if name in wanted.cases or not wanted.cases]


class _Run:
    """One trial, as somebody sees it."""

    def __init__(
        self, container: Container, settings: Settings, route: RouteSettings, wanted: Wanted, console: Console
    ) -> None:
        self._container = container
        self._settings = settings
        self._route = route
        self._wanted = wanted
        self._console = console
        self._inbox: Inbox = ThreadInbox()
        self._target = container.targets()[route.name]
        endpoint = settings.aws.endpoint_urls.kinesis
        self._stand_in = endpoint if endpoint is not None and objection(endpoint) is not None else None

    def run(self, names: list[str], page: Path) -> int:
        """Play, tell each case as it comes, and write the page."""
        clock = self._container.clock()
        trial = Trial(self._target, self._parts(), self._wanted.amounts, pause_for)
        began, results, stopped, why = clock.wall(), list[Result](), False, None
        offered = {Need.EXPIRY} if self._wanted.wait_for_expiry else set[Need]()
        offered |= {Need.ON_DEMAND} if self._wanted.on_demand else set()
        with StopSignals(self._inbox, lambda: self._leave(trial)), self._progress() as tell:
            try:
                for result in trial.play(names, offered, tell):
                    results.append(result)
                    self._show(result)
            except StoppedError:
                stopped = True
            except NotMadeError as error:
                why = self._why(error)
        answers = "AWS" if self._stand_in is None else urlsplit(self._stand_in).netloc
        evidence = Evidence(
            results,
            version=self._container.version(),
            route=self._route.name,
            region=self._target.region,
            answers=answers,
            began=began,
            left=tuple(trial.left),
            stopped=stopped,
            with_account=self._wanted.with_account,
        )
        if results:
            _write(page, page_of(evidence))
            _write(page.with_suffix(".json"), json.dumps(data_of(evidence), indent=2) + "\n")
        return self._end(evidence, page, why)

    def _parts(self) -> Parts:
        container, role = self._container, self._route.stream.role
        clock, sessions, jitter = container.clock(), container.sessions(), container.jitter()
        rules = container.rules()
        (mine,) = [each for each in rules.roles if each.name == (role or AMBIENT_ROLE)]
        timeout = rules.limits.request_timeout
        leases = HeldLease(mine, container.authority(), clock, jitter, pause=pause_for, request_timeout=timeout)
        short = None
        if role is not None:
            chains = dict(to_role_chains(self._settings, hostname()))
            hops = chains[role].hops
            chains[role] = replace(
                chains[role], hops=(*hops[:-1], replace(hops[-1], duration_seconds=ROLE_SECONDS_MIN))
            )
            short = role, StsAuthority(chains, clock, new_session=sessions)
        own = None
        if self._stand_in is None:
            own = self._target, DryRuns(container.targets(), clock, self._pause, sessions)
        return Parts(clock, leases, jitter, self._pause, sessions, short=short, own=own)

    def _pause(self, wait: int) -> None:
        """Wait so many ns; raises StoppedError where somebody asked for an end."""
        clock = self._container.clock()
        until = clock.now() + wait
        while True:
            if self._inbox.drain():
                raise StoppedError
            left = until - clock.now()
            if left <= 0:
                return
            pause_for(min(left, SLICE_NS))

    def _leave(self, trial: Trial) -> None:
        """Go at once, by a second Ctrl-C, and name what is left."""
        lines = [f"doka: left behind: {remove_command(name, self._target.region)}" for name in trial.left]
        leave_now(lambda: typer.echo("\n".join(lines), err=True) if lines else None)

    # --- telling -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _progress(self) -> Iterator[Callable[[str], None]]:
        """Give what shows what is done now: a line that moves at a terminal."""
        # On the console that the cases are told on, where that is a terminal: the line then makes way for them.
        console = self._console if self._console.is_terminal else Console(stderr=True)
        if not console.is_terminal:
            yield lambda _doing: None
            return
        with Line("it begins", console=console) as moving:
            yield moving.update

    def _show(self, result: Result) -> None:
        mark, style = _MARKS[result.seen.outcome]
        shown = partial(without_accounts, wanted=self._wanted.with_account)
        answered = "" if result.seen.outcome is Outcome.LEFT_OUT else f": {shown(result.seen.answered)}"
        self._console.print(Text.assemble((mark, style), " ", (result.case.name, "bold"), answered))
        if result.seen.outcome is not Outcome.HOLDS:
            self._console.print(Text.assemble("    → ", shown(result.seen.design)))

    def _why(self, error: NotMadeError) -> str:
        """Say why no stream was made, and what to do about it."""
        refusal, role = error.refusal, self._route.stream.role or AMBIENT_ROLE
        if isinstance(refusal, LeaseRefused):
            cure = refusal.cure or cure_for_lease(refusal, self._settings.roles.get(role), role)
        elif "AccessDenied" in refusal.code:
            cure = "doka policy --for conformance prints what the role needs"
        elif refusal.code == "LimitExceededException":
            cure = "wait, remove streams, or have the account's quota of shards raised"
        else:
            index = self._settings.routes.index(self._route)
            cure = cure_for_stream(refusal, self._settings, self._route, index, self._target.region)
        return f"there is no stream to ask: {error}; {cure}"

    def _end(self, evidence: Evidence, page: Path, why: str | None) -> int:
        for name in evidence.left:
            command = remove_command(name, evidence.region)
            typer.echo(f"doka: the stream {name} could not be removed; remove it: {command}", err=True)
        if why is not None:
            typer.echo(f"doka: {evidence.shown(why)}", err=True)
        if self._wanted.as_json:
            print(json.dumps(data_of(evidence), indent=2))  # noqa: T201
        elif evidence.results:
            style = "bold green" if evidence.holds else "bold red"
            self._console.print(Text(f"\nOf {many(len(evidence.results), 'case')} {counted(evidence)}.", style))
            self._console.print(f"The evidence: {page}, and {page.with_suffix('.json')}")
        if evidence.stopped:
            typer.echo(
                "doka: it was stopped; what it made is removed" if not evidence.left else "doka: it was stopped",
                err=True,
            )
            raise typer.Abort
        return 0 if evidence.holds and why is None else 1


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--page {path} cannot be written: {error.strerror}; name a file in a folder that is there"
        ) from error
