from __future__ import annotations

from doka.app.settings.problems import SettingPath
from doka.app.settings.routes import StreamSettings
from tests.unit.app.settings.given import STREAM, settings


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
