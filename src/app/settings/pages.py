"""What the settings say of the pages: where they are served, and whether a person is shown one."""

from __future__ import annotations

from collections.abc import Callable

from doka.adapters.telemetry.http_server import HealthServer
from doka.adapters.telemetry.page.data import Service, Totals
from doka.adapters.telemetry.page.serving import StatusPage
from doka.app.settings.model import Settings
from doka.domain.ports import Clock


def to_server(settings: Settings, clock: Clock) -> HealthServer:
    """Give what listens at `http.host` and `http.port`, once it is opened."""
    return HealthServer(clock, settings.http.host, settings.http.port, settings.http.hosts)


def to_status_page(settings: Settings, clock: Clock, version: str, totals: Callable[[], Totals]) -> StatusPage | None:
    """Give what a person is shown of this process, by what counts its routes; None where nobody is."""
    streams = {route.name: route.stream.called for route in settings.routes}
    return StatusPage(clock, to_service(settings, version), streams, totals) if settings.http.page else None


def to_service(settings: Settings, version: str) -> Service:
    """Give what is told of the service as a whole."""
    runbook = settings.http.runbook
    return Service(version, settings.kafka.group_id, None if runbook is None else f"{runbook.rstrip('/')}/")
