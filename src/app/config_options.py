"""What the command line says about the configuration: which file, and what is permitted beside it.

It goes as one value from the words of a command to the loader, and imports nothing, so that `doka --help` stays quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConfigOptions:
    """The options that all commands with a configuration share; without a file there are only `DOKA_*` variables."""

    config: Path | None = None
    legacy_config: Path | None = None
    allow_plaintext: bool = False
    """Lies over `kafka.security.allow_plaintext`."""
    allow_insecure_endpoints: bool = False
    """Lies over `aws.allow_insecure_endpoints`."""

    @property
    def source(self) -> str:
        """Where the configuration comes from, for a person."""
        return str(self.config or self.legacy_config or "DOKA_* variables")
