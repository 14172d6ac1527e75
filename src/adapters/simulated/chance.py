"""Where all chance of the simulator comes from: one seed, one independent source for each concern.

Two concerns never share a source, so that one more draw in Kafka cannot change what Kinesis does in the same seed.
Nothing here depends on PYTHONHASHSEED: a seed is turned into a state by SHA-512, not by `hash`.
"""

from __future__ import annotations

from random import Random  # noqa: TID251 - seeded; the only place of the simulator that makes one


class Chance:
    """Everything that a seed decides, by the name of what it decides."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def of(self, concern: str) -> Random:
        """Give a source of its own for a concern, always the same for the same seed and name."""
        return Random(f"{self.seed}/{concern}")  # noqa: S311 - simulated weather, not cryptography
