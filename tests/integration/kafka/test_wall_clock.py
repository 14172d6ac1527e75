"""Waits end by the steady clock, whatever the wall clock does: the client's own do not, so it is never let wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.set_back import set_back

STILL_WAITS_SECONDS = 6.0
"""Longer than the client's statistics take to come, which wake a wait and do not end it."""


def longest_wait(cluster: KafkaCluster, who: str, folder: Path) -> float | None:
    """Give the longest wait of a member whose clock is set back in the middle of one (s); None where it did not end."""
    clock = set_back(folder)
    words = [sys.executable, "-m", "tests.integration.kafka.waits", cluster.bootstrap_servers, who, str(clock.moment)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, **clock.environment}) as child:
        try:
            return float(child.communicate(timeout=STILL_WAITS_SECONDS)[0])
        except subprocess.TimeoutExpired:
            assert clock.moment.exists(), "it was no member so soon: this proves nothing"
            return None
        finally:
            child.kill()


def test_the_client_itself_waits_by_the_wall_clock(cluster: KafkaCluster, tmp_path: Path) -> None:
    """Why the source never lets it wait: a wait of 100 ms, in which the clock is set back, lasts ten minutes longer."""
    assert longest_wait(cluster, "client", tmp_path) is None


def test_a_wait_of_the_source_ends_when_it_should(cluster: KafkaCluster, tmp_path: Path) -> None:
    """Records, probes and signals wait for no wall clock."""
    longest = longest_wait(cluster, "source", tmp_path)
    assert longest is not None
    assert longest < 1
