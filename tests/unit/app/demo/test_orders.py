from doka.app.demo.orders import CUSTOMERS, Tally, judge, orders


def _landed(count: int) -> list[tuple[str, bytes]]:
    return list(orders(count))


def test_every_record_once_and_in_order_is_clean() -> None:
    """A stream that holds just what was fed, each customer's orders ascending, is clean."""
    verdict = judge(5_000, _landed(5_000))

    assert verdict == Tally(fed=5_000, landed=5_000, lost=0, duplicates=0, keys_out_of_order=0)
    assert verdict.clean


def test_a_missing_record_is_lost() -> None:
    """What was fed and is not in the stream is counted as lost."""
    landed = _landed(3_000)
    del landed[17]

    assert judge(3_000, landed) == Tally(fed=3_000, landed=2_999, lost=1, duplicates=0, keys_out_of_order=0)


def test_a_repeat_is_a_duplicate_and_no_disorder() -> None:
    """A record that lands again is a duplicate; order is judged by first landings."""
    landed = _landed(3_000)
    landed.append(landed[0])

    assert judge(3_000, landed) == Tally(fed=3_000, landed=3_001, lost=0, duplicates=1, keys_out_of_order=0)


def test_a_later_order_before_an_earlier_one_is_disorder() -> None:
    """A customer whose second order lands before the first is one key out of order."""
    landed = _landed(2 * CUSTOMERS)
    landed[5], landed[5 + CUSTOMERS] = landed[5 + CUSTOMERS], landed[5]

    assert judge(2 * CUSTOMERS, landed) == Tally(2 * CUSTOMERS, 2 * CUSTOMERS, 0, 0, keys_out_of_order=1)


def test_a_foreign_partition_key_is_disorder() -> None:
    """A record under another key than its customer's could land in another shard, so its order is not kept."""
    landed = _landed(10)
    landed[3] = ("somebody else", landed[3][1])

    assert judge(10, landed).keys_out_of_order == 1
