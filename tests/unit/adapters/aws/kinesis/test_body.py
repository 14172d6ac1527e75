from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doka.adapters.aws.kinesis.body import ENTRY_OVERHEAD_BYTES, BodyBuilder, KeyFragments
from doka.domain.errors import InvariantError
from doka.domain.limits import KEY_CACHE_BYTES
from tests.unit.adapters.aws.kinesis.reference import ARN, reference

HASH_KEY_MAX = 2**128 - 1
AWKWARD = ["é", '"', "\\", "\n\x00\x1f\x7f", "\u2028", "\U0001f600", "a" * 256, "</script>", "\ud800"]

keys = st.one_of(st.text(min_size=1, max_size=30), st.sampled_from(AWKWARD))
entries = st.lists(
    st.tuples(keys, st.binary(max_size=40), st.one_of(st.none(), st.integers(0, HASH_KEY_MAX).map(str))),
    min_size=1,
    max_size=20,
)


def sent_by_boto3(
    stream: tuple[str, str], partition_keys: Sequence[str], values: Sequence[bytes], hash_keys: Sequence[str | None]
) -> bytes:
    """Give the body that boto3 sends for these entries."""
    records: list[dict[str, object]] = []
    for key, value, hash_key in zip(partition_keys, values, hash_keys, strict=True):
        record: dict[str, object] = {"Data": value, "PartitionKey": key}
        if hash_key is not None:
            record["ExplicitHashKey"] = hash_key
        records.append(record)
    boto3 = reference()
    boto3.put(records, stream)
    assert boto3.sent is not None
    body = boto3.sent.body
    return body if isinstance(body, bytes) else str(body).encode()


@settings(max_examples=150, deadline=None)
@given(entries=entries, by_arn=st.booleans(), cache_bytes=st.sampled_from([1, 2_000, 1_000_000]))
def test_the_body_is_byte_for_byte_what_boto3_sends(
    entries: list[tuple[str, bytes, str | None]], *, by_arn: bool, cache_bytes: int
) -> None:
    """Any keys, values and explicit hash keys, by name or ARN, with a warm or an overflowing cache: the same bytes."""
    stream = ("StreamARN", ARN) if by_arn else ("StreamName", "orders")
    partition_keys, values, hash_keys = zip(*entries, strict=True)
    builder = BodyBuilder(cache_bytes)
    nothing = [None] * len(entries)
    for _ in range(2):
        hashed = builder.build(stream, partition_keys, values, hash_keys)
        plain = builder.build(stream, partition_keys, values)
        assert sent_by_boto3(stream, partition_keys, values, hash_keys) == hashed
        assert sent_by_boto3(stream, partition_keys, values, nothing) == plain


def test_five_hundred_entries_keep_their_order_and_place() -> None:
    """A full request holds every value under its own key, in order."""
    partition_keys = [f"key-{index % 7}" for index in range(500)]
    values = [bytes([index % 256]) * (index % 50) for index in range(500)]
    body = BodyBuilder().build(("StreamName", "orders"), partition_keys, values)
    assert sent_by_boto3(("StreamName", "orders"), partition_keys, values, [None] * 500) == body
    assert partition_keys == [record["PartitionKey"] for record in json.loads(body)["Records"]]


@pytest.mark.parametrize(
    ("partition_keys", "values", "hash_keys"),
    [([], [], None), (["a"], [], None), (["a"], [b"1", b"2"], None), (["a"], [b"1"], ["1", "2"])],
)
def test_columns_of_unequal_length_are_refused(
    partition_keys: list[str], values: list[bytes], hash_keys: list[str | None] | None
) -> None:
    """A put whose columns do not fit together is a broken invariant, never a shorter request."""
    with pytest.raises(InvariantError):
        BodyBuilder().build(("StreamName", "orders"), partition_keys, values, hash_keys)


def test_what_is_remembered_of_keys_is_bounded() -> None:
    """With more keys than fit it starts anew, and never holds more than its bytes; what it gives is the same."""
    bytes_max = 20 * ENTRY_OVERHEAD_BYTES
    small, large = KeyFragments(bytes_max), KeyFragments(KEY_CACHE_BYTES)
    for index in range(1000):
        assert large.of(f"key-{index}") == small.of(f"key-{index}")
        assert len(small) * ENTRY_OVERHEAD_BYTES <= bytes_max
    assert 1000 == len(large)


def test_one_key_larger_than_the_cache_is_still_written() -> None:
    """A cache too small for a single key holds none."""
    cache = KeyFragments(1)
    large = KeyFragments(KEY_CACHE_BYTES)
    assert cache.of("a" * 256) == large.of("a" * 256)
    assert cache.of("b") == large.of("b")
    assert len(cache) == 0
