"""How an order to skip is written beside a commit, and read again."""

from __future__ import annotations

import pytest

from doka.adapters.kafka.skip_orders import Orders, skips_group
from doka.domain.skip import Skip

SKIP = Skip(4, 9, "ada@laptop", "2026-11-29T20:15:00Z", 'cancelled, "4711" — «storno»')
ORDERS = Orders("dG9waWMtaWQ", (SKIP, Skip(20, 21, "grace", "2026-11-29T20:16:00Z", "again")))


@pytest.mark.parametrize("orders", [ORDERS, Orders(None, (SKIP,)), Orders("id", ())])
def test_what_is_written_is_read(orders: Orders) -> None:
    """Whatever a person wrote as reason comes back."""
    assert orders == Orders.parse(str(orders))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "",
        "doka:topic=abc",
        "[]",
        "7",
        pytest.param("[" * 100_000, id="very deep"),
        '{"topic_id":null}',
        '{"topic_id":7,"skips":[]}',
        '{"topic_id":null,"skips":[{"first":1}]}',
        '{"topic_id":null,"skips":[{"first":"1","far":2,"by":"a","at":"b","reason":"c"}]}',
        '{"topic_id":null,"skips":[{"first":1,"far":true,"by":"a","at":"b","reason":"c"}]}',
        '{"topic_id":null,"skips":[{"first":1,"far":2,"by":"a","at":"b","reason":null}]}',
        '{"topic_id":null,"skips":[{"first":1,"far":2,"by":"a","at":"b","reason":"c","more":1}]}',
    ],
)
def test_what_is_no_order_is_none(metadata: str | None) -> None:
    """Another tool's commit, or a broken one, skips nothing."""
    assert Orders.parse(metadata) is None


def test_orders_are_for_one_topic() -> None:
    """Another topic of the same name has none of them; where one of the ids is not known the offset decides."""
    asked = ["dG9waWMtaWQ", None, "another"]
    assert [ORDERS.skips, ORDERS.skips, ()] == [ORDERS.of_topic(each) for each in asked]
    assert ORDERS.skips == Orders(None, ORDERS.skips).of_topic("another")


def test_the_group_of_the_orders_has_a_name_of_its_own() -> None:
    """One that stands beside the service's in a list, and that a prefix of it grants as well."""
    assert "doka-orders-skips" == skips_group("doka-orders")
