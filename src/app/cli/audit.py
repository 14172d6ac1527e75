"""`doka audit`: is what the group has committed in the stream? Record by record, from both sides themselves."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from doka.adapters.audit.file import AuditFile
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.system.inbox import ThreadInbox
from doka.adapters.system.signals import StopSignals
from doka.app.audit.page import render
from doka.app.audit.planning import check_held, identities_of, plan_of, terms_of
from doka.app.audit.reading import Reading
from doka.app.audit.screen import progress_on
from doka.app.audit.sides import Sides, route_named, sides_of
from doka.app.audit.telling import Found, as_json, show
from doka.app.check.cures import cure_for_reading
from doka.app.cli.times import is_ago, time_ms
from doka.app.config_options import ConfigOptions
from doka.app.service import build
from doka.app.settings.load import hostname, read_configuration
from doka.app.settings.mapping import stream_region
from doka.app.settings.model import Settings
from doka.domain.audit.fates import Terms
from doka.domain.audit.identity import Identities
from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.errors import UsageError
from doka.domain.events import LeaseRefused


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What a person asks for, as it was typed."""

    since: str | None
    until: str | None
    route: str | None
    group: str | None
    match: str | None
    read_share: float
    file: Path | None
    html: Path | None


@dataclass(frozen=True, slots=True)
class _Begun:
    """An audit whose file is open."""

    file: AuditFile
    path: Path
    identities: Identities
    missing: tuple[str, ...]


def audit(options: ConfigOptions, asked: AuditOptions, *, as_data: bool) -> int:
    """Compare both sides of a route, and tell; give 0 where nothing is lost, 1 where something is, 3 where a part is not known.

    Raises:
        UsageError: the words are wrong, or nothing can be audited.
    """
    if asked.html is not None and not asked.html.parent.is_dir():  # an hour later it would be a pity
        raise UsageError(f"--html {asked.html} is in a folder that is not there: make it, or name another file")
    settings = read_configuration(options)
    # What the parts would log is told as sentences; without a handler Python writes it between them.
    logging.getLogger("doka").addHandler(logging.NullHandler())
    container = build(settings, hostname())
    sides = sides_of(container, route_named(settings, asked.route), asked.read_share)
    try:
        begun = _begin(settings, sides, asked)
    except (NotToldError, StreamUnreadableError) as error:
        raise UsageError(f"nothing was audited: {_why(error, settings, sides)}") from error
    with begun.file as file:
        reading = Reading(sides, file, begun.identities)
        stopped_by = _read(reading, settings, sides)
        judgement = file.judge()
        found = Found(
            begun.path,
            file.terms,
            judgement,
            reading.progress.broken_aggregates,
            (*begun.missing, *reading.missing),
            stopped_by,
        )
        if asked.html is not None:
            _write(asked.html, render(found, file))
        if as_data:
            print(as_json(found, file))  # noqa: T201
        else:
            show(Console(highlight=False, soft_wrap=True, markup=False), found, file)
    return found.exit_code


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"--html {path} cannot be written: {error.strerror}; name a file in a folder that is there"
        ) from error


def _begin(settings: Settings, sides: Sides, asked: AuditOptions) -> _Begun:
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
        return _Begun(file, path, identities, ())
    if since_ms is None:
        raise UsageError("--since is missing: from when on records are compared, as 2026-08-01T00:00:00Z, or 63h")
    end_ms = round(wall * 1_000) if until_ms is None else until_ms
    if end_ms <= since_ms:
        raise UsageError("--until is not behind --since: nothing lies between them")
    terms = terms_of(sides, facts, identities.match, group, since_ms=since_ms, until_ms=end_ms)
    planned = plan_of(sides, terms, to_the_end=until_ms is None)
    return _Begun(AuditFile.create(path, terms, planned.plan), path, identities, tuple(planned.missing))


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


def _why(error: NotToldError | StreamUnreadableError, settings: Settings, sides: Sides) -> str:
    """Say why a side does not answer, and what to do about it."""
    if isinstance(error, NotToldError):
        return str(error)
    refusal = error.refusal
    words = f" ({refusal.message.rstrip('.')})" if refusal.message else ""
    if isinstance(refusal, LeaseRefused):
        return f"role {refusal.role} gives no credentials: {refusal.code}{words}; {refusal.cure}".removesuffix("; ")
    index = settings.routes.index(sides.route)
    cure = cure_for_reading(refusal, settings, sides.route, index, stream_region(settings, sides.route))
    return f"the stream {sides.route.stream.called} cannot be read back: {refusal.code}{words}; {cure}"
