from __future__ import annotations

import json

from doka.app.settings import settings_from
from doka.app.settings.show import as_data, in_one_line, schema
from tests.unit.app.settings.given import settings


def test_what_is_shown_reads_back_as_the_same_settings() -> None:
    """The output of `doka config show` is a configuration itself."""
    given = settings({("limits",): {"commit_seconds": 0.5}, ("kafka", "client"): {"fetch.min.bytes": 1}})
    assert settings_from(json.loads(json.dumps(as_data(given))), hostname="h") == given


def test_secrets_are_stars() -> None:
    """Also empty or short ones look the same."""
    given = settings({("kafka", "security"): {"mechanism": "plain", "username": "me", "password": "hunter2"}})
    assert as_data(given)["kafka"]["security"]["password"] == "**********"
    assert "hunter2" not in json.dumps(as_data(given))


def test_whole_seconds_are_shown_as_people_write_them() -> None:
    """10, not 10.0."""
    assert json.dumps(as_data(settings())["limits"]["request_timeout_seconds"]) == "10"


def test_the_schema_describes_every_setting() -> None:
    """An editor can explain each line of a file, and knows what is required."""
    described = schema()
    assert described["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert described["required"] == ["kafka", "aws", "routes"]
    assert described["additionalProperties"] is False
    nested = [described, *described["$defs"].values()]
    bare = [name for model in nested for name, field in model["properties"].items() if "description" not in field]
    assert bare == []
    assert (
        described["$defs"]["AwsSettings"]["properties"]["region"]["pattern"]
        == r"^(?:[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2})$"
    )
    assert described["$defs"]["Security"]["properties"]["password"]["anyOf"][0] == {
        "format": "password",
        "type": "string",
        "writeOnly": True,
    }


def test_settings_in_one_line_are_those_that_are_something() -> None:
    """What is shown is JSON, whole but for what is set to nothing, and a secret is stars."""
    given = settings(
        {
            ("kafka", "security"): {
                "protocol": "sasl_ssl",
                "mechanism": "plain",
                "username": "doka",
                "password": "Qx7canaryVz",
            }
        }
    )
    line = in_one_line(given)
    shown = json.loads(line)
    assert ("doka", "**********", "orders") == (
        shown["kafka"]["group_id"],
        shown["kafka"]["security"]["password"],
        shown["routes"][0]["stream"]["name"],
    )
    assert (": null" in line, "canary" in line, "\n" in line) == (False, False, False)
