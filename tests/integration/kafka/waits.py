"""Run by a test in a process of its own: a member that waits 100 ms at a time, and whose wall clock is set back meanwhile.

It writes how long the longest of its waits was (s), unless one of them does not end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

from confluent_kafka import Consumer

from doka.adapters.kafka.client_stats import STATS_EVERY_MS
from doka.adapters.kafka.source import KafkaSource
from doka.adapters.system.clock import SystemClock
from doka.domain.events import Event
from doka.domain.limits import NS_PER_SECOND, SERVE_CALLBACKS_NS
from tests.integration.kafka.group import Listener, settings_for
from tests.waiting import eventually

WAIT_SECONDS = SERVE_CALLBACKS_NS / NS_PER_SECOND
WAITS = 10
PARTITIONS = 2
QUIET_WAITS = 5  # in which what comes with an assignment has come


def by_the_client(servers: str) -> tuple[Callable[[], object], Callable[[], bool]]:
    """Let the client itself wait; its statistics come as often as doka's."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "waits",
            "statistics.interval.ms": STATS_EVERY_MS,
            "stats_cb": lambda _: None,
        }
    )
    consumer.subscribe(["orders"])
    return lambda: consumer.consume(1, WAIT_SECONDS), lambda: bool(consumer.assignment())


def by_the_source(servers: str) -> tuple[Callable[[], object], Callable[[], bool]]:
    """Wait as doka does; it is told the ends of both partitions once, and then nothing comes."""
    source, told = KafkaSource(settings_for(servers, "orders"), SystemClock()), list[Event]()
    source.open(Listener())
    return lambda: told.extend(source.fetch(1, SERVE_CALLBACKS_NS)), lambda: len(told) == PARTITIONS


def main(servers: str, who: str, moment: str) -> None:
    """Wait until it is a member, and some times more; the clock is set back in the middle of the first of those."""
    wait, is_member = {"client": by_the_client, "source": by_the_source}[who](servers)
    eventually(lambda: (wait(), is_member())[1], what="an assignment", every=0)
    for _ in range(QUIET_WAITS):
        wait()
    Timer(WAIT_SECONDS / 2, Path(moment).touch).start()
    longest = 0.0
    for _ in range(WAITS):
        began = time.monotonic()
        wait()
        longest = max(longest, time.monotonic() - began)
    sys.stdout.write(f"{longest}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
