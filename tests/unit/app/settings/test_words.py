from __future__ import annotations

from typing import Any

import pytest

from doka.app.settings.problems import SettingPath
from tests.unit.app.settings.given import Absent, told


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({("kafka", "group_id"): Absent}, "kafka.group_id is missing; write it like `group_id: doka`"),
        ({("aws", "region"): Absent}, "aws.region is missing; write it like `region: eu-west-1`"),
        ({("kafka",): Absent}, "kafka is missing"),
        (
            {("routes",): Absent},
            "routes is missing; write it like `routes: [{topics: [orders], stream: {name: orders}}]`",
        ),
        (
            {("routes",): []},
            "routes needs at least one entry; write it like `routes: [{topics: [orders], stream: {name: orders}}]`",
        ),
        (
            {("routes", 0, "topics"): []},
            "routes[0].topics needs at least one entry; write it like `topics: [orders]`",
        ),
        ({("routes", 0, "topics"): "orders"}, "routes[0].topics must be a list; write it like `topics: [orders]`"),
        (
            {("kafka", "bootstrap_servers"): "b-1.example:9098"},
            'kafka.bootstrap_servers must be a list; write it like `bootstrap_servers: ["b-1.example:9098"]`',
        ),
        ({("kafka", "group_id"): 7}, "kafka.group_id must be text; put the number in quotes"),
        (
            {("kafka", "group_id"): True},
            "kafka.group_id must be text; YAML reads yes, no, on, off, true and false as switches, so put it in quotes",
        ),
        ({("kafka", "group_id"): None}, "kafka.group_id must be text; it is empty"),
        ({("kafka", "group_id"): ["a"]}, "kafka.group_id must be text; it is a list or a group"),
        ({("kafka", "group_id"): ""}, "kafka.group_id must not be empty"),
        ({("kafka", "group_id"): "g" * 250}, "kafka.group_id is too long; 249 characters are the most"),
        ({("limits", "held_mib"): "64"}, "limits.held_mib must be a whole number from 8 to 65536"),
        ({("limits", "held_mib"): True}, "limits.held_mib must be a whole number from 8 to 65536"),
        ({("limits", "held_mib"): 64.5}, "limits.held_mib must be a whole number from 8 to 65536"),
        ({("limits", "held_mib"): 7}, "limits.held_mib must be from 8 to 65536"),
        ({("limits", "request_records"): 501}, "limits.request_records must be from 1 to 500"),
        ({("limits", "request_mib"): 11}, "limits.request_mib must be from 1 to 10"),
        ({("limits", "commit_seconds"): "1"}, "limits.commit_seconds must be a number from 0.05 to 60"),
        ({("limits", "drain_seconds"): float("nan")}, "limits.drain_seconds must be a number from 1 to 3600"),
        (
            {("roles", "analytics", "rotation"): {"interval_minutes": 0}},
            "roles.analytics.rotation.interval_minutes must be above 0, up to 720",
        ),
        (
            {("roles", "analytics", "hops", 0, "duration_seconds"): 899},
            "roles.analytics.hops[0].duration_seconds must be from 900 to 43200",
        ),
        (
            {("roles", "analytics", "hops", 0, "duration_seconds"): 43_201},
            "roles.analytics.hops[0].duration_seconds must be from 900 to 43200",
        ),
        (
            {("routes", 0, "ordering"): "keys"},
            "routes[0].ordering must be key, key_in_request or none; did you mean key?",
        ),
        ({("routes", 0, "envelope"): None}, "routes[0].envelope must be none or json"),
        (
            {("kafka", "security", "mechanism"): "SCRAM-SHA-512"},
            (
                "kafka.security.mechanism must be aws_msk_iam, scram_sha_256, scram_sha_512 or plain; "
                "did you mean scram_sha_512?"
            ),
        ),
        (
            {("aws", "allow_insecure_endpoints"): "yes"},
            "aws.allow_insecure_endpoints must be true or false, without quotes",
        ),
        ({("http",): "x"}, "http must be a group of settings: lines of `name: value` below it, further to the right"),
        (
            {("roles", "analytics"): None},
            "roles.analytics must be a group of settings: lines of `name: value` below it, further to the right",
        ),
        (
            {("roles", "a b"): {"hops": [{"role_arn": "arn:aws:iam::210987654321:role/x"}]}},
            "roles.a b has a name that must be 1 to 128 letters, digits, dots, dashes or underscores",
        ),
    ],
)
def test_a_wrong_value_is_told_in_one_line(changes: dict[SettingPath, Any], expected: str) -> None:
    """The line names the setting, what is wrong, and what to write."""
    assert told(changes) == [expected]


def test_several_problems_are_told_at_once() -> None:
    """Nobody should mend a file one error at a time."""
    lines = told({("kafka", "group_id"): 7, ("limits", "held_mib"): 7, ("aws", "region"): "x"})
    assert [line.split()[0] for line in lines] == ["kafka.group_id", "aws.region", "limits.held_mib"]
