from __future__ import annotations

from doka.adapters.aws.kinesis.trial_stream import Mode
from doka.app.conformance.bench import Amounts
from doka.app.conformance.price import price
from doka.app.plan.prices import parse_prices

PRICES = """\
version: 1
region: us-east-1
currency: USD
as_of: "2026-11-30"
source: https://example.com/pricing
{checked}
provisioned: {{shard_hour: 0.015{unit}}}
on_demand: {{stream_hour: 0.04}}
"""
CHECKED = PRICES.format(checked="", unit=", million_payload_units: 0.5")


def test_an_hour_of_a_shard_and_the_units_are_told_in_cents_with_their_source() -> None:
    """1.5 cents, and half a dollar for a million of units: of some 17,000 that is 0.9."""
    told = price(parse_prices(CHECKED), Amounts(), [Mode.ONE_SHARD], "us-east-1")
    assert told == (
        "about 2.4 cents (USD): an hour of a shard, and 17,036 payload units; prices of us-east-1 as of 2026-11-30 from "
        "https://example.com/pricing"
    )


def test_streams_on_demand_cost_an_hour_each() -> None:
    """And of another region nobody has prices here."""
    told = price(parse_prices(CHECKED), Amounts(), list(Mode), "eu-west-1")
    assert told.startswith(
        "about 10.4 cents (USD): an hour of a shard and of 2 streams on demand, and 17,036 payload units"
    )
    assert told.endswith("; for eu-west-1 look there")


def test_what_nobody_has_checked_or_is_not_known_is_told_so() -> None:
    """A price is never assumed."""
    unchecked = parse_prices(PRICES.format(checked="checked: false", unit=", million_payload_units: 0.5"))
    assert "pricing, not checked there" in price(unchecked, Amounts(), [Mode.ONE_SHARD], "us-east-1")
    lacking = parse_prices(PRICES.format(checked="", unit=""))
    told = price(lacking, Amounts(), [Mode.ONE_SHARD], "us-east-1")
    assert told == "what it costs is not known: the table of prices lacks some; https://example.com/pricing has them"
