"""`doka conformance` as a user runs it, against the fake AWS; tests/contract plays its cases on another stand-in too."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.app.cli.conformance import Wanted, conformance
from doka.app.cli.main import main
from doka.app.config_options import ConfigOptions
from doka.app.iam.documents import documents
from doka.app.iam.names import Given
from doka.app.settings.load import read_configuration
from doka.domain.errors import UsageError
from tests.containers.service import settings
from tests.fake_aws import SOURCE_ACCOUNT, SOURCE_KEYS, WRITER_ROLE, Answer, FakeAws, Refuse
from tests.fake_aws.policies import Policies
from tests.integration.app.conformance.conftest import SMALL
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture


@dataclass(frozen=True)
class Place:
    """A fake AWS, and a configuration that names it."""

    aws: FakeAws
    file: Path

    def run(self, *words: str) -> int:
        """Type the command."""
        return main(["conformance", "--config", str(self.file), "--page", str(self.page), *words])

    @property
    def page(self) -> Path:
        """Where the evidence goes."""
        return self.file.with_name("evidence.md")

    def data(self) -> Any:
        """Give the evidence for a machine."""
        return json.loads(self.page.with_suffix(".json").read_text())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Everything that is needed, and nothing of AWS around."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    with FakeAws() as aws:
        file = tmp_path / "doka.yaml"
        file.write_text(yaml.safe_dump(settings("b-1.example:9098", aws.url, {"orders": "orders"}, group_id="doka")))
        yield Place(aws, file)


def test_all_cases_hold_with_no_right_but_those_of_its_document(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `doka policy --for conformance` prints is enough, and the design holds in all that can be asked."""
    read = read_configuration(ConfigOptions(place.file))
    (document,) = documents(read, Given(), ["conformance"])
    user = f"arn:aws:iam::{SOURCE_ACCOUNT}:user/tester"
    enter = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    place.aws.enforce(
        Policies(
            of_roles={
                WRITER_ROLE: [document.policy],
                user: [{"Statement": [{**enter, "Resource": WRITER_ROLE}]}],
            },
            trust={WRITER_ROLE: {"Statement": [{**enter, "Principal": {"AWS": user}}]}},
        )
    )
    place.aws.limit_rates(wanted=True)
    wanted = Wanted(None, (), on_demand=True, page=place.page, yes=True, amounts=SMALL)
    assert 0 == conformance(ConfigOptions(place.file), wanted)
    told = capsys.readouterr().out
    assert "about " in told.splitlines()[1]
    assert "✓ in_turn: 5 puts: 0 sequence numbers are not above the one before" in told
    assert "- expired\n    → a session of 15 minutes has to end: add --wait-for-expiry\n" in told
    assert f"\nThe evidence: {place.page}, and " in told
    outcomes = {each["name"]: each["outcome"] for each in place.data()["cases"]}
    assert {"holds", "left out"} == set(outcomes.values())
    assert ["across_accounts", "expired", "revoked"] == [n for n, outcome in outcomes.items() if outcome == "left out"]
    assert [] == place.aws.streams.everything()


def test_what_does_not_hold_is_told_and_ends_with_1(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """With what doka would do; the number of an account is on no page."""
    place.aws.inject(Refuse("ThrottlingException"), where=lambda call: call.body.get("StreamARN", "").endswith("-gone"))
    assert 1 == place.run("--yes", "--case", "no_such_stream", "--case", "by_arn", "--json")
    printed = capsys.readouterr()
    data = json.loads(printed.out)
    assert (False, ["holds", "fails"]) == (data["holds"], [each["outcome"] for each in data["cases"]])
    assert data == place.data()
    assert "It makes a stream of one shard in the account of route orders (eu-west-1)" in printed.err
    assert "210987654321" not in place.page.read_text() + printed.out


def test_a_stream_that_is_left_is_named_with_what_removes_it(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, on the page, and by the exit code."""
    place.aws.inject(Refuse("AccessDeniedException"), on="DeleteStream", times=None)
    assert 1 == place.run("--yes", "--case", "by_arn")
    (stream,) = place.aws.streams.everything()
    remove = f"aws kinesis delete-stream --stream-name {stream.name} --region eu-west-1"
    told = f"doka: the stream {stream.name} could not be removed; remove it: {remove}\n"
    assert told == capsys.readouterr().err
    assert remove in place.page.read_text()


@pytest.mark.parametrize(
    ("operation", "code", "told"),
    [
        ("CreateStream", "AccessDeniedException", "doka policy --for conformance prints what the role needs"),
        ("CreateStream", "LimitExceededException", "have the account's quota of shards raised"),
        ("CreateStream", "OptInRequired", "finish the sign-up of that account"),
        ("AssumeRole", "AccessDenied", f"check the trust policy of {WRITER_ROLE[:13]}ACCOUNT"),
    ],
)
def test_where_no_stream_can_be_made_it_says_what_to_do(
    place: Place, capsys: pytest.CaptureFixture[str], operation: str, code: str, told: str
) -> None:
    """In one line; there is nothing to write on a page."""
    place.aws.inject(Refuse(code), on=operation, times=None)
    assert 1 == place.run("--yes")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("doka: there is no stream to ask: ")
    assert told in line
    assert not place.page.exists()


def test_ctrl_c_removes_what_was_made_and_writes_what_is_known(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is heard at the next wait, and ends with 130."""

    def interrupt(_call: object, body: bytes) -> bytes:
        os.kill(os.getpid(), signal.SIGINT)
        return body

    place.aws.inject(Answer(interrupt), on="PutRecords", skip=2)
    assert 130 == place.run("--yes")
    assert "doka: it was stopped; what it made is removed\n" == capsys.readouterr().err
    assert ([], True) == (place.aws.streams.everything(), place.data()["stopped"])
    assert "by_arn" == place.data()["cases"][0]["name"]


def test_nothing_is_made_unasked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where nobody can be asked, nor where somebody says no."""
    for words in ((), ("--json",)):
        assert 2 == place.run(*words)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda _question: False)
    assert 1 == place.run()
    assert 0 == place.aws.counts()["CreateStream"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--route", "other"], "--route 'other' is none of the routes, which are orders"),
        (["--case", "other"], "--case: there is no 'other'; there are by_arn, dry_run,"),
        (["--prices", "none.yaml"], "none.yaml: there is no such file"),
    ],
)
def test_wrong_words_are_told_in_one_line(
    place: Place, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """Before anything is made."""
    assert 2 == place.run("--yes", *words)
    assert told in capsys.readouterr().err
    assert 0 == place.aws.counts()["CreateStream"]


def test_a_page_without_a_folder_is_refused_before_anything_is_made(place: Place) -> None:
    """The evidence would be lost."""
    wanted = Wanted(None, (), page=place.file.parent / "none" / "e.md", yes=True)
    with pytest.raises(UsageError, match="there is no such folder"):
        conformance(ConfigOptions(place.file), wanted)
    assert 0 == place.aws.counts()["CreateStream"]
