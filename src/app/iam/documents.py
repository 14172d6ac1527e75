"""The IAM documents of a configuration: for whom each is, whose account it belongs to, and what it says.

Pure: nothing is asked of AWS. Each document allows named actions on named things and nothing else, and holds a trust
policy to all that a hop sends: external id, session name, source identity, tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_args

from doka.app.iam.calls import SET_SOURCE_IDENTITY, TAG_SESSION, On, Use, actions
from doka.app.iam.names import Given, Hop, Names, account_of, name_of
from doka.app.settings.model import Settings

Kind = Literal[
    "writer",
    "trust",
    "workload",
    "msk",
    "glue",
    "kms",
    "stream",
    "endpoints",
    "reader",
    "keda",
    "operator",
    "conformance",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Statement = dict[str, Any]
VERSION = "2012-10-17"
SESSION_SECONDS_DEFAULT = 3_600  # IAM CreateRole, MaxSessionDuration
AUDITOR = "AUDITOR_ROLE"
SERVICES = {"pod-identity": "pods.eks.amazonaws.com", "ecs": "ecs-tasks.amazonaws.com", "ec2": "ec2.amazonaws.com"}
"""Who assumes the workload's role for it; under IRSA the process does that itself."""


class Form(Enum):
    """How a document is attached; its size limit is in characters without blanks (IAM and AWS STS quotas)."""

    ROLE = "policy of the role", 10_240
    TRUST = "trust policy of the role", 2_048
    KEY = "statement for the policy of the key", 32_768
    STREAM = "resource policy of the stream", 20_480
    ENDPOINT = "policy of the VPC endpoint for", 20_480

    def __init__(self, called: str, characters_max: int) -> None:
        self.called = called
        self.characters_max = characters_max


@dataclass(frozen=True, slots=True)
class Document:
    """One policy; `subject` is the ARN of the role, key or stream, or the service of the VPC endpoint."""

    kind: Kind
    form: Form
    subject: str
    account: str
    purpose: str
    statements: tuple[Statement, ...]
    notes: tuple[str, ...] = ()
    session_seconds: int | None = None
    """Of a trust policy: how long a session of the role is asked to live."""

    @property
    def name(self) -> str:
        """A name for a file or a resource, which no other document has."""
        return f"{'trust' if self.form is Form.TRUST else self.kind}-{name_of(self.subject)}"

    @property
    def policy(self) -> Mapping[str, Any]:
        """The document as IAM takes it."""
        return {"Version": VERSION, "Statement": list(self.statements)}


def documents(settings: Settings, given: Given, kinds: Iterable[Kind] = ()) -> list[Document]:
    """Give the documents of these kinds; without any, all that this configuration needs."""
    names = Names(settings, given)
    wanted = list(kinds)
    found = [each for kind in KINDS if kind in wanted or not wanted for each in _MAKERS[kind](names)]
    return found if wanted else [each for each in found if _is_needed(each, settings, given)]


def _is_needed(document: Document, settings: Settings, given: Given) -> bool:
    """Say whether the configuration asks for a document, and not only a person could."""
    endpoints = settings.aws.endpoint_urls
    return {
        "kms": bool(given.kms_key_arns),
        "endpoints": endpoints.kinesis is not None or endpoints.sts is not None,
        "reader": settings.audit.role is not None and name_of(document.subject) != AUDITOR,
        "keda": False,
        "conformance": False,
        "operator": given.operator_arn is not None,
    }.get(document.kind, True)


# --- roles that sign -------------------------------------------------------------------------------------------------


def _writer(names: Names) -> Iterator[Document]:
    for signer, streams in names.written().items():
        if signer == names.operator:
            continue  # it has a document of its own
        statements = _on_streams("Write", Use.WRITE, names, streams)
        yield _of_role("writer", signer, "write to the streams", statements)


def _reader(names: Names) -> Iterator[Document]:
    for signer, streams in names.read_back().items():
        if signer == names.operator:
            continue
        yield _of_role(
            "reader", signer, "read the streams back", _on_streams("ReadBack", Use.READ_BACK, names, streams)
        )
    if names.logs_in_by_iam:
        role = f"arn:{names.partition}:iam::{account_of(names.workload)}:role/{AUDITOR}"
        purpose = "read Kafka for doka audit, lag, tail, letters and replay"
        yield _of_role("reader", role, purpose, _on_kafka(_of_commands(names), Use.READ_KAFKA))


def _conformance(names: Names) -> Iterator[Document]:
    """Give what makes, asks and removes streams of a trial, in the account of who signs: by their names, and no others."""
    for signer, arns in names.trials().items():
        statements = [_allow("TryOutStreamsOfItsOwn", actions(On.TRIALS, Use.CONFORMANCE), Resource=_one(arns))]
        yield _of_role("conformance", signer, "make, ask and remove streams for doka conformance", statements)


def _operator(names: Names) -> Iterator[Document]:
    """Give what who types at a terminal may do: what the service does for the records that he names, and not its reading."""
    statements = [_may_assume(hop) for hop in names.hops_of_operator()]
    for verb, use, streams in (
        ("Write", Use.WRITE, names.written_without_role()),
        ("ReadBack", Use.READ_BACK, names.read_without_role()),
    ):
        statements += _on_streams(verb, use, names, streams) if streams else ()
    if names.logs_in_by_iam:
        statements += _on_kafka(_of_commands(names), Use.READ_KAFKA, Use.OPERATE)
    notes = []
    if names.given.operator_arn is None and names.hops_of_operator():
        notes.append("The trust policies must let it in too: --operator-arn adds it to them.")
    purpose = "audit, lag, tail, letters, replay and skip, at a terminal"
    if statements:
        yield _of_role("operator", names.operator, purpose, _distinct(statements), notes)


def _of_commands(names: Names) -> Mapping[On, list[str]]:
    return {
        On.CLUSTER: [names.cluster()],
        On.TOPIC: names.topics(),
        On.GROUP: names.groups(),
        On.SKIPS: names.skips(),
        On.LETTERS: names.letters(),
        On.RESENDS: names.resends(),
    }


def _on_streams(verb: str, use: Use, names: Names, streams: list[str]) -> list[Statement]:
    return [
        _allow(f"{verb}TheStreams", actions(On.STREAM, use), Resource=_one(streams)),
        *(_with_key(use, names.keys(streams), streams) if names.keys(streams) else ()),
    ]


def _with_key(use: Use, keys: list[str], streams: list[str]) -> Iterator[Statement]:
    yield _allow(
        "UseTheKeyForTheseStreamsOnly",
        actions(On.KEY, use),
        Resource=_one(keys),
        Condition={"StringEquals": {"kms:EncryptionContext:aws:kinesis:arn": _one(streams)}},
    )


# --- the way to them -------------------------------------------------------------------------------------------------


def _trust(names: Names) -> Iterator[Document]:
    hops: dict[str, list[Hop]] = {}
    for hop in _all_hops(names):
        hops.setdefault(hop.role_arn, []).append(hop)
    for role, leading in hops.items():
        statements = _distinct(statement for hop in leading for statement in _trusting(hop))
        seconds = max(hop.seconds for hop in leading)
        notes = []
        if seconds > SESSION_SECONDS_DEFAULT:
            notes.append(f"The role's maximum session duration must be {seconds} s or more.")
        if any(hop.external_id is None and account_of(hop.caller) != account_of(role) for hop in leading):
            notes.append("It asks for no external id, since roles.*.hops[].external_id is not set.")
        yield Document(
            "trust",
            Form.TRUST,
            role,
            account_of(role),
            "who may assume it",
            statements,
            notes=tuple(notes),
            session_seconds=seconds,
        )


def _all_hops(names: Names) -> list[Hop]:
    """Give the service's hops, and those of who types at a terminal where that is known."""
    return [*names.hops(), *(names.hops_of_operator() if names.given.operator_arn is not None else ())]


def _trusting(hop: Hop) -> Iterator[Statement]:
    who = {"AWS": hop.caller}
    equal = {} if hop.external_id is None else {"sts:ExternalId": hop.external_id}
    like = {"sts:RoleSessionName": hop.session_name}
    for action in _assuming(hop):
        if action == TAG_SESSION:
            yield _trusted("LetTagsBeSet", who, action, {"StringEquals": _tags(hop)} if not hop.brings_tags else {})
        elif action == SET_SOURCE_IDENTITY:
            # The first hop sends it; into later ones the session brings it.
            key = "sts:SourceIdentity" if hop.first else "aws:SourceIdentity"
            yield _trusted("LetTheSourceIdentityBeSet", who, action, {"StringEquals": {key: hop.source_identity}})
        else:
            kind = "StringLike" if "*" in hop.session_name else "StringEquals"
            conditions: dict[str, Any] = {"StringEquals": equal} if equal else {}
            conditions[kind] = conditions.get(kind, {}) | like
            yield _trusted("LetTheCallerIn", who, action, conditions)


def _assuming(hop: Hop) -> Iterator[str]:
    """Give what a hop calls, of the actions of the table."""
    called = {TAG_SESSION: bool(hop.tags) or hop.brings_tags, SET_SOURCE_IDENTITY: hop.source_identity is not None}
    return (action for action in actions(On.ROLE, Use.ASSUME) if called.get(action, True))


def _tags(hop: Hop) -> dict[str, str]:
    return {f"aws:RequestTag/{key}": value for key, value in hop.tags}


def _workload(names: Names) -> Iterator[Document]:
    """Give what each caller of a hop may do, the workload first, and who gives the workload its role."""
    callers: dict[str, list[Hop]] = {}
    for hop in names.hops():
        callers.setdefault(hop.caller, []).append(hop)
    for caller, hops in callers.items():
        statements = _distinct(_may_assume(hop) for hop in hops)
        yield _of_role("workload", caller, "assume the next role, and no other", statements)
    if names.given.workload is not None:
        yield _trust_of_workload(names)


def _may_assume(hop: Hop) -> Statement:
    return _allow(f"Become{_letters(name_of(hop.role_arn))}", list(_assuming(hop)), Resource=hop.role_arn)


def _trust_of_workload(names: Names) -> Document:
    role, way = names.workload, names.given.workload
    account = account_of(role)
    conditions: dict[str, Any] = {}
    if way == "irsa":
        provider = names.oidc_provider
        who = {"Federated": f"arn:{names.partition}:iam::{account}:oidc-provider/{provider}"}
        called: str | list[str] = "sts:AssumeRoleWithWebIdentity"
        subject = f"system:serviceaccount:{names.service_account}"
        conditions = {"StringEquals": {f"{provider}:sub": subject, f"{provider}:aud": "sts.amazonaws.com"}}
    else:
        who = {"Service": SERVICES[str(way)]}
        called = ["sts:AssumeRole", TAG_SESSION] if way == "pod-identity" else "sts:AssumeRole"
        if way == "ecs":
            conditions = {"StringEquals": {"aws:SourceAccount": account}}
    statements = (_trusted("GiveTheWorkloadItsRole", who, called, conditions),)
    return Document("workload", Form.TRUST, role, account, "who gives the workload its role", statements)


# --- Kafka -----------------------------------------------------------------------------------------------------------


def _msk(names: Names) -> Iterator[Document]:
    if names.logs_in_by_iam:
        on = {On.CLUSTER: [names.cluster()], On.TOPIC: names.topics(), On.GROUP: names.groups()}
        statements = list(_on_kafka(on, Use.CONSUME))
        if names.letters():
            statements += _on_kafka({On.CLUSTER: [names.cluster()], On.LETTERS: names.letters()}, Use.DEAD_LETTERS)
        yield _of_role("msk", names.workload, "read the topics as a member of the group", statements)


def _glue(names: Names) -> Iterator[Document]:
    if names.decodes_by_glue:
        statements = [_allow("ReadSchemas", actions(On.SCHEMAS, Use.DECODE), Resource="*")]
        yield _of_role("glue", names.workload, "read the schemas that values name", statements)


def _keda(names: Names) -> Iterator[Document]:
    if names.logs_in_by_iam:
        role = f"arn:{names.partition}:iam::{account_of(names.workload)}:role/KEDA_OPERATOR_ROLE"
        on = {On.CLUSTER: [names.cluster()], On.TOPIC: names.topics(), On.GROUP: names.groups()[:1]}
        yield _of_role("keda", role, "see how far the group is behind", _on_kafka(on, Use.SCALE))


_SIDS = {
    On.CLUSTER: "LogIn",
    On.TOPIC: "ReadTheTopics",
    On.GROUP: "SeeTheGroup",
    On.LETTERS: "TheDeadLetters",
    On.RESENDS: "ResendThem",
    On.SKIPS: "OrderSkips",
}


def _on_kafka(on: Mapping[On, list[str]], *uses: Use) -> Iterator[Statement]:
    for what, arns in on.items():
        called = actions(what, *uses)
        if called and arns:
            suffix = "ForDeadLetters" if Use.DEAD_LETTERS in uses and what is On.CLUSTER else ""
            yield _allow(f"{_SIDS[what]}{suffix}", called, Resource=_one(arns))


# --- resources and the way to them -----------------------------------------------------------------------------------


def _kms(names: Names) -> Iterator[Document]:
    uses = ((Use.WRITE, names.written()), (Use.READ_BACK, names.read_back() if names.reader_role else {}))
    statements: dict[str, list[Statement]] = {}
    for use, signers in uses:
        for signer, streams in signers.items():
            for key in names.keys(streams) or ([] if names.given.kms_key_arns else [_key_of(streams[0])]):
                own = [arn for arn in streams if arn.split(":")[3] == key.split(":")[3]]
                verb = "Encrypt" if use is Use.WRITE else "Decrypt"
                statements.setdefault(key, []).extend(
                    _allow(
                        f"{verb}For{_letters(name_of(signer))}", actions(On.KEY, use), Principal={"AWS": signer}, Resource="*",
                        Condition=each["Condition"],
                    )
                    for each in _with_key(use, [key], own)
                )  # fmt: skip
    note = "Add it to the statements of the key; the key aws/kinesis of AWS cannot be shared with another account."
    for key, allowed in statements.items():
        yield Document(
            "kms", Form.KEY, key, account_of(key), "who may use it for the streams", tuple(allowed), notes=(note,)
        )


def _key_of(stream: str) -> str:
    _, partition, _, region, account, _ = stream.split(":", 5)
    return f"arn:{partition}:kms:{region}:{account}:key/KMS_KEY_ID"


def _stream(names: Names) -> Iterator[Document]:
    allowed: dict[str, list[Statement]] = {}
    uses = ((Use.WRITE, names.written()), (Use.READ_BACK, names.read_back() if names.reader_role else {}))
    for use, signers in uses:
        for signer, streams in signers.items():
            for arn in streams:
                if account_of(signer) != account_of(arn):
                    verb = "Write" if use is Use.WRITE else "ReadBack"
                    statement = _allow(
                        f"{verb}As{_letters(name_of(signer))}",
                        actions(On.STREAM, use),
                        Principal={"AWS": signer},
                        Resource=arn,
                    )
                    allowed.setdefault(arn, []).append(statement)
    note = "It replaces the whole policy of the stream: put what other teams were allowed into it first."
    for arn, statements in allowed.items():
        yield Document(
            "stream",
            Form.STREAM,
            arn,
            account_of(arn),
            "who of other accounts may use it",
            tuple(statements),
            notes=(note,),
        )


def _endpoints(names: Names) -> Iterator[Document]:
    account = account_of(names.workload)
    note = "It replaces the endpoint's policy, so whatever else goes through that endpoint needs a statement too."
    kinesis = [
        _through(verb, actions(On.STREAM, use), streams, signer)
        for verb, use, signers in (
            ("Write", Use.WRITE, names.written()),
            ("ReadBack", Use.READ_BACK, names.read_back() if names.reader_role else {}),
        )
        for signer, streams in signers.items()
    ]
    sts = list(
        _distinct(_through("Become", list(_assuming(hop)), [hop.role_arn], hop.caller) for hop in _all_hops(names))
    )
    if names.given.workload == "irsa":
        statement = _allow(
            "GetTheWorkloadsRole", ["sts:AssumeRoleWithWebIdentity"], Principal="*", Resource=names.workload
        )
        sts.append(statement)  # its request is not signed: there is no principal yet
    for service, statements in (("kinesis-streams", kinesis), ("sts", sts)):
        if statements:
            purpose = "what may pass through it"
            yield Document("endpoints", Form.ENDPOINT, service, account, purpose, tuple(statements), notes=(note,))


def _through(verb: str, called: list[str], arns: list[str], signer: str) -> Statement:
    # A role as the principal is none in the policy of every kind of endpoint; this condition holds in all.
    who = {"ArnEquals": {"aws:PrincipalArn": signer}}
    sid = f"{verb}As{_letters(name_of(signer))}" if verb != "Become" else f"Become{_letters(name_of(arns[0]))}"
    return _allow(sid, called, Principal="*", Resource=_one(arns), Condition=who)


# --- the form of it --------------------------------------------------------------------------------------------------


def _of_role(
    kind: Kind, role: str, purpose: str, statements: Iterable[Statement], notes: Iterable[str] = ()
) -> Document:
    return Document(kind, Form.ROLE, role, account_of(role), purpose, tuple(statements), notes=tuple(notes))


def _allow(sid: str, called: list[str], **rest: Any) -> Statement:
    before = {"Principal": rest.pop("Principal")} if "Principal" in rest else {}
    return {"Sid": sid, "Effect": "Allow", **before, "Action": _one(called), **rest}


def _trusted(sid: str, who: Mapping[str, str], called: str | list[str], conditions: Mapping[str, Any]) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Principal": dict(who), "Action": called}
    return statement | ({"Condition": dict(conditions)} if conditions else {})


def _one(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _letters(name: str) -> str:
    """Give a name as the id of a statement can hold it."""
    return "".join(part[:1].upper() + part[1:] for part in "".join(c if c.isalnum() else " " for c in name).split())


def _distinct(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Give each statement once, and each its own Sid, as IAM wants it."""
    found: list[Statement] = []
    for statement in statements:
        if all({**statement, "Sid": ""} != {**other, "Sid": ""} for other in found):
            count = sum(other["Sid"].rstrip("0123456789") == statement["Sid"] for other in found)
            found.append(statement | ({"Sid": f"{statement['Sid']}{count + 1}"} if count else {}))
    return tuple(found)


_MAKERS = {
    "writer": _writer,
    "trust": _trust,
    "workload": _workload,
    "msk": _msk,
    "glue": _glue,
    "kms": _kms,
    "stream": _stream,
    "endpoints": _endpoints,
    "reader": _reader,
    "keda": _keda,
    "operator": _operator,
    "conformance": _conformance,
}
