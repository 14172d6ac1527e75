"""A transform that changes nothing, for the case transform-identity: what is left is the price of having one."""

from __future__ import annotations

from doka.transform import Batch, transform


@transform
def identity(batch: Batch) -> None:
    """Leave everything as it is."""
