from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from doka.app.config_options import ConfigOptions
from doka.app.settings.load import settings_from
from doka.app.workers.together import Configured, named, require_unity
from doka.domain.errors import UsageError
from tests.unit.app.given import LONELY


def configured(name: str, **sections: dict[str, Any]) -> Configured:
    """Give a configuration with these merged into its sections."""
    given = copy.deepcopy(dict(LONELY))
    for section, more in sections.items():
        given[section] = {**given.get(section, {}), **more}
    return Configured(ConfigOptions(Path(f"{name}.yaml")), settings_from(given, hostname="pod-1"), name)


def test_a_configuration_is_called_as_its_file() -> None:
    """Without folder and ending."""
    assert ["eu", "us.prod"] == named([ConfigOptions(Path("/etc/eu.yaml")), ConfigOptions(Path("us.prod.yml"))])


def test_names_that_are_no_names_are_refused() -> None:
    """Two of one name would be one in every figure, and an odd one would be no label."""
    with pytest.raises(UsageError, match="two files given with --config are called eu; name them apart"):
        named([ConfigOptions(Path("a/eu.yaml")), ConfigOptions(Path("b/eu.yaml"))])
    with pytest.raises(UsageError, match="needs a name of letters"):
        named([ConfigOptions(Path('e"u.yaml')), ConfigOptions(Path("us.yaml"))])


def test_what_is_there_once_is_the_same_in_all() -> None:
    """Pages and log; what belongs to a cluster may differ."""
    require_unity([configured("eu"), configured("us", kafka={"group_id": "other"}, limits={"held_mib": 128})])
    for section, more in (("http", {"port": 1}), ("log", {"format": "text"})):
        with pytest.raises(UsageError, match=rf"^{section} differs between eu\.yaml and us\.yaml: .*give all files"):
            require_unity([configured("eu"), configured("us", **{section: more})])


def test_exports_beside_others_are_refused() -> None:
    """Worker 0 of one would be taken for worker 0 of another."""
    sending = configured("us", otlp={"endpoint": "http://127.0.0.1:4318"})
    with pytest.raises(UsageError, match=r"otlp\.endpoint of us\.yaml cannot be used beside other files"):
        require_unity([configured("eu"), sending])
    off = configured("us", otlp={"endpoint": "http://127.0.0.1:4318", "enabled": False})
    require_unity([configured("eu"), off])
