"""The checker itself: it must see every kind of harm, and pass for nothing."""

from __future__ import annotations

import pytest

from tests.checking import KeyLog, Production, Stamp, Verdict, decode, encode, judge


def produced(keys: int = 3, each: int = 4, partitions: int = 2) -> tuple[Production, list[bytes]]:
    """Give a production, round-robin over its keys, and its payloads in order."""
    production = Production()
    return production, [production.payload("orders", i % partitions, f"k{i % keys}") for i in range(keys * each)]


def figures(verdict: Verdict) -> tuple[int, int, int, int]:
    """Give lost, duplicates, out of order, unknown."""
    return verdict.lost, verdict.duplicates, verdict.out_of_order, verdict.unknown


@pytest.mark.parametrize("size", [30, 100, 9000])
def test_a_payload_says_which_record_it_is(size: int) -> None:
    """What is encoded is decoded, at exactly the size asked for."""
    stamp = Stamp(KeyLog("orders.v1", 11, "ключ-7"), 123)
    assert (stamp, size) == (decode(encode(stamp, size)), len(encode(stamp, size)))


@pytest.mark.parametrize("wrong", [("a/b", "k", 100), ("t", "k/", 100), ("t", "k" * 100, 100)])
def test_what_could_not_be_read_back_is_refused(wrong: tuple[str, str, int]) -> None:
    """A slash in a name or too small a size is the test's mistake."""
    topic, key, size = wrong
    with pytest.raises(ValueError, match=r"slash|fit"):
        Production().payload(topic, 0, key, size)


def test_everything_once_and_in_order_is_clean() -> None:
    """Keys may be interleaved in any way as long as each is in order."""
    production, payloads = produced()
    regrouped = sorted(payloads, key=lambda payload: decode(payload).log)
    for landed in (payloads, regrouped):
        verdict = judge(production, landed)
        assert (0, 0, 0, 0) == figures(verdict)
        verdict.assert_kept(at_least=12)


def test_a_missing_record_is_lost() -> None:
    """It is counted and named."""
    production, payloads = produced()
    verdict = judge(production, payloads[:5] + payloads[6:])
    assert (1, 0, 0, 0) == figures(verdict)
    assert [decode(payloads[5])] == verdict.examples["lost"]
    with pytest.raises(AssertionError, match="lost"):
        verdict.assert_kept(at_least=12)


def test_a_repeat_is_a_duplicate_and_breaks_no_order() -> None:
    """Only first landings are judged for order, so a resend of an old record is a duplicate and no more."""
    production, payloads = produced()
    verdict = judge(production, [*payloads, payloads[0], payloads[0]])
    assert (0, 2, 0, 0) == figures(verdict)
    verdict.assert_kept(at_least=12, duplicates_max=2)
    with pytest.raises(AssertionError, match="duplicates"):
        verdict.assert_kept(at_least=12, duplicates_max=1)


def test_an_overtaken_record_is_out_of_order() -> None:
    """A first landing after a later one of its key is counted, even when it repeats afterwards in order."""
    production, payloads = produced(keys=1, each=3, partitions=1)
    verdict = judge(production, [payloads[0], payloads[2], payloads[1], payloads[2]])
    assert (0, 1, 1, 0) == figures(verdict)
    with pytest.raises(AssertionError, match="order"):
        verdict.assert_kept(at_least=3, duplicates_max=9)


def test_two_overtaken_records_count_twice() -> None:
    """Each record that comes late counts, the one that overtook does not."""
    production, payloads = produced(keys=1, each=3, partitions=1)
    assert (0, 0, 2, 0) == figures(judge(production, [payloads[2], payloads[0], payloads[1]]))


@pytest.mark.parametrize(
    "stranger", [b"not ours", b"orders/0/k0/99/", b"other/0/k0/0/", b"orders/0/k0/0/..changed", b"orders/x/k0/0/"]
)
def test_what_was_never_produced_is_unknown(stranger: bytes) -> None:
    """Invented records, and payloads that were tampered with, are harm as well."""
    production, payloads = produced()
    verdict = judge(production, [*payloads, stranger])
    assert (0, 0, 0, 1) == figures(verdict)
    with pytest.raises(AssertionError, match="nobody produced"):
        verdict.assert_kept(at_least=12)


def test_too_few_records_prove_nothing() -> None:
    """A check of fewer records than were wanted fails, an empty one always."""
    production, payloads = produced()
    with pytest.raises(AssertionError, match="proves nothing"):
        judge(production, payloads).assert_kept(at_least=13)
    with pytest.raises(AssertionError, match="proves nothing"):
        judge(Production(), []).assert_kept(at_least=0)


def test_examples_are_few_and_counts_are_whole() -> None:
    """A large loss does not flood the report."""
    production, _ = produced(keys=5, each=100)
    verdict = judge(production, [])
    assert (500, 10) == (verdict.lost, len(verdict.examples["lost"]))
    assert "lost 500" in str(verdict)
