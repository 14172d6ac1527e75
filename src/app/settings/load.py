"""Lays the layers: a file (the new form or the old service's), over it `DOKA_*` variables, over them the command line.

Under all of them lie the endpoints that AWS's own variables and profile name, and what those of OpenTelemetry say.

What leaves here is whole and checked, or an error that lists everything to mend at once.
"""

from __future__ import annotations

import copy
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from doka.app.config_options import ConfigOptions
from doka.app.settings.client_keys import refused_client_keys
from doka.app.settings.crosschecks import contradictions
from doka.app.settings.environment import overlay, put, put_new
from doka.app.settings.legacy import translate
from doka.app.settings.model import Settings
from doka.app.settings.otel_variables import DISABLED, OtelVariables, otel_variables
from doka.app.settings.problems import Problem, SettingPath, SettingsError, origin_of
from doka.app.settings.sdk_endpoints import sdk_endpoints
from doka.app.settings.words import problems_of
from doka.app.settings.yamlfile import read_yaml

NO_SOURCE = (
    "there is no configuration: name a file with --config FILE (or --legacy-config FILE), or set DOKA_* variables; "
    "`doka config schema` lists what can be set"
)


def hostname() -> str:
    """Give this host's name, as it is filled into session names."""
    return socket.gethostname()


def read_configuration(options: ConfigOptions) -> Settings:
    """Read the configuration as this process sees it: its files, variables and host.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    return load_settings(options, environ=os.environ, hostname=hostname())


def load_settings(options: ConfigOptions, *, environ: Mapping[str, str], hostname: str) -> Settings:
    """Read the configuration of a service.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    config, legacy_config = options.config, options.legacy_config
    if config is not None and legacy_config is not None:
        raise SettingsError([Problem("--config and --legacy-config exclude each other; keep one")])
    data: dict[str, Any] = {}
    origins: dict[SettingPath, str] = {}
    if config is not None:
        data, origins = read_yaml(config)
        _refuse_legacy(data, config)
    elif legacy_config is not None:
        data, origins = translate(legacy_config)
    problems = overlay(environ, Settings, data, origins)
    if not data and not problems:
        raise SettingsError(
            [Problem(NO_SOURCE if config is None else "is empty", origin=str(config) if config else None)]
        )
    for service, (origin, url) in sdk_endpoints(environ).items():
        if put_new(data, ("aws", "endpoint_urls", service), url):
            origins["aws", "endpoint_urls", service] = origin
    _lay_below(data, origins, otel_variables(environ))
    if options.allow_plaintext:
        _permit(data, origins, ("kafka", "security", "allow_plaintext"), "--allow-plaintext")
    if options.allow_insecure_endpoints:
        _permit(data, origins, ("aws", "allow_insecure_endpoints"), "--allow-insecure-endpoints")
    return settings_from(data, hostname=hostname, origins=origins, found=problems)


def settings_from(
    data: Mapping[str, Any],
    *,
    hostname: str,
    origins: Mapping[SettingPath, str] | None = None,
    found: list[Problem] | None = None,
    simulated: bool = False,
) -> Settings:
    """Make settings of plain data, as they would stand in the file; nothing else is read.

    `simulated` permits the rotation policy `never`; `found` are problems of earlier layers, told along.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    origins = origins or {}
    problems = list(found or ())
    try:
        settings = Settings(**copy.deepcopy(dict(data)))
    except ValidationError as error:
        raise SettingsError(problems + problems_of(error, Settings, origins)) from None
    for check in (
        contradictions(settings, hostname, simulated=simulated),
        refused_client_keys(settings),
    ):
        problems += [Problem(p.told, p.path, p.origin or origin_of(p.path, origins)) for p in check]
    if problems:
        raise SettingsError(problems)
    return settings


def _refuse_legacy(data: Mapping[str, Any], config: Path) -> None:
    aws = data.get("aws")
    if "msk" in data or (isinstance(aws, dict) and {"kinesis", "crossAccount", "crossAccountArn"} & aws.keys()):
        told = "is of the old service's form; run it with --legacy-config, or write the new form: doka config convert"
        raise SettingsError([Problem(f"{told} {config}", origin=str(config))])


def _lay_below(data: dict[str, Any], origins: dict[SettingPath, str], found: OtelVariables) -> None:
    """Fill what `otlp` leaves out by what the variables of OpenTelemetry say, where there is somebody to send to."""
    if found.disabled:
        _permit(data, origins, ("otlp", "enabled"), DISABLED, value=False)
        return
    endpoints = [path for path in found.values if path[-1] == "endpoint"]
    otlp = data.get("otlp")
    if not endpoints and not isinstance(otlp, dict):
        return
    if isinstance(otlp, dict) and otlp.get("headers_file") is not None:
        found.values.pop(("otlp", "headers"), None)
    for path, (origin, value) in found.values.items():
        if put_new(data, path, value):
            origins[path] = origin


def _permit(
    data: dict[str, Any], origins: dict[SettingPath, str], path: SettingPath, option: str, *, value: bool = True
) -> None:
    if put(data, path, value=value):
        origins[path] = option
