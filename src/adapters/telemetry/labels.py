"""Bounds what may become a metric label.

Codes and reasons come from services, and so from strangers: unchecked, they could fill a scraper's memory or carry
what must not be shown. Routes, roles and topics come from the settings and need no bound.
"""

from __future__ import annotations

import re

LABELS_MAX = 50  # distinct codes; the documented ones of Kinesis, STS, Kafka and ours together are about forty
OTHER = "other"
# A word, or ours with a service's behind it (`lease_refused:AccessDenied`); an ARN has five colons, so it never is one.
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}(?::[A-Za-z0-9_.-]{1,64})?")


class BoundedLabels:
    """Gives at most `limit` distinct labels, first come, first served; all others become `other`."""

    def __init__(self, limit: int = LABELS_MAX) -> None:
        self._limit = limit
        self._known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Give the label for a code or a reason; spaces become underscores, what is no plain word becomes `other`."""
        known = self._known.get(text)
        if known is not None:
            return known
        label = "_".join(text.split())
        if len(self._known) >= self._limit or not _PLAIN.fullmatch(label):
            return OTHER
        self._known[text] = label
        return label
