from __future__ import annotations

from typing import Any

import pytest

from doka.app.settings import settings_from
from doka.app.settings.problems import SettingPath
from tests.unit.app.settings.given import STREAM, WRITER, Absent, data, told

SECURITY: SettingPath = ("kafka", "security")
ROUTE: SettingPath = ("routes", 0)
STREAM_AT: SettingPath = ("routes", 0, "stream")
ROLE: SettingPath = ("roles", "analytics")
OTHER_ROUTE: dict[str, Any] = {"topics": ["returns"], "stream": {"name": "returns", "role": "analytics"}}
PERMIT_PLAINTEXT = "kafka.security.allow_plaintext: true (or --allow-plaintext)"
PERMIT_ENDPOINTS = "aws.allow_insecure_endpoints: true (or --allow-insecure-endpoints)"


@pytest.mark.parametrize("protocol", ["plaintext", "sasl_plaintext"])
def test_plaintext_kafka_needs_its_permission(protocol: str) -> None:
    """Records travel unencrypted only where somebody said so."""
    log_in: dict[str, Any] = (
        {"mechanism": "plain", "username": "me", "password": "x"} if protocol == "sasl_plaintext" else {}
    )
    security = {"protocol": protocol, **log_in}
    assert told({SECURITY: security}) == [
        f"kafka.security.protocol {protocol} does not encrypt; take ssl or sasl_ssl, or permit it with {PERMIT_PLAINTEXT}"
    ]
    assert told({SECURITY: {**security, "allow_plaintext": True}}) == []


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        ({"mechanism": "scram_sha_512", "password": "x"}, "kafka.security.username is needed by scram_sha_512"),
        (
            {"mechanism": "plain", "username": "me"},
            "kafka.security.password_file is needed by plain; name the file that holds it",
        ),
        (
            {"mechanism": "plain", "username": "me", "password": "x", "password_file": "y"},
            "kafka.security.password stands beside password_file; keep the file",
        ),
        (
            {"username": "me"},
            "kafka.security.username has no use here; take mechanism scram_sha_512 or plain with sasl_ssl, or leave it out",
        ),
        (
            {"password": "x"},
            "kafka.security.password has no use here; take mechanism scram_sha_512 or plain with sasl_ssl, or leave it out",
        ),
        (
            {"password_file": "x"},
            (
                "kafka.security.password_file has no use here; take mechanism scram_sha_512 or plain with sasl_ssl, "
                "or leave it out"
            ),
        ),
        ({"mechanism": None}, "kafka.security.mechanism is needed by a sasl protocol; aws_msk_iam is what MSK takes"),
        (
            {"protocol": "ssl", "mechanism": "plain"},
            "kafka.security.mechanism has no use with ssl; take sasl_ssl, or leave it out",
        ),
        (
            {"protocol": "sasl_plaintext", "mechanism": "aws_msk_iam", "allow_plaintext": True},
            "kafka.security.mechanism aws_msk_iam needs sasl_ssl; MSK takes its tokens over TLS only",
        ),
        (
            {"protocol": "plaintext", "allow_plaintext": True, "ca_file": "ca.pem"},
            "kafka.security.ca_file has no use with plaintext; take ssl or sasl_ssl",
        ),
        (
            {"protocol": "ssl", "certificate_file": "c.pem"},
            "kafka.security.key_file is needed with certificate_file",
        ),
        ({"protocol": "ssl", "key_file": "k.pem"}, "kafka.security.certificate_file is needed with key_file"),
    ],
)
def test_log_in_and_certificates_must_fit_together(security: dict[str, Any], expected: str) -> None:
    """What would be ignored, or is missing, is told."""
    assert told({SECURITY: security}) == [expected]


KINESIS: SettingPath = ("aws", "endpoint_urls", "kinesis")
ABROAD: dict[SettingPath, Any] = {
    ("routes", 1): {"topics": ["clicks"], "stream": {"name": "clicks", "region": "us-east-1", "role": "analytics"}}
}


def test_one_endpoint_for_streams_of_two_regions_is_refused() -> None:
    """A region's endpoint knows no stream of another; a stand-in, which is permitted, may serve both."""
    url = "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com"
    expected = (
        "aws.endpoint_urls.kinesis is of one region, but the streams are in eu-west-1 and us-east-1; "
        "run a doka for each, or leave it out"
    )
    assert [expected] == told({**ABROAD, KINESIS: url})
    assert [] == told({**ABROAD, KINESIS: "http://localhost:4566", ("aws", "allow_insecure_endpoints"): True})
    assert [] == told({KINESIS: url})
    assert [] == told(ABROAD)


@pytest.mark.parametrize("service", ["kinesis", "sts"])
def test_an_endpoint_over_http_needs_its_permission(service: str) -> None:
    """Signed requests and records leave unencrypted only where somebody said so."""
    url: SettingPath = ("aws", "endpoint_urls", service)
    assert told({url: "http://localhost:4566"}) == [
        (
            f"aws.endpoint_urls.{service} needs permission: http sends data unencrypted; use https, "
            f"or permit it with {PERMIT_ENDPOINTS}"
        )
    ]
    assert told({url: "http://localhost:4566", ("aws", "allow_insecure_endpoints"): True}) == []


def test_a_host_outside_aws_needs_its_permission() -> None:
    """A misspelt or hostile host gets no signed request."""
    url: SettingPath = ("aws", "endpoint_urls", "sts")
    assert told({url: "https://sts.amazonaws.com.example"}) == [
        (
            "aws.endpoint_urls.sts needs permission: the host is not one of AWS (*.amazonaws.com); correct it, "
            f"or permit it with {PERMIT_ENDPOINTS}"
        )
    ]
    assert told({url: "https://sts.amazonaws.com.example", ("aws", "allow_insecure_endpoints"): True}) == []


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (
            {"name": "order", "arn": STREAM, "role": "analytics"},
            "routes[0].stream.name is not the stream of the ARN beside it (orders); leave it out",
        ),
        (
            {"arn": STREAM, "region": "eu-central-1", "role": "analytics"},
            "routes[0].stream.region is not the region of the ARN beside it (eu-west-1); leave it out",
        ),
        (
            {"arn": STREAM.replace("arn:aws:", "arn:aws-cn:"), "role": "analytics"},
            "routes[0].stream.arn says aws-cn, but eu-west-1 is in aws; correct one",
        ),
    ],
)
def test_a_stream_is_named_once_or_twice_alike(stream: dict[str, Any], expected: str) -> None:
    """Of two contradicting names doka would have to guess."""
    assert told({STREAM_AT: stream}) == [expected]


def test_a_stream_may_be_in_another_region_than_the_rest() -> None:
    """Only two regions that are told for the same stream can contradict each other."""
    assert told({STREAM_AT: {"arn": STREAM.replace("eu-west-1", "us-east-1"), "role": "analytics"}}) == []


def test_a_topic_may_have_several_routes() -> None:
    """Each goes to a stream of its own, or leaves something out; the same topic twice in a route is a slip."""
    assert told({("routes", 1): {**OTHER_ROUTE, "topics": ["returns", "orders"]}}) == []
    assert told({("routes", 1): OTHER_ROUTE}) == []
    assert told({(*ROUTE, "topics"): ["orders", "returns", "orders"]}) == [
        "routes[0].topics[2] is the topic orders again; keep one"
    ]


def test_a_topic_goes_to_a_stream_once() -> None:
    """Two routes that leave nothing out would land each record twice; one that does may be the other half."""
    twin: dict[str, Any] = {"topics": ["orders"], "name": "twin", "stream": {"name": "orders", "role": "analytics"}}
    assert told({("routes", 1): twin}) == [
        (
            "routes[1].topics[0] is the topic orders of routes[0], which goes to stream orders as well, so each record would "
            "land twice; give one of them only, or another stream"
        )
    ]
    assert told({("routes", 1): {**twin, "only": {"pointer": "/type", "in": ["order"]}}}) == []


def test_a_topic_has_so_many_routes_at_most() -> None:
    """Each of them holds what is fetched, so the ninth is refused."""
    routes: dict[SettingPath, Any] = {
        ("routes", index): {**OTHER_ROUTE, "name": f"r{index}", "topics": ["orders"], "stream": {"name": f"s{index}"}}
        for index in range(1, 9)
    }
    assert told(routes) == [
        (
            "routes[8].topics[0] is the topic orders of 8 routes before, which is the most; run a second doka with a group_id "
            "of its own"
        )
    ]


def test_routes_have_names_of_their_own() -> None:
    """The name tells routes apart in metrics and logs, also where two go to the same stream."""
    twin = {**OTHER_ROUTE, "stream": {"name": "orders", "role": "analytics"}}
    assert told({("routes", 1): twin}) == [
        "routes[1].name is orders, like that of routes[0]; give each route a name of its own"
    ]
    assert told({("routes", 1): {**twin, "name": "returns"}}) == []


def test_each_route_has_a_request_of_its_own() -> None:
    """With fewer requests in flight than routes, one sick stream could stop another route."""
    assert told({("routes", 1): OTHER_ROUTE, ("limits", "requests_in_flight"): 1}) == [
        "limits.requests_in_flight is below the number of routes; each needs a request of its own, so set 2 or more"
    ]


SHARED_ALREADY = "which has no use with aggregation: records of a key share one aggregate, in order"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"partition_key": "random"},
            "routes[0].ordering is key, but random keys have no order to keep; set ordering: none",
        ),
        (
            {"ordering": "key_in_request", "aggregation": {"enabled": True}},
            f"routes[0].ordering is key_in_request, {SHARED_ALREADY}; take key, or switch aggregation off",
        ),
        (
            {"partition_key": "constant:all", "null_key": "reject"},
            "routes[0].null_key has no use with partition_key constant; leave it out",
        ),
        (
            {"partition_key": "random", "ordering": "none", "null_key": "random"},
            "routes[0].null_key has no use with partition_key random; leave it out",
        ),
        (
            {"partition_key": "field:/id", "key_encoding": "hex"},
            "routes[0].key_encoding has no use with partition_key field; leave it out",
        ),
    ],
)
def test_settings_of_keys_fit_together(changes: dict[str, Any], expected: str) -> None:
    """A setting that would do nothing is a misunderstanding, and is told."""
    assert told({(*ROUTE, name): value for name, value in changes.items()}) == [expected]


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_no_newline_stands_behind_compressed_data(compress: str) -> None:
    """It would tear the data for whoever splits at newlines, and any of its bytes may be one."""
    assert told({(*ROUTE, "append"): "newline", (*ROUTE, "compress"): compress}) == [
        f"routes[0].append is newline beside compress: {compress}, whose bytes are no lines; leave one of the two out"
    ]
    assert [] == told({(*ROUTE, "compress"): compress}) + told({(*ROUTE, "append"): "newline"})


def test_a_role_that_is_not_defined_is_told() -> None:
    """A misspelt role must not end as ambient credentials."""
    assert told({(*STREAM_AT, "role"): "analytic"}) == [
        "roles.analytics is used by no route; name it in routes[].stream.role, or leave it out",
        "routes[0].stream.role names analytic, which is not under roles (analytics); define it there",
    ]
    assert told({("roles",): {}}) == [
        "routes[0].stream.role names analytics, which is not under roles (none yet); define it there"
    ]


def test_a_role_of_audits_is_one_that_is_defined() -> None:
    """One that only audits use is used; a misspelt one is told."""
    reader = {"hops": [{"role_arn": WRITER}]}
    assert told({("roles", "reader"): reader, ("audit", "role"): "reader"}) == []
    assert told({("audit", "role"): "reader"}) == [
        "audit.role names reader, which is not under roles (analytics); define it there"
    ]


def test_a_role_that_nobody_uses_is_told() -> None:
    """It is most likely the role that a route should have named."""
    assert told({(*STREAM_AT, "role"): Absent}) == [
        "roles.analytics is used by no route; name it in routes[].stream.role, or leave it out"
    ]


def test_the_name_of_the_ambient_credentials_is_taken() -> None:
    """Metrics show the ambient credentials under this name."""
    assert told({("roles",): {"ambient": {"hops": [{"role_arn": WRITER}]}}, (*STREAM_AT, "role"): "ambient"}) == [
        "roles.ambient is the name of the credentials of routes without a role; choose another"
    ]


def test_a_chained_hop_may_not_ask_for_more_than_an_hour() -> None:
    """STS refuses 3601 s for a role that is assumed with a role's session, so doka refuses it before it starts."""
    second = {"role_arn": WRITER, "duration_seconds": 3601}
    assert told({(*ROLE, "hops", 1): second}) == [
        (
            "roles.analytics.hops[1].duration_seconds is 3601, but a chained hop (any after the first) "
            "gets at most 3600 from STS; set 3600 or less"
        )
    ]
    assert told({(*ROLE, "hops", 1): {**second, "duration_seconds": 3600}}) == []
    assert told({(*ROLE, "hops", 0, "duration_seconds"): 43_200}) == []


def test_a_role_is_in_the_partition_of_its_region() -> None:
    """Credentials of one AWS partition are worth nothing in another."""
    assert told({(*ROLE, "hops", 0, "role_arn"): WRITER.replace("arn:aws:", "arn:aws-us-gov:")}) == [
        "roles.analytics.hops[0].role_arn says aws-us-gov, but eu-west-1 is in aws; correct one"
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {("limits", "request_timeout_seconds"): 25},
            "limits.request_timeout_seconds must be below limits.drain_seconds (25), or a stop could not wait for a put",
        ),
        (
            {
                ("limits", "request_timeout_seconds"): 100,
                ("limits", "drain_seconds"): 120,
                (*ROLE, "hops", 0, "duration_seconds"): 900,
                (*ROLE, "rotation"): {"margin_seconds": 899},
            },
            None,
        ),
        (
            {(*ROLE, "hops", 0, "duration_seconds"): 900, (*ROLE, "rotation"): {"margin_seconds": 900}},
            (
                "roles.analytics.rotation.margin_seconds must be below the role's life (900 s), "
                "or the lease is due as soon as it is issued"
            ),
        ),
        (
            {(*ROLE, "rotation"): {"policy": "interval", "interval_minutes": 60}},
            (
                "roles.analytics.rotation.interval_minutes must be below the role's life (60 min), "
                "or each lease ends before it is renewed"
            ),
        ),
        ({(*ROLE, "rotation"): {"policy": "interval", "interval_minutes": 59}}, None),
    ],
)
def test_times_fit_together(changes: dict[SettingPath, Any], expected: str | None) -> None:
    """Of each pair of times that contradict each other, the one to change is told."""
    assert told(changes) == ([] if expected is None else [expected])


def test_a_policy_that_never_renews_is_for_the_demo_only() -> None:
    """The service would stop for good with its first lease, as in the incident."""
    never: dict[SettingPath, Any] = {(*ROLE, "rotation"): {"policy": "never"}}
    assert told(never) == [
        (
            "roles.analytics.rotation.policy never is for `doka demo` and the simulator: "
            "the service would stop when its lease ends; take before_expiry"
        )
    ]
    assert settings_from(data(never), hostname="h", simulated=True).roles["analytics"].rotation.policy == "never"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {(*ROUTE, "on_poison"): "dead_letter"},
            "routes[0].on_poison is dead_letter, which needs a topic: name one in dead_letters.topic, or take block",
        ),
        (
            {("dead_letters", "topic"): "orders"},
            "dead_letters.topic is a topic of routes[0] too, so a letter would come back as a record; choose another",
        ),
        (
            {("dead_letters", "topic"): "letters", (*ROUTE, "on_poison"): "drop"},
            "dead_letters.topic is used by no route; take on_poison: dead_letter in one, or leave it out",
        ),
    ],
)
def test_dead_letters_need_a_topic_of_their_own(changes: dict[SettingPath, Any], expected: str) -> None:
    """Poison goes nowhere by mistake, and a letter is never read as a record again."""
    assert told(changes) == [expected]


def test_one_topic_takes_the_letters_of_all_routes() -> None:
    """A route may keep its poison blocked all the same."""
    other = {**OTHER_ROUTE, "on_poison": "block"}
    assert told({("dead_letters", "topic"): "letters", ("routes", 1): other}) == []


@pytest.mark.parametrize(
    ("otlp", "expected"),
    [
        (
            {"endpoint": "http://c", "headers": {"a": "b"}, "headers_file": "/h"},
            "otlp.headers stands beside headers_file; keep the file",
        ),
        ({"certificate_file": "/c.pem"}, "otlp.key_file is needed with certificate_file"),
        ({"key_file": "/k.pem"}, "otlp.certificate_file is needed with key_file"),
        (
            {"traces": {"enabled": True}},
            "otlp.traces.enabled has no use without a collector; name one in otlp.endpoint, or leave it out",
        ),
    ],
)
def test_what_is_sent_to_a_collector_fits_together(otlp: dict[str, Any], expected: str) -> None:
    """Half of a pair, two of one thing, and spans for nobody."""
    assert told({("otlp",): otlp}) == [expected]


def test_spans_for_nobody_are_fine_while_all_is_switched_off() -> None:
    """Whoever switches it off for a day keeps the rest."""
    assert told({("otlp",): {"enabled": False, "traces": {"enabled": True}}}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {("routes", 0, "topics_max"): 5},
            "routes[0].topics_max has no use without a pattern in topics, like orders.*; leave it out",
        ),
        (
            {("kafka", "discovery_seconds"): 5},
            "kafka.discovery_seconds has no use without a pattern in routes[].topics, like orders.*; leave it out",
        ),
        (
            {("routes", 0, "topics"): ["orders.*"], ("dead_letters",): {"topic": "orders.dead"}},
            "dead_letters.topic matches a pattern of routes[0], so a letter would come back as a record; choose another",
        ),
    ],
)
def test_patterns_fit_together(changes: dict[SettingPath, Any], expected: str) -> None:
    """What only patterns use wants one, and no pattern may take the dead letters for records."""
    assert told(changes) == [expected]


def test_a_pattern_and_its_bound_are_fine() -> None:
    """Beside names, and with a period of its own."""
    changes: dict[SettingPath, Any] = {
        ("routes", 0, "topics"): ["orders.*", "returns"],
        ("routes", 0, "topics_max"): 5,
        ("kafka", "discovery_seconds"): 5,
    }
    assert told(changes) == []


@pytest.mark.parametrize(
    ("kafka", "expected"),
    [
        (
            {"rack": "a", "client": {"client.rack": "a"}},
            "kafka.client.client.rack stands beside kafka.rack; keep that",
        ),
        (
            {"rack": "eu-west-1c", "racks": {"eu-west-1a": "euw1-az1", "eu-west-1b": "euw1-az2"}},
            (
                "kafka.rack is eu-west-1c, which is neither a zone of kafka.racks (eu-west-1a, eu-west-1b) nor a rack of "
                "one; add it there"
            ),
        ),
        (
            {"racks": {"eu-west-1a": "euw1-az1"}},
            "kafka.racks has no use without kafka.rack; set that in each process, by DOKA_KAFKA__RACK, or leave it out",
        ),
    ],
)  # fmt: skip
def test_a_rack_is_said_once_and_is_one_that_there_is(kafka: dict[str, Any], expected: str) -> None:
    """A zone that no rack was given for would read from leaders, and nothing would say so."""
    assert told({("kafka", name): value for name, value in kafka.items()}) == [expected]
