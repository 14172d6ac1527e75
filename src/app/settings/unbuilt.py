"""What the configuration has a name for and this version cannot do yet: refused, never ignored.

This is the only place that knows; a feature is switched on by taking its line out of here.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.settings.model import Settings
from app.settings.problems import Problem


def unbuilt(settings: Settings) -> Iterator[Problem]:
    """List what is asked for and not there yet."""
    for index, route in enumerate(settings.routes):
        if route.ordering == "key_in_request":
            yield Problem("key_in_request is not in this version; take key or none", ("routes", index, "ordering"))
