"""What happens inside librdkafka's callbacks: nothing in there may cost a record, or the process."""

from __future__ import annotations

import gc
import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.source import KafkaSource
from doka.adapters.kafka.starting import ANSWER_SECONDS
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import CommitOffsets
from doka.domain.errors import InvariantError
from doka.domain.events import CommitAnswered
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import Listener, Member, member, numbered, produce, settings_for
from tests.waiting import eventually

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
BOTH = frozenset({P0, P1})


@pytest.mark.parametrize("call", ["consume", "list_topics"])
def test_the_client_aborts_on_re_entry(cluster: KafkaCluster, call: str) -> None:
    """Why the source refuses re-entry: such a call inside a callback ends the whole process, uncatchably."""
    command = [sys.executable, str(Path(__file__).with_name("aborts.py")), cluster.bootstrap_servers, call]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (-signal.SIGABRT, "") == (ended.returncode, ended.stdout)


def test_the_client_survives_a_callback_without_re_entry(cluster: KafkaCluster) -> None:
    """The same program without the forbidden call ends well: the abort is the call's, not the program's."""
    command = [sys.executable, str(Path(__file__).with_name("aborts.py")), cluster.bootstrap_servers, "nothing"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "alive\n") == (ended.returncode, ended.stdout)


def raised_by_turning(m: Member, kind: type[BaseException]) -> BaseException:
    """Turn until a fetch raises, and give what it raised."""
    caught: list[BaseException] = []

    def turned() -> bool:
        try:
            m.turn()
        except kind as error:
            caught.append(error)
        return bool(caught)

    eventually(turned, within=20, what="an exception out of fetch", every=0)
    return caught[0]


def test_fetching_inside_a_callback_is_refused(cluster: KafkaCluster) -> None:
    """A listener that fetches gets an error instead of an abort; it comes out of fetch, and no record is lost."""
    produce(cluster, "orders", {0: numbered(50), 1: numbered(50)})
    listener = Listener()

    with member(settings_for(cluster.bootstrap_servers, "orders"), listener) as m:

        def fetch() -> None:
            m.source.fetch(1, 0)

        listener.on_assigned = fetch
        error = raised_by_turning(m, InvariantError)
        m.until(lambda: m.records() == 100)

    assert "inside a rebalance callback" in str(error)
    assert (list(range(50)), list(range(50))) == (m.offsets(P0), m.offsets(P1))


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_listener_that_raises_on_assign_loses_nothing(
    cluster: KafkaCluster,
    kind: type[BaseException],
) -> None:
    """What a callback raises comes out of fetch, and all records are fed afterwards, once."""
    produce(cluster, "orders", {0: numbered(500), 1: numbered(500)})
    listener = Listener()

    def raise_once() -> None:
        listener.on_assigned = lambda: None
        raise kind("by the test")

    listener.on_assigned = raise_once
    with member(settings_for(cluster.bootstrap_servers, "orders"), listener) as m:
        raised_by_turning(m, kind)
        m.until(lambda: m.records() >= 1000)

    assert (list(range(500)), list(range(500))) == (m.offsets(P0), m.offsets(P1))


def test_a_listener_that_raises_on_revoke_loses_nothing(cluster: KafkaCluster) -> None:
    """The partitions that stay are fed without a hole though the revoke callback raised with records in hand."""
    produce(cluster, "orders", {0: numbered(2000), 1: numbered(2000)})
    listener = Listener()
    settings = settings_for(cluster.bootstrap_servers, "orders", group_protocol="consumer")

    def raise_once() -> None:
        listener.on_revoked = lambda: None
        raise RuntimeError("by the test")

    with member(settings, listener) as first:
        first.until(lambda: listener.owned == BOTH)
        listener.on_revoked = raise_once
        with member(settings) as second:
            error: list[BaseException] = []

            def turned() -> bool:
                second.turn(limit=1)
                try:
                    first.turn(limit=1, wait=1_000_000)
                except RuntimeError as raised:
                    error.append(raised)
                return bool(error) and len(second.listener.owned) == 1

            eventually(turned, within=60, what="a revoke that raised", every=0)
            (kept,) = BOTH - second.listener.owned
            first.until(lambda: len(first.offsets(kept)) >= 2000)

    assert list(range(2000)) == first.offsets(kept)


def test_an_exception_out_of_consume_loses_nothing(cluster: KafkaCluster) -> None:
    """A signal handler that raises destroys the batch in the client's hand; the source goes back to it."""
    produce(cluster, "orders", {0: numbered(20_000), 1: numbered(20_000)})

    class Alarmed(BaseException):
        """Raised by a signal handler, as KeyboardInterrupt is."""

    def alarmed(_signal: int, _frame: object) -> None:
        raise Alarmed

    raised = 0
    gc.disable()  # what is raised while it runs a callback, of which hypothesis has one, Python swallows
    before = signal.signal(signal.SIGALRM, alarmed)
    try:
        with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
            m.until(lambda: m.listener.owned == BOTH)
            while raised < 20 and m.records() < 39_000:
                fed = len(m.events)
                # From another thread, so that it arrives while the client works.
                timer = threading.Timer(0.002, signal.raise_signal, [signal.SIGALRM])
                try:
                    timer.start()  # on a busy machine it may go off before this returns
                    while timer.is_alive():
                        m.events += m.source.fetch(50, 3_000_000)
                    timer.join()
                except Alarmed:
                    raised += 1
                    assert len(m.events) >= fed
            m.until(lambda: m.records() >= 40_000, within=30)
    finally:
        signal.signal(signal.SIGALRM, before)
        gc.enable()

    assert raised > 0
    assert (list(range(20_000)), list(range(20_000))) == (m.offsets(P0), m.offsets(P1))


def test_a_commit_inside_the_revoke_callback_lands(cluster: KafkaCluster) -> None:
    """What the drain commits in the callback is what the next owner begins at: nothing is read twice."""
    produce(cluster, "orders", {0: numbered(100), 1: numbered(100)})
    settings = settings_for(cluster.bootstrap_servers, "orders", group_protocol="consumer")
    listener = Listener()

    with member(settings, listener) as first:
        first.until(lambda: first.records() == 200)
        listener.on_revoked = lambda: first.source.commit(CommitOffsets(1, {P0: 100, P1: 60}))
    with member(settings) as second:
        second.until(lambda: second.listener.owned == BOTH)

    assert [{P0: 100, P1: 60}] == second.listener.assigned


def test_partitions_that_were_revoked_are_not_fed(cluster: KafkaCluster) -> None:
    """While members come and go, none is fed a record of a partition that it does not own, and none is missed."""
    produce(cluster, "orders", {0: numbered(3000), 1: numbered(3000)})
    settings = settings_for(cluster.bootstrap_servers, "orders", group_protocol="consumer")
    serial = 0

    def commit(m: Member) -> None:
        nonlocal serial
        serial += 1
        reached = {p: m.offsets(p)[-1] + 1 for p in m.listener.owned if m.offsets(p)}
        if reached:
            m.source.commit(CommitOffsets(serial, reached))

    listener = Listener()
    with member(settings, listener) as first:
        listener.on_revoked = lambda: commit(first)
        first.until(lambda: first.records() > 50)
        with member(settings) as second:
            second.listener.on_revoked = lambda: commit(second)

            def shared() -> bool:
                first.turn(limit=3)  # Member.turn fails where a record of a partition is fed that is not owned
                second.turn(limit=3)
                return len(second.listener.owned) == 1

            eventually(shared, within=60, what="a partition for the second member", every=0)
            second.until(lambda: second.records() > 100)
        first.until(lambda: listener.owned == BOTH, within=60)
        first.until(lambda: {*first.offsets(P0), *second.offsets(P0)} == set(range(3000)), within=30)
        first.until(lambda: {*first.offsets(P1), *second.offsets(P1)} == set(range(3000)), within=30)

    for partition in BOTH:
        assert sorted([*first.offsets(partition), *second.offsets(partition)]) == list(range(3000))


def test_the_pause_flag_of_an_earlier_ownership_is_gone(cluster: KafkaCluster) -> None:
    """A partition that was revoked while paused is delivered when it comes back: the client would keep it silent."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(10)})
    settings = settings_for(cluster.bootstrap_servers, "orders", group_protocol="consumer")
    listener = Listener()

    with member(settings, listener) as first:
        first.until(lambda: first.records() == 20)
        first.source.pause(BOTH)
        with member(settings) as second:

            def shared() -> bool:
                first.turn()
                second.turn()
                return len(second.listener.owned) == 1

            eventually(shared, within=60, what="a partition for the second member", every=0)
            (moved,) = second.listener.owned
        first.until(lambda: listener.owned == BOTH, within=60)
        produce(cluster, "orders", {moved.partition: numbered(5)})
        first.until(lambda: first.offsets(moved)[-1] == 14)

    assert first.offsets(moved)[-5:] == list(range(10, 15))


def test_commits_are_answered_by_their_serial(cluster: KafkaCluster) -> None:
    """Each commit that was sent is answered once, in order, under its own number."""
    produce(cluster, "orders", {0: numbered(10)})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.records() == 10)
        for serial in range(1, 6):
            m.source.commit(CommitOffsets(serial, {P0: serial}))
        m.until(lambda: len([e for e in m.events if isinstance(e, CommitAnswered)]) == 5)

    assert [CommitAnswered(serial) for serial in range(1, 6)] == [e for e in m.events if isinstance(e, CommitAnswered)]


def test_an_assignment_that_comes_while_leaving_is_not_taken_over(
    cluster: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that leaves is told no offsets any more, so none are asked for: it leaves at once."""
    caplog.set_level(logging.DEBUG, logger="doka.kafka")
    settings = settings_for(cluster.bootstrap_servers, "orders")
    took: list[float] = []

    def leaves_with_an_assignment_in_hand() -> bool:
        """Join, and leave without having polled: the assignment waits for a poll, once the group has given it."""
        source, listener = KafkaSource(settings, SystemClock()), Listener()
        source.open(listener)
        until = time.monotonic() + 0.05 * (len(took) + 1)  # how long the group takes shows nowhere but in a poll
        eventually(lambda: time.monotonic() >= until, what="the group's assignment, maybe")
        began = time.monotonic()
        source.close()
        took.append(time.monotonic() - began)
        assert [] == listener.assigned
        return "not taken over, for a stop: orders[0], orders[1]" in caplog.text

    eventually(leaves_with_an_assignment_in_hand, what="an assignment in hand")
    assert max(took) < ANSWER_SECONDS
