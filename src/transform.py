"""For whoever writes a transform of a route: what its function is given, and the decorator that says what it reads.

    from doka.transform import Batch, transform

    @transform
    def clean(batch: Batch) -> None:
        for index, value in enumerate(batch.values):
            if value is None:
                batch.drop(index)
            else:
                batch.values[index] = value.strip()

docs/transforms.md says what holds for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar, overload

from doka.domain.batch import Batch, BatchError, NotReadError

__all__ = ["Batch", "BatchError", "NotReadError", "Reads", "transform"]

READS: Final = "__doka_reads__"
"""Under which name a function keeps what it reads."""

Function = TypeVar("Function", bound=Callable[[Batch], None])


@dataclass(frozen=True, slots=True)
class Reads:
    """What a function reads beside keys and values, which cost nothing."""

    headers: bool = False
    timestamps: bool = False


@overload
def transform(function: Function, /) -> Function: ...
@overload
def transform(*, headers: bool = False, timestamps: bool = False) -> Callable[[Function], Function]: ...
def transform(
    function: Function | None = None, /, *, headers: bool = False, timestamps: bool = False
) -> Function | Callable[[Function], Function]:
    """Mark a function as a transform: `@transform`, or `@transform(headers=True)`; gives the function as it is.

    Args:
        function: What is called with each batch.
        headers: It reads `batch.headers`; the client then hands over whole records, which costs more.
        timestamps: It reads `batch.timestamps_ms`; the same.
    """

    def mark(marked: Function) -> Function:
        setattr(marked, READS, Reads(headers, timestamps))
        return marked

    return mark if function is None else mark(function)
