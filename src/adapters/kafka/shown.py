"""Partitions and offsets as the debug log names them: some of them, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from doka.domain.records import TopicPartition

SHOWN_MAX = 20
"""In one line; a member may own a thousand."""


def shown(partitions: Iterable[TopicPartition] | Mapping[TopicPartition, int], word: str = "") -> str:
    """Name partitions in their order, each with its offset after `word` where it has one."""
    named = sorted(partitions)
    offsets = partitions if isinstance(partitions, Mapping) else {}
    parts = [f"{p.topic}[{p.partition}]" + (f" {word}{offsets[p]}" if p in offsets else "") for p in named[:SHOWN_MAX]]
    more = len(named) - SHOWN_MAX
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")
