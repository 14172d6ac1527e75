"""Where leases come from: STS through a chain of roles, or the ambient credentials as they are.

It must never raise for what a service answers or fails to answer, never let a secret out except inside a lease, and
never give a lease that ends later than what STS said.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Mapping
from functools import partial

import botocore.session

from doka.adapters.aws.clock import ServiceClock
from doka.adapters.aws.session import NewSession
from doka.adapters.aws.sts.ambient import AmbientCredentials, SessionFactory
from doka.adapters.aws.sts.assume import RoleAssumer
from doka.adapters.aws.sts.grant import Grant, RefusedError
from doka.adapters.aws.sts.settings import AMBIENT_ROLE, RoleChain
from doka.adapters.aws.sts.sources import AmbientSession
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

logger = logging.getLogger("doka.sts")

HOP_KEPT_UNTIL_NS = 60 * NS_PER_SECOND
"""A session on the way to the last role is used again while more than this, or a third of its life, is left."""


class StsAuthority:
    """Issues leases, as `domain.ports.Authority`; each `issue` asks for new ones, and the serials of a process ascend.

    Without a `base_session_factory`, that of the ambient credentials is among `chains`: its region and endpoint hold for
    what boto3's own search asks of STS.

    Safe from several threads: a slow answer for one role delays no other.
    """

    def __init__(
        self,
        chains: Mapping[str, RoleChain],
        clock: Clock,
        base_session_factory: SessionFactory | None = None,
        new_session: NewSession = botocore.session.Session,
    ) -> None:
        service_clock = ServiceClock(clock)
        if base_session_factory is None:
            own = chains[AMBIENT_ROLE]
            base_session_factory = partial(AmbientSession, own.region, own.sts_endpoint_url, new_session)
        ambient = AmbientCredentials(clock, service_clock, base_session_factory)
        assumer = RoleAssumer(clock, service_clock, new_session)
        ways = {AMBIENT_ROLE: RoleChain(AMBIENT_ROLE, region=""), **chains}
        self._ways = {role: _Way(chain, clock, ambient, assumer) for role, chain in ways.items()}
        self._serials = itertools.count(1)  # its `next` is atomic

    def issue(self, role: str) -> LeaseIssued | LeaseRefused:
        """Give a new lease of a role, or say why there is none this time."""
        way = self._ways.get(role)
        if way is None:
            return LeaseRefused(role, "UnknownRole", "the configuration has no role of this name")
        try:
            grant = way.grant()
        except RefusedError as refused:
            return refused.event(role)
        except Exception as error:  # noqa: BLE001 - a library's surprise is an answer like any other
            # The text of an unknown error may hold anything, a secret too; its class is enough to find the place.
            return LeaseRefused(role, type(error).__name__, "an unexpected error while asking for credentials")
        serial = next(self._serials)
        logger.debug("lease %d of role %s: %s", serial, role, way)
        return LeaseIssued(Lease(serial, role, grant.secrets, grant.issued_at, grant.ends_at, grant.account_id))


class _Way:
    """The way into one role; keeps the sessions between its hops while they live, one question at a time."""

    def __init__(self, chain: RoleChain, clock: Clock, ambient: AmbientCredentials, assumer: RoleAssumer) -> None:
        self._chain = chain
        self._clock = clock
        self._ambient = ambient
        self._assumer = assumer
        self._lock = threading.Lock()
        self._kept: dict[int, Grant] = {}
        self._last: Secrets | None = None

    def __str__(self) -> str:
        """Name the way: the roles in turn, or the source of the process's own credentials."""
        return " then ".join(hop.role_arn for hop in self._chain.hops) or "the credentials of this process, as they are"

    def grant(self) -> Grant:
        with self._lock:
            if not self._chain.hops:
                grant = self._ambient.current(unless=self._last)
                self._last = grant.secrets
                return grant
            return self._walk()

    def _walk(self) -> Grant:
        first, grant = self._start()
        for index in range(first, len(self._chain.hops)):
            try:
                grant = self._assumer.assume(self._chain, index, grant.secrets)
            except RefusedError as refused:
                if refused.identity_refused:
                    self._kept.clear()
                    self._ambient.forget()
                raise
            if index < len(self._chain.hops) - 1:
                self._kept[index] = grant
        return grant

    def _start(self) -> tuple[int, Grant]:
        """Give the first hop to ask for, and what signs that question: the furthest session that still lives."""
        now = self._clock.now()
        for index in sorted(self._kept, reverse=True):
            if self._kept[index].lives_beyond(now, HOP_KEPT_UNTIL_NS):
                return index + 1, self._kept[index]
        return 0, self._ambient.current()
