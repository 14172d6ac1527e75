"""`doka audit`: is what the group has committed in the stream? Record by record, from both sides themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from doka.adapters.audit.file import AuditFile
from doka.adapters.aws.held_lease import pause_for
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.system.inbox import ThreadInbox
from doka.adapters.system.signals import StopSignals
from doka.adapters.system.watchdog import leave_now
from doka.adapters.telemetry.audit_telemetry import AuditTelemetry
from doka.app.audit.continuous import Continuous
from doka.app.audit.page import render
from doka.app.audit.planning import MISSING, Begun, check_held, identities_of, plan_of, terms_of
from doka.app.audit.reading import Reading
from doka.app.audit.screen import progress_on
from doka.app.audit.sides import Sides, sides_of
from doka.app.audit.telling import as_json, found_by, show
from doka.app.audit.windows import Windows
from doka.app.check.cures import cure_for_reading
from doka.app.cli.routes import route_named, routes_named
from doka.app.cli.times import is_ago, span_seconds, time_ms
from doka.app.config_options import ConfigOptions
from doka.app.container import Container
from doka.app.matched import read_matched
from doka.app.service import LAST_LINES_SECONDS, build, build_quiet
from doka.app.settings.load import hostname
from doka.app.settings.mapping import stream_region
from doka.app.settings.model import Settings
from doka.domain.audit.fates import Terms
from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.errors import UsageError
from doka.domain.events import LeaseRefused
from doka.domain.limits import NS_PER_SECOND


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What a person asks for, as it was typed."""

    since: str | None
    until: str | None
    last: str | None
    every: str | None
    route: str | None
    group: str | None
    match: str | None
    read_share: float
    file: Path | None
    html: Path | None


def audit(options: ConfigOptions, asked: AuditOptions, *, as_data: bool) -> int:
    """Compare both sides of a route, and tell; give 0 where nothing is lost, 1 where something is, 3 where a part is not known.

    With `every` it goes on until it is stopped, and gives 0, or 1 where something is lost by then.

    Raises:
        UsageError: the words are wrong, or nothing can be audited.
    """
    if asked.html is not None and not asked.html.parent.is_dir():  # an hour later it would be a pity
        raise UsageError(f"--html {asked.html} is in a folder that is not there: make it, or name another file")
    _check(asked, as_data=as_data)
    settings = read_matched(options)
    if asked.every is not None:
        return _go_on(build(settings, hostname()), settings, asked)
    container = build_quiet(settings, hostname())
    sides = sides_of(container, route_named(settings.routes, asked.route), asked.read_share)
    windows = None if asked.last is None else _windows(settings, sides, asked)
    while True:
        try:
            begun = _begin(settings, sides, asked) if windows is None else windows.begin()
        except (NotToldError, StreamUnreadableError) as error:
            raise UsageError(f"nothing was audited: {_why(error, settings, sides)}") from error
        with begun.file as file:
            reading = Reading(sides, file, begun.identities)
            stopped_by = begun.unreadable or _read(reading, settings, sides)
            found = found_by(begun, reading, stopped_by)
            if windows is not None and stopped_by in {None, begun.unreadable}:
                windows.finish(file)
            if asked.html is not None:
                _write(asked.html, render(found, file))
            if as_data:
                print(as_json(found, file))  # noqa: T201
            else:
                show(Console(highlight=False, soft_wrap=True, markup=False), found, file)
        if windows is None or not begun.goes_on or stopped_by is not None:
            return found.exit_code


def _check(asked: AuditOptions, *, as_data: bool) -> None:
    """See that what is asked for goes together. Raises UsageError."""
    if asked.last is not None or asked.every is not None:
        for given, name in ((asked.since, "--since"), (asked.until, "--until")):
            if given is not None:
                raise UsageError(
                    f"{name} is for one audit of a window that you name: leave it out, or --last and --every"
                )
    if asked.every is not None and (as_data or asked.html is not None):
        raise UsageError("--every tells by its log and its metrics: leave --json and --html out, or --every")


def _windows(settings: Settings, sides: Sides, asked: AuditOptions) -> Windows:
    """Give the windows of a route, in the file that is named, or in that of the route."""
    path = asked.file or Path(f"doka-audit-{sides.route.name}.duckdb")
    last = span_seconds("--last", asked.last or asked.every or "")
    return Windows(sides, path, asked.group or settings.kafka.group_id, asked.match, last * 1_000)


def _go_on(container: Container, settings: Settings, asked: AuditOptions) -> int:
    """Audit all routes, or the one that is named, again and again, and answer for it over HTTP."""
    every_ns = span_seconds("--every", asked.every or "") * NS_PER_SECOND
    routes = routes_named(settings.routes, asked.route)
    if asked.file is not None and len(routes) > 1:
        raise UsageError(
            f"--file is of one route: name it by --route, or leave --file out; there are {len(routes)} routes"
        )
    sides = {route.name: sides_of(container, route, asked.read_share) for route in routes}
    windows = {name: _windows(settings, each, asked) for name, each in sides.items()}
    for each in windows.values():
        each.check_file()
    telemetry = AuditTelemetry(
        container.clock(),
        container.log(),
        container.server(),
        version=container.version(),
        routes=sides,
        every_ns=every_ns,
    )
    inbox = ThreadInbox()
    with StopSignals(inbox, lambda: leave_now(lambda: None)):
        telemetry.open()
        try:
            code = Continuous(
                windows,
                every_ns,
                container.clock(),
                telemetry,
                why=lambda route, error: _why(error, settings, sides[route]),
                stopped=lambda: bool(inbox.drain()),
                rest=pause_for,
            ).run()
            lost = "; something is lost" if code else ""
            telemetry.ended(code, f"it was stopped{lost}")
        finally:
            telemetry.close(LAST_LINES_SECONDS)
    return code


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--html {path} cannot be written: {error.strerror}; name a file in a folder that is there"
        ) from error


def _begin(settings: Settings, sides: Sides, asked: AuditOptions) -> Begun:
    """Open the audit file that is named, or plan a new audit and make its file."""
    wall = sides.clock.wall()
    now = datetime.fromtimestamp(wall, UTC)
    path = asked.file or Path(f"doka-audit-{sides.route.name}-{now:%Y%m%dT%H%M%SZ}.duckdb")
    facts = sides.stream.facts()
    identities = identities_of(sides, facts, asked.match)
    group = asked.group or settings.kafka.group_id
    since_ms = None if asked.since is None else time_ms("--since", asked.since, wall)
    until_ms = None if asked.until is None else time_ms("--until", asked.until, wall)
    if path.exists():
        terms = _terms_of_file(path)
        # A time that is counted from now was another when it began; so was the end of one that went up to then.
        since = terms.since_ms if since_ms is None or is_ago(asked.since or "") else since_ms
        until = terms.until_ms if until_ms is None or is_ago(asked.until or "") else until_ms
        same = terms_of(sides, facts, identities.match, group, since_ms=since, until_ms=until)
        file = AuditFile.open(path, same)
        try:
            check_held(sides.stream.reader, path, file)
        except BaseException:
            file.close()
            raise
        return Begun(file, path, identities, ())
    if since_ms is None:
        raise UsageError(
            "--since is missing: from when on records are compared, as 2026-08-01T00:00:00Z, or 63h; or --last 1h"
        )
    end_ms = round(wall * 1_000) if until_ms is None else until_ms
    if end_ms <= since_ms:
        raise UsageError("--until is not behind --since: nothing lies between them")
    terms = terms_of(sides, facts, identities.match, group, since_ms=since_ms, until_ms=end_ms)
    planned = plan_of(sides, terms, to_the_end=until_ms is None)
    file = AuditFile.create(path, terms, planned.plan, notes={MISSING: list(planned.missing)})
    return Begun(file, path, identities, tuple(planned.missing))


def _terms_of_file(path: Path) -> Terms:
    with AuditFile.open(path) as file:
        return file.terms


def _read(reading: Reading, settings: Settings, sides: Sides) -> str | None:
    """Read both sides; give why not all was read, as a clause, or None."""
    inbox = ThreadInbox()
    with StopSignals(inbox, _interrupt), progress_on(Console(stderr=True, highlight=False), sides.clock) as tell:
        try:
            return None if reading.run(tell, lambda: bool(inbox.drain())) else "it was stopped"
        except (NotToldError, StreamUnreadableError) as error:
            return _why(error, settings, sides)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _why(error: Exception, settings: Settings, sides: Sides) -> str:
    """Say why a side does not answer, and what to do about it."""
    if not isinstance(error, StreamUnreadableError):
        return str(error)
    refusal = error.refusal
    words = f" ({refusal.message.rstrip('.')})" if refusal.message else ""
    if isinstance(refusal, LeaseRefused):
        return f"role {refusal.role} gives no credentials: {refusal.code}{words}; {refusal.cure}".removesuffix("; ")
    index = settings.routes.index(sides.route)
    cure = cure_for_reading(refusal, settings, sides.route, index, stream_region(settings, sides.route))
    return f"the stream {sides.route.stream.called} cannot be read back: {refusal.code}{words}; {cure}"
