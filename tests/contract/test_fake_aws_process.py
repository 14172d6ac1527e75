"""The fake as a process: the same by remote, quick, and gone with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_aws import (
    WRITER_ROLE,
    Delay,
    FailEntries,
    FakeAwsProcess,
    Hold,
    kinesis_client,
    sts_client,
)
from tests.fake_aws.remote import ControlError
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]


def test_the_remote_says_what_the_object_says(fake_aws_process: FakeAwsProcess) -> None:
    """Streams, faults, landings, refusals, violations, leases and counts all come over the control endpoint."""
    fake = fake_aws_process
    arn = fake.create_stream("orders", shards=2)
    rule = fake.inject(FailEntries("InternalFailure", indexes=[1]), Delay(0.001))
    old, new = fake.issue().keys, fake.issue().keys
    kinesis_client(fake.url, new).put_records(
        StreamARN=arn, Records=[{"Data": b"\x00\xff", "PartitionKey": "a"}, {"Data": b"refused", "PartitionKey": "b"}]
    )
    assert [("orders", "a", b"\x00\xff", 2)] == [
        (r.stream, r.partition_key, r.data, r.serial) for r in fake.landed("orders")
    ]
    assert ([b"\x00\xff"], 1, 1) == (fake.payloads("orders"), fake.landed_count("orders"), fake.fired(rule))
    with pytest.raises(Exception, match="UnrecognizedClientException"):
        kinesis_client(fake.url, new._replace(token=old.token)).put_records(
            StreamARN=arn, Records=[{"Data": b"x", "PartitionKey": "a"}]
        )
    assert ["mixed_triple"] == [violation.kind for violation in fake.violations()]
    assert ["UnrecognizedClientException"] == [refused.code for refused in fake.refused()]
    assert (1, 1, 1) == tuple(
        fake.counts()[name] for name in ("records:landed", "records:InternalFailure", "violation:mixed_triple")
    )
    assert [1, 2] == fake.revoke()
    assert ["ExpiredTokenException"] * 2 == [issue.revoked_with for issue in fake.issues()]
    assert 1 == fake.most_in_flight()
    fake.forget()
    assert (0, [], []) == (fake.landed_count("orders"), fake.violations(), fake.refused())


def test_the_remote_world_can_be_changed(fake_aws_process: FakeAwsProcess) -> None:
    """Shards, streams, roles, lives and clocks move by remote as they do in process."""
    fake = fake_aws_process
    fake.create_stream("orders")
    children = fake.split_shard("orders", "shardId-000000000000")
    merged = fake.merge_shards("orders", *children)
    assert (0, 2**128 - 1) == fake.shard_ranges("orders")[merged]
    fake.change_stream("orders", status="DELETING")
    fake.delete_stream("orders")
    fake.add_role(WRITER_ROLE, external_id="agreed")
    fake.shape_leases(told_seconds=5, seconds_min=1)
    fake.set_skew(100)
    answer = sts_client(fake.url).assume_role(RoleArn=WRITER_ROLE, RoleSessionName="doka-test", ExternalId="agreed")
    assert WRITER_ROLE == fake.issues()[0].role_arn
    assert answer["Credentials"]["AccessKeyId"] == fake.issues()[0].access_key
    fake.remove_role(WRITER_ROLE)
    fake.advance(10)
    fake.verify_signatures(wanted=False)
    fake.inject(Hold("never"), on="GetRecords")
    fake.withdraw()
    fake.drop_connections()
    fake.release()
    assert 0 == fake.held()


def test_a_mistake_of_a_test_is_told(fake_aws_process: FakeAwsProcess) -> None:
    """What the fake cannot do comes back with its reason."""
    with pytest.raises(ControlError, match="0 streams are called 'nowhere'"):
        fake_aws_process.landed("nowhere")
    with pytest.raises(ControlError, match="no such control: stop"):
        fake_aws_process.call("stop")


def test_many_records_come_back_in_pages(fake_aws_process: FakeAwsProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are put together in order, without a gap or a repeat."""
    monkeypatch.setattr("tests.fake_aws.remote.PAGE_RECORDS", 7)
    arn = fake_aws_process.create_stream("orders")
    client = kinesis_client(fake_aws_process.url, fake_aws_process.issue().keys)
    sent = [f"{i}".encode() for i in range(50)]
    for at in (0, 25):
        client.put_records(StreamARN=arn, Records=[{"Data": each, "PartitionKey": "k"} for each in sent[at : at + 25]])
    assert sent == fake_aws_process.payloads("orders")
    assert sent[3:20] == [record.data for record in fake_aws_process.landed("orders", start=3, limit=17)]


def test_it_dies_with_its_parent_however_that_dies() -> None:
    """The process ends when the one that started it is killed without a chance to say so."""
    program = (
        "import time\n"
        "from tests.fake_aws.remote import FakeAwsProcess\n"
        "fake = FakeAwsProcess()\n"
        "print(fake.process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
        cwd=root,
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.send_signal(signal.SIGKILL)
    eventually(lambda: not _runs(child), what="the fake's end")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
