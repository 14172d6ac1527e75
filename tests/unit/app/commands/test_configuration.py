from __future__ import annotations

import socket
from pathlib import Path

import pytest

from doka.app.commands.configuration import hostname, read_configuration
from doka.app.settings import SettingsError

EXAMPLES = Path(__file__).parents[4] / "examples"


def test_the_configuration_is_read_as_this_process_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variables lie over the file, and its host's name fills session names."""
    monkeypatch.setenv("DOKA_LIMITS__HELD_MIB", "128")
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 60)
    assert hostname() == "h" * 60
    with pytest.raises(SettingsError, match=r"session_name has 65 characters once \{hostname\} is filled in"):
        read_configuration(EXAMPLES / "minimal.yaml")
    monkeypatch.setenv("DOKA_ROLES__ANALYTICS__SESSION_NAME", "doka")
    assert read_configuration(EXAMPLES / "minimal.yaml").limits.held_mib == 128
