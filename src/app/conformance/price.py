"""What a trial costs, in cents, by the table of prices that `doka plan` has."""

from __future__ import annotations

from collections.abc import Collection

from doka.adapters.aws.kinesis.trial_stream import Mode
from doka.app.conformance.bench import Amounts
from doka.app.plan.prices import Prices

LARGE_UNITS = 2_000
"""Payload units of 25 KiB of the requests of several MiB, at most."""
CENTS = 100


def price(prices: Prices, amounts: Amounts, modes: Collection[Mode], region: str) -> str:
    """Say what streams of these kinds cost at most, and by which prices: an hour of each, begun ones are paid whole."""
    units = amounts.records_at_most + LARGE_UNITS
    shard, unit = prices.provisioned.shard_hour, prices.provisioned.million_payload_units
    demand = [prices.on_demand.stream_hour for mode in modes if mode is not Mode.ONE_SHARD]
    parts = [shard, None if unit is None else unit * units / 1_000_000, *demand]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return f"what it costs is not known: the table of prices lacks some; {prices.source} has them"
    sum_of = "an hour of a shard" + (f" and of {len(demand)} streams on demand" if demand else "")
    elsewhere = "" if region == prices.region else f"; for {region} look there"
    checked = "" if prices.checked else ", not checked there"
    return (
        f"about {sum(known) * CENTS:.1f} cents ({prices.currency}): {sum_of}, and {units:,} payload units; prices of "
        f"{prices.region} as of {prices.as_of} from {prices.source}{checked}{elsewhere}"
    )
