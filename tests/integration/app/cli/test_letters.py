"""`doka letters list` and `show` as a user types them, against a Kafka mock cluster and a fake AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import range_source
from doka.app.cli.main import main
from doka.app.letters import reading
from doka.domain.commands import SendLetter
from doka.domain.records import TopicPartition
from tests.containers.service import settings
from tests.dead_letters import Original, letter, write_letters
from tests.fake_aws import SOURCE_KEYS, FakeAws
from tests.integration.kafka.group import produce

GROUP = "doka-letters"
TOPIC = "dead"
TOO_LARGE = b"x" * 1_100_000
Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Place:
    """A topic of letters, two streams, and a configuration that names them."""

    kafka: KafkaCluster
    aws: FakeAws
    file: Path
    given: dict[str, object]

    def without(self, **sections: object) -> None:
        """Write the configuration anew, with other sections."""
        self.file.write_text(yaml.safe_dump({**self.given, **sections}))


def some_letters() -> list[tuple[int, SendLetter]]:
    """Give letters of two routes, of a topic that no route reads, and one that came back."""
    again = Original(b"k3", b"secret-3", [("doka-resent", b"2"), ("trace", b"secret-t")])
    return [
        (0, letter(1, Original(b"k1", b"secret-1", [("trace", b"secret-t")]), offset=41, code="RecordTooLarge")),
        (0, letter(2, Original(b"k\x1b[2J", TOO_LARGE), offset=42, code="RecordTooLarge")),
        (1, letter(3, again, source=TopicPartition("orders", 0), offset=7, code="NoValue")),
        (1, letter(4, Original(None, None), source=TopicPartition("returns", 1), offset=8, code="NoPartitionKey")),
        (1, letter(5, source=TopicPartition("gone", 0), offset=9, code="NoValue")),
    ]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give five letters and a record that is none."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    monkeypatch.setenv("COLUMNS", "200")
    for module in (range_source, reading):
        monkeypatch.setattr(module, "topic_ids", lambda *_arguments: {})
    with KafkaCluster() as kafka, FakeAws() as aws:
        kafka.create_topic(TOPIC, 2)
        aws.create_stream("orders", shards=2)
        aws.create_stream("returns", shards=1)
        write_letters(kafka.bootstrap_servers, TOPIC, some_letters())
        produce(kafka, TOPIC, {0: [(b"stranger", b"secret")]})
        routes = {"orders": "orders", "returns": "returns"}
        letters = {"dead_letters": {"topic": TOPIC}}
        given = settings(kafka.bootstrap_servers, aws.url, routes, group_id=GROUP, **letters)
        file = tmp_path / "doka.yaml"
        file.write_text(yaml.safe_dump(given))
        yield Place(kafka, aws, file, given)


@pytest.fixture
def run(place: Place, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; give its exit code, and what it said on stdout and stderr."""

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = main(["letters", *arguments, "--config", str(place.file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


def test_a_person_sees_which_letters_there_are_and_nothing_that_they_hold(place: Place, run: Run) -> None:
    """A row each, counts by code and route, and what is no letter; AWS is not asked."""
    code, out, err = run("list")
    assert (0, "") == (code, err)
    rows = [" ".join(line.split()) for line in out.splitlines() if line.startswith("dead:")]
    assert [
        "dead:0:0 2027-01-15 08:00:00 orders:3:41 orders k1 RecordTooLarge 10",
        r"dead:0:1 2027-01-15 08:00:01 orders:3:42 orders 'k\x1b[2J' RecordTooLarge 1,100,005",
        "dead:1:0 2027-01-15 08:00:02 orders:0:7 orders k3 NoValue 10 came back 2 times",
        "dead:1:1 2027-01-15 08:00:03 returns:1:8 returns - NoPartitionKey 0",
        "dead:1:2 2027-01-15 08:00:04 gone:0:9 - key NoValue 8",
    ] == rows
    for line in (
        "5 letters, of which 0 have been resent; the newest 5 are shown:\n",
        "          2  RecordTooLarge, route orders\n",
        "          1  NoValue, route -\n",
        "1 record of topic dead are no letters of doka's; they are passed over.\n",
    ):
        assert line in out
    assert ("secret" in out, "\x1b[2J" in out) == (False, False)
    assert 0 == sum(place.aws.counts().values())


@pytest.mark.parametrize(
    ("filters", "offsets"),
    [
        (("--code", "NoValue"), [7, 9]),
        (("--code", "NoValue", "--code", "NoPartitionKey"), [7, 8, 9]),
        (("--route", "orders"), [7, 41, 42]),
        (("--route", "orders", "--code", "NoValue"), [7]),
        (("--since", "2027-01-15T08:00:02Z"), [7, 8, 9]),
        (("--since", "2027-01-15T08:00:01Z", "--until", "2027-01-15T08:00:03Z"), [7, 42]),
        (("--key", "k1", "--key", "k3"), [7, 41]),
        (("--letter", "dead:1:1-2", "--letter", "dead:0:0"), [8, 9, 41]),
        (("--letter", "dead:1:0-9", "--limit", "2"), [7, 8]),
    ],
)
def test_letters_are_chosen(
    run: Run, monkeypatch: pytest.MonkeyPatch, filters: tuple[str, ...], offsets: list[int]
) -> None:
    """By code, route, time, key and place; for a machine each is a line."""
    monkeypatch.setattr("doka.adapters.system.clock.SystemClock.wall", lambda _: 1_800_001_000.0)
    code, out, _ = run("list", "--json", *filters)
    told = [json.loads(line) for line in out.splitlines()]
    assert (0, offsets) == (code, sorted(each["source"]["offset"] for each in told))


def test_a_machine_gets_each_letter_by_name(run: Run) -> None:
    """Data only where it is asked for; what is no letter is told beside."""
    code, out, err = run("list", "--json", "--key", "k3")
    expected = {
        "letter": {"topic": "dead", "partition": 1, "offset": 0},
        "source": {"topic": "orders", "partition": 0, "offset": 7},
        "route": "orders",
        "code": "NoValue",
        "attempts": 2,
        "failed_at_ms": 1_800_000_002_000,
        "came_back": 2,
        "done": False,
        "key": "k3",
        "bytes": 10,
    }
    assert (0, expected) == (code, json.loads(out))
    assert "doka: 1 record of topic dead are no letters of doka's; they are passed over.\n" == err
    assert "secret-3" == json.loads(run("list", "--json", "--key", "k3", "--payload")[1])["data"]


def test_one_letter_is_shown_with_what_would_become_of_it_today(run: Run) -> None:
    """In words: which record, why, its own headers without doka's, and today's verdict; data only where it is asked for."""
    code, out, err = run("show", "dead:1:0")
    assert (0, "") == (code, err)
    assert (
        """\
dead:1:0, a letter since 2027-01-15 08:00:02 UTC
  record     orders:0:7, of 2023-11-14 22:13:20 UTC
  route      orders
  why        NoValue, after 2 attempts
  resent     came back 2 times
  key        k3
  bytes      10, of key and value
  header     trace: 8 B
  today      would land: partition key k3, shard shardId-000000000001, 10 B of 1.0 MiB
"""
        == out
    )
    assert "  header     trace: secret-t\n  value      secret-3\n" in run("show", "dead:1:0", "--payload")[1]
    code, out, _ = run("show", "dead:0:1")
    assert (0, True) == (code, "  today      can never land: RecordTooLarge; 1.0 MiB of 1.0 MiB\n" in out)


def test_a_letter_is_judged_for_a_machine(place: Place, run: Run) -> None:
    """By the stream's present limit, and not at all where no route reads its topic any more."""
    place.aws.change_stream("orders", record_kib=2_048)
    code, out, _ = run("show", "dead:0:1", "--json")
    today = json.loads(out)["today"]
    assert (0, "lands", 2_097_152) == (code, today["verdict"], today["record_bytes_max"])
    code, out, _ = run("show", "dead:1:2", "--json")
    told = json.loads(out)
    assert (1, None) == (code, told["today"])
    assert "no route reads topic gone: nothing can be sent for it" == told["why_not_all"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("show", "dead:0:2"), 1, "dead:0:2: the record that stands there is no letter of doka's"),
        (("show", "dead:0:9"), 1, "dead:0:9: nothing stands there"),
        (("show", "dead:7:0"), 1, "topic dead has 2 partitions, counted from 0"),
        (("show", "orders:0:0"), 2, "'orders:0:0' is no letter: letters stand in topic dead (dead_letters.topic)"),
        (("show", "dead:0:0-1"), 2, "names several letters"),
        (("show", "dead:0"), 2, "names no record: TOPIC:PARTITION:OFFSET"),
        (("list", "--route", "nowhere"), 2, "--route 'nowhere' is none of the routes, which are orders, returns"),
        (("list", "--since", "1h", "--until", "2h"), 2, "--until is not after --since"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(run: Run, words: tuple[str, ...], code: int, told: str) -> None:
    """With the exit code of its kind."""
    found, out, err = run(*words)
    assert (code, "", 1) == (found, out, err.count("\n"))
    assert told in err


def test_without_a_topic_of_letters_there_are_none(place: Place, run: Run) -> None:
    """Whether it is not set, or does not exist."""
    place.without(dead_letters={})
    assert (2, "doka: dead_letters.topic is not set: this service writes no letters\n") == run("list")[::2]
    place.without(dead_letters={"topic": "nobody-made-it"})
    assert (1, "doka: nothing can be told: topic nobody-made-it does not exist\n") == run("list")[::2]
    assert {"told": False, "why": "topic nobody-made-it does not exist"} == json.loads(run("list", "--json")[1])
