"""`doka test` as a user types it: over a file without any outside, and over a topic beside a fake AWS."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import log_ranges, range_source
from doka.app import reading
from doka.app.cli.main import main
from doka.domain.limits import NS_PER_SECOND
from tests.fake_aws import SOURCE_KEYS, WRITER_ROLE, FakeAws
from tests.integration.kafka.group import produce

FUNCTION = """
import json
from doka.transform import Batch, transform

calls = [0]

@transform(headers=True)
def clean(batch: Batch) -> None:
    for index, value in enumerate(batch.values):
        order = json.loads(value)
        if order.get("test"):
            batch.drop(index)
        elif "id" not in order:
            batch.refuse(index)
        elif "card" in order:
            del order["card"]
            batch.values[index] = json.dumps(order).encode()
            batch.partition_keys[index] = str(order["id"])

@transform
def counts(batch: Batch) -> None:
    for index in range(len(batch)):
        calls[0] += 1
        batch.values[index] = b"%d" % calls[0]

@transform
def broken(batch: Batch) -> None:
    raise KeyError(batch.values[0])
"""
RECORDS = """\
{"key": "a", "json": {"id": 17, "card": "secret"}, "expect": {"json": {"id": 17}, "partition_key": "17"}}
{"key": "b", "json": {"id": 18}, "expect": {}}
{"key": "b", "json": {"test": true}, "expect": {"filtered": "transform"}}
{"key": "c", "json": {"test": false}, "expect": {"poison": "TransformRefused"}}
{"key": "c", "value": "no JSON: secret", "expect": {"poison": "TransformFailed"}}
{"key": "c", "json": {"id": 19}}
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a function, records, and a configuration whose Kafka and AWS are not there."""
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "orders.py").write_text(FUNCTION)
    (tmp_path / "orders.jsonl").write_text(RECORDS)
    write_configuration(tmp_path, "127.0.0.1:9", "http://127.0.0.1:9")
    return tmp_path


def write_configuration(folder: Path, kafka: str, aws: str, function: str = "clean") -> None:
    """Write doka.yaml."""
    (folder / "doka.yaml").write_text(f"""\
kafka:
  bootstrap_servers: ["{kafka}"]
  group_id: doka-rehearsal
  security: {{protocol: plaintext, allow_plaintext: true}}
aws:
  region: eu-west-1
  endpoint_urls: {{kinesis: "{aws}", sts: "{aws}"}}
  allow_insecure_endpoints: true
roles:
  analytics: {{hops: [{{role_arn: "{WRITER_ROLE}"}}]}}
routes:
  - topics: [orders]
    stream: {{name: orders, role: analytics}}
    transform: {{file: "{folder}/orders.py", function: {function}}}
    append: newline
  - topics: [returns]
    stream: {{name: returns, role: analytics}}
""")


@pytest.fixture
def run(files: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command for the route orders; give its exit code, and what it said."""

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = main(["test", "--route", "orders", *arguments, "--config", str(files / "doka.yaml")])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


def test_a_file_is_a_test_that_needs_no_outside(files: Path, run: Run) -> None:
    """Each record with what becomes of it; nothing of what it holds; exit code 0 where all is as expected."""
    code, out, err = run("--records", str(files / "orders.jsonl"))
    assert (0, "") == (code, err)
    rows = [" ".join(line.split()) for line in out.splitlines() if line.startswith("orders[")]
    assert [
        "orders[0] 0 changed 17 13",
        "orders[0] 1 kept b 11",
        "orders[0] 2 filtered (transform) -",
        "orders[0] 3 poison (TransformRefused) -",
        "orders[0] 4 poison (TransformFailed: JSONDecodeError) -",
        "orders[0] 5 kept c 11",
    ] == rows
    assert "6 records: 2 kept, 1 changed, 1 filtered, 2 poison. Nothing was sent." in out
    assert "5 of 5 expectations hold." in out
    assert re.search(r"orders.py:clean took [\d.]+ us a record, and [\d.]+ ms at most, for a batch of 6 records", out)
    assert "secret" not in out


def test_what_is_not_as_expected_fails_it(files: Path, run: Run) -> None:
    """Exit code 1, and the line of the file; both values for who asks for them."""
    records = files / "orders.jsonl"
    records.write_text(
        '{"json": {"id": 1}, "expect": {"filtered": true}}\n{"json": {"id": 2}, "expect": {"value": "x"}}\n'
    )
    code, out, _ = run("--records", str(records))
    assert code == 1
    assert "Line 1, orders[0] 0: is kept, not filtered.\n" in out
    assert "Line 2, orders[0] 1: has another value.\n" in out
    assert "0 of 2 expectations hold." in out
    code, out, _ = run("--records", str(records), "--payload")
    assert code == 1
    assert """has another value: b'{"id":2}', not b'x'.""" in out
    assert '\norders[0] 1\n{"id":2}' in out.replace("'", "").replace("\\n", "")


def test_a_machine_gets_json(files: Path, run: Run) -> None:
    """By name; what a record holds only with --payload."""
    code, out, _ = run("--records", str(files / "orders.jsonl"), "--json")
    told = json.loads(out)
    assert (0, True, None, [], 5, 0) == (
        code, told["good"], told["broken"], told["unsteady"], told["expected"], told["failed"],
    )  # fmt: skip
    (batch,) = told["batches"]
    assert 6 == batch["records"]
    assert batch["transform_ms"] > 0
    assert {
        "topic": "orders", "partition": 0, "offset": 4, "line": 5, "timestamp_ms": None, "becomes": "poison",
        "why": "TransformFailed", "raised": "JSONDecodeError", "partition_key": None, "shard": None, "bytes": 0, "missed": [],
    } == told["records"][4]  # fmt: skip
    assert ["changed", "kept", "filtered", "poison", "poison", "kept"] == [each["becomes"] for each in told["records"]]
    assert ["17", "b", None, None, None, "c"] == [each["partition_key"] for each in told["records"]]
    assert [None] == [each["missed"] for each in told["records"][5:]]
    assert "secret" not in out
    _, out, _ = run("--records", str(files / "orders.jsonl"), "--json", "--payload")
    first = json.loads(out)["records"][0]
    assert ('{"id": 17}', '{"id": 17}\n') == (first["value"], first["data"])


def test_a_function_that_gives_something_else_the_second_time(files: Path, run: Run) -> None:
    """It would double what no consumer recognises: exit code 1, and which records."""
    write_configuration(files, "127.0.0.1:9", "http://127.0.0.1:9", function="counts")
    (files / "orders.jsonl").write_text('{"value": "a"}\n{"value": "b"}\n')
    code, out, _ = run("--records", str(files / "orders.jsonl"))
    assert code == 1
    assert "makes something else of 2 records the second time, each by itself: orders[0] 0, orders[0] 1." in out


def test_a_function_that_always_raises(files: Path, run: Run) -> None:
    """The service would block its route; no expectation of poison makes that good."""
    write_configuration(files, "127.0.0.1:9", "http://127.0.0.1:9", function="broken")
    (files / "orders.jsonl").write_text('{"value": "secret", "expect": {"poison": true}}\n' * 8)
    code, out, _ = run("--records", str(files / "orders.jsonl"))
    assert code == 1
    assert "The transform fails whatever it is given (KeyError)" in out
    assert "blocks the route" in out
    assert "8 of 8 expectations hold." in out
    assert "secret" not in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--records", "none.jsonl"), "--records: none.jsonl cannot be read: No such file or directory; check the path"),
        (("--records", "none.jsonl", "--limit", "3"), "--records reads a file; --from and --limit are for the topic"),
        (("--from", "yesterday"), "--from"),
    ],
)  # fmt: skip
def test_wrong_words_are_told_in_one_line(run: Run, arguments: tuple[str, ...], told: str) -> None:
    """With exit code 2."""
    code, _, err = run(*arguments)
    assert (2, 1) == (code, err.count("\n"))
    assert told in err


@dataclass(frozen=True)
class Place:
    """Both worlds."""

    kafka: KafkaCluster
    aws: FakeAws


@pytest.fixture
def place(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a topic with orders in two partitions, and a stream."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    monkeypatch.setattr(range_source, "topic_ids", lambda *_arguments: {})
    with KafkaCluster() as kafka, FakeAws() as aws:
        kafka.create_topic("orders", 2)
        aws.create_stream("orders", shards=2)
        values = [b'{"id":%d,"card":"secret"}' % number for number in range(5)]
        produce(kafka, "orders", {0: [(b"a", value) for value in values]})
        produce(kafka, "orders", {1: [(b"b", b'{"test":true}'), (b"c", b"secret")]})
        write_configuration(files, kafka.bootstrap_servers, aws.url)
        yield Place(kafka, aws)


def test_records_of_the_topic_are_run_and_none_is_sent(place: Place, run: Run) -> None:
    """The newest, with the stream's own shards and limit; there is nothing to expect. Reading from a time on is `tail`'s own."""
    code, out, err = run("--json", "--limit", "4")
    told = json.loads(out)
    assert (0, "", 0) == (code, err, told["expected"])
    assert ["changed", "changed", "filtered", "poison"] == [each["becomes"] for each in told["records"]]
    assert {"3", "4"} == {each["partition_key"] for each in told["records"][:2]}
    assert None not in {each["shard"] for each in told["records"][:2]}
    code, out, _ = run("--limit", "100", "--json")
    assert (0, 7) == (code, len(json.loads(out)["records"]))
    assert (0, []) == (place.aws.counts()["PutRecords"], place.aws.violations())


def test_tail_tells_of_a_function_that_fails_for_all(
    place: Place, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows poison that the service would not make, so it says what the service does: exit code 1."""
    write_configuration(files, place.kafka.bootstrap_servers, place.aws.url, function="broken")
    assert 1 == main(["tail", "--route", "orders", "--json", "--config", str(files / "doka.yaml")])
    told = json.loads(capsys.readouterr().out)
    assert ["The transform fails whatever it is given (KeyError): the service blocks the route instead."] == told[
        "notes"
    ]
    assert {"TransformFailed"} == {each["verdict"] for each in told["records"]}


def test_a_kafka_that_says_nothing_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, in words or in JSON."""
    monkeypatch.setattr(reading, "QUIET_NS", NS_PER_SECOND // 10)
    monkeypatch.setattr(log_ranges, "ANSWER_SECONDS", 2.0)
    code, out, err = run()
    assert (1, "") == (code, out)
    assert "doka: nothing can be shown: " in err
    code, out, _ = run("--json")
    assert (1, False) == (code, json.loads(out)["told"])
