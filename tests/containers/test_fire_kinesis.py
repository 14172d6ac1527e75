"""Puts under fire, through the real service and a real broker: refusals, resets, and a lease that ends while it sleeps."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.containers.kafka_broker import KafkaBroker
from tests.containers.line import KEYS, SOON_DEAD, line
from tests.fake_aws import FailEntries, FakeAwsProcess, Reset
from tests.fake_aws.history import STALE_SIGNATURE
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

RECORDS = 4_000


@pytest.mark.parametrize(
    ("code", "share", "records"),
    [("ProvisionedThroughputExceededException", 0.5, RECORDS // 8), ("InternalFailure", 0.01, RECORDS)],
)
def test_refused_entries_keep_the_order_of_their_keys(
    kafka_broker: KafkaBroker,
    fake_aws_process: FakeAwsProcess,
    tmp_path: Path,
    *,
    share: float,
    records: int,
    code: str,
) -> None:
    """With 100 keys and puts of 15 to 25 ms, refused entries go again before what follows them: each lands once."""
    fire = line(kafka_broker, fake_aws_process, records)
    fire.aws.inject(FailEntries(code, fraction=share), times=None)
    with fire.doka(tmp_path) as doka:
        fire.wait_until_all_is_committed()
        assert 0 == doka.stop()
    verdict, refused = fire.verdict(), fire.aws.counts()[f"records:{code}"]
    print(f"{verdict}; {refused} entries refused")  # noqa: T201
    assert refused >= share * records / 2, "too few were refused to prove anything"
    verdict.assert_kept(at_least=records)
    assert [] == fire.aws.violations()


def test_resets_after_acceptance_repeat_what_was_counted(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """A connection that is torn after its put was accepted: each of its records lands twice, is counted, and keeps order."""
    fire = line(kafka_broker, fake_aws_process, RECORDS)
    resets = fire.aws.inject(Reset("after"), times=10, fraction=0.3)
    with fire.doka(tmp_path) as doka:
        fire.wait_until_all_is_committed()
        counted = int(doka.metric("doka_possible_duplicates_total"))
        assert 0 == doka.stop()
    verdict = fire.verdict()
    print(f"{verdict}; counted {counted}")  # noqa: T201
    assert 10 == fire.aws.fired(resets)
    verdict.assert_kept(at_least=RECORDS, duplicates_max=counted)
    assert counted == verdict.duplicates > 0
    assert [] == fire.aws.violations()


def test_a_process_that_slept_past_its_lease_signs_with_the_next(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """Stopped by SIGSTOP until its lease has ended, it goes on with a new one: none lost, none swapped, repeats counted."""
    life = 3.0
    fire = line(kafka_broker, fake_aws_process, RECORDS, client={**SOON_DEAD, "session.timeout.ms": 45_000})
    fire.aws.shape_leases(told_seconds=life, true_seconds=life)
    with fire.doka(tmp_path) as doka:
        fire.wait_for(RECORDS // 10)
        doka.signal(signal.SIGSTOP)
        issued, ended_at = len(fire.aws.issues()), time.monotonic() + life
        fire.feeder.feed(RECORDS, KEYS)
        eventually(lambda: time.monotonic() > ended_at, within=2 * life, what="the end of its lease")
        doka.signal(signal.SIGCONT)
        fire.wait_until_all_is_committed()
        counted = int(doka.metric("doka_possible_duplicates_total"))
        assert 0 == doka.stop()
    assert len(fire.aws.issues()) > issued
    assert {STALE_SIGNATURE} >= {seen.kind for seen in fire.aws.violations()}
    verdict = fire.verdict()
    print(f"{verdict}; counted {counted}")  # noqa: T201
    verdict.assert_kept(at_least=2 * RECORDS, duplicates_max=counted)
