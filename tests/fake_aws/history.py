"""What happened, kept so that a test can judge it: refusals, violations of the contract by the client, counts."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class Landed(NamedTuple):
    """One accepted record, in the order in which its stream took it."""

    stream: str
    shard: str
    partition_key: str | None
    explicit_hash_key: str | None
    data: bytes
    sequence_number: str
    request_id: str
    serial: int
    """Serial of the lease that signed the request; 0 for keys that do not end."""
    arrived_at: int
    """Ns on the service's clock for ages."""


class Refused(NamedTuple):
    """One request that was refused as a whole."""

    operation: str
    code: str
    status: int
    request_id: str
    serial: int | None
    entries: int
    at: int
    scripted: bool


class Violation(NamedTuple):
    """Something that no correct client does, whatever faults it meets; `kind` is one of the constants below."""

    kind: str
    detail: str
    operation: str
    request_id: str
    serial: int | None
    at: int


MIXED_TRIPLE = "mixed_triple"
"""Access key, secret and token did not come from one issue."""
STALE_SIGNATURE = "stale_signature"
"""The lease had ended, by what its owner was told, when the request arrived."""
WRONG_SIGNATURE = "wrong_signature"
"""The signature is no known secret's over this request."""
SKEWED_SIGNATURE = "skewed_signature"
"""The signature's date is more than five minutes from the service's."""
UNSIGNED = "unsigned"
"""No signature, or one that cannot be read, on an operation that needs it."""
UNKNOWN_KEY = "unknown_key"
"""The access key or the token was never issued."""
UNKNOWN_MEMBER = "unknown_member"
"""The body holds a member that the API does not know; the real service ignores it, so nothing else would tell."""


class History:
    """All that was refused or wrong so far, and counts of everything; appended to by the server's thread only."""

    def __init__(self) -> None:
        self.refused: list[Refused] = []
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()

    def clear(self) -> None:
        """Forget everything but what is open now."""
        self.refused.clear()
        self.violations.clear()
        self.counts.clear()
        self.most_in_flight.clear()

    def began(self, operation: str) -> None:
        """Count a request in, so that the most that were open together are known."""
        self.counts[operation] += 1
        self._in_flight[operation] += 1
        self.most_in_flight[operation] = max(self.most_in_flight[operation], self._in_flight[operation])

    def ended(self, operation: str) -> None:
        """Count a request out: answered, reset, or its client gone."""
        self._in_flight[operation] -= 1

    def refuse(self, refused: Refused) -> None:
        """Keep a refusal."""
        self.refused.append(refused)
        self.counts[f"{refused.operation}:{refused.code}"] += 1

    def violate(self, violation: Violation) -> None:
        """Keep a violation."""
        self.violations.append(violation)
        self.counts[f"violation:{violation.kind}"] += 1
