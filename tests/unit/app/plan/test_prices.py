"""A month's price, by a table that anyone can replace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doka.app.plan.prices import DEFAULT, HOURS_A_MONTH, Month, Prices, month, parse_prices, read_prices
from doka.app.plan.ways import Hot, Load, Way
from doka.app.settings.problems import SettingsError

LOAD = Load(
    Way.KEY,
    records=1_000.0,
    bytes=100_000.0,
    billed=1_000.0,
    payload_units=1_000.0,
    shards=2,
    latency=0.015,
    hot=Hot(1.0, 1.0, 66.0, 0.015),
)
TABLE = """\
version: 1
region: eu-west-1
currency: EUR
as_of: "2026-01-01"
source: our contract
provisioned: {shard_hour: 1.0, million_payload_units: 10.0}
on_demand: {stream_hour: 2.0, gb_in: 3.0}
"""


def test_the_table_that_comes_with_doka_says_what_it_is() -> None:
    """Of which region, as of when, from where, and that nobody has checked it; all prices stand in it."""
    prices = read_prices(None)
    assert ("us-east-1", "USD", False) == (prices.region, prices.currency, prices.checked)
    assert prices.source == "https://aws.amazon.com/kinesis/data-streams/pricing/"
    assert "2026-11-30" == prices.as_of
    assert None not in (*prices.provisioned.model_dump().values(), *prices.on_demand.model_dump().values())
    assert DEFAULT.is_file()


def test_a_thousand_small_records_a_second_cost_what_the_page_says() -> None:
    """By hand: 2 shards and 2,628 million units; 2,506.26 GB of records that are rounded up to 1 KiB each."""
    costs = month(LOAD, read_prices(None))
    assert costs.provisioned == pytest.approx(2 * 730 * 0.015 + 2_628 * 0.014)
    assert costs.on_demand == pytest.approx(730 * 0.04 + 2_628_000_000 / 1_048_576 * 0.08)
    assert costs.least == costs.provisioned


def test_another_table_is_taken(tmp_path: Path) -> None:
    """In its own currency."""
    file = tmp_path / "prices.yaml"
    file.write_text(TABLE)
    prices = read_prices(file)
    assert ("EUR", True) == (prices.currency, prices.checked)
    costs = month(LOAD, prices)
    assert 2 * 730 + 26_280 == costs.provisioned
    assert costs.on_demand == pytest.approx(730 * 2 + 2_506.26 * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("section", "left"),
    [
        ("provisioned: {shard_hour: 1.0, million_payload_units: 10.0}", "on_demand"),
        ("on_demand: {stream_hour: 2.0, gb_in: 3.0}", "provisioned"),
    ],
)
def test_what_the_table_leaves_out_is_not_known(section: str, left: str) -> None:
    """Nothing is assumed for it; the other mode is known all the same."""
    costs = month(LOAD, parse_prices(TABLE.replace(section, "")))
    assert [left] == [name for name in ("provisioned", "on_demand") if getattr(costs, name) is not None]
    assert costs.least == getattr(costs, left)


def test_where_no_shards_are_enough_there_is_no_price() -> None:
    """In neither mode: an on-demand stream is made of shards, too."""
    assert Month(None, None) == month(replace(LOAD, shards=None), read_prices(None))
    assert month(replace(LOAD, shards=None), read_prices(None)).least is None


@given(st.floats(0, 1_000), st.integers(1, 50))
def test_prices_scale(factor: float, shards: int) -> None:
    """So many times the load costs so many times its part; so many shards their hours."""
    prices = read_prices(None)
    more = month(
        replace(LOAD, shards=shards, billed=LOAD.billed * factor, payload_units=LOAD.payload_units * factor), prices
    )
    one = month(LOAD, prices)
    assert one.provisioned is not None
    assert one.on_demand is not None
    assert more.provisioned == pytest.approx(
        HOURS_A_MONTH * 0.015 * shards + factor * (one.provisioned - 2 * 730 * 0.015)
    )
    assert more.on_demand == pytest.approx(730 * 0.04 + factor * (one.on_demand - 730 * 0.04))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("version: 1", "version: 2"), "prices.yaml:1: version"),
        (("region: eu-west-1", "region: Dublin"), "prices.yaml:2: region is not the name of an AWS region"),
        (("gb_in: 3.0", "gb_in: -3.0"), "on_demand.gb_in"),
        (("gb_in: 3.0", "gb: 3.0"), "on_demand.gb is unknown"),
        (("currency: EUR\n", ""), "currency is missing"),
    ],
)
def test_a_table_that_is_none_is_told_by_line(change: tuple[str, str], told: str) -> None:
    """As a configuration is: where, what, and the cure."""
    with pytest.raises(SettingsError) as caught:
        parse_prices(TABLE.replace(*change), "prices.yaml")
    assert told in str(caught.value)


def test_the_form_of_the_table_has_words() -> None:
    """Each field says what it is."""
    assert [] == [name for name, field in Prices.model_fields.items() if not field.description]
