from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from doka.adapters.aws.kinesis.dry_run import Refused
from doka.adapters.aws.kinesis.questions import Refusal
from doka.adapters.kafka.letter_preflight import LetterTopic
from doka.adapters.kafka.preflight import Obstacle, Preflight
from doka.adapters.telemetry.otlp.posting import Answer
from doka.app.check.findings import Finding, FindingVerdict, all_fine
from doka.app.check.preflight import Parts, not_asked, preflight
from doka.app.settings import Settings
from doka.app.settings.problems import SettingPath
from doka.domain.commands import DescribeStream
from doka.domain.events import (
    Event,
    LeaseIssued,
    LeaseRefused,
    RegistryRefused,
    StreamDescribed,
    StreamRefused,
    TopicsMatched,
)
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_SECOND
from tests.unit.app.settings.given import STREAM, Absent, settings

MIB = 1024 * 1024
HUB = "arn:aws:iam::111122223333:role/hub"
HOPS: SettingPath = ("roles", "analytics", "hops")
READER: Mapping[SettingPath, Any] = {
    ("roles", "reader"): {"hops": [{"role_arn": "arn:aws:iam::210987654321:role/doka-reader"}]},
    ("audit", "role"): "reader",
}


def described(
    status: str = "ACTIVE",
    *,
    arn: str | None = STREAM,
    record_bytes_max: int = MIB,
    honours_keys: bool = True,
    open_shards: int | None = 4,
) -> StreamDescribed:
    """Give the facts of a good stream, with these changes."""
    return StreamDescribed("orders", arn, status, record_bytes_max, honours_keys, open_shards)


@dataclass
class World:
    """The outside in one process: it answers what it was told to, and remembers what it was asked."""

    kafka: Preflight = field(default_factory=lambda: Preflight({"orders": 12}))
    letters: LetterTopic = field(default_factory=lambda: LetterTopic(3))
    life_seconds: float | None = 3600
    refused: LeaseRefused | None = None
    streams: Mapping[str, StreamDescribed | StreamRefused] = field(default_factory=dict)
    collectors: Mapping[str, Answer] = field(default_factory=dict)
    registries: Mapping[str, RegistryRefused | None] = field(default_factory=dict)

    asked: list[str] = field(default_factory=list)

    def issue(self, role: str) -> Event:
        """Give a lease, or the refusal."""
        self.asked.append(role)
        if self.refused is not None:
            return self.refused
        ends_at = None if self.life_seconds is None else int(self.life_seconds * NS_PER_SECOND)
        return LeaseIssued(Lease(1, role, Secrets("key", "secret-key", "session-token"), 0, ends_at, "210987654321"))

    def describe(self, command: DescribeStream) -> Event:
        """Give the stream's facts, or the refusal."""
        self.asked.append(command.route)
        return self.streams.get(command.route, described())

    def shards(self, route: str, lease: Lease) -> Refusal | None:
        """Say that the shards could be listed; what else is tried has tests of its own."""
        del route, lease
        return None

    def put(self, route: str, lease: Lease) -> Refusal | None:
        """Fail: no put may be tried where nobody said that dry runs are known."""
        raise AssertionError((route, lease))

    def encrypt(self, route: str, lease: Lease, key_arn: str, stream_arn: str) -> Refusal | None:
        """Fail, as for a put."""
        raise AssertionError((route, lease, key_arn, stream_arn))

    def read(self, route: str, lease: Lease) -> Refused | None:
        """Say that the stream could be read back."""
        self.asked.append(f"read {route} as {lease.role}")
        return None

    def look_at_letters(self, topic: str) -> LetterTopic:
        """Tell of the topic for dead letters."""
        self.asked.append(topic)
        return self.letters

    def collect(self, signal: str) -> Answer:
        """Answer a request with nothing in it."""
        self.asked.append(signal)
        return self.collectors[signal]

    def look(self, given: Settings) -> list[Finding]:
        """Give all findings about this world."""
        ca, collectors = "/etc/ca.pem", {signal: partial(self.collect, signal) for signal in self.collectors}
        parts = Parts(
            lambda: self.kafka,
            self,
            self,
            {},
            lambda: ca,
            self.look_at_letters,
            tries=self,
            collectors=collectors,
            registries={name: partial(self.registries.__getitem__, name) for name in self.registries},
        )
        return list(preflight(given, "doka.yaml", parts))

    def of(self, step: str, given: Settings) -> list[tuple[str, str, str, str | None]]:
        """Give what was found in one step: verdict, subject, what is told, and the cure."""
        return [(f.verdict.value, f.subject, f.told, f.cure) for f in self.look(given) if f.step == step]


def test_a_world_without_a_fault_is_fine() -> None:
    """Each part is told in one line, with the figures a person wants to see."""
    findings = World().look(settings())
    assert [(f.step, f.subject, f.told) for f in findings] == [
        ("configuration", "doka.yaml", "1 route, 1 topic, 1 role"),
        ("environment", "proxy", "none set"),
        ("environment", "authorities", "/etc/ca.pem"),
        ("environment", "credentials", "no variable set; boto3's own search decides"),
        ("kafka", "b-1.example:9098", "answers, by sasl_ssl"),
        ("topic", "orders", "12 partitions"),
        ("role", "analytics", "a lease in account 210987654321 that lives 60 min"),
        ("stream", "orders", f"{STREAM} is ACTIVE, 4 open shards, records up to 1 MiB"),
    ]
    assert {f.verdict for f in findings} == {FindingVerdict.FINE}
    assert all_fine(findings)


def test_a_role_of_many_routes_is_asked_for_once() -> None:
    """The check costs as many AssumeRole calls as the service would make."""
    world = World()
    second = {"topics": ["clicks"], "stream": {"name": "clicks", "role": "analytics"}}
    world.look(settings({("routes", 1): second}))
    assert world.asked == ["analytics", "orders", "clicks"]


def test_a_topic_of_several_routes_is_looked_at_once() -> None:
    """It is read once, and says for whom."""
    second = {"topics": ["orders"], "stream": {"name": "archive", "role": "analytics"}}
    findings = World().look(settings({("routes", 1): second}))
    told = [(finding.step, finding.told) for finding in findings if finding.step in {"configuration", "topic"}]
    assert [
        ("configuration", "2 routes, 1 topic, 1 role"),
        ("topic", "12 partitions, read once for the routes orders, archive"),
    ] == told


def test_ambient_credentials_are_looked_at_too() -> None:
    """Credentials that do not end are told so."""
    world = World(life_seconds=None)
    ambient = settings({("roles",): Absent, ("routes", 0, "stream", "role"): Absent})
    assert world.of("role", ambient) == [
        ("fine", "ambient", "credentials in account 210987654321 that do not end", None)
    ]


def test_no_secret_is_told() -> None:
    """Neither to a person nor to a machine."""
    told = repr([finding.as_data() for finding in World().look(settings())])
    assert "secret-key" not in told
    assert "session-token" not in told


def test_kafka_that_does_not_answer_is_told_once() -> None:
    """The topics could not be looked at, and say so."""
    world = World(kafka=Preflight(obstacles=(Obstacle("no broker answers at b-1.example:9098", "check the network"),)))
    assert world.of("kafka", settings()) == [
        ("failed", "b-1.example:9098", "no broker answers at b-1.example:9098", "check the network")
    ]
    assert world.of("topic", settings()) == [("skipped", "orders", "not looked at, since Kafka did not answer", None)]
    assert not all_fine(world.look(settings()))


def test_what_the_client_says_is_told_whole() -> None:
    """Whatever signs stand in its words, and whichever topic they name: the sentence is one, and the cure another."""
    said = "Kafka refuses the login: broker said: no; topic orders is closed; call us"
    world = World(kafka=Preflight(obstacles=(Obstacle(said, "check kafka.security"),)))
    assert world.of("kafka", settings()) == [("failed", "b-1.example:9098", said, "check kafka.security")]
    assert world.of("topic", settings()) == [("skipped", "orders", "not looked at, since Kafka did not answer", None)]


def test_a_topic_that_is_missing_is_told_by_its_name() -> None:
    """The others are looked at all the same; a name that begins alike is not mixed up with it."""
    given = settings({("routes", 0, "topics"): ["order", "orders"]})
    missing = Obstacle("topic orders does not exist", "create it, or correct the name in routes", "orders")
    world = World(kafka=Preflight({"order": 1}, (missing,)))
    assert world.of("topic", given) == [
        ("failed", "orders", "topic orders does not exist", "create it, or correct the name in routes"),
        ("fine", "order", "1 partition", None),
    ]


def test_a_role_that_gives_no_credentials_is_told_with_its_cure() -> None:
    """The service's own words stand beside it, and the stream is not looked at."""
    refused = LeaseRefused("analytics", "RegionDisabledException", "STS is not activated in this region.")
    world = World(refused=refused)
    assert world.of("role", settings()) == [
        (
            "failed",
            "analytics",
            "no credentials: RegionDisabledException (STS is not activated in this region)",
            "switch STS on for aws.region in that account, or take another region",
        )
    ]
    assert world.of("stream", settings()) == [
        ("skipped", "orders", "not looked at, since the role analytics gave no credentials", None)
    ]


def test_a_lease_that_is_over_before_it_is_renewed_is_told() -> None:
    """STS may give less than was asked for; the interval then has to be shorter."""
    given = settings({("roles", "analytics", "rotation"): {"policy": "interval", "interval_minutes": 30}})
    assert World(life_seconds=900).of("role", given) == [
        (
            "failed",
            "analytics",
            "a lease in account 210987654321 that lives 15 min, which is over before it is renewed",
            "lower roles.analytics.rotation.interval_minutes, or take policy: before_expiry",
        )
    ]


FOUND = f"{STREAM} is ACTIVE, 4 open shards, records up to 1 MiB"


@pytest.mark.parametrize(
    ("changes", "found", "expected"),
    [
        (
            {},
            described(honours_keys=False),
            (
                "failed",
                f"{FOUND}, but its record distribution is AUTO, which ignores keys and so cannot keep their order",
                (
                    "set the stream back to USER_PARTITION_KEY (UpdateStreamRecordDistributionStrategy), "
                    "or give the order up with routes[0].ordering: none"
                ),
            ),
        ),
        (
            {("routes", 0, "ordering"): "none"},
            described(honours_keys=False),
            ("fine", FOUND, None),
        ),
        (
            {("routes", 0, "aggregation"): {"enabled": True, "lanes": 4}},
            described(),
            ("fine", FOUND, None),
        ),
        ({("routes", 0, "append"): "newline"}, described(), ("fine", f"{FOUND}, each ending in a newline", None)),
        ({("routes", 0, "compress"): "gzip"}, described(), ("fine", f"{FOUND}, each compressed by gzip", None)),
        (
            {("routes", 0, "aggregation"): {"enabled": True, "lanes": 2}},
            described(),
            (
                "warning",
                f"{FOUND}, but 2 lanes cannot reach them all: some get nothing",
                (
                    "raise routes[0].aggregation.lanes to a power of two above the shards; "
                    "docs/guarantees.md says what a consumer sees when it changes"
                ),
            ),
        ),
        (
            {("routes", 0, "ordering"): "none", ("routes", 0, "aggregation"): {"enabled": True}},
            described(honours_keys=False),
            (
                "failed",
                (
                    f"{FOUND}, but its record distribution is AUTO, "
                    "which ignores keys and so tears aggregates from their shards"
                ),
                (
                    "set the stream back to USER_PARTITION_KEY (UpdateStreamRecordDistributionStrategy), "
                    "or give the order up with routes[0].ordering: none and routes[0].aggregation.enabled: false"
                ),
            ),
        ),
        (
            {},
            described("CREATING", arn=None, open_shards=None),
            ("failed", "orders is CREATING, records up to 1 MiB", "wait until it is ACTIVE"),
        ),
        (
            {},
            described("DELETING", arn=None, open_shards=1),
            (
                "failed",
                "orders is DELETING, 1 open shard, records up to 1 MiB",
                "create it again, or name another stream",
            ),
        ),
        (
            {},
            described("UPDATING"),
            ("fine", FOUND.replace("ACTIVE", "UPDATING"), None),
        ),
        (
            {("limits", "request_mib"): 5},
            described(record_bytes_max=10 * MIB),
            (
                "warning",
                (
                    f"{STREAM} is ACTIVE, 4 open shards, records up to 10 MiB, but limits.request_mib is 5: "
                    "a larger record goes alone, in a put above that limit"
                ),
                "raise limits.request_mib to the stream's record limit, if what answers takes it",
            ),
        ),
        (
            {},
            StreamRefused("orders", "ResourceNotFoundException", "Stream orders not found."),
            (
                "failed",
                "orders could not be described: ResourceNotFoundException (Stream orders not found)",
                (
                    "check the name (orders), the region (eu-west-1) and that it is in the account of those credentials; "
                    "a stream of another account needs routes[0].stream.arn or a role there"
                ),
            ),
        ),
        (
            {("routes", 0, "stream"): {"arn": STREAM, "role": "analytics"}},
            StreamRefused("orders", "ResourceNotFoundException"),
            (
                "failed",
                "orders could not be described: ResourceNotFoundException",
                (
                    "check the name (orders), the region (eu-west-1) and that it is in the account of the ARN; "
                    "a stream of another account needs routes[0].stream.arn or a role there"
                ),
            ),
        ),
        (
            {},
            StreamRefused("orders", "AccessDeniedException"),
            (
                "warning",
                "orders could not be described: AccessDeniedException",
                (
                    "allow kinesis:DescribeStreamSummary on the stream beside kinesis:PutRecords "
                    "(role policy, or the stream's resource policy); without it doka assumes records of 1 MiB at most"
                ),
            ),
        ),
        (
            {},
            StreamRefused("orders", "not_connected"),
            (
                "failed",
                "orders could not be described: not_connected",
                "let this host reach Kinesis in eu-west-1 (proxy, security group, VPC endpoint, egress rules)",
            ),
        ),
        (
            {("aws", "endpoint_urls", "kinesis"): "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com"},
            StreamRefused("orders", "connect_timeout"),
            (
                "failed",
                "orders could not be described: connect_timeout",
                "check aws.endpoint_urls.kinesis, and that this host may reach it",
            ),
        ),
        (
            {},
            StreamRefused("orders", "KMSAccessDeniedException"),
            (
                "failed",
                "orders could not be described: KMSAccessDeniedException",
                "let the role use the stream's KMS key (kms:GenerateDataKey), in the key policy too",
            ),
        ),
        (
            {},
            StreamRefused("orders", "UnrecognizedClientException"),
            (
                "failed",
                "orders could not be described: UnrecognizedClientException",
                "the credentials ended or are not valid in this partition; check aws.region and the role",
            ),
        ),
    ],
)
def test_a_stream_is_told_with_its_cure(
    changes: dict[SettingPath, Any], found: StreamDescribed | StreamRefused, expected: tuple[str, str, str | None]
) -> None:
    """Which stream, what is the matter, and what to do about it."""
    verdict, told, cure = expected
    assert World(streams={"orders": found}).of("stream", settings(changes)) == [(verdict, "orders", told, cure)]


LETTERS: dict[SettingPath, Any] = {("dead_letters", "topic"): "letters"}


def test_the_topic_for_dead_letters_is_looked_at_too() -> None:
    """It stands among the topics, and says what it is for."""
    assert World().of("topic", settings(LETTERS)) == [
        ("fine", "orders", "12 partitions", None),
        ("fine", "letters", "3 partitions for dead letters", None),
    ]


def test_no_topic_for_dead_letters_is_looked_for_where_there_is_none() -> None:
    """A check asks for nothing that the service would not use."""
    world = World()
    world.look(settings())
    assert world.asked == ["analytics", "orders"]


def test_a_topic_that_takes_no_letters_is_told_with_its_cure() -> None:
    """The service would start, and its first poison would block."""
    world = World(
        letters=LetterTopic(3, (Obstacle("topic letters is compacted", "set cleanup.policy=delete on it", "letters"),))
    )
    assert world.of("topic", settings(LETTERS))[1:] == [
        ("failed", "letters", "topic letters is compacted", "set cleanup.policy=delete on it")
    ]
    assert not all_fine(world.look(settings(LETTERS)))


def test_what_could_lose_a_letter_is_a_warning() -> None:
    """The topic works, and a person may have meant it so."""
    doubt = Obstacle("topic letters deletes letters", "set retention.ms=-1 on it", "letters")
    world = World(letters=LetterTopic(3, doubts=(doubt,)))
    assert world.of("topic", settings(LETTERS))[1:] == [
        ("warning", "letters", "topic letters deletes letters", "set retention.ms=-1 on it"),
        ("fine", "letters", "3 partitions for dead letters", None),
    ]
    assert all_fine(world.look(settings(LETTERS)))


def test_the_topic_for_dead_letters_is_not_asked_of_a_silent_kafka() -> None:
    """Nobody waits a second time for brokers that do not answer."""
    world = World(kafka=Preflight(obstacles=(Obstacle("no broker answers at b-1.example:9098", "check the network"),)))
    assert world.of("topic", settings(LETTERS))[1:] == [
        ("skipped", "letters", "not looked at, since no other topic could be read", None)
    ]
    assert "letters" not in world.asked


def test_what_was_not_asked_is_told() -> None:
    """A put and its key where nothing knows dry runs, and reading back where no role of audits is named."""
    put = ["kinesis:PutRecords on each stream", "the use of its KMS key"]
    read = "reading streams back, for doka audit"
    assert [*put, read] == not_asked(settings(), tries_puts=False)
    assert [read] == not_asked(settings(), tries_puts=True)
    assert put == not_asked(settings(READER), tries_puts=False)


def test_the_role_of_audits_is_tried_on_each_stream() -> None:
    """With its own lease, and not with the writer's."""
    world = World()
    assert world.of("read", settings(READER)) == [("fine", "orders", "can be read back", None)]
    assert "read orders as reader" in world.asked


def test_a_missing_right_in_kafka_names_its_action_for_a_machine() -> None:
    """What stands in the way fails; what only a command misses is a warning."""
    told = Obstacle("not authorised to read topic orders", "allow it", "orders", "kafka-cluster:ReadData")
    skips = Obstacle(
        "not authorised to commit as consumer group doka-skips", "allow it", None, "kafka-cluster:AlterGroup"
    )
    found = World(kafka=Preflight({"orders": 12}, (told,), (skips,))).look(settings())
    assert [
        ("topic", "failed", {"action": "kafka-cluster:ReadData"}),
        ("kafka", "warning", {"action": "kafka-cluster:AlterGroup"}),
    ] == [(each.step, each.verdict.value, each.facts) for each in found if "action" in each.facts]


def test_a_schema_registry_is_asked() -> None:
    """A route that decodes is nothing without it."""
    world, url = World(), "http://registry:8081"
    given = settings({("routes", 0, "decode"): {"registry": url}})
    name = given.routes[0].name
    world.registries = {name: None}
    assert [("fine", name, f"{url} answers", None)] == world.of("registry", given)
    world.registries = {name: RegistryRefused(name, "http_401", "it answers HTTP 401")}
    cure = "correct decode of the route, or let the registry answer; the route takes in nothing until it does"
    told = f"{url} gives no schema: it answers HTTP 401"
    assert [("failed", name, told, cure)] == world.of("registry", given)
    assert not all_fine(world.look(given))


def test_a_collector_is_asked_and_is_never_a_failure() -> None:
    """What it takes is told, what it does not is a warning with its words, and a token in clear text is another."""
    world = World()
    world.collectors = {"metrics": Answer(taken=True), "traces": Answer(taken=False, why="HTTP 404")}
    otlp = {"endpoint": "http://otel:4318", "headers": {"a": "b"}, "traces": {"enabled": True}}
    clear = ("warning", "is sent the headers of otlp unencrypted", "take https, or leave otlp.headers out")
    away = "correct otlp.endpoint, or let the collector listen there for OTLP over HTTP; doka forwards all the same"
    assert [
        ("fine", "http://otel:4318/v1/metrics", "takes metrics", None),
        (clear[0], "http://otel:4318/v1/metrics", *clear[1:]),
        ("warning", "http://otel:4318/v1/traces", "does not take traces: HTTP 404", away),
        (clear[0], "http://otel:4318/v1/traces", *clear[1:]),
    ] == world.of("collector", settings({("otlp",): otlp}))
    assert all_fine(world.look(settings()))


@pytest.mark.parametrize("url", ["https://otel:4318", "http://localhost:4318", "http://127.0.0.1:4318"])
def test_a_token_that_nobody_can_read_is_fine(url: str) -> None:
    """By TLS, or on the host itself."""
    world = World()
    world.collectors = {"metrics": Answer(taken=True)}
    found = world.of("collector", settings({("otlp",): {"endpoint": url, "headers_file": "/h"}}))
    assert [("fine", f"{url}/v1/metrics", "takes metrics", None)] == found


def test_patterns_are_told_with_what_they_bring_and_what_is_left() -> None:
    """How many topics now and at most; what no route takes, and a pattern that brings nothing, fail with the cure."""
    given = settings({("routes", 0, "topics"): ["orders", "orders.*"], ("routes", 0, "topics_max"): 2})
    name = given.routes[0].name
    brought = World(
        kafka=Preflight({"orders": 12, "orders.eu": 3}, matched=TopicsMatched({name: frozenset({"orders.eu"})}))
    )
    left = World(
        kafka=Preflight({"orders": 12}, matched=TopicsMatched({name: frozenset()}, {"orders.us": "too many: raise it"}))
    )
    nothing = World(kafka=Preflight({"orders": 12}, matched=TopicsMatched({name: frozenset()})))

    assert [("fine", "orders.*", "bring 1 topic now; routes[].topics_max allows 2", None)] == brought.of(
        "topics", given
    )
    assert ["orders", "orders.eu"] == [subject for _, subject, _, _ in brought.of("topic", given)]
    assert ("fine", "doka.yaml", "1 route, 1 topic, 1 pattern, 1 role", None) in brought.of("configuration", given)
    assert ("failed", "patterns", "too many", "raise it") in left.of("topics", given)
    assert (
        "failed",
        "patterns",
        f"route {name}: no topic matches orders.*",
        "create one, correct the pattern, or grant DESCRIBE",
    ) in nothing.of("topics", given)
