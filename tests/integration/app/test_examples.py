from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doka.app.cli.main import main
from doka.app.config_options import ConfigOptions
from doka.app.settings import Settings, load_settings
from doka.app.settings.mapping import to_member_settings, to_rules
from doka.app.settings.outline import leaves
from doka.app.settings.yamlfile import read_yaml
from doka.domain.batch import Batch
from tests.unit.app.settings.given import settings

EXAMPLES = Path(__file__).parents[3] / "examples"
# A file should not hold these; it names the files that do.
LEFT_OUT = {
    ("kafka", "security", "password"),
    ("kafka", "security", "key_password"),
    ("routes", 0, "decode", "password"),
}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.name)
def test_every_example_loads(file: Path) -> None:
    """What is shown to users works as it stands."""
    assert load_settings(ConfigOptions(file), environ={}, hostname="pod-1").routes


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("legacy/*.yaml")), ids=lambda file: file.name)
def test_every_old_example_loads(file: Path) -> None:
    """So do the old service's files."""
    assert load_settings(ConfigOptions(legacy_config=file, allow_plaintext=True), environ={}, hostname="pod-1").routes


def test_there_are_examples() -> None:
    """The tests above cannot pass by finding nothing."""
    assert {str(file.relative_to(EXAMPLES)) for file in EXAMPLES.rglob("*.yaml")} >= {
        "doka.yaml",
        "minimal.yaml",
        "legacy/dev.yaml",
        "legacy/prd.yaml",
    }


def test_the_full_example_shows_every_setting() -> None:
    """Whoever reads it has read everything that can be set."""
    data, _ = read_yaml(EXAMPLES / "doka.yaml")

    def is_there(path: tuple[str | int, ...]) -> bool:
        place: Any = data
        for part in path:
            name = "analytics" if part == "NAME" else part
            if isinstance(place, dict) and name not in place:
                return False
            place = place[name]
        return True

    missing = [path for path in leaves(Settings) if path not in LEFT_OUT and not is_there(path)]
    assert missing == []


def test_the_full_example_shows_the_defaults() -> None:
    """Except where it says «example», what stands there is what doka does anyway."""
    example = load_settings(ConfigOptions(EXAMPLES / "doka.yaml"), environ={}, hostname="pod-1")
    plain = settings()
    examples = {"bootstrap_servers", "group_id", "client", "rack", "racks"}
    assert example.kafka.model_dump(exclude=examples) == plain.kafka.model_dump(exclude=examples)
    assert example.aws == plain.aws
    assert example.roles["analytics"].rotation == plain.roles["analytics"].rotation
    assert example.roles["analytics"].session_name == plain.roles["analytics"].session_name
    assert example.routes[0].model_dump(exclude={"topics"}) == plain.routes[0].model_dump(exclude={"topics"})
    assert (example.dead_letters, example.limits, example.http, example.log, example.otlp) == (
        plain.dead_letters,
        plain.limits,
        plain.http,
        plain.log,
        plain.otlp,
    )


def test_the_example_of_a_tee_reads_one_topic_for_two_streams() -> None:
    """Both routes have all that is theirs, and the topic is subscribed to once, whole for the one that wants envelopes."""
    loaded = load_settings(ConfigOptions(EXAMPLES / "tee.yaml"), environ={}, hostname="pod-1")
    routes = to_rules(loaded).routes_of()["orders"]
    assert [("orders", "analytics", False), ("orders-created", "billing", True)] == [
        (route.name, route.role, route.envelope) for route in routes
    ]
    member = to_member_settings(loaded, hostname="pod-1")
    assert (frozenset({"orders"}), frozenset({"orders"})) == (member.topics, member.topics_with_originals)


def test_the_example_of_a_transform_does_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is found from the folder that it names, and its function makes of records what its page tells."""
    monkeypatch.chdir(EXAMPLES.parent)
    loaded = load_settings(ConfigOptions(EXAMPLES / "transformed.yaml"), environ={}, hostname="pod-1")
    (route,) = to_rules(loaded).routes
    assert route.transform is not None
    values = [b'{"id": 1, "card": "4711"}', b'{"test": true}', b'{"card": "4711"}', None]
    batch = Batch("orders", 0, range(4), [b"k"] * 4, values)
    route.transform.function(batch)
    batch.check()
    assert [b'{"id":1}', *values[1:]] == batch.values
    assert (["1", None, None, None], [1], [2]) == (batch.partition_keys, [*batch.dropped], [*batch.refused])


def test_the_records_of_the_example_become_what_they_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docs/transforms.md shows it."""
    monkeypatch.chdir(EXAMPLES.parent)
    assert 0 == main(["test", "--records", "examples/orders.jsonl", "--config", "examples/transformed.yaml"])
    out = capsys.readouterr().out
    page = (EXAMPLES.parent / "docs" / "transforms.md").read_text(encoding="utf-8")
    shown = [line.rstrip() for line in out.splitlines() if line.startswith(("orders[", "6 "))]
    assert len(shown) == 8
    assert [] == [line for line in shown if line not in page]
