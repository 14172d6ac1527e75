"""Shows settings as plain data that reads back as the same settings, except that secrets are stars."""

from __future__ import annotations

from typing import Any

from doka.app.settings.model import Settings


def as_data(settings: Settings) -> dict[str, Any]:
    """Give every effective value; a secret is shown as stars."""
    shown: dict[str, Any] = _short(settings.model_dump(mode="json"))
    return shown


def schema() -> dict[str, Any]:
    """Give the JSON Schema of the configuration file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}


def _short(value: Any) -> Any:
    """Write 10.0 as 10: it means the same and is what people write."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
