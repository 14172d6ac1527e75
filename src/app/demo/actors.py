"""Who may stand between the demo's two worlds: doka, or the service of the incident."""

from __future__ import annotations

import threading
from typing import Any, Protocol

import boto3

from doka.adapters.system.signals import StopSignals
from doka.app.demo.figures import Figures
from doka.app.demo.original import OriginalService
from doka.app.demo.stage import GROUP, REGION, ROLE, STREAM, TOPIC, Stage, service_for, settings_for
from doka.app.service import serve
from doka.domain.errors import UsageError
from doka.domain.events import Event, LeaseIssued, StopRequested
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND


class Actor(Protocol):
    """A service as the demo sees it; `run` stays on the main thread, the others are for the watcher's."""

    def run(self) -> None:
        """Forward until stopped."""
        ...

    def stop(self, reason: str) -> None:
        """Ask it to end."""
        ...

    def moved(self) -> int:
        """Count the records that the committed offsets cover."""
        ...

    def lease_left(self, now: int) -> float | None:
        """Seconds until the lease in use ends."""
        ...

    def blocked(self) -> str | None:
        """Why it does not deliver; None while it does."""
        ...

    def lines(self) -> list[str]:
        """Give the last outcomes in words."""
        ...


class DokaActor:
    """The real service, from the real container."""

    def __init__(self, stage: Stage, policy: str) -> None:
        self.figures = Figures()
        self._container = service_for(settings_for(stage, policy), self.figures)

    def run(self) -> None:
        """Forward until stopped."""
        serve(self._container)

    def stop(self, reason: str) -> None:
        """Ask it to end."""
        self._container.inbox().put(StopRequested(reason))

    def moved(self) -> int:
        """Count the records that the committed offsets cover."""
        return self.figures.committed()

    def lease_left(self, now: int) -> float | None:
        """Seconds until the lease in use ends."""
        return self.figures.lease_left(now)

    def blocked(self) -> str | None:
        """Why it does not deliver; None while it does."""
        return self.figures.blocked

    def lines(self) -> list[str]:
        """Give the last outcomes in words."""
        return list(self.figures.lines)


class OriginalActor:
    """The service of the incident."""

    def __init__(self, stage: Stage) -> None:
        self._stop = threading.Event()
        self._gate = stage.gate
        settings = settings_for(stage, "never")
        issued = service_for(settings, Figures()).authority().issue(ROLE)
        if not isinstance(issued, LeaseIssued):
            raise UsageError(f"the demo's STS gave no token: {issued}")
        self._lease = issued.lease
        self._service = OriginalService(self._client, stage.bootstrap_servers, TOPIC, GROUP, STREAM)

    def _client(self, lease: Lease) -> Any:
        triple = lease.secrets
        return boto3.session.Session(triple.access_key, triple.secret_key, triple.token, region_name=REGION).client(
            "kinesis", endpoint_url=self._gate.url
        )

    def run(self) -> None:
        """Forward until stopped."""
        with StopSignals(_StopOnSignal(self._stop)):
            self._service.run(self._lease, self._stop)

    def stop(self, reason: str) -> None:  # noqa: ARG002 - it never said why it ended
        """Ask it to end."""
        self._stop.set()

    def moved(self) -> int:
        """Count the records that the committed offsets cover."""
        return self._service.consumed

    def lease_left(self, now: int) -> float | None:
        """Seconds until the lease in use ends."""
        return max(0, (self._lease.ends_at or 0) - now) / NS_PER_SECOND

    def blocked(self) -> str | None:
        """Nothing ever stops it; that is what was wrong with it."""
        return None

    def lines(self) -> list[str]:
        """Give the error that it swallows."""
        if self._service.last_error is None:
            return []
        return [f"{self._service.swallowed} records refused; logged, swallowed: {self._service.last_error}"]


class _StopOnSignal:
    """An inbox for nothing but the wish to stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def put(self, event: Event) -> None:  # noqa: ARG002 - whatever it is, it is a stop
        self._stop.set()

    def drain(self) -> list[Any]:
        return []
