from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.config_options import ConfigOptions
from doka.app.settings.load import load_settings
from doka.app.settings.model import Settings
from doka.app.settings.problems import SettingsError
from doka.app.workers.setup import Setup, settings_of, unpacked

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*.yaml"))
PASSWORD = {
    "DOKA_KAFKA__SECURITY__MECHANISM": "scram_sha_512",
    "DOKA_KAFKA__SECURITY__USERNAME": "doka",
    "DOKA_KAFKA__SECURITY__PASSWORD": "sesame",
}
MINIMAL = next(path for path in EXAMPLES if path.name == "minimal.yaml")


def loaded(file: Path = MINIMAL, **environ: str) -> Settings:
    """Give the settings of an example, with these variables over it."""
    return load_settings(ConfigOptions(file), environ=environ, hostname="pod-1")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.name)
def test_a_worker_gets_the_very_settings(file: Path) -> None:
    """Every value, and what was set and what was not, survives the way into another process."""
    settings = loaded(file)
    setup = Setup(settings, "pod-1", "json", worker=2, workers=3)
    arrived = unpacked(setup.packed())
    assert setup == arrived
    assert settings.model_fields_set == arrived.settings.model_fields_set
    assert [r.model_fields_set for r in settings.routes] == [r.model_fields_set for r in arrived.settings.routes]


def test_secrets_arrive_and_are_not_shown() -> None:
    """A password gets there, and neither the packed setup's text nor its repr is where it would be read by chance."""
    setup = Setup(loaded(MINIMAL, **PASSWORD), "pod-1", "json", worker=0, workers=2)
    password = unpacked(setup.packed()).settings.kafka.security.password
    assert password is not None
    assert "sesame" == password.get_secret_value()
    assert "sesame" not in repr(setup)


def test_static_members_have_names_of_their_own() -> None:
    """Two members with one group instance id throw each other out, so each worker's has its number behind it."""
    settings = loaded(DOKA_KAFKA__GROUP_INSTANCE_ID="pod-1")
    each = [settings_of(settings, number, 3) for number in range(3)]
    assert ["pod-1-0", "pod-1-1", "pod-1-2"] == [one.kafka.group_instance_id for one in each]
    assert [settings.routes] * 3 == [one.routes for one in each]
    assert "pod-1" == settings.kafka.group_instance_id


def test_without_a_static_name_all_have_the_same_settings() -> None:
    """Nothing else differs between workers."""
    settings = loaded()
    assert settings is settings_of(settings, 1, 2)


def test_a_name_without_room_for_a_number_is_refused() -> None:
    """Kafka takes 249 characters; the error names the setting and the cure."""
    settings = loaded(DOKA_KAFKA__GROUP_INSTANCE_ID="x" * 247)
    assert settings_of(settings, 9, 10).kafka.group_instance_id == "x" * 247 + "-9"
    with pytest.raises(SettingsError, match=r"kafka\.group_instance_id has no room .* 11 workers need it shorter"):
        settings_of(settings, 0, 11)
