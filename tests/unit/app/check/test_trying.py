from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from doka.adapters.aws.kinesis.dry_run import STORED, Refused
from doka.adapters.aws.kinesis.questions import Refusal
from doka.app.check.findings import Finding
from doka.app.check.trying import Trying
from doka.domain.events import ShardRange, StreamDescribed
from doka.domain.lease import Lease, Secrets
from tests.unit.app.settings.given import STREAM, settings

KEY = "arn:aws:kms:eu-west-1:210987654321:key/11111111-2222-3333-4444-555555555555"
USER = "User: arn:aws:sts::210987654321:assumed-role/doka-writer/x is not authorized to perform:"
WRITER_MAY_NOT = f"{USER} kinesis:PutRecords on resource: {STREAM} because no identity-based policy allows the kinesis:PutRecords action"


@dataclass
class Stream:
    """A stream that refuses what it is told to, and remembers with which key it was asked."""

    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    key: str | None = None

    def put(self, route: str, lease: Lease) -> Refusal | None:
        """Answer a dry run."""
        del route, lease
        return self.refusals.get("put")

    def shards(self, route: str, lease: Lease) -> Refusal | None:
        """Answer ListShards."""
        del route, lease
        return self.refusals.get("shards")

    def encrypt(self, route: str, lease: Lease, key_arn: str, stream_arn: str) -> Refusal | None:
        """Answer GenerateDataKey."""
        assert ("orders", STREAM, "210987654321") == (route, stream_arn, lease.account_id)
        self.key = key_arn
        return self.refusals.get("key")

    def read(self, route: str, lease: Lease) -> Refused | None:
        """Answer an audit's questions."""
        del route, lease
        refusal = self.refusals.get("read")
        return None if refusal is None else Refused("kinesis:GetRecords", refusal)


def use(
    stream: Stream, *, key: str | None = None, shards: int = 1, puts: bool = True, account: str = "210987654321"
) -> list[Finding]:
    """Try what puts need."""
    lease = Lease(1, "analytics", Secrets("key", "secret", "token"), 0, None, account)
    ranges = tuple(ShardRange(f"s{number}", number) for number in range(shards))
    found = StreamDescribed("orders", STREAM, "ACTIVE", 1, honours_keys=True, shards=ranges, kms_key=key)
    return list(Trying(settings(), 0, stream).use(lease, found, puts=puts))


def only(findings: list[Finding]) -> tuple[str, str, str, str | None, Mapping[str, Any]]:
    """Give the one finding: step, verdict, what is told, the cure, and the facts."""
    (found,) = findings
    return found.step, found.verdict.value, found.told, found.cure, found.facts


def test_a_put_that_would_be_taken_is_fine() -> None:
    """And nothing else is told of a stream without a key."""
    assert ("put", "fine", "would be taken, by a dry run", None, {}) == only(use(Stream()))
    assert [] == use(Stream(), puts=False)


def test_a_denied_put_names_the_action_and_the_policy() -> None:
    """To a person in the cure, to a machine in the facts."""
    step, verdict, told, cure, facts = only(use(Stream({"put": Refusal("AccessDeniedException", WRITER_MAY_NOT)})))
    assert ("put", "failed") == (step, verdict)
    assert told.startswith("would be refused: AccessDeniedException (User: ")
    assert (
        "allow kinesis:PutRecords in the identity-based policy (of the role that signs); doka policy --for writer prints it"
    ) == cure
    assert {"code": "AccessDeniedException", "action": "kinesis:PutRecords", "on": STREAM} == facts
    _, _, _, cure, facts = only(use(Stream({"put": Refusal("AccessDeniedException", "no")})))
    assert "allow kinesis:PutRecords on the stream; doka policy --for writer prints it" == cure
    assert "kinesis:PutRecords" == facts["action"]


@pytest.mark.parametrize(
    ("refusal", "verdict", "told", "cure"),
    [
        (
            Refusal("ThrottlingException", "Rate exceeded."),
            "warning",
            "not known: ThrottlingException (Rate exceeded); AWS takes one dry run a second of a stream",
            "check again in a second",
        ),
        (
            Refusal(STORED, ""),
            "failed",
            "what answers took the dry run for a put: one record of one byte is in the stream",
            "leave --probe-writes out: it does not know DryRun",
        ),
        (
            Refusal("timeout", ""),
            "failed",
            "would be refused: timeout",
            "let this host reach Kinesis in eu-west-1 (proxy, security group, VPC endpoint, egress rules)",
        ),
    ],
)
def test_what_is_no_denial_is_told_for_what_it_is(refusal: Refusal, verdict: str, told: str, cure: str) -> None:
    """Throttled means not known; what stored the record is no AWS; what did not answer is to be reached."""
    assert ("put", verdict, told, cure, {"code": refusal.code}) == only(use(Stream({"put": refusal})))


def test_shards_are_asked_for_where_the_description_has_none() -> None:
    """The service works without, so it is a warning."""
    denied = {"shards": Refusal("AccessDeniedException", "no")}
    assert [] == use(Stream(denied), puts=False)
    step, verdict, _, cure, facts = only(use(Stream(denied), shards=0, puts=False))
    assert ("shards", "warning", "kinesis:ListShards") == (step, verdict, facts["action"])
    assert "allow kinesis:ListShards on the stream; doka policy --for writer prints it" == cure


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        (KEY, KEY),
        (KEY.rpartition("/")[2], KEY),
        ("alias/orders", "arn:aws:kms:eu-west-1:210987654321:alias/orders"),
    ],
)
def test_a_key_is_asked_for_by_its_arn(named: str, asked: str) -> None:
    """An id or an alias alone would be looked for in the signer's own account."""
    stream = Stream()
    _, key = use(stream, key=named)
    assert ("key", "fine", asked) == (key.step, key.verdict.value, stream.key)


def test_a_refused_key_is_a_warning_with_both_readings() -> None:
    """A policy that lets only Kinesis in refuses the question, and not the puts."""
    denied = Refusal(
        "AccessDeniedException",
        f"{USER} kms:GenerateDataKey on resource: {KEY} because no resource-based policy allows the kms:GenerateDataKey action",
    )
    _, key = use(Stream({"key": denied}), key=KEY)
    assert ("key", "warning") == (key.step, key.verdict.value)
    assert (
        "allow kms:GenerateDataKey in the resource-based policy (of the key); doka policy --for kms prints it; "
        "where it asks for kms:ViaService, puts work all the same"
    ) == key.cure
    assert {"code": "AccessDeniedException", "action": "kms:GenerateDataKey", "on": KEY} == key.facts


def test_kms_out_of_reach_leaves_it_open() -> None:
    """Kinesis asks KMS by itself, so many hosts have no way there."""
    _, key = use(Stream({"key": Refusal("connect_timeout", "")}), key=KEY)
    assert ("warning", f"not known: connect_timeout; KMS was asked whether {KEY} may be used") == (
        key.verdict.value,
        key.told,
    )
    assert "let this host reach KMS in eu-west-1 for the time of a check; a put needs no way there" == key.cure


def test_the_key_of_aws_is_for_one_account() -> None:
    """It cannot be shared, and nobody has to be asked to know that."""
    own, foreign = Stream(), Stream()
    assert "fine" == use(own, key="alias/aws/kinesis")[1].verdict.value
    _, key = use(foreign, key="alias/aws/kinesis", account="111122223333")
    assert ("failed", "encrypt the stream with a key of yours, whose policy can admit another account") == (
        key.verdict.value,
        key.cure,
    )
    assert [None, None] == [own.key, foreign.key]


def test_a_stream_that_cannot_be_read_back_fails() -> None:
    """It was asked for with audit.role, so it is wanted."""
    lease = Lease(1, "reader", Secrets("key", "secret", "token"), 0, None, "210987654321")
    finding = Trying(settings(), 0, Stream({"read": Refusal("AccessDeniedException", "no")})).read(lease)
    assert ("read", "failed", "kinesis:GetRecords") == (finding.step, finding.verdict.value, finding.facts["action"])
    assert finding.cure is not None
    assert "doka policy --for reader" in finding.cure
    assert "fine" == Trying(settings(), 0, Stream()).read(lease).verdict.value
