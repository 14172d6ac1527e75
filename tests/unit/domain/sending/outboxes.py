"""Outboxes for tests: what is let in, packed, and named."""

from __future__ import annotations

from doka.domain.held.budget import Budget
from doka.domain.held.ledger import HeldChunk, OffsetLedger
from doka.domain.poison.quarantine import Quarantine
from doka.domain.rules import LimitRules, OnPoison
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.put import Put
from tests.unit.domain.builders import SECOND, held, no_jitter

NOW = 100 * SECOND


def blocking() -> Quarantine:
    """Give where poison goes: it blocks."""
    return Quarantine("orders", OnPoison.BLOCK, 1, no_jitter)


def outbox(quarantine: Quarantine | None = None, *, shares: bool = False, **limits: int) -> Outbox:
    """Make an empty outbox with these limits."""
    return Outbox(LimitRules(**limits), Budget(10**9), quarantine or blocking(), shares=shares)


def admit(to: Outbox, owner: OffsetLedger, keys: str, start: int = 0, at: int = NOW, **changes: object) -> HeldChunk:
    """Let a chunk come in."""
    chunk = held(owner, keys, start, **changes)
    owner.append(chunk)
    to.admit(chunk, at)
    return chunk


def sent(put: Put | None) -> list[int]:
    """Name the records of a request by their offsets: the builders' values are the offsets."""
    return [] if put is None else [int(value) for value in put.values]


def pack(of: Outbox, number: int = 1, now: int = NOW) -> Put:
    """Pack a request that must not be empty."""
    put = of.pack(number, 1, now)
    assert put is not None
    return put
