"""`doka letters resend` as a user types it, against a Kafka mock cluster and a fake AWS; also killed, and two at once."""

from __future__ import annotations

import io
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.app.cli import resend
from doka.app.cli.main import main
from doka.app.letters.plan import AHEAD_RECORDS
from doka.app.letters.reading import letters_group
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from tests.containers.feeding import committed
from tests.containers.service import settings
from tests.dead_letters import Found, Original, letter, read_topic, write_letters
from tests.fake_aws import SOURCE_KEYS, FailEntries, FakeAws
from tests.integration.kafka.group import produce
from tests.waiting import eventually
from tests.warm import DOKA, WarmProcess

GROUP, TOPIC = "doka-letters", "dead"
EACH, KEYS = 200, 5
Run = Callable[..., tuple[int, str, str]]
ORDERS_0, RETURNS_1 = TopicPartition("orders", 0), TopicPartition("returns", 1)


@dataclass(frozen=True)
class Place:
    """A topic of letters of two partitions, two streams, and a configuration that names them."""

    kafka: KafkaCluster
    aws: FakeAws
    file: Path
    receipts: Path

    def write(self, *letters: tuple[int, Any]) -> None:
        """Write letters, each to a partition."""
        write_letters(self.kafka.bootstrap_servers, TOPIC, letters)

    def landed(self, stream: str = "orders") -> list[bytes]:
        """Give what has landed, in its order."""
        return self.aws.payloads(stream)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start the command in a process of its own."""
        return WarmProcess(
            [DOKA, "letters", "resend", *words, "--config", str(self.file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def has_landed(self, records: int) -> bool:
        """Say whether at least so many have landed."""
        return self.aws.landed_count("orders") >= records

    def receipts_told(self) -> list[Mapping[str, Any]]:
        """Read the receipts."""
        return [json.loads(line) for line in self.receipts.read_text().splitlines()]

    def letters(self, count: int) -> list[Found]:
        """Read so many letters."""
        return read_topic(self.kafka.bootstrap_servers, TOPIC, count, partitions=2)


def of_order(number: int, code: str = "NoValue", **more: Any) -> tuple[int, Any]:
    """Give a letter of orders[0], whose value says which it is, in the partition of its key."""
    key = b"k%d" % (number % KEYS)
    original = Original(key, b"%d" % number, more.pop("headers", None))
    return number % KEYS % 2, letter(number, original, source=ORDERS_0, offset=number, code=code, **more)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give no letters yet."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    with KafkaCluster() as kafka, FakeAws() as aws:
        kafka.create_topic(TOPIC, 2)
        aws.create_stream("orders", shards=2)
        aws.create_stream("returns", shards=1)
        given = settings(
            kafka.bootstrap_servers,
            aws.url,
            {"orders": "orders", "returns": "returns"},
            group_id=GROUP,
            dead_letters={"topic": TOPIC},
            kafka={"client": {"session.timeout.ms": 3_000, "heartbeat.interval.ms": 300}},
        )
        file = tmp_path / "doka.yaml"
        file.write_text(yaml.safe_dump(given))
        yield Place(kafka, aws, file, tmp_path / "sent.jsonl")


@pytest.fixture
def run(place: Place, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; give its exit code, and what it said on stdout and stderr."""

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = main(["letters", "resend", *arguments, "--config", str(place.file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


class Terminal(io.StringIO):
    """A terminal at which somebody has typed this already."""

    def isatty(self) -> bool:
        """Say that a person is there."""
        return True


def numbers(values: Sequence[bytes]) -> list[int]:
    """Give which records these are."""
    return [int(value) for value in values]


def in_order(landed: Sequence[int]) -> bool:
    """Say whether the records of each key landed in their order, those that landed again left out."""
    firsts = list(dict.fromkeys(landed))
    return all(of_key == sorted(of_key) for key in range(KEYS) for of_key in [[n for n in firsts if n % KEYS == key]])


def test_a_person_sees_the_plan_is_asked_and_gets_a_verdict(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which, how many, how fast; then they land in the order of their keys, each with a receipt, and none a second time."""
    place.write(*map(of_order, range(40)), of_order(40, "NoPartitionKey"))
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, _ = run("--receipts", str(place.receipts))
    assert code == 0
    for line in (
        "To be sent again, by route orders, to arn:aws:kinesis:eu-west-1:210987654321:stream/orders:\n",
        "  letters    41, 154 B of keys and values\n             40 NoValue\n             1 NoPartitionKey\n",
        "  pace       500 records a second, 25% of what 2 shards take; less where the stream throttles\n",
        "  group      doka-letters-letters keeps what is done: after a kill type the same again",
        f"  receipts   are added to {place.receipts}\n",
        "Send them? [y/N]: ",
        "41 records landed.\nAll that was asked for is done.\n",
    ):
        assert line in out
    landed = numbers(place.landed())
    assert (list(range(41)), True) == (sorted(landed), in_order(landed))
    receipts = place.receipts_told()
    where = {int(each.data): (each.shard, each.sequence_number) for each in place.aws.landed("orders")}
    assert where == {r["source"]["offset"]: (r["shard"], r["sequence_number"]) for r in receipts}
    assert (41, {"orders"}) == (len(receipts), {each["source"]["topic"] for each in receipts})
    code, out, _ = run("--yes")
    assert (0, 41) == (code, place.aws.landed_count("orders"))
    assert "Nothing is to be sent: no letter of that kind is left.\n" in out


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("", 130)])
def test_who_does_not_say_yes_sends_nothing(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    """No is the answer unless it is yes; nothing is committed, and no file made."""
    place.write(of_order(0))
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert code == run("--receipts", str(place.receipts))[0]
    assert (0, False) == (place.aws.landed_count("orders"), place.receipts.exists())
    assert {-1001} == set(committed(place.kafka.bootstrap_servers, letters_group(GROUP), {TOPIC: 2}).values())


def test_what_was_not_chosen_is_found_by_the_next(place: Place, run: Run) -> None:
    """By code, then by key, then all: each letter lands once, and those of the other route when they are asked for."""
    codes = ("NoValue", "RecordTooLarge", "NoPartitionKey")
    place.write(*(of_order(number, codes[number % 3]) for number in range(60)))
    place.write((1, letter(99, Original(b"k1", b"99"), source=RETURNS_1, offset=99)))
    assert 0 == run("--code", "RecordTooLarge", "--yes")[0]
    assert list(range(1, 60, 3)) == sorted(numbers(place.landed()))
    assert 0 == run("--key", "k0", "--key", "k2", "--route", "orders", "--yes")[0]
    code, out, err = run("--yes", "--json")
    assert (2, "doka: these are letters of 2 routes; add --route with one of orders, returns\n") == (code, err)
    code, out, _ = run("--route", "orders", "--yes", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert (0, 0, True) == (code, told[-1]["end"]["left"], told[-1]["end"]["all_landed"])
    assert told[0]["plan"]["letters"] == len(told) - 2 == told[-1]["end"]["landed"]
    assert 0 == run("--yes")[0]
    landed = numbers(place.landed())
    assert (list(range(60)), [99]) == (sorted(landed), numbers(place.landed("returns")))


def test_a_dry_run_sends_nothing(place: Place, run: Run) -> None:
    """For a machine, too; and it needs no yes."""
    place.write(*map(of_order, range(10)))
    code, out, err = run("--dry-run", "--json", "--rate", "50")
    plan, end = (json.loads(line) for line in out.splitlines())
    assert (0, "", False) == (code, err, end["end"]["sent"])
    assert (10, 50, "orders", GROUP + "-letters") == tuple(
        plan["plan"][name] for name in ("letters", "records_per_second", "route", "group")
    )
    assert "To be sent again, by route orders" in run("--dry-run")[1]
    assert place.aws.landed_count("orders") == 0


def test_what_cannot_land_today_stays_until_it_can(place: Place, run: Run) -> None:
    """It is told with its code, nothing is sent for it, and the limit that was raised lets it go."""
    large = letter(1, Original(b"k1", b"0" * 1_100_000), source=ORDERS_0, offset=1, code="RecordTooLarge")
    place.write((0, large), of_order(2), (0, letter(3, source=TopicPartition("gone", 0), offset=3)))
    code, out, _ = run("--yes")
    assert (1, [2]) == (code, numbers(place.landed()))
    assert "  stay       1: can never land by today's mapping and limit: RecordTooLarge\n" in out
    assert "  stay       1: no route reads topic gone: --to-topic sends them to a topic\n" in out
    assert out.endswith("1 record landed.\nThe rest of what was asked for is done.\n")
    place.aws.change_stream("orders", record_kib=2_048)
    assert 0 == run("--route", "orders", "--yes")[0]
    assert [1, 1_100_000] == [len(value) for value in place.landed()]


def test_what_the_stream_refuses_is_a_letter_again_and_loops_end(place: Place, run: Run) -> None:
    """It says of which record, and how often it was resent; after so many times it waits for consent."""
    place.write(*map(of_order, range(8)))
    place.aws.inject(FailEntries("InvalidArgumentException", where=lambda _, data: data == b"3"), times=None)
    for resends in (1, 2, 3):
        place.write(of_order(10 + resends))  # which lands, and so shows that it is the other one that is wrong
        code, out, _ = run("--yes")
        assert (1, True) == (code, "  again a letter  dead:" in out and "InvalidArgumentException\n" in out)
        again = max(place.letters(8 + 2 * resends), key=lambda found: int(found.ours.get("doka-resent", 0)))
        ours = again.ours
        assert ("orders", "0", "3", str(resends)) == (
            ours["doka-source-topic"],
            ours["doka-source-partition"],
            ours["doka-source-offset"],
            ours["doka-resent"],
        )
        # Ours are seven, the record's own timestamp, and how often it was resent.
        assert (b"k3", b"3", 7 + 1 + 1) == (again.key, again.value, len(again.headers))
    code, out, _ = run("--yes")
    assert (1, True) == (code, "  stay       1: came back 3 times: --max-resends 4 sends them all the same\n" in out)
    place.aws.withdraw()
    assert 0 == run("--max-resends", "4", "--yes")[0]
    assert dict.fromkeys([*range(8), 11, 12, 13], 1) == Counter(numbers(place.landed()))


def test_where_nothing_lands_it_ends_and_nothing_is_a_letter_again(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that refuses all that is left shows nothing about any of it: they stay where they are."""
    monkeypatch.setattr(resend, "GIVEN_UP_NS", 2 * NS_PER_SECOND)
    place.write(of_order(3))
    place.aws.inject(FailEntries("InvalidArgumentException"), times=None)
    code, out, _ = run("--yes")
    why = "since nothing landed for 2 s: route orders is blocked: InvalidArgumentException"
    assert (1, True, True) == (code, why in out, "1 letter is left: type the same again." in out), out
    assert 1 == len(place.letters(1))
    place.aws.withdraw()
    assert (0, [3]) == (run("--yes")[0], numbers(place.landed()))


def test_a_killed_resend_goes_on_and_repeats_only_what_was_not_committed(place: Place) -> None:
    """Killed again and again: nothing is lost, each key is in order, and each landing has a receipt but for the last moments."""
    place.write(*map(of_order, range(EACH)))
    words = ("--rate", "100", "--yes", "--receipts", str(place.receipts))
    for stop_at in (40, 110):
        process = place.begin(*words)
        eventually(partial(place.has_landed, stop_at), within=60, what=f"{stop_at} records", every=0.01)
        process.kill()
        process.communicate(timeout=30)
    out, err = place.begin(*words).communicate(timeout=90)
    assert "All that was asked for is done.\n" in out, err
    assert "  goes on    what group doka-letters-letters has committed is not sent again\n" in out
    landed = numbers(place.landed())
    assert (set(range(EACH)), True) == (set(landed), in_order(landed))
    assert len(landed) - EACH <= 2 * 2 * AHEAD_RECORDS
    assert set(range(EACH)) == {each["source"]["offset"] for each in place.receipts_told()}


def test_two_at_once_do_no_harm(place: Place) -> None:
    """The group gives each partition to one of them; no letter is left, and each key is in order.

    A mock cluster takes no commits for seconds while a member joins, as a real one does not: what landed meanwhile lands again.
    """
    place.write(*map(of_order, range(EACH)))
    words = ("--rate", "50", "--yes", "--receipts", str(place.receipts))
    processes = [place.begin(*words) for _ in range(2)]
    said = [process.communicate(timeout=90) for process in processes]
    assert [0, 0] == [process.returncode for process in processes], said
    landed = numbers(place.landed())
    assert (set(range(EACH)), True) == (set(landed), in_order(landed))
    assert EACH <= len(landed) == len(place.receipts_told()) <= EACH + 2 * AHEAD_RECORDS


def test_letters_go_to_a_topic(place: Place, run: Run) -> None:
    """Whole, with a count of their resends; those whose topic no route reads, too. AWS is not asked."""
    place.kafka.create_topic("mended", 1)
    place.write(of_order(1, headers=[("trace", b"t")]), (0, letter(2, source=TopicPartition("gone", 0), offset=2)))
    code, out, _ = run("--to-topic", "mended", "--yes", "--receipts", str(place.receipts))
    assert (0, True) == (code, "To be sent again, to mended:\n" in out), out
    found = {each.value: each for each in read_topic(place.kafka.bootstrap_servers, "mended", 2)}
    assert {b"1", b"value"} == found.keys()
    assert [("trace", b"t"), ("doka-resent", b"1")] == list(found[b"1"].headers)
    assert (b"k1", 1_700_000_000_123) == (found[b"1"].key, found[b"1"].timestamp_ms)
    receipts = place.receipts_told()
    assert {("mended", 0, 0), ("mended", 0, 1)} == {(r["topic"], r["partition"], r["offset"]) for r in receipts}
    assert "no letter of that kind is left" in run("--to-topic", "mended", "--yes")[1]
    assert 0 == sum(place.aws.counts().values())


def test_a_stranger_is_passed_over(place: Place, run: Run) -> None:
    """What is no letter is counted, and stops nothing."""
    produce(place.kafka, TOPIC, {0: [(b"k", b"stranger")]})
    place.write(of_order(0))
    code, out, _ = run("--yes")
    assert (0, [0]) == (code, numbers(place.landed()))
    assert "  no letters 1 record of topic dead; they are passed over\n" in out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "doka: nobody can be asked here whether to send them: add --yes, or --dry-run to see what it would be"),
        (("--to-topic", TOPIC, "--yes"), 2, "doka: --to-topic dead is the topic of letters itself"),
        (("--to-topic", "nowhere", "--yes"), 1, "doka: nothing is sent: topic nowhere does not exist"),
        (("--route", "nowhere", "--yes"), 2, "doka: --route 'nowhere' is none of the routes"),
        (("--letter", "orders:0:1", "--yes"), 2, "doka: 'orders:0:1' is no letter"),
        (
            ("--yes", "--receipts", "/nowhere/sent.jsonl"),
            1,
            "doka: nothing is sent: receipts cannot be written to /nowhere",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_nothing_is_sent(
    place: Place, run: Run, words: tuple[str, ...], code: int, told: str
) -> None:
    """With the exit code of its kind."""
    place.write(of_order(0))
    found, _, err = run(*words)
    assert (code, 1, 0) == (found, err.count("\n"), place.aws.landed_count("orders"))
    assert told in err
