"""An authority whose refusals say what helps, so that the service's own log line does and not only `doka check`.

The domain carries the words and never reads them.
"""

from __future__ import annotations

from dataclasses import replace

from doka.app.check.cures import cure_for_lease
from doka.app.settings.model import Settings
from doka.domain.events import Event, LeaseRefused
from doka.domain.ports import Authority


class AdvisedAuthority:
    """Issues what `authority` issues, as `domain.ports.Authority`; to a refusal it adds the cure by these settings."""

    def __init__(self, authority: Authority, settings: Settings) -> None:
        self._authority = authority
        self._roles = settings.roles

    def issue(self, role: str) -> Event:
        """Give a new lease of a role, or say why there is none this time, and what helps."""
        answer = self._authority.issue(role)
        if isinstance(answer, LeaseRefused):
            return replace(answer, cure=cure_for_lease(answer, self._roles.get(role), role))
        return answer
