"""The decorator for transforms."""

from __future__ import annotations

from doka.transform import READS, Batch, Reads, transform


@transform
def plain(batch: Batch) -> None:
    """Drop the first record."""
    batch.drop(0)


@transform(headers=True)
def by_header(batch: Batch) -> None:
    """Do nothing."""
    assert batch.headers


def test_the_decorator_says_what_is_read_and_changes_nothing() -> None:
    """A function can be called in a test as it stands."""
    assert (Reads(), Reads(headers=True)) == (getattr(plain, READS), getattr(by_header, READS))
    batch = Batch("orders", 0, [1, 2], [None, None], [b"a", None])
    plain(batch)
    assert (frozenset({0}), frozenset()) == (batch.dropped, batch.refused)
