from __future__ import annotations

from pathlib import Path

from doka.app.config_options import ConfigOptions


def test_the_source_is_the_file_that_was_given() -> None:
    """Whichever form it has; without a file everything is from variables."""
    new, old = Path("doka.yaml"), Path("dev.yaml")
    assert "doka.yaml" == ConfigOptions(config=new).source
    assert "dev.yaml" == ConfigOptions(legacy_config=old).source
    assert "DOKA_* variables" == ConfigOptions().source
