"""Asks which topic stands behind each name: one that was deleted and made again has another id.

Offsets cannot tell: a new log that has grown past the old offset is read on as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection

from doka.adapters.kafka.client import ClientLog, answer_of, new_admin_client
from doka.domain.ports import Clock

ANSWER_SECONDS: Final = 10.0
NO_ID: Final = "AAAAAAAAAAAAAAAAAAAAAA"  # sixteen zeros: what a cluster without ids says


def topic_ids(connection: Mapping[str, Any], clock: Clock, topics: tuple[str, ...]) -> dict[str, str]:
    """Give the id of each topic that has one and may be seen; never creates a topic."""
    client = new_admin_client({**connection, "logger": ClientLog(clock, quiet=True)})
    found: dict[str, str] = {}
    for topic, future in client.describe_topics(TopicCollection(list(topics)), request_timeout=ANSWER_SECONDS).items():
        try:
            told = answer_of(future, 2 * ANSWER_SECONDS).topic_id
        except KafkaException:
            continue  # missing, refused, or nobody answers: another look tells
        if told is not None and str(told) != NO_ID:
            found[topic] = str(told)
    return found
