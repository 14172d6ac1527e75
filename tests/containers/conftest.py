"""What all container tests share: whether an engine answers, and one real broker for each test process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.containers import engine
from tests.containers.kafka_broker import KafkaBroker, running_broker

FOLDER = "tests/containers/"
LANES = (
    ("test_audit.py", "test_kill_loop.py"),
    (
        "test_clock.py",
        "test_compose.py",
        "test_image.py",  # the image of test_compose.py, and so in its lane
        "test_instruments.py",
        "test_msk_iam.py",
        "test_readme.py",
    ),
    ("test_aggregated.py", "test_fire_kafka.py", "test_forwarding.py", "test_skip.py", "test_stop.py"),
    (
        "test_dead_letters.py",
        "test_kafka_group.py",
        "test_kafka_log.py",
        "test_kafka_security.py",
        "test_lag.py",
        "test_members.py",
        "test_ranges.py",
        "test_replay.py",
        "test_tail.py",
        "test_topic_anew.py",
        "test_unreadable.py",
    ),
    ("test_fatal.py", "test_memory.py", "test_msk_policy.py", "test_poison.py", "test_rack.py"),
)
"""Which files run one after the other, each lane in one process with a broker of its own; all others are a lane as well.

Each takes about as long. The first and the third lane need the processor; the others mostly wait.
"""


def lane_of(file: str) -> str:
    """Name the lane of a file."""
    return f"containers {next((lane for lane, files in enumerate(LANES, 1) if file in files), 0)}"


@pytest.hookimpl(tryfirst=True)  # before the marks are read, which a worker of pytest-xdist does in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder: `-m "not containers"` leaves them out, and as many workers run them all."""
    for item in items:
        if item.nodeid.startswith(FOLDER):
            item.add_marker(pytest.mark.containers)
            item.add_marker(pytest.mark.xdist_group(lane_of(item.path.name)))


@pytest.fixture(scope="session", autouse=True)
def container_engine() -> None:
    """Skip where no engine answers, with the reason in one line; fail instead when DOKA_CONTAINERS=required."""
    trouble = engine.trouble()
    if trouble is None:
        return
    reason = f"no container engine answers: {trouble}"
    if os.environ.get("DOKA_CONTAINERS") == "required":
        pytest.fail(f"{reason} (and DOKA_CONTAINERS=required)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def kafka_broker(container_engine: None) -> Iterator[KafkaBroker]:
    """Give a real broker that this process's tests share; a test takes topics and groups of its own in it."""
    with running_broker() as broker:
        yield broker


@pytest.fixture
def own_kafka_broker(container_engine: None) -> Iterator[KafkaBroker]:
    """Give a broker to this test alone, which may pause or stop it."""
    with running_broker() as broker:
        yield broker
