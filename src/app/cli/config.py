"""`doka config schema | show | convert`: what can be set, what is set, and the way over from the old service's file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from doka.app.config_options import ConfigOptions
from doka.app.settings.convert import convert
from doka.app.settings.load import read_configuration
from doka.app.settings.show import as_data, schema


def print_schema() -> int:
    """Print the JSON Schema of the configuration file."""
    print(json.dumps(schema(), indent=2))  # noqa: T201 - the command's result
    return 0


def print_effective(options: ConfigOptions, *, as_json: bool) -> int:
    """Print what a service started with these would use; secrets are stars.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    shown = as_data(read_configuration(options))
    text = json.dumps(shown, indent=2) if as_json else yaml.safe_dump(shown, sort_keys=False, width=120).rstrip()
    print(text)  # noqa: T201 - the command's result
    return 0


def print_converted(file: Path, *, allow_plaintext: bool) -> int:
    """Print the new form of an old service's file, and on stderr what to do with it.

    Raises:
        SettingsError: it cannot be read, or is not of the old form.
    """
    print(convert(file, allow_plaintext=allow_plaintext), end="")  # noqa: T201 - the command's result
    if not allow_plaintext:
        told = (
            "doka: the old service spoke plaintext, and doka refuses that until it is permitted:\n"
            "      set kafka.security.allow_plaintext: true in the result, give --allow-plaintext here, "
            "or move to sasl_ssl."
        )
        print(told, file=sys.stderr)  # noqa: T201 - advice beside the result
    if sys.stdout.isatty():
        advice = (
            "doka: next, keep it and check it:  doka config convert FILE > doka.yaml; doka check --config doka.yaml"
        )
        print(advice, file=sys.stderr)  # noqa: T201 - advice beside the result
    return 0
