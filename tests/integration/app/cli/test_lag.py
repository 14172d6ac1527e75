"""`doka lag` as a user types it, against a Kafka mock cluster, which tells no members."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition as KafkaPartition
from rich.console import Console

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import group_lag
from doka.adapters.kafka.group_lag import GroupLag, PartitionLag
from doka.app.cli.lag import data_of, picture_of, told_and_sound
from doka.app.cli.main import main
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import numbered, produce
from tests.integration.kafka.test_skip_writing import commit
from tests.waiting import eventually

P0, P1, P2 = (TopicPartition("orders", number) for number in range(3))
GROUP = "doka-orders"
WITHOUT_IDS = (
    "import sys; from doka.adapters.kafka import group_lag; from doka.app.cli.main import main; "
    "group_lag.topic_ids = lambda *_: {}; sys.exit(main(sys.argv[1:]))"
)
"""A mock cluster knows none, and lets whoever asks wait for ten seconds."""
Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Place:
    """A cluster with ten records in orders[0], of which the group has committed three, and a configuration."""

    kafka: KafkaCluster
    file: Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a place; its cluster knows no ids of topics, and lets whoever asks wait for ten seconds."""
    monkeypatch.setattr(group_lag, "topic_ids", lambda *_arguments: {})
    monkeypatch.setenv("COLUMNS", "200")
    with KafkaCluster() as kafka:
        kafka.create_topic("orders", 1)
        produce(kafka, "orders", {0: numbered(10)})
        commit(kafka, GROUP, KafkaPartition(*P0, 3))
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
  - topics: [orders]
    stream: {{name: orders, role: analytics}}
""")
        yield Place(kafka, file)


@pytest.fixture
def run(place: Place, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; give its exit code, and what it said on stdout and stderr."""

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = main(["lag", *arguments, "--config", str(place.file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


def test_a_person_gets_a_row_for_each_partition_and_a_sentence(run: Run) -> None:
    """What is committed, what waits and for how long; who is a member could not be told here, and that is said."""
    code, out, err = run()
    assert (0, "") == (code, err)
    row = next(line for line in out.splitlines() if line.startswith("orders[0]"))
    assert ["orders[0]", "3", "10", "7"] == row.split()[:4]
    assert re.search(
        r"Group doka-orders is 7 records behind at most, in 1 of 1 partition; the oldest record has waited .*s\.", out
    )
    assert "Who is a member of it is not told: Local: Required feature not supported by broker." in out


def test_a_machine_gets_json(run: Run) -> None:
    """Each figure by its name, and null for what is not known."""
    code, out, err = run("--json")
    told = json.loads(out)
    assert (0, "") == (code, err)
    (partition,) = told.pop("partitions")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", told.pop("at"))
    assert partition["seconds"] == told.pop("seconds") > 0
    assert {
        "told": True,
        "group": GROUP,
        "committed_anything": True,
        "members": None,
        "lag": 7,
        "missing_topics": [],
    } == told
    assert {
        "topic": "orders",
        "partition": 0,
        "committed": 3,
        "start": 0,
        "end": 10,
        "lag": 7,
        "gone": 0,
        "seconds": partition["seconds"],
        "why_no_seconds": None,
        "owner": None,
        "trouble": None,
    } == partition


def test_a_group_without_commits_is_said(run: Run) -> None:
    """With exit code 1: a name that is written wrong looks like this."""
    code, out, _ = run("--group", "doka-oders")
    assert code == 1
    assert "Group doka-oders has committed nothing of this partition: it never ran" in out
    assert "no commit" in out


def test_a_commit_outside_its_log_is_said(place: Place, run: Run) -> None:
    """With exit code 1, and how many are gone."""
    place.kafka.delete_records("orders", 0, 5)
    code, out, _ = run()
    assert code == 1
    assert "2 offsets are gone: the log begins at 5" in out
    assert "2 offsets below the logs' starts are gone from Kafka: kafka.on_gap decides what follows." in out


def test_where_nobody_answers_it_is_one_line(place: Place, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1; for a machine as JSON."""
    monkeypatch.setattr(group_lag, "ANSWER_SECONDS", 1.0)
    place.kafka.set_down()
    code, out, err = run()
    assert (1, "") == (code, out)
    assert re.fullmatch(r"doka: nothing is known: Kafka did not answer as it should: .*; try: doka check\n", err)
    code, out, err = run("--json")
    assert (1, "", False) == (code, err, json.loads(out)["told"])


def test_nobody_watches_where_there_is_no_terminal(run: Run) -> None:
    """A usage error that names the cure."""
    code, out, err = run("--watch")
    assert (2, "") == (code, out)
    assert err.startswith("doka: --watch draws at a terminal, and this is none: leave it out, or add --json")


@pytest.mark.parametrize("as_json", [True, False])
def test_it_watches_until_ctrl_c(place: Place, *, as_json: bool) -> None:
    """It draws anew, or writes one line for each look; Ctrl-C ends it with 130 and no traceback."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_IDS, "lag", "--watch", "--config", str(place.file), *["--json"][:as_json]],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    said = bytearray()

    def looked_twice() -> bool:
        said.extend(os.read(ours, 65_536))
        return said.count(b"orders") >= 4

    eventually(looked_twice, within=60, what=f"two looks, instead of {said!r}", every=0)
    process.send_signal(signal.SIGINT)
    assert 130 == process.wait(30)
    os.close(ours)
    assert b"Traceback" not in said


# --- what a mock cluster cannot show -----------------------------------------------------------------------------------


def drawn(found: GroupLag) -> str:
    """Draw a look for a person."""
    console = Console(width=200, highlight=False)
    with console.capture() as captured:
        console.print(picture_of(found))
    return captured.get()


def test_who_reads_what_is_shown() -> None:
    """The member of each partition, how many there are, and where to see what each waits for."""
    lag = PartitionLag(P0, 3, 0, 10, waits_since_ms=0, owner="doka@10.0.0.7")
    out = drawn(GroupLag(GROUP, 7_200_000, (lag,), members=2))
    assert ["orders[0]", "3", "10", "7", "2", "h", "doka@10.0.0.7"] == out.splitlines()[1].split()
    assert "2 members of it; what each waits for: curl localhost:9400/readyz" in out


def test_a_service_that_is_down_is_named() -> None:
    """Nobody is a member, and what waits is told all the same."""
    lag = PartitionLag(P0, 3, 0, 1_000_003, waits_since_ms=0)
    out = drawn(GroupLag(GROUP, 7_200_000, (lag,), members=0))
    assert "1,000,000 records behind at most, in 1 of 1 partition; the oldest record has waited 2 h." in out
    assert "Nobody is a member of it now. Next: doka run" in out


def test_a_group_at_the_end_is_told_so() -> None:
    """And what is not known beside it."""
    found = GroupLag(GROUP, 0, (PartitionLag(P0, 9, 0, 9), PartitionLag(P1, 9, trouble="away")), members=1)
    assert "Group doka-orders is at the end of 1 partition; of 1 partition it is not known." in drawn(found)
    assert not told_and_sound(found)


def test_a_sum_with_an_unknown_part_is_not_known() -> None:
    """A machine is not given a figure that is too small."""
    known = PartitionLag(P0, 3, 0, 9, waits_since_ms=5_000)
    assert 6 == data_of(GroupLag(GROUP, 9_000, (known, PartitionLag(P1, 9, 0, 9)), members=1))["lag"]
    told = data_of(GroupLag(GROUP, 9_000, (known, PartitionLag(P2)), members=1))
    assert (None, 4.0) == (told["lag"], told["seconds"])
