"""The keys of the client that sends dead letters, each with its reason."""

from __future__ import annotations

from typing import Any, Final

from doka.adapters.kafka.client_settings import Oauth, checked_client_keys, connection_settings
from doka.adapters.kafka.settings import MemberSettings

LETTERS_MAX: Final = 1_000  # under way at a time; ten minutes of poison at the usual bound
HELD_SHARE: Final = 16  # a sixteenth of the held bytes may be copied into letters under way
DELIVERY_MS: Final = 30_000  # a restarted broker is back by then; after it the domain is told, and sends again
REQUEST_MS: Final = 15_000  # the brokers' time to gather the in-sync replicas' acknowledgements; two fit into the above
MESSAGE_BYTES_MAX: Final = 1_000_000_000  # librdkafka's own bound: what is too large, the broker shall say

_CONSUMERS_OWN: Final = (
    "fetch.",
    "heartbeat.",
    "max.partition.",
    "max.poll.",
    "message.max.bytes",
    "queued.",
    "session.",
)
"""Beginnings of the operator's keys that are for reading alone, or that would mean something else for a letter."""


def letter_settings(settings: MemberSettings, oauth: Oauth | None = None) -> dict[str, Any]:
    """Give all keys of the producer; raises UsageError for what cannot be."""
    client = checked_client_keys(settings.client)
    return {
        **connection_settings(settings, oauth),
        "client.id": f"{settings.client_id}-letters",
        **{key: value for key, value in client.items() if not key.startswith(_CONSUMERS_OWN)},
        # A letter counts when all in-sync replicas hold it, or its record would be settled by one broker's memory.
        "acks": "all",
        # What the client itself sends again is not stored twice.
        "enable.idempotence": True,
        "delivery.timeout.ms": DELIVERY_MS,
        "request.timeout.ms": REQUEST_MS,
        # A batch is refused as a whole: one letter each, so that no letter is refused for its neighbour's size.
        "batch.num.messages": 1,
        "linger.ms": 0,
        "message.max.bytes": MESSAGE_BYTES_MAX,
        # A record may be small in its topic only because its producer compressed it; as large as it is once unpacked,
        # it would not fit into a letter topic of the same limit.
        "compression.type": "zstd",
        # The bound in bytes is our own: librdkafka's would refuse a letter above it for ever.
        "queue.buffering.max.messages": 2 * LETTERS_MAX,
        "queue.buffering.max.kbytes": 2_097_151,
        # The same partition as Java's producers choose, so a key's letters stand in one partition, in order.
        "partitioner": "murmur2_random",
        # A missing topic is to be reported; making it here would hide a misspelt name.
        "allow.auto.create.topics": False,
        # How long an unknown topic is waited for, and how soon a cured one is noticed.
        "topic.metadata.propagation.max.ms": 5_000,
        "topic.metadata.refresh.interval.ms": 10_000,
    }
