from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from doka.app.check.advice import AdvisedAuthority
from doka.app.check.cures import cure_for_lease
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease, Secrets
from tests.unit.app.settings.given import settings


@dataclass
class Told:
    """An authority that answers what it was told to."""

    answer: LeaseIssued | LeaseRefused

    def issue(self, role: str) -> LeaseIssued | LeaseRefused:
        """Give it."""
        return self.answer


@pytest.mark.parametrize("role", ["analytics", "ambient"])
def test_a_refusal_brings_the_cure_of_its_role(role: str) -> None:
    """It is what `doka check` would say, with nothing else changed."""
    refused = LeaseRefused(role, "AccessDenied", "no")
    cure = cure_for_lease(refused, settings().roles.get(role), role)
    assert replace(refused, cure=cure) == AdvisedAuthority(Told(refused), settings()).issue(role)


def test_a_lease_is_passed_on() -> None:
    """It is the very one that was issued."""
    issued = LeaseIssued(Lease(1, "analytics", Secrets("key", "secret", "token"), 0, None, None))
    assert AdvisedAuthority(Told(issued), settings()).issue("analytics") is issued
