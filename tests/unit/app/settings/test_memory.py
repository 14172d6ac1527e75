"""One budget, and no byte of it twice."""

from __future__ import annotations

import pytest

from doka.adapters.kafka.client_settings import consumer_settings
from doka.adapters.kafka.letter_settings import HELD_SHARE
from doka.adapters.kafka.settings import MemberSettings
from doka.app.settings.memory import BASE64, body_bytes, key_cache_bytes, record_bytes, request_bytes
from doka.app.settings.model import MIB


@pytest.mark.parametrize("held_mib", [8, 64, 1_024])
def test_the_shares_are_the_whole(held_mib: int) -> None:
    """Records, Kafka's queue with an answer beside it, bodies, caches and letters together are not more than the budget."""
    budget = held_mib * MIB
    keys = consumer_settings(MemberSettings(("b:9092",), "g", frozenset({"t"}), held_bytes=budget))
    kafka = keys["queued.max.messages.kbytes"] * 1024 + keys["fetch.max.bytes"]
    caches = 3 * key_cache_bytes(held_mib)
    assert record_bytes(held_mib) + kafka + body_bytes(held_mib) + caches + budget // HELD_SHARE <= budget


@pytest.mark.parametrize("held_mib", [8, 64, 1_024])
def test_two_of_the_largest_requests_fit(held_mib: int) -> None:
    """A request never takes all there is for bodies, and never more than was asked for."""
    assert 2 * BASE64 * request_bytes(held_mib, 10) <= body_bytes(held_mib)
    assert request_bytes(held_mib, 1) <= MIB
