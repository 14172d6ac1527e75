"""Reads the configuration that a command was pointed at, as this process sees it: its files, variables and host."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from doka.app.settings import Settings, load_settings


def hostname() -> str:
    """Give this host's name, as it is filled into session names."""
    return socket.gethostname()


def read_configuration(
    config: Path | None,
    legacy_config: Path | None = None,
    *,
    allow_plaintext: bool = False,
    allow_insecure_endpoints: bool = False,
) -> Settings:
    """Read and check it.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    return load_settings(
        config,
        legacy_config=legacy_config,
        environ=os.environ,
        hostname=hostname(),
        allow_plaintext=allow_plaintext,
        allow_insecure_endpoints=allow_insecure_endpoints,
    )
