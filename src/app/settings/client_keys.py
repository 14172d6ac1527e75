"""Holds `kafka.client` to the Kafka adapter's allow-list: some librdkafka keys run code or switch checks off."""

from __future__ import annotations

from collections.abc import Iterator

from app.settings.model import Settings
from app.settings.problems import Problem

ALLOWED: frozenset[str] = frozenset()


def refused_client_keys(settings: Settings) -> Iterator[Problem]:
    """List the keys of `kafka.client` that the adapter does not take."""
    for key in settings.kafka.client:
        if key not in ALLOWED:
            yield Problem("is not a librdkafka key that doka passes on; leave it out", ("kafka", "client", key))
