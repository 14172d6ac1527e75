from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.config_options import ConfigOptions
from doka.app.settings import load_settings
from doka.app.settings.mapping import to_rules
from doka.app.settings.problems import SettingPath
from doka.app.settings.routes import StreamSettings
from doka.domain.rules import Only
from tests.unit.app.settings.given import STREAM, settings, told

EXAMPLES = Path(__file__).parents[4] / "examples"
ONLY: SettingPath = ("routes", 0, "only")


def test_a_route_is_called_like_its_stream_unless_it_has_a_name() -> None:
    """The name in metrics is the route's own, else the stream's, else the one in the ARN."""
    stream: SettingPath = ("routes", 0, "stream")
    assert settings().routes[0].name == "orders"
    assert settings({("routes", 0, "name"): "sales"}).routes[0].name == "sales"
    assert settings({stream: {"arn": STREAM, "role": "analytics"}}).routes[0].name == "orders"


def test_a_stream_is_called_by_its_name_or_by_its_arn() -> None:
    """Either is enough."""
    assert StreamSettings(name="orders").called == "orders"
    assert StreamSettings(arn=STREAM).called == "orders"


def test_a_filter_is_said_by_a_field_or_a_header() -> None:
    """As the domain has it; without one the rules have none."""
    assert to_rules(settings()).routes[0].only is None
    by_field = settings({(*ONLY, "pointer"): "/type", (*ONLY, "in"): ["a", "b", "a"]})
    assert to_rules(by_field).routes[0].only == Only("pointer:/type", frozenset("ab"))
    by_header = settings({(*ONLY, "header"): "type", (*ONLY, "in"): ["a"]})
    assert to_rules(by_header).routes[0].only == Only("header:type", frozenset("a"))


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (
            {"pointer": "type", "in": ["a"]},
            ".pointer must be a JSON pointer, which starts with a slash, like /order/type",
        ),
        ({"pointer": "/type"}, " would leave out every record; list in `in` what is sent"),
        ({"header": "type", "in": []}, " would leave out every record; list in `in` what is sent"),
        ({"in": ["a"]}, " does not say what is looked at; add a pointer, like /type, or a header"),
        ({"pointer": "/a", "header": "a", "in": ["a"]}, " has a pointer and a header; keep one"),
    ],
)
def test_a_filter_that_says_half_is_told(only: dict[str, object], expected: str) -> None:
    """Nothing is left out by a misunderstanding."""
    assert told({ONLY: only}) == [f"routes[0].only{expected}"]


def test_a_filter_can_come_from_variables() -> None:
    """Its texts as a list between commas, like other lists."""
    environ = {"DOKA_ROUTES__0__ONLY__HEADER": "type", "DOKA_ROUTES__0__ONLY__IN": "a,b"}
    loaded = load_settings(ConfigOptions(EXAMPLES / "minimal.yaml"), environ=environ, hostname="pod-1")
    assert loaded.routes[0].only.texts == ("a", "b")


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ({"file": "/a.py"}, " needs a file and the name of a function in it; add function"),
        ({"function": "clean"}, " needs a file and the name of a function in it; add file"),
        (
            {"file": "/a.py", "function": "a.b"},
            ".function must be the name of a function: letters, digits and underscores",
        ),
    ],
)
def test_a_transform_is_a_file_and_a_function(transform: dict[str, object], expected: str) -> None:
    """The one without the other is told."""
    assert told({("routes", 0, "transform"): transform}) == [f"routes[0].transform{expected}"]
