"""Holds `kafka.client` to the Kafka adapter's allow-list: some librdkafka keys run code or switch checks off."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from doka.adapters.kafka.client_settings import ALLOWED_CLIENT_KEYS
from doka.app.settings.model import Settings
from doka.app.settings.problems import Problem

# With KIP-848 these are the broker's to decide, and librdkafka refuses to start with them.
BROKERS_OWN = frozenset({"session.timeout.ms", "heartbeat.interval.ms"})


def refused_client_keys(settings: Settings) -> Iterator[Problem]:
    """List the keys of `kafka.client` that may not be set, or do not fit."""
    kafka = settings.kafka
    for key in kafka.client:
        if key not in ALLOWED_CLIENT_KEYS:
            near = difflib.get_close_matches(key, sorted(ALLOWED_CLIENT_KEYS), n=1)
            hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(sorted(ALLOWED_CLIENT_KEYS))}"
            yield Problem(f"may not be set; {hint}", ("kafka", "client", key))
        elif key in BROKERS_OWN and kafka.group_protocol == "consumer":
            told = "is the broker's to decide with group_protocol: consumer; leave it out"
            yield Problem(told, ("kafka", "client", key))
    poll = kafka.client.get("max.poll.interval.ms")
    least = 2_000 * settings.limits.drain_seconds
    if poll is not None and (not str(poll).isdecimal() or int(poll) < least):
        told = f"must be a whole number of at least {least:.0f} (twice limits.drain_seconds), since a drain holds up polling"
        yield Problem(told, ("kafka", "client", "max.poll.interval.ms"))
