"""Shows settings as plain data that reads back as the same settings, except that secrets are stars."""

from __future__ import annotations

import json
from typing import Any

from doka.app.settings.model import Settings


def as_data(settings: Settings) -> dict[str, Any]:
    """Give every effective value; a secret is shown as stars."""
    shown: dict[str, Any] = _short(settings.model_dump(mode="json"))
    return shown


def in_one_line(settings: Settings) -> str:
    """Give every effective value but those that are nothing, as JSON; a secret is shown as stars."""
    return json.dumps(_told(as_data(settings)), ensure_ascii=False)


def schema() -> dict[str, Any]:
    """Give the JSON Schema of the configuration file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}


def _told(value: Any) -> Any:
    """Leave out what is set to nothing."""
    if isinstance(value, dict):
        return {key: _told(item) for key, item in value.items() if item is not None}
    return [_told(item) for item in value] if isinstance(value, list) else value


def _short(value: Any) -> Any:
    """Write 10.0 as 10: it means the same and is what people write."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
