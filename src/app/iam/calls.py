"""What doka calls of AWS: the one table that the IAM documents, `doka check` and docs/iam.md are written from.

What is not in here is in no document. A test walks the adapters' calls of boto3 against it, and holds each action to the
service authorization reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class On(Enum):
    """What an action is allowed on."""

    ROLE = "the role of the hop"
    STREAM = "the stream"
    KEY = "the KMS key of the stream"
    CLUSTER = "the MSK cluster"
    TOPIC = "the topics"
    GROUP = "the group, and the one of its skips"
    LETTERS = "the dead-letter topic"
    RESENDS = "the group that resends dead letters"
    SKIPS = "the group of its skips"
    SCHEMAS = "schemas of AWS Glue"
    TRIALS = "streams named doka-conformance-..."


class Use(Enum):
    """Who calls it, and for what; one document for each, or a part of one."""

    ASSUME = "whoever assumes a hop, and the trust policy of its role"
    WRITE = "the role that signs the puts"
    READ_BACK = "the role that reads a stream back (`audit.role`)"
    CONFORMANCE = "the role that signs the puts, for `doka conformance`"
    CONSUME = "the workload, on MSK with IAM"
    DECODE = "the workload, with `routes[].decode` and `framing: glue`"
    DEAD_LETTERS = "the workload, on MSK with IAM, with `dead_letters.topic`"
    READ_KAFKA = "whoever types `doka audit`, `lag`, `tail`, `letters` or `replay`, on MSK with IAM"
    OPERATE = "whoever types `letters resend` or `skip` as well, on MSK with IAM"
    SCALE = "KEDA's apache-kafka scaler, on MSK with IAM"


@dataclass(frozen=True, slots=True)
class Call:
    """One action that a use needs."""

    use: Use
    action: str
    on: On
    when: str
    why: str


TAG_SESSION, SET_SOURCE_IDENTITY = "sts:TagSession", "sts:SetSourceIdentity"

CALLS = (
    Call(Use.ASSUME, "sts:AssumeRole", On.ROLE, "each hop, whenever a lease is issued", "to become the role"),
    Call(
        Use.ASSUME,
        TAG_SESSION,
        On.ROLE,
        "the last hop, with `roles.*.tags`; each hop under EKS Pod Identity, whose sessions bring their tags along",
        "to put tags on the session",
    ),
    Call(
        Use.ASSUME,
        SET_SOURCE_IDENTITY,
        On.ROLE,
        "each hop, with `roles.*.source_identity`: it is set once and stays",
        "to say on whose behalf",
    ),
    Call(Use.WRITE, "kinesis:PutRecords", On.STREAM, "each put; `doka check` by dry run", "to write"),
    Call(
        Use.WRITE,
        "kinesis:DescribeStreamSummary",
        On.STREAM,
        "the start, every few minutes, and while a route is blocked",
        "the record limit, the distribution, the state; without it doka assumes records of 1 MiB",
    ),
    Call(
        Use.WRITE,
        "kinesis:ListShards",
        On.STREAM,
        "after each description",
        "a pace for each shard; without it there is one for the stream",
    ),
    Call(
        Use.WRITE,
        "kms:GenerateDataKey",
        On.KEY,
        "a put, called by Kinesis in the writer's name; `doka check` by dry run",
        "to encrypt, where the stream has a key of its own",
    ),
    Call(Use.READ_BACK, "kinesis:DescribeStreamSummary", On.STREAM, "the start of an audit", "the retention"),
    Call(Use.READ_BACK, "kinesis:ListShards", On.STREAM, "the start of an audit", "the shards and their parents"),
    Call(Use.READ_BACK, "kinesis:GetShardIterator", On.STREAM, "each shard", "where to read"),
    Call(Use.READ_BACK, "kinesis:GetRecords", On.STREAM, "throughout an audit", "to read"),
    Call(Use.READ_BACK, "kms:Decrypt", On.KEY, "a read, called by Kinesis in the reader's name", "to decrypt"),
    Call(Use.CONFORMANCE, "kinesis:CreateStream", On.TRIALS, "its start", "a stream to ask"),
    Call(Use.CONFORMANCE, "kinesis:AddTagsToStream", On.TRIALS, "its start, by Kinesis", "to say whose it is"),
    Call(Use.CONFORMANCE, "kinesis:TagResource", On.TRIALS, "its start, by Kinesis", "the same, as AWS names it now"),
    Call(Use.CONFORMANCE, "kinesis:DescribeStreamSummary", On.TRIALS, "its start", "to see it ACTIVE"),
    Call(Use.CONFORMANCE, "kinesis:ListShards", On.TRIALS, "its start", "the shards"),
    Call(Use.CONFORMANCE, "kinesis:PutRecords", On.TRIALS, "each case", "to ask"),
    Call(Use.CONFORMANCE, "kinesis:GetShardIterator", On.TRIALS, "each case", "where to read"),
    Call(Use.CONFORMANCE, "kinesis:GetRecords", On.TRIALS, "each case", "to see what landed"),
    Call(Use.CONFORMANCE, "kinesis:DeleteStream", On.TRIALS, "its end", "to leave nothing behind"),
    Call(
        Use.DECODE,
        "glue:GetSchemaVersion",
        On.SCHEMAS,
        "the first record of each schema; `doka check`",
        "to decode; a version is asked for by its id, which names no registry, so AWS allows it on `*` alone",
    ),
    Call(Use.CONSUME, "kafka-cluster:Connect", On.CLUSTER, "each connection", "to log in"),
    Call(
        Use.CONSUME, "kafka-cluster:DescribeTopic", On.TOPIC, "the start, and once a minute", "partitions and leaders"
    ),
    Call(Use.CONSUME, "kafka-cluster:ReadData", On.TOPIC, "throughout", "to read records, and to commit"),
    Call(
        Use.CONSUME,
        "kafka-cluster:DescribeGroup",
        On.GROUP,
        "the start; `doka check`",
        "what is committed, and what to skip",
    ),
    Call(Use.CONSUME, "kafka-cluster:AlterGroup", On.GROUP, "throughout; `doka skip`", "to be a member, and to commit"),
    Call(Use.DEAD_LETTERS, "kafka-cluster:WriteDataIdempotently", On.CLUSTER, "the start", "an idempotent producer"),
    Call(Use.DEAD_LETTERS, "kafka-cluster:DescribeTopic", On.LETTERS, "the start", "partitions and leaders"),
    Call(Use.DEAD_LETTERS, "kafka-cluster:WriteData", On.LETTERS, "each dead letter", "to write"),
    Call(
        Use.DEAD_LETTERS,
        "kafka-cluster:DescribeTopicDynamicConfiguration",
        On.LETTERS,
        "`doka check`",
        "whether the topic would keep what it is given",
    ),
    Call(Use.READ_KAFKA, "kafka-cluster:Connect", On.CLUSTER, "each connection", "to log in"),
    Call(Use.READ_KAFKA, "kafka-cluster:DescribeTopic", On.TOPIC, "always", "partitions and leaders"),
    Call(Use.READ_KAFKA, "kafka-cluster:ReadData", On.TOPIC, "always", "to read records"),
    Call(
        Use.READ_KAFKA, "kafka-cluster:DescribeGroup", On.GROUP, "always", "what is committed, and by whom it is read"
    ),
    Call(Use.READ_KAFKA, "kafka-cluster:DescribeTopic", On.LETTERS, "audits, letters", "partitions and leaders"),
    Call(Use.READ_KAFKA, "kafka-cluster:ReadData", On.LETTERS, "audits, letters", "which records became dead letters"),
    Call(Use.READ_KAFKA, "kafka-cluster:DescribeGroup", On.RESENDS, "letters", "which were resent"),
    Call(
        Use.OPERATE,
        "kafka-cluster:WriteDataIdempotently",
        On.CLUSTER,
        "`letters resend`",
        "an idempotent producer",
    ),
    Call(
        Use.OPERATE,
        "kafka-cluster:WriteData",
        On.TOPIC,
        "`letters resend --to-topic`",
        "to write records back to the topics; another topic needs it as well",
    ),
    Call(
        Use.OPERATE,
        "kafka-cluster:WriteData",
        On.LETTERS,
        "`letters resend`",
        "what is refused becomes a letter again",
    ),
    Call(Use.OPERATE, "kafka-cluster:AlterGroup", On.RESENDS, "`letters resend`", "to share and to commit"),
    Call(Use.OPERATE, "kafka-cluster:AlterGroup", On.SKIPS, "`doka skip`", "to leave the order"),
    Call(Use.SCALE, "kafka-cluster:Connect", On.CLUSTER, "each look", "to log in"),
    Call(Use.SCALE, "kafka-cluster:DescribeTopic", On.TOPIC, "each look", "where the logs end"),
    Call(Use.SCALE, "kafka-cluster:DescribeGroup", On.GROUP, "each look", "what is committed"),
)


def actions(on: On, *uses: Use) -> list[str]:
    """Give the actions on one kind of thing that these uses need, each once, in the order of the table."""
    return list(dict.fromkeys(call.action for call in CALLS if call.use in uses and call.on is on))
