"""`doka skip` as a user types it, against a Kafka mock cluster."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import skip_writing
from doka.adapters.kafka.skip_orders import standing_orders
from doka.adapters.system.clock import SystemClock
from doka.app.cli.main import main
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip
from tests.integration.kafka.group import numbered, produce

P0 = TopicPartition("orders", 0)
GROUP = "doka-orders"
WORDS = ("--reason", "cancelled,  ticket 4711", "--by", "ada")


@dataclass(frozen=True)
class Place:
    """A cluster with ten records in orders[0], of which the group has committed three, and a configuration."""

    kafka: KafkaCluster
    file: Path

    def skips(self) -> tuple[Skip, ...]:
        """Give the orders that stand."""
        connection = {"bootstrap.servers": self.kafka.bootstrap_servers}
        orders = standing_orders(connection, SystemClock(), GROUP, [P0]).get(P0)
        return () if orders is None else orders.skips


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a place; its cluster knows no ids of topics, and lets whoever asks wait for ten seconds."""
    monkeypatch.setattr(skip_writing, "topic_ids", lambda *_arguments: {})
    monkeypatch.setenv("COLUMNS", "200")
    with KafkaCluster() as kafka:
        kafka.create_topic("orders", 2)
        produce(kafka, "orders", {0: numbered(10)})
        client = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": GROUP, "log_level": 0})
        client.commit(offsets=[KafkaPartition(*P0, 3)], asynchronous=False)
        client.close()
        file = tmp_path / "doka.yaml"
        file.write_text(f"""\
kafka:
  bootstrap_servers: ["{kafka.bootstrap_servers}"]
  group_id: {GROUP}
  security: {{protocol: plaintext, allow_plaintext: true}}
aws: {{region: eu-west-1}}
roles:
  analytics: {{hops: [{{role_arn: "arn:aws:iam::210987654321:role/doka-writer"}}]}}
routes:
  - topics: [orders, returns]
    stream: {{name: orders, role: analytics}}
""")
        yield Place(kafka, file)


def skip(place: Place, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command; give its exit code, and what it said on stdout and stderr."""
    code = main(["skip", *arguments, "--config", str(place.file)])
    said = capsys.readouterr()
    return code, said.out, said.err


class Terminal(io.StringIO):
    """A terminal at which somebody has typed this already."""

    def isatty(self) -> bool:
        """Say that a person is there."""
        return True


def test_a_person_sees_what_it_is_and_is_asked(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How the partition stands, the sizes of the record and nothing of what it holds, who and why; then what comes next."""
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, err = skip(place, capsys, "orders:0:4", *WORDS)
    assert (0, "") == (code, err)
    shown = re.sub(r" of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", " of SOME TIME", out)
    assert (
        "To be skipped of topic orders, partition 0: offset 4\n"
        "  what       a record with a key of 5 bytes and a value of 1 byte, of SOME TIME\n"
        "  committed  3, by group doka-orders\n"
        "  end        10, so 7 offsets wait\n"
        "  by         ada\n"
        "  reason     cancelled, ticket 4711\n"
    ) in shown
    assert "Skip it? [y/N]: " in out
    assert out.endswith("Next: curl localhost:9400/readyz\n")
    assert "key-4" not in out
    (order,) = place.skips()
    assert (4, 5, "ada", "cancelled, ticket 4711") == (order.first, order.far, order.by, order.reason)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", order.at)


def test_a_record_of_several_routes_is_passed_by_all_and_they_are_named(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who passes it for the sake of one sees that the others do not send it either."""
    other = "  - topics: [orders]\n    stream: {name: archive, role: analytics}\n"
    place.file.write_text(place.file.read_text() + other)
    code, out, err = skip(place, capsys, "orders:0:4", *WORDS, "--yes")
    assert (0, "") == (code, err)
    assert "  routes     orders, archive: none of them sends it\n" in out


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("\n", 1), ("", 130)])
def test_who_does_not_say_yes_skips_nothing(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    """No is the answer unless it is yes, and Ctrl-D is none."""
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert code == skip(place, capsys, "orders:0:4", *WORDS)[0]
    assert () == place.skips()


def test_a_machine_gets_json_and_is_not_asked(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """All that a person sees, by name; ordered a second time it is the same order."""
    code, out, err = skip(place, capsys, "orders:0:4-5", *WORDS, "--yes", "--json")
    assert (0, "") == (code, err)
    told = json.loads(out)
    (order,) = place.skips()
    assert isinstance(told.pop("timestamp_ms"), int)
    assert {
        "ordered": True,
        "topic": "orders",
        "partition": 0,
        "first": 4,
        "last": 5,
        "group": GROUP,
        "committed": 3,
        "end": 10,
        "lag": 7,
        "key_bytes": 5,
        "value_bytes": 1,
        "unreadable": None,
        "by": "ada",
        "at": order.at,
        "reason": "cancelled, ticket 4711",
        "stored_for": "doka-orders-skips",
    } == told
    assert order.at == json.loads(skip(place, capsys, "orders:0:5", *WORDS, "--yes", "--json")[1])["at"]
    assert (order,) == place.skips()
    assert "It is ordered already, by ada at " in skip(place, capsys, "orders:0:4", *WORDS, "--yes")[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("orders:0:2", *WORDS), "offset 2 of orders[0] is passed already: the group has committed 3"),
        (("orders:0:10", *WORDS), "offset 10 of orders[0] is not written yet: the log ends at 10"),
        (("orders:7:4", *WORDS), "topic orders has 2 partitions, counted from 0"),
    ],
)
def test_what_cannot_be_skipped_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    """Exit code 1 and one sentence, for a machine as JSON."""
    assert (1, "", f"doka: nothing is skipped: {sentence}\n") == skip(place, capsys, *arguments, "--yes")
    code, out, err = skip(place, capsys, *arguments, "--yes", "--json")
    assert (1, "", {"ordered": False, "why": sentence}) == (code, err, json.loads(out))
    assert () == place.skips()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("orders:0:4",), "doka: Missing option '--reason'; see doka skip --help"),
        (("orders:0:4", "--reason", " "), "doka: --reason is empty; say it in words"),
        (("orders:0:4", "--reason", "a\x1b[2J"), "doka: --reason has characters that cannot be shown"),
        (("orders:0", *WORDS), "doka: 'orders:0' names no record: TOPIC:PARTITION:OFFSET"),
        (("orders:0:-4", *WORDS), "doka: 'orders:0:-4' names no record"),
        (("orders:0:5-4", *WORDS), "doka: 'orders:0:5-4' ends before it begins"),
        (("others:0:4", *WORDS), "doka: no route reads topic others: routes read orders, returns"),
        (("orders:0:4", *WORDS), "doka: nobody can be asked here whether to skip it: add --yes"),
        (("orders:0:4", *WORDS, "--json"), "doka: nobody can be asked here whether to skip it: add --yes"),
    ],
)
def test_wrong_words_are_told_before_anybody_is_asked(
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    """Exit code 2, one line, and the cluster knows nothing of it."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, out, err = skip(place, capsys, *arguments)
    assert (2, "") == (code, out)
    assert err.startswith(sentence)
    assert 1 == len(err.splitlines())
    assert () == place.skips()


def test_without_a_name_the_user_and_the_host_have_ordered_it(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user of a container may have no name."""
    monkeypatch.setattr("socket.gethostname", lambda: "pod-1")
    monkeypatch.setenv("LOGNAME", "grace")
    assert 0 == skip(place, capsys, "orders:0:4", "--reason", "cancelled", "--yes")[0]

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert 0 == skip(place, capsys, "orders:0:5", "--reason", "cancelled", "--yes")[0]
    assert ["grace@pod-1", "somebody@pod-1"] == [order.by for order in place.skips()]


def test_a_cluster_that_does_not_answer_is_said(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and what to type next."""
    monkeypatch.setattr(skip_writing, "ANSWER_SECONDS", 1.0)
    place.file.write_text(place.file.read_text().replace(place.kafka.bootstrap_servers, "127.0.0.1:1"))
    code, out, err = skip(place, capsys, "orders:0:4", *WORDS, "--yes")
    assert (1, "") == (code, out)
    assert err.startswith("doka: nothing is skipped: Kafka did not answer as it should: ")
    assert err.endswith("try: doka check\n")
