"""`doka tail` as a user types it, against a Kafka mock cluster and a fake AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import range_source
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.skip_writing import Found, SkipWriting
from doka.adapters.system.clock import SystemClock
from doka.app import reading
from doka.app.cli.main import main
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip
from tests.fake_aws import SOURCE_KEYS, WRITER_ROLE, FakeAws, Refuse
from tests.integration.kafka.group import produce

GROUP = "doka-tail"
P0 = TopicPartition("orders", 0)
Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Place:
    """Both worlds, and a configuration that names them."""

    kafka: KafkaCluster
    aws: FakeAws
    file: Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a topic of three partitions with records in two, a stream of two shards, and a configuration with two routes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(range_source, "topic_ids", lambda *_arguments: {})
    with KafkaCluster() as kafka, FakeAws() as aws:
        kafka.create_topic("orders", 3)
        kafka.create_topic("returns", 1)
        aws.create_stream("orders", shards=2)
        produce(kafka, "orders", {0: [(b"a", b"secret-%d" % number) for number in range(20)]})
        produce(kafka, "orders", {1: [(b"b\x1b[2J", b"secret"), (None, None), (b"", b"secret")]})
        file = tmp_path / "doka.yaml"
        file.write_text(f"""\
kafka:
  bootstrap_servers: ["{kafka.bootstrap_servers}"]
  group_id: {GROUP}
  security: {{protocol: plaintext, allow_plaintext: true}}
aws:
  region: eu-west-1
  endpoint_urls: {{kinesis: "{aws.url}", sts: "{aws.url}"}}
  allow_insecure_endpoints: true
roles:
  analytics: {{hops: [{{role_arn: "{WRITER_ROLE}"}}]}}
routes:
  - topics: [orders]
    stream: {{name: orders, role: analytics}}
  - topics: [returns]
    stream: {{name: returns, role: analytics}}
""")
        yield Place(kafka, aws, file)


@pytest.fixture
def run(place: Place, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command for the route orders, unless it says another; give its exit code, and what it said."""

    def ran(*arguments: str) -> tuple[int, str, str]:
        route = () if "--route" in arguments else ("--route", "orders")
        code = main(["tail", *route, *arguments, "--config", str(place.file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


def test_a_person_sees_what_records_would_become_and_nothing_that_they_hold(place: Place, run: Run) -> None:
    """The newest, with key, shard, bytes and verdict; a key that could do something to a terminal does nothing."""
    code, out, err = run("--limit", "5")
    assert (0, "") == (code, err)
    rows = [line for line in out.splitlines() if line.startswith("orders[")]
    assert ["orders[0] 18", "orders[0] 19", "orders[1] 0", "orders[1] 1", "orders[1] 2"] == [
        r[:12].strip() for r in rows
    ]
    a, _, b, drawn, poison = (" ".join(row.split()[4:]) for row in rows)
    assert "a shardId-000000000000 10 lands" == a
    assert r"'b\x1b[2J' shardId-000000000000 11 lands" == b
    assert "drawn when it is sent - 20 lands" == drawn
    assert "- 6 can never land (EmptyPartitionKey): stops its key" == poison
    assert "1 of 5 records can never land as they are." in out
    assert (
        "The stream arn:aws:kinesis:eu-west-1:210987654321:stream/orders is ACTIVE and takes records up to 1.0 MiB."
        in out
    )
    assert ("secret" in out, "\x1b[2J" in out) == (False, False)
    assert (0, []) == (place.aws.counts()["PutRecords"], place.aws.violations())


def test_the_data_is_shown_to_who_asks_for_it(run: Run) -> None:
    """Below the table, with the name of each record."""
    code, out, _ = run("--limit", "20", "--payload")
    assert code == 0
    assert "\norders[0] 19\nsecret-19\n" in out


def test_a_machine_gets_json(run: Run) -> None:
    """By name; the data only where it was asked for."""
    code, out, err = run("--limit", "3", "--json")
    told = json.loads(out)
    assert (0, "", 3, True) == (code, err, len(told["records"]), told["told"])
    first = told["records"][0]
    assert isinstance(first.pop("timestamp_ms"), int)
    assert {
        "topic": "orders",
        "partition": 1,
        "offset": 0,
        "partition_key": "b\x1b[2J",
        "shard": "shardId-000000000000",
        "bytes": 11,
        "verdict": "lands",
    } == first
    assert ["lands", "lands", "EmptyPartitionKey"] == [record["verdict"] for record in told["records"]]
    assert "secret" == json.loads(run("--limit", "3", "--json", "--payload")[1])["records"][0]["data"]


def test_an_empty_topic_is_said(run: Run) -> None:
    """And the stream that is not there, with exit code 1."""
    code, out, _ = run("--route", "returns")
    assert code == 1
    assert "No record of route returns stands there." in out
    assert (
        "Which shard takes them is not known, and the usual limit of a record was assumed: the stream could not be"
        in out
    )
    assert "ResourceNotFoundException" in out


def test_where_the_shards_cannot_be_asked_the_rest_is_shown(place: Place, run: Run) -> None:
    """Without leave to list them, and without a lease at all."""
    place.aws.inject(Refuse("AccessDeniedException"), on="ListShards", times=None)
    code, out, _ = run("--limit", "1")
    assert code == 1
    assert (
        "which shard takes them is not known: the shards could not be listed: the role needs kinesis:ListShards." in out
    )
    place.aws.add_role(WRITER_ROLE, trusted_accounts=())
    code, out, _ = run("--limit", "1", "--json")
    told = json.loads(out)
    assert (1, 1, None) == (code, len(told["records"]), told["stream"])
    assert told["why_not_all"].startswith("the role analytics gave no credentials: AccessDenied")


def test_what_a_person_has_ordered_to_skip_is_told(place: Place, run: Run) -> None:
    """It is not sent, whatever its mapping says."""
    skip = Skip(19, 20, "ada", "2026-11-29T20:15:00Z", "cancelled")
    settings = MemberSettings((place.kafka.bootstrap_servers,), GROUP, frozenset({"orders"}))
    SkipWriting(settings, SystemClock()).order(P0, Found(GROUP, 0, 20, None), skip)
    out = run("--limit", "5")[1]
    (row,) = (line for line in out.splitlines() if line.startswith("orders[0] 19"))
    assert row.rstrip().endswith("is skipped, by ada: cancelled")


def test_where_nothing_comes_it_ends(place: Place, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence and exit code 1; for a machine as JSON."""
    monkeypatch.setattr(reading, "QUIET_NS", NS_PER_SECOND)
    place.kafka.push_errors(1, [6] * 10_000)  # each fetch: not the leader
    assert (1, "", "doka: nothing can be shown: Kafka gave nothing for 1 s; try: doka check\n") == run()
    code, out, _ = run("--json")
    assert (1, {"told": False, "why": "Kafka gave nothing for 1 s; try: doka check"}) == (code, json.loads(out))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--route", "order"), "doka: --route 'order' is none of the routes, which are orders, returns\n"),
        (("--from", "2026-01-01T00:00:00"), "doka: --from '2026-01-01T00:00:00' has no zone; add one, like "),
    ],
)
def test_words_that_are_wrong_are_one_line(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, and the cure."""
    code, out, err = run(*arguments)
    assert (2, "") == (code, out)
    assert err.startswith(sentence)


def test_of_several_routes_one_must_be_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Rather than the first."""
    assert 2 == main(["tail", "--config", str(place.file)])
    assert "doka: there are 2 routes; add --route with one of orders, returns\n" == capsys.readouterr().err
