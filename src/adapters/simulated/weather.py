"""How a span or a fate is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random  # noqa: TID251 - the type of a seeded source that is given

from doka.adapters.simulated.plan import Span

TAIL_FACTOR = 10


def draw_span(chance: Random, span: Span) -> int:
    """Draw a duration in ns."""
    drawn = span.least + int(chance.random() * (span.most - span.least))
    if span.tail and chance.random() < span.tail:
        drawn *= TAIL_FACTOR
    return drawn


def draw_fate(chance: Random, fates: Sequence[tuple[str, float]]) -> str:
    """Draw one of several fates by its rate; an empty string when none of them comes."""
    left = chance.random()
    for name, rate in fates:
        left -= rate
        if left < 0:
            return name
    return ""
