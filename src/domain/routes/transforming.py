"""How a user's function is let at the records of a chunk, and what becomes of those that it raises for.

Theory of operation. The function gets all records at once. Where it raises, they are halved until it is known for which it
does: each of those is poison. That is right for a few bad records, and wrong for a bug in the function, which would make
poison of everything; so before anything is halved some records are tried one by one. Where it raises for all of these,
and has not worked since, it is the function that is wrong: nothing is made poison of, and nothing more is let at it.
So it is where it leaves no batch behind, or asks for what it does not say that it reads.

Nothing of what an exception says leaves this place, since it may hold data; the name of its class does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from doka.domain.batch import Batch, BatchError, NotReadError, Transform
from doka.domain.records import Chunk

REFUSED: Final = "TransformRefused"
FAILED: Final = "TransformFailed"
"""Codes of poison: the function says that the record can never land, or raises for it."""

TRIED: Final = 8
"""How many records are tried one by one, spread over the batch, before a batch that failed is halved."""
FEW: Final = 3
"""So many failures in a row, and no success between them, may be the records' fault."""

_NO_RECORDS_FAULT: Final = frozenset({BatchError.__name__, NotReadError.__name__})

Headers = Sequence[Sequence[tuple[str, bytes | None]]]


class Made(NamedTuple):
    """What the function made of some records, by their index."""

    values: list[bytes | None]
    keys: list[str | None]
    """Partition keys that it chose; None: as the route has it."""
    dropped: set[int]
    poison: dict[int, str]
    raised: dict[int, str]
    """The class of the exception, of each record for which one was raised."""
    broken: str | None = None
    """The class of the exception that it raises whatever it is given; whoever gives up gets nothing else."""


class Transforming:
    """One function over the chunks of one route."""

    def __init__(self, transform: Transform, *, gives_up: bool) -> None:
        """Take the function. `gives_up`: of one that fails for all records this is told, and none of them is made poison."""
        self.transform = transform
        self._gives_up = gives_up
        self._failures = 0  # records tried one by one since the function has worked

    def of(self, chunk: Chunk, headers: Headers | None) -> Made:
        """Let the function at all records of a chunk; `headers` of each where it reads them."""
        made = Made(list(chunk.values), [None] * chunk.count, set(), {}, {})
        raised = self._run(chunk, headers, range(chunk.count), made)
        if raised is None:
            return made
        is_broken = raised in _NO_RECORDS_FAULT or self._fails_for_all(chunk, headers)
        if not (is_broken and self._gives_up):
            self._halve(chunk, headers, range(chunk.count), made, raised)
        return made._replace(broken=raised) if is_broken else made

    def _fails_for_all(self, chunk: Chunk, headers: Headers | None) -> bool:
        """Try some records one by one; say whether it is the function that is wrong."""
        last, aside = chunk.count - 1, Made(list(chunk.values), [None] * chunk.count, set(), {}, {})
        places = sorted({last * step // (TRIED - 1) for step in range(TRIED)})
        if any(self._run(chunk, headers, range(place, place + 1), aside) is None for place in places):
            return False
        self._failures += len(places)
        return self._failures > FEW

    def _halve(self, chunk: Chunk, headers: Headers | None, places: range, made: Made, raised: str) -> None:
        """Find out for which of these records the function raises, as it did for all of them together."""
        if len(places) == 1:
            made.poison[places[0]], made.raised[places[0]] = FAILED, raised
            return
        middle = len(places) // 2
        for half in (places[:middle], places[middle:]):
            why = self._run(chunk, headers, half, made)
            if why is not None:
                self._halve(chunk, headers, half, made, why)

    def _run(self, chunk: Chunk, headers: Headers | None, places: range, made: Made) -> str | None:
        """Let the function at some records, and note what it made of them; give the class of what it raised."""
        first, end = places.start, places.stop
        batch = Batch(
            *chunk.partition,
            chunk.offsets[first:end],
            chunk.keys[first:end],
            chunk.values[first:end],
            headers=None if headers is None else headers[first:end],
            timestamps_ms=_timestamps(chunk, places) if self.transform.timestamps else None,
        )
        try:
            self.transform.function(batch)
            batch.check()
        except MemoryError:  # not the records' fault, and not the function's alone
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's code
            return type(error).__name__
        self._failures = 0
        made.values[first:end] = batch.values
        made.keys[first:end] = batch.partition_keys
        made.dropped.update(first + index for index in batch.dropped)
        made.poison.update((first + index, REFUSED) for index in batch.refused)
        return None


def _timestamps(chunk: Chunk, places: range) -> list[int | None]:
    stamps = (chunk.originals[place].timestamp() for place in places)
    return [stamp if kind else None for kind, stamp in stamps]
