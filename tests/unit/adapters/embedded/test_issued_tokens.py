from __future__ import annotations

import re
from datetime import datetime

import pytest
from botocore.credentials import Credentials

from doka.adapters.embedded.aws_answer import Answer
from doka.adapters.embedded.aws_call import AwsCall, read_call
from doka.adapters.embedded.issued_tokens import REMEMBERED_MAX, IssuedTokens
from tests.manual_clock import ManualClock
from tests.unit.adapters.embedded.signed_requests import PUT, signed

STS_ANSWER = (
    "<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret of {key}</SecretAccessKey>"
    "<SessionToken>token of {key}</SessionToken><Expiration>2099-01-01T00:00:00.123Z</Expiration></Credentials>"
)


class Gate:
    """Issued tokens with a clock, and requests to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, token_seconds: float = 5.0) -> None:
        self.monkeypatch = monkeypatch
        self.clock = ManualClock()
        self.tokens = IssuedTokens(self.clock, token_seconds)

    def issue(self, key: str) -> str:
        """Let STS issue credentials of this key; gives the answer that the client sees."""
        return self.tokens.issue(STS_ANSWER.format(key=key).encode(), self.clock.wall()).decode()

    def call(self, key: str, secret: str | None = None, token: str | None = None, ahead: float = 0) -> AwsCall:
        """Make a put signed by credentials of this key, unless told otherwise."""
        credentials = Credentials(key, secret or f"secret of {key}", token or f"token of {key}")
        return read_call("/", signed(self.monkeypatch, credentials, self.clock.wall() + ahead), PUT)

    def code(self, call: AwsCall) -> str | None:
        """Check a request: the code of its refusal, None when it may pass."""
        refused: Answer | None = self.tokens.check(call)
        return None if refused is None else refused.code


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gate whose tokens live for five seconds."""
    return Gate(monkeypatch)


def test_a_token_lives_so_long_and_no_longer(gate: Gate) -> None:
    """Just before five seconds it passes, at five seconds it has expired, with AWS's own words."""
    gate.issue("ASIA1")
    gate.clock.pass_seconds(4.999)
    before = gate.code(gate.call("ASIA1"))
    gate.clock.pass_seconds(0.001)
    refused = gate.tokens.check(gate.call("ASIA1"))
    assert refused is not None
    assert (None, 400) == (before, refused.status)
    words = b'{"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"}'
    assert words == refused.body


@pytest.mark.parametrize("token_seconds", [5.0, 2.5, 900.0])
@pytest.mark.parametrize("second", [0.0, 0.001, 0.5, 0.999])
def test_expiration_minus_date_is_the_life_that_is_enforced(
    monkeypatch: pytest.MonkeyPatch, token_seconds: float, second: float
) -> None:
    """Wherever in its second the answer leaves, Expiration minus the Date in whole seconds is the token's life."""
    gate = Gate(monkeypatch, token_seconds)
    gate.clock.seconds = 1_900_000_000 + second
    said = re.search("<Expiration>(.*)</Expiration>", gate.issue("ASIA1"))
    assert said is not None
    assert token_seconds == datetime.fromisoformat(said[1]).timestamp() - 1_900_000_000


def test_an_answer_without_credentials_passes_untouched(gate: Gate) -> None:
    """Nothing is counted and nothing is changed."""
    assert (b"<Other/>", 0) == (gate.tokens.issue(b"<Other/>", 0.0), gate.tokens.issued)


def test_only_the_triple_of_one_issue_passes(gate: Gate) -> None:
    """Key, secret and token of two issues, mixed in any way, are refused as AWS does it."""
    gate.issue("ASIA1")
    gate.issue("ASIA2")
    codes = [
        gate.code(gate.call("ASIA1")),
        gate.code(gate.call("ASIA1", token="token of ASIA2")),
        gate.code(gate.call("ASIA1", secret="secret of ASIA2")),
        gate.code(gate.call("ASIA2", secret="secret of ASIA1", token="token of ASIA1")),
        gate.code(gate.call("ASIA3")),
    ]
    unknown, wrong = "UnrecognizedClientException", "InvalidSignatureException"
    assert [None, unknown, wrong, unknown, unknown] == codes


def test_static_keys_are_the_workloads_own(gate: Gate) -> None:
    """They pass at any time, with any secret."""
    gate.clock.pass_seconds(10_000)
    assert None is gate.code(gate.call("AKIABASE"))


def test_an_unsigned_request_is_refused(gate: Gate) -> None:
    """Nothing passes without a signature."""
    headers = {"x-amz-target": "Kinesis_20131202.PutRecords"}
    assert gate.code(read_call("/", headers, PUT)) == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(-301, b"Signature expired"), (301, b"Signature not yet current"), (-299, None), (299, None)],
)
@pytest.mark.parametrize("key", ["ASIA1", "AKIABASE"])
def test_a_date_may_be_five_minutes_off(gate: Gate, key: str, ahead: float, words: bytes | None) -> None:
    """Within them a signature passes, beyond them it is refused with the words by which clients know a skew."""
    gate.issue("ASIA1")
    refused = gate.tokens.check(gate.call(key, ahead=ahead))
    assert words is None if refused is None else words is not None and words in refused.body


def test_sts_refuses_in_its_own_words(gate: Gate) -> None:
    """The same faults have other names and statuses in STS."""
    gate.issue("ASIA1")
    gate.clock.pass_seconds(5)
    headers = gate.call("ASIA1").headers
    question = {name: value for name, value in headers.items() if name != "x-amz-target"}
    refused = gate.tokens.check(read_call("/", question, b"Action=AssumeRole"))
    assert refused is not None
    assert (403, "ExpiredToken", True) == (refused.status, refused.code, b"<Code>ExpiredToken</Code>" in refused.body)


def test_each_lease_is_counted_once_by_its_puts(gate: Gate) -> None:
    """Two puts of one lease and one of another are two leases used of three issued."""
    for key in ("ASIA1", "ASIA2", "ASIA3"):
        gate.issue(key)
    for key in ("ASIA1", "ASIA1", "ASIA2", "AKIABASE"):
        gate.tokens.note_put(gate.call(key))
    assert (3, 2) == (gate.tokens.issued, gate.tokens.used)


def test_memory_is_bounded(gate: Gate) -> None:
    """Beyond its limit the oldest issue is forgotten, and unknown then."""
    for number in range(REMEMBERED_MAX + 1):
        gate.issue(f"ASIA{number}")
    assert ["UnrecognizedClientException", None] == [gate.code(gate.call("ASIA0")), gate.code(gate.call("ASIA1"))]
