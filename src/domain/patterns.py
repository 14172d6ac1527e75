"""Patterns of topics: `*` stands for any characters, be they none.

No topic may have a `*` in its name, so nobody can take a name for a pattern; a dot is a dot in both. It is what IAM has in
the ARN of a topic, so one text says what is read and what may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

WILDCARD = "*"
HIDDEN = "__"
"""What the names of Kafka's own topics begin with; no pattern matches them."""


def is_pattern(text: str) -> bool:
    """Say whether an entry of a route's topics stands for all that match it."""
    return WILDCARD in text


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split(WILDCARD))))


def matches(patterns: Iterable[str], topic: str) -> bool:
    """Say whether one of the patterns matches a topic."""
    return not topic.startswith(HIDDEN) and any(_compiled(pattern).fullmatch(topic) for pattern in patterns)
