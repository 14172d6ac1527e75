"""`doka replay` as a user types it, against a Kafka mock cluster and a fake AWS; also killed in the middle."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.audit.file import AuditFile
from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import range_source
from doka.app.cli import progress
from doka.app.cli.main import main
from doka.app.replay import plan
from doka.domain.audit.fates import Plan as AuditPlan
from doka.domain.audit.fates import PlannedPartition, Terms
from doka.domain.audit.identity import Identities
from doka.domain.audit.landed import Landed, ShardReached
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import RouteRules
from tests.containers.feeding import committed
from tests.containers.service import settings
from tests.fake_aws import SOURCE_KEYS, FailEntries, FakeAws, Refuse
from tests.integration.kafka.group import produce
from tests.integration.kafka.test_skip_writing import commit
from tests.unit.domain.builders import Extras
from tests.waiting import eventually

GROUP = "doka-replay"
EACH = 400
KEYS = 7
ALL = ("--offsets", f"orders:0:0-{EACH - 1}", "--offsets", f"orders:1:0-{EACH - 1}")
WITHOUT_IDS = (
    "import sys; from doka.adapters.kafka import range_source; from doka.app.cli.main import main; "
    "from doka.app.replay import plan; range_source.topic_ids = plan.topic_ids = lambda *_: {}; sys.exit(main(sys.argv[1:]))"
)
"""A mock cluster knows none, and lets whoever asks wait for ten seconds."""
Run = Callable[..., tuple[int, str, str]]


def payload(partition: int, number: int) -> bytes:
    """Give the value of a record, which says which one it is."""
    return b"%d/%d" % (partition, number)


@dataclass(frozen=True)
class Place:
    """A topic of two partitions, a stream, and a configuration that names both."""

    kafka: KafkaCluster
    aws: FakeAws
    file: Path
    state: Path

    def landed(self, stream: str = "orders") -> list[tuple[int, int]]:
        """Give what has landed, as partition and number, in the order in which it did."""
        pairs = (record.split(b"/") for record in self.aws.payloads(stream))
        return [(int(partition), int(number)) for partition, number in pairs]

    def has_landed(self, records: int) -> bool:
        """Say whether at least so many have landed."""
        return self.aws.landed_count("orders") >= records

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", WITHOUT_IDS, "replay", *arguments, "--config", str(self.file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def settled(self) -> int:
        """Give how many offsets have settled by the state file; none where there is none."""
        data = json.loads(self.state.read_text())
        return sum(each["offset"] for each in data["settled"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a place with so many records in each partition."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    for module in (range_source, plan):
        monkeypatch.setattr(module, "topic_ids", lambda *_arguments: {})
    with KafkaCluster() as kafka, FakeAws() as aws:
        kafka.create_topic("orders", 2)
        aws.create_stream("orders", shards=2)
        for partition in range(2):
            records = [(b"%d-%d" % (partition, n % KEYS), payload(partition, n)) for n in range(EACH)]
            produce(kafka, "orders", {partition: records})
        file = tmp_path / "doka.yaml"
        file.write_text(
            yaml.safe_dump(settings(kafka.bootstrap_servers, aws.url, {"orders": "orders"}, group_id=GROUP))
        )
        yield Place(kafka, aws, file, tmp_path / "weekend.state")


@pytest.fixture
def run(place: Place, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; give its exit code, and what it said on stdout and stderr."""

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = main(["replay", *arguments, "--config", str(place.file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


class Terminal(io.StringIO):
    """A terminal at which somebody has typed this already."""

    def isatty(self) -> bool:
        """Say that a person is there."""
        return True


def in_order(landed: list[tuple[int, int]]) -> bool:
    """Say whether the records of each key landed in their order, those that landed again left out."""
    highest: dict[tuple[int, int], int] = {}
    seen: set[tuple[int, int]] = set()
    for partition, number in landed:
        if (partition, number) not in seen:
            seen.add((partition, number))
            key = partition, number % KEYS
            if highest.get(key, -1) > number:
                return False
            highest[key] = number
    return True


def test_a_person_sees_the_plan_is_asked_and_gets_a_verdict(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What, how much, how fast, how long; then exactly that lands, in the order of its keys, and nothing is committed."""
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, _ = run("--offsets", "orders:0:100-299", "--offsets", "orders:1:350-399")
    assert code == 0
    for line in (
        "To be sent again, by route orders, to arn:aws:kinesis:eu-west-1:210987654321:stream/orders:\n",
        "  records    250 at most, of 2 partitions\n",
        "  bytes      about ",
        "  pace       500 records a second, 25% of what 2 shards take; less where the stream throttles\n",
        "  time       about 500 ms\n",
        "  state      none is kept: add --state FILE, so that it can go on after a kill\n",
        "Send them? [y/N]: ",
        "250 records landed.\n  shardId-000000000000  sequence numbers ",
        "\nBetween these stands all that landed, and what the service wrote meanwhile.\nAll that was asked for and that Kafka still had has landed.\n",
    ):
        assert line in out
    expected = {(0, n) for n in range(100, 300)} | {(1, n) for n in range(350, 400)}
    landed = place.landed()
    assert (250, expected, True) == (len(landed), set(landed), in_order(landed))
    assert {-1001} == set(committed(place.kafka.bootstrap_servers, GROUP, {"orders": 2}).values())


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("", 130)])
def test_who_does_not_say_yes_sends_nothing(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    """No is the answer unless it is yes; no state is left."""
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert code == run(*ALL, "--state", str(place.state))[0]
    assert (0, False) == (place.aws.landed_count("orders"), place.state.exists())


def test_a_dry_run_says_what_it_would_be_and_sends_nothing(place: Place, run: Run) -> None:
    """For a machine, too; what is above the committed offset is counted, for the service sends it itself."""
    commit(place.kafka, GROUP, KafkaPartition("orders", 0, 150))
    code, out, err = run("--offsets", "orders:0:100-299", "--dry-run", "--json", "--rate", "50")
    told = json.loads(out)
    assert (0, "", False) == (code, err, told["sent"])
    assert (200, 50, 0.025, 150) == tuple(
        told["plan"][name] for name in ("offsets", "records_per_second", "share", "above_committed")
    )
    assert (
        "150 of these offsets are above what the group has committed: the service sends them, too"
        in (run("--offsets", "orders:0:100-299", "--dry-run")[1])
    )
    assert place.aws.landed_count("orders") == 0


def test_what_it_wrote_is_marked_and_told_by_shard(place: Place, run: Run) -> None:
    """The envelope says that it is sent once more, and is of the same record; of each shard the sequence numbers are told."""
    written = yaml.safe_load(place.file.read_text())
    written["routes"][0]["envelope"] = "json"
    place.file.write_text(yaml.safe_dump(written))
    code, out, _ = run("--offsets", "orders:0:0-49", "--yes", "--json")
    landed = place.aws.landed("orders")
    envelopes = [json.loads(each.data) for each in landed]
    assert (0, {True}, list(range(50))) == (
        code,
        {each["replayed"] for each in envelopes},
        sorted(each["offset"] for each in envelopes),
    )
    numbers: dict[str, list[int]] = {}
    for each in landed:
        numbers.setdefault(each.shard, []).append(int(each.sequence_number))
    expected = [{"shard": s, "first": str(min(n)), "last": str(max(n))} for s, n in sorted(numbers.items())]
    assert (2, expected) == (len(expected), json.loads(out)["written"])


def test_it_goes_to_another_stream_where_that_is_named(place: Place, run: Run) -> None:
    """By its name, with the role of the route."""
    place.aws.create_stream("elsewhere", shards=1)
    code, out, _ = run("--offsets", "orders:0:0-9", "--stream", "elsewhere", "--yes", "--json")
    told = json.loads(out)
    assert (0, True, 10) == (code, told["all_landed"], told["landed"])
    assert ([(0, n) for n in range(10)], 0) == (sorted(place.landed("elsewhere")), place.aws.landed_count("orders"))


def test_a_killed_replay_goes_on_and_repeats_only_what_it_had_not_noted(place: Place) -> None:
    """Killed again and again at some moment: nothing is lost, each key is in order, and the repeats are those it tells."""
    words = (*ALL, "--rate", "400", "--yes", "--state", str(place.state))
    repeats = 0
    for stop_at in (100, 250, 450, 600):
        process = place.begin(*words)
        eventually(partial(place.has_landed, stop_at), within=60, what=f"{stop_at} records", every=0.01)
        process.kill()
        process.communicate(timeout=30)
        landed = place.landed()
        again = len(set(landed)) - place.settled()
        assert 0 <= again <= 400, "no more than a second's worth is not noted"
        repeats += again
    process = place.begin(*words)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "offsets have settled already" in out
    landed = place.landed()
    assert {(partition, n) for partition in range(2) for n in range(EACH)} == set(landed)
    assert in_order(landed)
    assert len(landed) <= 2 * EACH + repeats


def test_ctrl_c_settles_what_was_sent_and_nothing_lands_twice(place: Place) -> None:
    """It ends with what is left, and the same words go on from there."""
    words = (*ALL, "--rate", "300", "--yes", "--state", str(place.state))
    process = place.begin(*words)
    eventually(partial(place.has_landed, 100), within=60, what="some records", every=0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "It ended before all was sent: stopped by SIGINT.\nType the same again, and it goes on.\n" in out
    assert place.settled() == place.aws.landed_count("orders")
    out, err = place.begin(*words).communicate(timeout=60)
    assert "All that was asked for and that Kafka still had has landed." in out, err
    assert {1} == set(Counter(place.landed()).values())
    assert 2 * EACH == place.aws.landed_count("orders")


def test_what_has_landed_is_not_sent_a_second_time(place: Place, run: Run) -> None:
    """The file knows that all is done."""
    words = ("--offsets", "orders:0:0-49", "--yes", "--state", str(place.state))
    assert 0 == run(*words)[0]
    code, out, _ = run(*words)
    assert (0, 50) == (code, place.aws.landed_count("orders"))
    assert "Nothing is left to be sent: all of it has settled already.\n50 records landed.\n" in out
    assert "All that was asked for and that Kafka still had has landed." in out


def test_what_can_never_land_is_named_and_the_rest_is_sent(place: Place, run: Run) -> None:
    """With exit code 1; the service's own policy would have stopped the key."""
    produce(place.kafka, "orders", {0: [(b"", b"0/400"), (b"0-1", b"0/401")]})
    code, out, _ = run("--offsets", "orders:0:398-401", "--yes")
    assert code == 1
    assert "  not sent   orders:0:400 can never land: EmptyPartitionKey\n3 records landed.\n" in out
    assert "The rest of what was asked for has landed." in out
    assert {398, 399, 401} == {number for _, number in place.landed()}


def test_what_kafka_has_no_more_is_named_and_the_rest_is_sent(place: Place, run: Run) -> None:
    """Before it is sent, and in the exit code."""
    place.kafka.delete_records("orders", 0, 30)
    code, out, _ = run("--offsets", "orders:0:20-39", "--yes")
    assert code == 1
    assert "  missing    10 offsets of orders[0] below 30 are no longer in the log\n" in out
    assert set(range(30, 40)) == {number for _, number in place.landed()}


def test_throttling_slows_it_and_loses_nothing(place: Place, run: Run) -> None:
    """The service beside it has its share; what was throttled is sent again in the order of its keys."""
    place.aws.inject(FailEntries("ProvisionedThroughputExceededException"), times=5)
    code, out, _ = run("--offsets", "orders:0:0-199", "--yes", "--json", "--rate", "400")
    assert (0, 200) == (code, json.loads(out)["landed"])
    assert in_order(place.landed())
    assert set(range(200)) == {number for _, number in place.landed()}


def test_a_route_that_stays_blocked_is_told_and_given_up(
    place: Place, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of /readyz, and when it will; the state is kept, and the same words go on when it is cured."""
    monkeypatch.setattr(progress, "LINE_EVERY_NS", 0)
    place.aws.inject(Refuse("AccessDeniedException"), times=None)
    words = (*ALL, "--yes", "--state", str(place.state))
    code, out, err = run(*words, "--give-up-after", "3s")
    reason = "route orders is blocked: AccessDeniedException"
    assert (1, True) == (
        code,
        f"since nothing landed for 3 s: {reason}.\nType the same again, and it goes on.\n" in out,
    )
    assert f"0 of {2 * EACH}, and it waits: {reason}; it gives up in " in err
    place.aws.withdraw()
    assert 0 == run(*words)[0]
    assert {1} == set(Counter(place.landed()).values())
    assert 2 * EACH == place.aws.landed_count("orders")


def test_a_state_that_cannot_be_kept_sends_nothing(place: Place, run: Run) -> None:
    """One line and exit code 1; what belongs to another replay is a usage error."""
    code, out, err = run(*ALL, "--yes", "--state", str(place.file.parent / "nowhere" / "state"))
    assert code == 1
    assert "doka: nothing is sent: the state file" in err
    assert "cannot be written: No such file or directory" in err
    code, out, err = run(*ALL, "--yes", "--state", str(place.file))
    assert (2, "") == (code, out)
    assert err.endswith("is no state of a replay; name another file\n")
    assert place.aws.landed_count("orders") == 0


def test_a_stream_that_is_not_there_is_said_before_anything_is_sent(place: Place, run: Run) -> None:
    """How much it takes is not known."""
    code, out, err = run(*ALL, "--yes", "--stream", "nowhere")
    assert (1, "") == (code, out)
    assert (
        "doka: nothing is sent: how much the stream takes is not known (the stream could not be described: Resource"
        in err
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--yes",),
            "doka: say what to send, in one way: --since TIME, with --until TIME; --offsets TOPIC:PARTITION:FIRST-LAST; or",
        ),
        ((*ALL, "--since", "2h", "--yes"), "doka: say what to send, in one way: "),
        (("--until", "2h", *ALL, "--yes"), "doka: --until needs --since\n"),
        (("--since", "2h", "--until", "3h", "--yes"), "doka: --until is not after --since\n"),
        (ALL, "doka: nobody can be asked here whether to send it: add --yes, or --dry-run"),
        (("--offsets", "returns:0:1", "--yes"), "doka: no route reads topic returns, and all else that is named"),
        (("--offsets", "orders:0", "--yes"), "doka: 'orders:0' names no record: TOPIC:PARTITION:OFFSET, or"),
        ((*ALL, "--route", "order", "--yes"), "doka: --route 'order' is none of the routes, which are orders\n"),
        ((*ALL, "--stream", "a b", "--yes"), "doka: --stream 'a b' is neither the name of a stream nor its ARN\n"),
    ],
)
def test_words_that_are_wrong_are_one_line(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, and the cure."""
    code, out, err = run(*arguments)
    assert (2, "") == (code, out)
    assert err.startswith(sentence)


def test_one_route_at_a_time(place: Place, run: Run) -> None:
    """Each has a stream and a pace of its own."""
    given = yaml.safe_load(place.file.read_text())
    given["routes"].append({"topics": ["returns"], "stream": {"name": "returns", "role": "writer"}})
    place.file.write_text(yaml.safe_dump(given))
    assert (2, "doka: one route at a time: add --route with one of orders, returns\n") == run("--since", "2h", "--yes")[
        ::2
    ]
    assert 0 == run("--offsets", "orders:0:0-9", "--yes")[0]


def audited(path: Path, lost: set[int], *, stream: str = "orders") -> None:
    """Write the file of an audit that has found these offsets of orders[0] to be lost, and all others in the stream."""
    rules = RouteRules("orders", frozenset({"orders"}), "writer")
    identities = Identities(rules, 1 << 20)
    day_ms = 86_400_000
    partition = TopicPartition("orders", 0)
    terms = Terms("orders", f"arn:aws:kinesis:eu-west-1:1:stream/{stream}", GROUP, identities.match, "", 0, day_ms)
    planned = (PlannedPartition(partition, 0, EACH, EACH),)
    shard = "shardId-000000000000"
    window = AuditPlan(planned, 2 * day_ms, -day_ms, 3 * day_ms, 4 * day_ms, {shard: ()})

    def chunk_of(offsets: list[int]) -> Chunk:
        keys = [b"0-%d" % (n % KEYS) for n in offsets]
        originals = [Extras(of_timestamp=(1, day_ms // 2))] * len(offsets)
        return Chunk(partition, offsets, keys, [payload(0, n) for n in offsets], day_ms // 2, originals)

    there = [n for n in range(EACH) if n not in lost]
    with AuditFile.create(path, terms, window) as file:
        file.add_expected(identities.expected(chunk_of(list(range(EACH)))))
        keys = [f"0-{n % KEYS}" for n in there]
        numbers = [str(n) for n in there]
        landed = Landed(shard, keys, [payload(0, n) for n in there], numbers, [day_ms // 2] * len(there))
        file.add_landed(landed, identities.landed(landed))
        file.reached_partition(partition, EACH)
        file.reached_shard(ShardReached(shard, 3 * day_ms, None, ended=True))
        file.stream_was_read({shard: ()})
        file.judge()


def test_what_an_audit_found_to_be_lost_is_sent_and_nothing_else(place: Place, run: Run) -> None:
    """Once: beside the file stands what has landed since, so that a second run sends nothing."""
    lost = {0, 7, 8, 9, 100, *range(200, 230), EACH - 1}
    file = place.file.parent / "weekend.audit"
    audited(file, lost)
    for arguments, told in ((("--audit", str(file)), "of 7 keys later"), (ALL, "not known of how many keys later")):
        assert f"  order      {told} records are in the stream already" in run(*arguments, "--dry-run")[1]
    code, out, _ = run("--audit", str(file), "--yes")
    assert (0, lost) == (code, {number for _, number in place.landed()})
    assert f"  state      {file}.replay: after a kill type the same again" in out
    assert len(lost) == place.aws.landed_count("orders")
    code, out, _ = run("--audit", str(file), "--yes")
    assert (0, len(lost)) == (code, place.aws.landed_count("orders"))
    assert "Nothing is left to be sent: all of it has settled already.\n" in out


def test_an_audit_that_found_nothing_sends_nothing(place: Place, run: Run) -> None:
    """And that is well."""
    file = place.file.parent / "weekend.audit"
    audited(file, set())
    code, out, _ = run("--audit", str(file), "--yes")
    assert (0, 0) == (code, place.aws.landed_count("orders"))
    assert "Nothing is left to be sent" in out


def test_an_audit_of_another_stream_is_refused(place: Place, run: Run) -> None:
    """In one line; and what is no audit at all."""
    file = place.file.parent / "weekend.audit"
    audited(file, {5}, stream="elsewhere")
    code, _, err = run("--audit", str(file), "--yes")
    assert code == 2
    assert err.endswith("is of route orders to stream elsewhere, which this configuration does not have\n")
    assert 2 == run("--audit", str(place.file), "--yes")[0]
    assert 2 == run("--audit", str(place.file.parent / "none"), "--yes")[0]
