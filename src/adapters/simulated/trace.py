"""What happened in a simulated run, a line each: for the eye when a seed fails, and for the proof that it repeats."""

from __future__ import annotations

from hashlib import blake2b

from doka.adapters.simulated.timeline import START_NS, Timeline
from doka.domain.limits import NS_PER_SECOND


class Trace:
    """Every event in order; details are numbers, strings and tuples of them, never a set."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.events: list[tuple[int, str, tuple[object, ...]]] = []

    def note(self, what: str, *details: object) -> None:
        """Note that something happened now."""
        self.events.append((self._timeline.now, what, details))

    def digest(self) -> str:
        """Give a hash of the whole run: equal for two runs of the same seed, on any machine."""
        return blake2b(repr(self.events).encode(), digest_size=16).hexdigest()

    def tail(self, count: int) -> list[str]:
        """Give the last events, one line each: seconds since the start, what, details."""
        return [
            f"{(at - START_NS) / NS_PER_SECOND:12.6f}  {what:<18} {' '.join(map(_shown, details))}"
            for at, what, details in self.events[-count:]
        ]


def _shown(detail: object) -> str:
    """Write a pair of a partition and an offset as `t0[1]=5`, anything else as it is."""
    if type(detail) is tuple:
        return "=".join(map(str, detail))
    return str(detail)
