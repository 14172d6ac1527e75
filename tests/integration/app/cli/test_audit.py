"""`doka audit` as a user types it, against a Kafka mock cluster and the fake AWS."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.app.cli.main import main
from tests.fake_aws import DESTINATION_ACCOUNT, WRITER_ROLE, Refuse
from tests.integration.app.audit.conftest import place  # noqa: F401 - a fixture
from tests.integration.app.audit.place import ENVIRONMENT, Place
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them
from tests.unit.adapters.telemetry.given import get
from tests.waiting import eventually

RECORDS = 500
Run = Callable[..., tuple[int, str, str]]

PATCHED = (
    "import sys; import pytest; from tests.integration.app.audit.place import patch; patch(pytest.MonkeyPatch()); "
    "from doka.app.audit import reading; reading.STORED_EVERY_NS = 0; "
    "from doka.app.cli.main import main; sys.exit(main(sys.argv[1:]))"
)
"""The command on a cluster that knows no times, which stores at each step what it has read."""

FULL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); "
"""No file may grow beyond what a database has at its beginning."""


@pytest.fixture
def run(place: Place, capsys: pytest.CaptureFixture[str]) -> Run:  # noqa: F811 - the fixture itself
    """Type the command; gives its exit code, and what it said on stdout and stderr."""

    def typed(*words: object) -> tuple[int, str, str]:
        code = main(["audit", *map(str, words), "--config", str(place.config)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return typed


def told(run: Run, *words: object) -> tuple[int, dict[str, Any]]:
    """Type it with --json; gives its exit code and what it told."""
    code, out, err = run("--since", "1h", "--json", *words)
    assert out, err
    return code, json.loads(out)


def configure(place: Place, section: str, more: dict[str, Any]) -> None:  # noqa: F811
    """Merge more settings into a section."""
    given = yaml.safe_load(place.config.read_text(encoding="utf-8"))
    given[section] = {**given.get(section, {}), **more}
    place.config.write_text(yaml.safe_dump(given), encoding="utf-8")


def test_nothing_is_lost(run: Run, place: Place) -> None:  # noqa: F811
    """A sentence says it, the exit code is 0, and the file's name is told with a question for it."""
    place.fill(RECORDS)
    place.land(RECORDS)
    code, out, err = run("--since", "1h")
    assert (0, "") == (code, err)
    assert "Nothing is lost: of 1,000 records all that the group has committed are in" in out
    (file,) = Path.cwd().glob("doka-audit-orders-*.duckdb")
    assert file.name in out


def test_what_is_lost_is_named(run: Run, place: Place) -> None:  # noqa: F811
    """For a person and for a machine, each record by topic, partition and offset; what waits is told apart."""
    place.fill(RECORDS, committed=RECORDS - 10)
    place.land(RECORDS - 12)
    code, out, _ = run("--since", "1h", "--file", "x.duckdb")
    assert 1 == code
    assert "4 records are lost" in out
    assert f"lost: orders:0:{RECORDS - 12}-{RECORDS - 11}, orders:1:{RECORDS - 12}-{RECORDS - 11}" in out
    code, data = told(run, "--file", "x.duckdb")
    assert (1, False, 4, 20) == (code, data["complete"], data["lost"], data["not_yet"])
    assert [f"orders:{number}:{RECORDS - 12}-{RECORDS - 11}" for number in (0, 1)] == data["places"]["lost"]


def test_a_page_can_be_written(run: Run, place: Place) -> None:  # noqa: F811
    """Beside what is told; a folder that is not there is told before anything is read."""
    place.fill(RECORDS)
    place.land(RECORDS)
    assert 0 == run("--since", "1h", "--html", "x.html")[0]
    assert "Nothing is lost" in Path("x.html").read_text(encoding="utf-8")
    assert (2, "", "doka: --html no/x.html is in a folder that is not there: make it, or name another file\n") == run(
        "--since", "1h", "--html", "no/x.html"
    )


def test_other_partition_keys_are_compared_by_data(run: Run, place: Place) -> None:  # noqa: F811
    """Where another forwarder chose its own keys, all seems lost by key, and is found by the data alone."""
    place.fill(RECORDS)
    place.land_pairs([(f"other-{n}", b"%d" % n) for p in (0, 1) for n in range(p * 1_000_000, p * 1_000_000 + RECORDS)])
    code, data = told(run)
    assert (1, 2 * RECORDS) == (code, data["lost"])
    code, data = told(run, "--match", "data")
    assert (0, 2 * RECORDS) == (code, data["in_stream"])


def test_an_empty_window_is_no_proof_of_anything(run: Run, place: Place) -> None:  # noqa: F811
    """The sentence says that there was nothing."""
    del place
    code, out, _ = run("--since", "1h")
    assert 0 == code
    assert "Kafka holds no record of this window" in out


DENIED = (
    f"User: arn:aws:sts::{DESTINATION_ACCOUNT}:assumed-role/doka-writer/doka is not authorized to perform: "
    "kinesis:GetRecords on resource: orders because no identity-based policy allows the kinesis:GetRecords action"
)


def test_a_role_that_may_not_read_is_told_the_statement(run: Run, place: Place) -> None:  # noqa: F811
    """What was found out so far is no proof, and the reason names the action, where to allow it, and the other way."""
    place.fill(RECORDS)
    place.aws.inject(Refuse("AccessDeniedException", DENIED), on="GetRecords", times=None)
    code, out, _ = run("--since", "1h")
    assert 3 == code
    assert (
        "allow kinesis:GetRecords in the identity-based policy (of the role that signs), or name a role that may read in "
        "audit.role" in out
    )
    assert "No loss is known" in out


def test_a_role_of_its_own_reads(run: Run, place: Place) -> None:  # noqa: F811
    """`audit.role` signs what reads, and the route's own role nothing."""
    place.fill(RECORDS)
    place.land(RECORDS)
    reader = WRITER_ROLE.replace("writer", "reader")
    place.aws.add_role(reader)
    configure(place, "roles", {"reader": {"hops": [{"role_arn": reader}]}})
    configure(place, "audit", {"role": "reader"})
    assert 0 == told(run)[0]
    assert {reader} == {each.role_arn for each in place.aws.issues() if each.role_arn is not None}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "--since is missing: from when on records are compared, as 2026-08-01T00:00:00Z, or 63h"),
        (("--since", "yesterday"), "--since 'yesterday' is no time"),
        (("--since", "1h", "--until", "2h"), "--until is not behind --since: nothing lies between them"),
        (("--since", "1h", "--route", "sales"), "--route 'sales' is none of the routes, which are orders"),
        (
            ("--since", "1h", "--match", "envelope"),
            "--match envelope: records of route orders are the same by their key",
        ),
        (("--since", "400h", "--until", "300h"), "nothing of this window can be judged: the stream holds what arrived"),
        (("--since", "1h", "--file", "doka.yaml"), "doka.yaml"),
        (("--last", "an hour"), "--last 'an hour' is no span of time; say it like 1h, or 30m"),
        (("--last", "1h", "--since", "2h"), "--since is for one audit of a window that you name"),
        (("--every", "0h"), "--every '0h' is no span of time"),
        (("--every", "1h", "--json"), "--every tells by its log and its metrics: leave --json and --html out"),
        (("--every", "1h", "--file", "doka.yaml"), "doka.yaml"),
        (("--every", "1h", "--route", "sales"), "--route 'sales' is none of the routes, which are orders"),
        (("--since", "1h", "--file", "no/such/folder/x.duckdb"), "no/such/folder/x.duckdb"),
    ],
)
def test_what_cannot_be_audited_is_told_in_one_line(run: Run, words: tuple[str, ...], line: str) -> None:
    """One line that names the cure, exit code 2, and no file is left."""
    code, out, err = run(*words)
    assert (2, "") == (code, out)
    assert line in err
    assert 1 == len(err.splitlines())
    assert [] == list(Path.cwd().glob("**/*.duckdb*"))


def test_a_stream_that_is_not_there_is_told_in_one_line(run: Run, place: Place) -> None:  # noqa: F811
    """With the cure."""
    place.aws.delete_stream("orders")
    code, out, err = run("--since", "1h")
    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert "nothing was audited: the stream orders cannot be read back: ResourceNotFoundException" in err
    assert "check the name (orders)" in err


def test_a_role_that_gives_no_lease_is_told_in_one_line(run: Run, place: Place) -> None:  # noqa: F811
    """With the cure."""
    place.aws.add_role(WRITER_ROLE, trusted_accounts=())
    code, out, err = run("--since", "1h")
    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert "nothing was audited: role writer gives no credentials: AccessDenied" in err
    assert "check the trust policy" in err


def test_a_topic_that_is_not_there_is_told_in_one_line(run: Run, place: Place) -> None:  # noqa: F811
    """By its name."""
    given = yaml.safe_load(place.config.read_text(encoding="utf-8"))
    given["routes"][0]["topics"] = ["letters", "orders", "returns"]
    place.config.write_text(yaml.safe_dump(given), encoding="utf-8")
    code, out, err = run("--since", "1h")
    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert "returns" in err


def test_a_file_of_another_audit_is_refused(run: Run, place: Place) -> None:  # noqa: F811
    """One of another group, and one of another window, are not mixed with this one; nothing of them is changed."""
    place.fill(RECORDS)
    place.land(RECORDS)
    assert 0 == run("--since", "1h", "--file", "x.duckdb")[0]
    before = Path("x.duckdb").read_bytes()
    for words, name in (
        (("--since", "1h", "--group", "other"), "group"),
        (("--since", "2020-01-01T00:00:00Z"), "since"),
    ):
        code, out, err = run("--file", "x.duckdb", *words)
        assert (2, "", 1) == (code, out, len(err.splitlines()))
        assert f"x.duckdb is of another audit: its {name} is" in err
    assert before == Path("x.duckdb").read_bytes()


def test_a_full_disk_is_told_in_one_line(run: Run, place: Place) -> None:  # noqa: F811
    """By the name of the file, which holds whole steps only: with more room the audit goes on."""
    place.fill(RECORDS)
    place.land(RECORDS)
    with started(place, "--since", "1h", "--file", "x.duckdb", before=FULL_DISK) as full:
        out, err = full.communicate(timeout=60)
    assert (2, "", 1) == (full.returncode, out, len(err.splitlines())), err
    assert "doka: the audit file x.duckdb cannot be used" in err
    assert 0 == run("--since", "1h", "--file", "x.duckdb")[0]


def test_one_of_several_routes_is_to_be_named(run: Run, place: Place) -> None:  # noqa: F811
    """Whoever has several says which."""
    given = yaml.safe_load(place.config.read_text(encoding="utf-8"))
    given["routes"].append({"topics": ["letters"], "stream": {"name": "orders", "role": "writer"}, "name": "second"})
    place.config.write_text(yaml.safe_dump(given), encoding="utf-8")
    code, _, err = run("--since", "1h")
    assert (2, "doka: there are 2 routes; add --route with one of orders, second\n") == (code, err)
    assert 0 == run("--since", "1h", "--route", "second")[0]


def started(place: Place, *words: str, before: str = "") -> subprocess.Popen[str]:  # noqa: F811
    """Start the command as a process, which does something `before`."""
    return subprocess.Popen(
        [sys.executable, "-c", before + PATCHED, "audit", *words, "--config", str(place.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).parents[4])},
    )


def reads(place: Place, at_least: int) -> Callable[[], bool]:  # noqa: F811
    """Say whether so many questions for records were asked."""
    return lambda: place.aws.counts()["GetRecords"] >= at_least


def test_an_audit_that_was_killed_goes_on(run: Run, place: Place) -> None:  # noqa: F811
    """What it had read stays read: the next one asks only for the rest, and finds what an undisturbed one finds."""
    place.fill(RECORDS)
    place.land(RECORDS - 1)
    words = ("--since", "1h", "--file", "x.duckdb")
    with started(place, *words, "--read-share", "0.2") as killed:
        eventually(reads(place, 3), what="some reads")
        killed.kill()
    code, data = told(run, *words)
    assert (1, 2, 2 * RECORDS, 2 * RECORDS - 2) == (code, data["lost"], data["records"], data["landings"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_with_what_is_known(place: Place, number: signal.Signals) -> None:  # noqa: F811
    """It tells what it found so far, calls nothing lost that it has not looked for, and says how it goes on."""
    place.fill(RECORDS)
    place.land(RECORDS)
    with started(place, "--since", "1h", "--read-share", "0.02", "--file", "x.duckdb") as stopped:
        eventually(reads(place, 2), what="some reads")
        stopped.send_signal(number)
        out, err = stopped.communicate(timeout=60)
    assert 3 == stopped.returncode, err
    assert "No loss is known" in out
    assert re.search(r"Not all was read: it was stopped\. It goes on: doka audit --file x\.duckdb", out)


# --- one window behind the other -----------------------------------------------------------------------------------------


def test_runs_of_the_last_hour_join_by_their_file(run: Run, place: Place) -> None:  # noqa: F811
    """Each goes on where the one before ended; a loss stays one until it was sent again, and its place is named until then."""
    place.fill(RECORDS, committed=RECORDS - 10)
    place.land(RECORDS - 1)  # what landed ahead of its commit is found when that comes
    place.land_pairs([("0-x", b"of somebody else")])
    code, out, err = run("--last", "1h", "--json")
    assert out, err
    data = json.loads(out)
    assert (0, 2 * RECORDS - 20, 0, "doka-audit-orders.duckdb") == (
        code,
        data["records"],
        data["not_yet"],
        data["file"],
    )
    place.commit(RECORDS)
    code, out, _ = run("--last", "1h", "--json")
    data = json.loads(out)
    assert (1, 20, 18, 2) == (code, data["records"], data["in_stream"], data["lost"])
    assert [f"orders:{number}:{RECORDS - 1}" for number in (0, 1)] == data["places"]["lost"]
    assert 1 == run("--last", "1h")[0]
    place.land(RECORDS, partitions=(1,))
    code, out, _ = run("--last", "1h", "--json")
    assert (1, [f"orders:0:{RECORDS - 1}"]) == (code, json.loads(out)["places"]["lost"])
    assert [Path("doka-audit-orders.duckdb")] == list(Path().glob("*.duckdb*"))


@pytest.mark.parametrize("lost", [0, 2])
def test_it_goes_on_beside_the_service_until_it_is_stopped(place: Place, lost: int) -> None:  # noqa: F811
    """The page says what was found, a line says it to a person, and SIGTERM ends it at once: with 1 where something is lost."""
    place.fill(RECORDS)
    place.land(RECORDS - lost // 2)
    configure(place, "http", {"port": 0})
    with started(place, "--every", "1h") as process:
        assert process.stdout is not None
        lines = (json.loads(line) for line in process.stdout)
        begun, audited = next(lines), next(lines)
        assert ("started", "audited", lost) == (begun["event"], audited["event"], audited["lost"])
        page = get(begun["port"], "/metrics")[1]
        assert f'doka_audit_lost_records{{route="orders"}} {float(lost)}' in page
        assert f'doka_audit_records_total{{route="orders"}} {2.0 * RECORDS}' in page
        assert [200, 200] == [get(begun["port"], path)[0] for path in ("/healthz", "/readyz")]
        process.send_signal(signal.SIGTERM)
        assert (1 if lost else 0) == process.wait(timeout=30)
        assert ("ended", 1 if lost else 0) == ((ended := next(lines))["event"], ended["code"])


def test_a_port_that_is_taken_is_told(run: Run, place: Place) -> None:  # noqa: F811
    """As by `doka run`, which often listens there: the setting is named, and nothing is begun."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        configure(place, "http", {"port": port})
        code, out, err = run("--every", "1h")
    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert f"doka: http.port: 127.0.0.1 port {port} cannot be listened on" in err
    assert [] == list(Path().glob("*.duckdb*"))
