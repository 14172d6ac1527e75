"""What the records of a request are, and the rules of those that travel as aggregates.

The lanes are worked out here anew, from the hash space: the code that is judged is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from doka.adapters.simulated.stream import HASH_SPACE, hash_of
from doka.adapters.simulated.unfold import unfold
from doka.domain.commands import SendPut
from doka.domain.rules import AggregationRules

Require = Callable[[object, str, str], None]
Entry = Sequence[tuple[str, bytes]]


class Aggregates:
    """Which lanes have something on its way, in one life of the process."""

    def __init__(self, rules: AggregationRules | None, require: Require) -> None:
        self._rules = rules
        self._require = require
        self._out: dict[int, tuple[str, frozenset[str]]] = {}

    def began(self, command: SendPut) -> list[Entry]:
        """Give the records of each entry; judge where they are placed, and that nothing else of their lanes is out."""
        if self._rules is None:
            self._require(command.hash_keys is None, "I4", f"put {command.put} has hash keys and no aggregation")
            return [[entry] for entry in zip(command.keys, command.values, strict=True)]
        hash_keys = [hash_key for hash_key in command.hash_keys or () if hash_key is not None]
        self._require(len(hash_keys) == len(command.keys), "I4", f"put {command.put} has entries without a hash key")
        lanes = frozenset(hash_keys)
        self._require(len(lanes) == len(hash_keys), "I4", f"put {command.put} has two entries of one lane")
        for put, (route, others) in self._out.items():
            twice = others & lanes if route == command.route else None
            self._require(not twice, "I4", f"put {command.put} has lanes that put {put} has on its way: {twice}")
        self._out[command.put] = (command.route, lanes)
        return [self._entry(*entry) for entry in zip(command.keys, command.values, hash_keys, strict=True)]

    def place_of(self, key: str) -> str | None:
        """Give the explicit hash key by which a key is placed; None where it is placed by itself."""
        if self._rules is None:
            return None
        width = HASH_SPACE // self._rules.lanes
        return str(hash_of(key) // width * width + width // 2)

    def _entry(self, key: str, value: bytes, hash_key: str) -> Entry:
        assert self._rules is not None
        found = unfold(key, value)
        for inner in found:
            middle = self.place_of(inner.key)
            self._require(hash_key == middle, "I4", f"{inner.key!r} is placed by {hash_key}, not by {middle}")
            same = inner.hash_key in {None, hash_key}
            self._require(same, "I2", f"a consumer drops {inner.key!r}: it says {inner.hash_key} within {hash_key}")
        if len(found) > 1:
            size = len(key) + len(value)
            self._require(size <= max(self._rules.target_bytes, 1) + 1, "I7", f"an aggregate of {size} bytes")
        return [(inner.key, inner.value) for inner in found]

    def answered(self, put: int) -> None:
        """Note that a request is not on its way any more, as far as the process knows."""
        self._out.pop(put, None)

    def end_life(self) -> None:
        """Forget what only the dead process knew."""
        self._out.clear()
