"""`doka check` as a user runs it, against a Kafka mock cluster and a fake AWS."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.app.cli.main import main
from tests.fake_aws import SOURCE_KEYS, WRITER_ROLE, Answer, FakeAws, Refuse

STREAM = "arn:aws:kinesis:eu-west-1:210987654321:stream/checked"


@dataclass(frozen=True)
class Place:
    """Both worlds, and a configuration that names them."""

    kafka: KafkaCluster
    aws: FakeAws
    file: Path

    def write(self, *changes: tuple[str, str]) -> None:
        """Write the configuration with these words replaced."""
        text = f"""\
kafka:
  bootstrap_servers: ["{self.kafka.bootstrap_servers}"]
  group_id: doka-check
  security: {{protocol: plaintext, allow_plaintext: true}}
aws:
  region: eu-west-1
  endpoint_urls: {{kinesis: "{self.aws.url}", sts: "{self.aws.url}"}}
  allow_insecure_endpoints: true
roles:
  analytics: {{hops: [{{role_arn: "{WRITER_ROLE}"}}]}}
routes:
  - topics: [orders]
    stream: {{name: checked, role: analytics}}
"""
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        self.file.write_text(text)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A cluster with one topic, an AWS with one stream, credentials, and a configuration that is right."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    with KafkaCluster() as kafka, FakeAws() as aws:
        kafka.create_topic("orders", 6)
        aws.create_stream("checked", shards=2)
        aws.shape_leases(told_seconds=900)
        here = Place(kafka, aws, tmp_path / "doka.yaml")
        here.write()
        yield here


def check(place: Place, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    """Run the command; give its exit code and what it printed, on one line."""
    code = main(["check", "--config", str(place.file), *options])
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, printed.out


def test_everything_there_is_fine(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Topic, role and stream are looked at for real, and the exit code is 0."""
    code, told = check(place, capsys)
    for line in (
        f"✓ configuration {place.file}: 1 route, 1 topic, 1 role\n",
        f"✓ kafka {place.kafka.bootstrap_servers}: answers, by plaintext\n",
        "✓ topic orders: 6 partitions\n",
        "✓ role analytics: a lease in account 210987654321 that lives 15 min\n",
        f"✓ stream checked: {STREAM} is ACTIVE, 2 open shards, records up to 1 MiB\n",
        "\nEverything that was asked for is there. Next: doka run\n",
        (
            "Not asked: kinesis:PutRecords on each stream, the use of its KMS key, reading streams back, for doka audit. "
            "Where that is denied, the service blocks its route and says so.\n"
        ),
    ):
        assert line in told
    assert code == 0


def test_nothing_was_put_and_nothing_committed(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A check can run beside a working service."""
    assert check(place, capsys)[0] == 0
    assert (0, []) == (place.aws.counts()["PutRecords"], place.aws.violations())


def test_a_put_is_tried_by_dry_run_where_somebody_says_that_it_is_known(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """One for each stream, which stores nothing; the end no more says that puts were not asked for."""
    code, told = check(place, capsys, "--probe-writes")
    assert "✓ put checked: would be taken, by a dry run\n" in told
    assert "Not asked: reading streams back, for doka audit. " in told
    assert (1, 0) == (place.aws.counts()["PutRecords"], place.aws.landed_count("checked"))
    assert code == 0


def test_what_stores_a_dry_run_is_told_so(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Stand-ins that know no DryRun take the record, and that is nothing to be silent about."""
    stored = {"FailedRecordCount": 0, "Records": [{"ShardId": "shardId-000000000000", "SequenceNumber": "1"}]}
    place.aws.inject(Answer(stored), on="PutRecords")
    code, told = check(place, capsys, "--probe-writes")
    assert "✗ put checked: what answers took the dry run for a put: one record of one byte is in the stream\n" in told
    assert "→ leave --probe-writes out" in told
    assert code == 1


def test_a_missing_topic_and_a_missing_stream_are_told_together(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run shows all there is to mend."""
    place.write(("topics: [orders]", "topics: [orders, returns]"), ("name: checked", "name: checkt"))
    place.kafka.fail_topic("returns", 3)
    code, told = check(place, capsys)
    assert "✗ topic returns: topic returns does not exist\n    → create it, or correct the name in routes\n" in told
    assert "✓ topic orders: 6 partitions\n" in told
    assert "✗ stream checkt: checkt could not be described: ResourceNotFoundException" in told
    assert "→ check the name (checkt), the region (eu-west-1)" in told
    assert "\n2 to mend; a service would start, wait for it, and say so.\n" in told
    assert code == 1


def test_a_refused_role_is_told_with_the_policy_to_look_at(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """AssumeRole is tried for real."""
    place.aws.add_role(WRITER_ROLE, trusted_accounts=())
    code, told = check(place, capsys)
    assert "✗ role analytics: no credentials: AccessDenied" in told
    assert f"→ check the trust policy of {WRITER_ROLE}: it must allow sts:AssumeRole to this process" in told
    assert "- stream checked: not looked at, since the role analytics gave no credentials\n" in told
    assert code == 1


def test_a_denied_description_is_a_warning(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Puts may be allowed all the same, so the service would start."""
    place.aws.inject(Refuse("AccessDeniedException"), on="*", stream="checked", times=None)
    code, told = check(place, capsys)
    assert "! stream checked: checked could not be described: AccessDeniedException" in told
    assert "→ allow kinesis:DescribeStreamSummary on the stream" in told
    assert code == 0


def test_nobody_answering_is_told_for_each_part(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Kafka and STS down: both are told, with what to look at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        port = taken.getsockname()[1]
        place.write(
            (place.kafka.bootstrap_servers, f"127.0.0.1:{port}"),
            (f'sts: "{place.aws.url}"', f'sts: "http://127.0.0.1:{port}"'),
        )
        code, told = check(place, capsys)
    assert f"✗ kafka 127.0.0.1:{port}: no broker answers at 127.0.0.1:{port}" in told
    assert "- topic orders: not looked at, since Kafka did not answer\n" in told
    assert "✗ role analytics: no credentials: EndpointConnectionError" in told
    assert "→ let this host reach STS" in told
    assert code == 1


def test_a_machine_gets_json(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """One object on stdout, with figures and codes."""
    place.write(("name: checked", "name: checkt"))
    assert main(["check", "--config", str(place.file), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["fine"] is False
    by_step = {(f["step"], f["subject"]): f for f in told["findings"]}
    assert by_step["topic", "orders"]["facts"] == {"partitions": 6}
    assert by_step["role", "analytics"]["facts"] == {"account": "210987654321", "life_seconds": 900}
    assert by_step["stream", "checkt"]["verdict"] == "failed"
    assert by_step["stream", "checkt"]["facts"] == {"code": "ResourceNotFoundException"}
    assert told["not_asked"][0] == "kinesis:PutRecords on each stream"


def test_a_wrong_configuration_is_no_finding(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with exit code 2 before anything is asked."""
    place.write(("group_id", "group"))
    assert main(["check", "--config", str(place.file)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        f"doka: {place.file}:1: kafka.group_id is missing; write it like `group_id: doka`",
        f"doka: {place.file}:3: kafka.group is unknown; did you mean kafka.group_id?",
    ]
