from __future__ import annotations

import pytest

from doka.app.settings import Settings
from doka.app.settings.outline import at, field_at, is_list, is_map, is_text, leaves, may_be_null, model_of, suggestion
from doka.app.settings.problems import SettingPath
from doka.app.settings.routes import StreamSettings


def test_every_path_leads_to_its_type() -> None:
    """Through sections, lists and maps."""
    assert model_of(at(Settings, ("routes", 7, "stream"))) is StreamSettings
    assert is_list(at(Settings, ("routes", 0, "topics")))
    assert is_map(at(Settings, ("kafka", "client")))
    assert is_text(at(Settings, ("roles", "any", "hops", 0, "role_arn")))
    assert is_text(at(Settings, ("kafka", "security", "password")))
    assert is_text(at(Settings, ("routes", 0, "ordering")))
    assert not is_text(at(Settings, ("limits", "held_mib")))
    assert may_be_null(at(Settings, ("kafka", "security", "ca_file")))
    assert not may_be_null(at(Settings, ("kafka", "group_id")))


@pytest.mark.parametrize(
    "path", [("kafkaa",), ("routes", "x"), ("kafka", 0), ("limits", "held_mib", "x"), ("routes", 0, 0)]
)
def test_a_path_that_leads_nowhere_has_no_type(path: SettingPath) -> None:
    """Nothing is made up."""
    assert at(Settings, path) is None


def test_a_field_is_found_with_its_words() -> None:
    """Only names have fields, entries of lists have none."""
    field = field_at(Settings, ("limits", "held_mib"))
    assert field is not None
    assert field.description == "Memory for records wherever they are: held, in Kafka's queue, in bodies; MiB."
    assert field_at(Settings, ("routes", 0)) is None
    assert field_at(Settings, ()) is None


def test_leaves_are_single_settings() -> None:
    """Each once; lists by their first entry, maps by NAME."""
    found = list(leaves(Settings))
    assert len(set(found)) == len(found)
    assert {("routes", 0, "topics"), ("roles", "NAME", "hops", 0, "role_arn"), ("kafka", "client")} <= set(found)
    assert [path for path in found if model_of(at(Settings, path)) is not None] == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("kafka", "groupId"), "did you mean kafka.group_id?"),
        (("kafka", "grup_id"), "did you mean kafka.group_id?"),
        (("kafka", "topics"), "did you mean routes[0].topics?"),
        (("routes", 0, "stream", "role_arn"), "did you mean roles.NAME.hops[0].role_arn?"),
        (("routes", 0, "topic"), "did you mean routes[0].topics?"),
        (("log", "colour"), "there is level, format"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(path: SettingPath, expected: str) -> None:
    """Beside it first, then anywhere, then with all that is there."""
    assert suggestion(Settings, path) == expected
