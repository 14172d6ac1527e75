from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from doka.app.settings import Settings
from doka.app.settings.environment import overlay, put, variable_of
from doka.app.settings.outline import leaves
from doka.app.settings.problems import SettingPath
from tests.architecture.source_tree import ROOT
from tests.unit.app.settings.given import data


def laid(environ: Mapping[str, str], given: dict[str, Any] | None = None) -> dict[str, Any]:
    """Lay variables over a configuration, by default the smallest good one; they must be fine."""
    under = data() if given is None else given
    assert overlay(environ, Settings, under, {}) == []
    return under


def told(environ: Mapping[str, str]) -> list[str]:
    """Give what is told about variables over the smallest good configuration."""
    return [str(problem) for problem in overlay(environ, Settings, data(), {})]


@pytest.mark.parametrize(
    ("variable", "value", "path", "expected"),
    [
        ("DOKA_ROUTES__0__STREAM__NAME", "sales", ("routes", 0, "stream", "name"), "sales"),
        ("DOKA_ROUTES__0__TOPICS__1", "returns", ("routes", 0, "topics"), ["orders", "returns"]),
        ("DOKA_ROUTES__0__TOPICS", "a, b", ("routes", 0, "topics"), ["a", "b"]),
        ("DOKA_ROUTES__0__TOPICS", "[a, b]", ("routes", 0, "topics"), ["a", "b"]),
        ("DOKA_KAFKA__BOOTSTRAP_SERVERS", "a:1,b:2", ("kafka", "bootstrap_servers"), ["a:1", "b:2"]),
        ("DOKA_KAFKA__GROUP_ID", "007", ("kafka", "group_id"), "007"),
        ("DOKA_KAFKA__GROUP_ID", "a: b # c", ("kafka", "group_id"), "a: b # c"),
        ("DOKA_KAFKA__SECURITY__PASSWORD", "null", ("kafka", "security", "password"), "null"),
        ("DOKA_KAFKA__SECURITY__PASSWORD", "", ("kafka", "security", "password"), None),
        ("DOKA_KAFKA__SECURITY__CA_FILE", "null", ("kafka", "security", "ca_file"), None),
        ("DOKA_KAFKA__CLIENT__FETCH_MIN_BYTES", "10", ("kafka", "client", "fetch.min.bytes"), 10),
        ("DOKA_LIMITS__HELD_MIB", "128", ("limits", "held_mib"), 128),
        ("DOKA_LIMITS__COMMIT_SECONDS", "0.5", ("limits", "commit_seconds"), 0.5),
        ("DOKA_AWS__ALLOW_INSECURE_ENDPOINTS", "true", ("aws", "allow_insecure_endpoints"), True),
        ("DOKA_ROLES__ANALYTICS__SESSION_NAME", "doka-x", ("roles", "analytics", "session_name"), "doka-x"),
        ("DOKA_ROLES__ANALYTICS__TAGS__Team", "data", ("roles", "analytics", "tags"), {"Team": "data"}),
        ("DOKA_LIMITS", "{held_mib: 99}", ("limits",), {"held_mib": 99}),
    ],
)
def test_a_variable_sets_what_its_name_says(variable: str, value: str, path: SettingPath, expected: object) -> None:
    """Two underscores part the names; text stays as it is, the rest is YAML, lists of text also take commas."""
    place: Any = laid({variable: value})
    for part in path:
        place = place[part]
    assert place == expected


def test_a_role_is_found_whatever_its_case_and_dashes() -> None:
    """Shells cannot write every name that a role can have."""
    given = data({("roles", "Prod-EU.1"): {"hops": []}})
    assert laid({"DOKA_ROLES__PROD_EU_1__SESSION_NAME": "x"}, given)["roles"]["Prod-EU.1"] == {
        "hops": [],
        "session_name": "x",
    }


def test_variables_alone_can_make_a_whole_configuration() -> None:
    """No file is needed; entries of a list come in the order of their numbers."""
    names = {f"DOKA_ROUTES__{n}__TOPICS__0": f"t{n}" for n in range(12)}
    assert laid({"DOKA_AWS__REGION": "eu-west-1", **names}, {}) == {
        "aws": {"region": "eu-west-1"},
        "routes": [{"topics": [f"t{n}"]} for n in range(12)],
    }


def test_a_group_is_laid_before_its_parts() -> None:
    """The more exact name wins, whatever the order of the environment."""
    environ = {"DOKA_LIMITS__HELD_MIB": "32", "DOKA_LIMITS": "{held_mib: 99, drain_seconds: 5}"}
    assert laid(environ)["limits"] == {"held_mib": 32, "drain_seconds": 5}


def test_a_value_remembers_the_variable_it_came_from() -> None:
    """An error in it can then name the variable, and no longer a line of the file."""
    origins: dict[SettingPath, str] = {("limits",): "doka.yaml:9", ("limits", "held_mib"): "doka.yaml:10"}
    overlay({"DOKA_LIMITS": "{}"}, Settings, data(), origins)
    assert origins == {("limits",): "DOKA_LIMITS"}


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("DOKA_KAFKA_GROUP_ID", "is no setting of doka; the nearest is DOKA_KAFKA__GROUP_ID"),
        ("DOKA_GROUP_ID", "is no setting of doka; the nearest is DOKA_KAFKA__GROUP_ID"),
        ("DOKA_LIMITS__HELD_MB", "is no setting of doka; the nearest is DOKA_LIMITS__HELD_MIB"),
        ("DOKA_ROUTES__0__STREAM__NAM", "is no setting of doka; the nearest is DOKA_ROUTES__0__STREAM__NAME"),
        ("DOKA_ROUTES__1__STREAM__NAM", "is no setting of doka; the nearest is DOKA_ROUTES__1__STREAM__NAME"),
        ("DOKA_LIMITS__HELD_MIB__X", "is no setting of doka; the nearest is DOKA_LIMITS__HELD_MIB"),
        ("DOKA_ROUTES__STREAM__NAME", "needs the number of an entry after DOKA_ROUTES, like 0, not STREAM"),
        ("DOKA_ROUTES__2__NAME", "leaves a hole in the list, which has 1 entries; go on with DOKA_ROUTES__1"),
        ("DOKA_HTTP_PORT", "is no setting of doka; the nearest is DOKA_HTTP__PORT"),
    ],
)
def test_a_variable_that_is_no_setting_is_told(variable: str, expected: str) -> None:
    """A misspelt variable would otherwise be obeyed by nobody; the line names the nearest right one."""
    assert told({variable: "1"}) == [f"{variable}: {expected}"]


def test_a_variable_that_is_no_yaml_is_told_without_its_value() -> None:
    """The value may be a secret."""
    assert told({"DOKA_LIMITS": "{hunter2"}) == ["DOKA_LIMITS: cannot be read as YAML; check its brackets and quotes"]


def test_what_kubernetes_sets_for_a_service_called_doka_is_no_setting() -> None:
    """Every pod of a namespace gets these; doka must start next to its own Service."""
    environ = {
        "DOKA_SERVICE_HOST": "10.0.0.7",
        "DOKA_SERVICE_PORT": "9400",
        "DOKA_SERVICE_PORT_METRICS": "9400",
        "DOKA_PORT": "tcp://10.0.0.7:9400",
        "DOKA_PORT_9400_TCP": "tcp://10.0.0.7:9400",
        "DOKA_PORT_9400_TCP_PROTO": "tcp",
        "DOKA_PORT_9400_TCP_PORT": "9400",
        "DOKA_PORT_9400_TCP_ADDR": "10.0.0.7",
        "DOKA_METRICS_SERVICE_HOST": "10.0.0.8",
        "DOKA_METRICS_PORT": "tcp://10.0.0.8:9400",
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "PATH": "/bin",
    }
    assert laid(environ) == data()


def test_every_setting_has_a_variable_of_its_own() -> None:
    """No two settings share a name, and each name leads back to its setting."""
    paths = list(leaves(Settings))
    names = [variable_of(path) for path in paths]
    assert len(set(names)) == len(names)
    assert variable_of(("routes", 0, "stream", "name")) in names
    origins: dict[SettingPath, str] = {}
    overlay(dict.fromkeys(names, "1"), Settings, {}, origins)
    assert {tuple("name" if part == "NAME" else part for part in path) for path in paths} == set(origins)


@pytest.mark.parametrize("given", [{"limits": 5}, {"limits": [1]}, {"limits": "x"}])
def test_a_wrong_thing_in_the_way_is_left_for_the_model_to_refuse(given: dict[str, Any]) -> None:
    """The file says something impossible; the variable neither hides nor breaks that."""
    before = given["limits"]
    assert put(given, ("limits", "held_mib"), 1) is False
    assert given == {"limits": before}


def test_what_steers_the_test_suite_is_no_setting() -> None:
    """A service that a container test starts inherits it, and so does one beside docker-compose.test.yml."""
    assert laid({"DOKA_CONTAINERS": "required", "DOKA_KUBERNETES": "required"}) == data()
    compose = (ROOT / "docker-compose.test.yml").read_text(encoding="utf-8")
    variables = set(re.findall(r"DOKA_[A-Z_]+", compose))
    assert len(variables) == 3
    assert laid(dict.fromkeys(variables, "1")) == data()


@pytest.mark.parametrize("digits", ["9" * 7, pytest.param("9" * 5_000, id="5000 digits"), "²"])
def test_a_number_that_is_no_entry_is_one_line(digits: str) -> None:
    """Digits beyond measure are refused like any other word, and sorted without being read."""
    told = overlay({f"DOKA_ROUTES__{digits}": "x"}, Settings, {}, {})
    assert [f"needs the number of an entry after DOKA_ROUTES, like 0, not {digits}"] == [found.told for found in told]
