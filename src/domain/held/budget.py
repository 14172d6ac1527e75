"""How much is held, and so how much may be fetched.

Theory of operation. `held_bytes` is one pot for the whole process. Three quarters of it are common;
the last quarter is kept for the partitions that hold little, a share for each, so that one sick key, shard or route
that has eaten the common part never starves the others.

    common room left        fetch from all partitions, as much as fits
    none for half a second  pause the partitions that hold more than their share; the others go on within theirs
    below half              resume

A pause throws away what librdkafka has prefetched, so it comes late: everyday back-pressure is just not fetching.
Bytes are payload, plus what CPython adds to each record, plus headers where they are held.
A fetch is asked for in records and leaves only while less than all is held; so less than one fetch's bytes may lie above.
"""

from __future__ import annotations

from collections.abc import Iterable

from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import FETCH_RECORDS_MAX, RECORD_OVERHEAD_BYTES, STALL_BEFORE_PAUSE_NS
from doka.domain.records import Chunk

_FIRST_GUESS_BYTES = 4096  # of a record, before any was seen
_COMMON = 3 / 4
_RESUME_BELOW = 1 / 2


def held_size(chunk: Chunk) -> int:
    """Give the bytes that a chunk occupies while it is held."""
    headers = chunk.header_bytes if chunk.originals else 0
    return chunk.payload_bytes + chunk.count * (RECORD_OVERHEAD_BYTES + headers)


class Budget:
    """The bytes that are held, by whom, and the records that still fit."""

    def __init__(self, held_bytes_max: int, legs_max: int = 1) -> None:
        """Allow so many bytes; each record that is fetched is held by `legs_max` routes at most."""
        self.held = 0
        self.legs_max = legs_max
        self.max = held_bytes_max
        self.squeezed = False  # the common part is gone and those who hold most are to be paused
        self._mean = float(_FIRST_GUESS_BYTES)
        self._stalled_since: int | None = None

    def take(self, ledger: OffsetLedger, held_bytes: int, records: int) -> None:
        """Count bytes that arrived."""
        self.held += held_bytes
        ledger.held_bytes += held_bytes
        self._mean = max(1.0, 0.8 * self._mean + 0.2 * held_bytes / records, held_bytes / records / 2)

    def release(self, ledger: OffsetLedger, held_bytes: int) -> None:
        """Count bytes that became free."""
        if held_bytes:
            self.held -= held_bytes
            ledger.held_bytes -= held_bytes

    def recount(self, ledger: OffsetLedger) -> None:
        """Count anew what a partition holds, which has forgotten records or is gone."""
        held = 0 if ledger.gone else ledger.open_bytes()
        self.held -= ledger.held_bytes - held
        ledger.held_bytes = held

    def room(self, unpaused: int, owned: int) -> int:
        """Give the number of records that may be fetched now from `unpaused` of `owned` partitions."""
        if not unpaused:
            return 0
        common = self.max * _COMMON - self.held
        if common > 0:
            return max(1, min(FETCH_RECORDS_MAX, int(common / (self._mean * self.legs_max))))
        if self.squeezed and self.held < self.max:
            return max(1, min(FETCH_RECORDS_MAX, int(self.share(owned) / 2 / (self._mean * self.legs_max))))
        return 0

    @property
    def squeezes_at(self) -> int | None:
        """When those who hold most are paused, if nothing becomes free until then."""
        return None if self.squeezed or self._stalled_since is None else self._stalled_since + STALL_BEFORE_PAUSE_NS

    def share(self, owned: int) -> float:
        """Give the bytes that each of `owned` partitions may hold whatever the others do."""
        return self.max * (1 - _COMMON) / max(owned, 1)

    def tick(self, now: int) -> bool:
        """Look at the time; True when somebody has to be paused or may be resumed because of it."""
        if self.held < self.max * _COMMON:
            self._stalled_since = None
            if self.squeezed and self.held < self.max * _RESUME_BELOW:
                self.squeezed = False
                return True
            return False
        if self._stalled_since is None:
            self._stalled_since = now
        if not self.squeezed and now - self._stalled_since >= STALL_BEFORE_PAUSE_NS:
            self.squeezed = True
            return True
        return self.squeezed

    def is_too_much(self, held_bytes: int) -> bool:
        """Say whether routes that are blocked hold too much together, for others are fetched beside them: half the common part."""
        return held_bytes > self.max * _COMMON / 2

    def hogs(self, partitions: Iterable[OffsetLedger], owned: int) -> set[OffsetLedger]:
        """Give the partitions that hold more than half their share while the common part is gone."""
        if not self.squeezed:
            return set()
        if self.held >= self.max:
            return set(partitions)
        bound = self.share(owned) / 2
        return {p for p in partitions if p.held_bytes > bound}
