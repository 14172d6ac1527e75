"""Two routes of one topic on a real broker: one reads on while the other is slower, or refused; and what a restart repeats."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.checking import judge
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.line import AHEAD_RECORDS, Line, line
from tests.fake_aws import Delay, FakeAwsProcess, Refuse
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS = 4
RECORDS = 12_000


@pytest.fixture
def teed(kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess) -> Line:
    """Give a line whose topic goes to a second stream as well, which is several times slower."""
    made = line(kafka_broker, fake_aws_process, RECORDS, partitions=PARTITIONS)
    archive = archive_of(made)
    fake_aws_process.create_stream(archive, shards=1)
    fake_aws_process.inject(Delay(0.06, jitter=0.02), times=None, stream=archive)
    (route,) = made.given["routes"]
    second = {**route, "name": archive, "stream": {**route["stream"], "name": archive}}
    return replace(made, given={**made.given, "routes": [route, second]})


def archive_of(made: Line) -> str:
    """Name the second stream."""
    return f"{made.topic}-archive"


def copies(made: Line, stream: str) -> Counter[bytes]:
    """Count how often each record landed in a stream."""
    return Counter(made.aws.payloads(stream))


def test_an_orderly_stop_repeats_nothing(teed: Line, tmp_path: Path) -> None:
    """In the drain the slower route sends what the other has sent; the next run goes on from there, for both."""
    with teed.doka(tmp_path) as doka:
        teed.wait_for(RECORDS // 3)
        assert 0 == doka.stop()
        landed = [teed.aws.landed_count(stream) for stream in (teed.topic, archive_of(teed))]
        assert landed[0] == landed[1] == sum(teed.committed().values()) < RECORDS
        doka.start()
        teed.wait_until_all_is_committed()
        assert 0 == doka.stop()
    teed.assert_exactly_once()
    judge(teed.feeder.production, teed.aws.payloads(archive_of(teed))).assert_kept(at_least=RECORDS)


def test_a_kill_repeats_no_more_than_the_bound_of_each_stream(teed: Line, tmp_path: Path) -> None:
    """One stream is refused: the other goes on to `limits.ahead_records`, and repeats no more; then all lands in both."""
    archive = archive_of(teed)
    with teed.doka(tmp_path) as doka:
        teed.wait_for(RECORDS // 6)
        refusal = teed.aws.inject(Refuse("AccessDeniedException", status=400), times=None, stream=archive)

        def waits() -> bool:
            return any(f"waits for route {archive}" in reason for reason in doka.readiness()[1])

        eventually(waits, within=60, what="who waits for whom")
        ahead = teed.landed() - sum(teed.committed().values())
        assert ahead == PARTITIONS * AHEAD_RECORDS == doka.metric("doka_ahead_records", route=teed.topic)
        doka.kill()
        teed.aws.withdraw(refusal)
        doka.start()
        teed.wait_until_all_is_committed()
        assert 0 == doka.stop()
    for stream, most in ((teed.topic, PARTITIONS * AHEAD_RECORDS), (archive, PARTITIONS * AHEAD_RECORDS)):
        landed = copies(teed, stream)
        assert RECORDS == len(landed)
        assert sum(landed.values()) - RECORDS <= most
    assert PARTITIONS * AHEAD_RECORDS == sum(copies(teed, teed.topic).values()) - RECORDS
