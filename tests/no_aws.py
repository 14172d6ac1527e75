"""An environment without AWS in it, so that tests mean the same on every machine.

A test package takes it with `from tests.no_aws import no_aws_around  # noqa: F401` in conftest.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_aws_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep whatever AWS configuration, CA and proxy this machine has out of the tests."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.upper().endswith("_PROXY") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
