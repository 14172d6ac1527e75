"""What a month of a load costs, by a table of prices that a user can replace.

A price that the table leaves out is not known, and neither is what is reckoned with it: nothing is assumed in its place.
Only writing is counted: no reading, no retention beyond a day, no enhanced fan-out, no KMS, no transfer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from doka.app.plan.ways import Load
from doka.app.settings.fields import FROZEN, Flag, Region, Section, Text
from doka.app.settings.problems import SettingPath, SettingsError
from doka.app.settings.words import problems_of
from doka.app.settings.yamlfile import parse_yaml, read_yaml

HOURS_A_MONTH: Final = 730
"""8,760 hours of a year, a twelfth."""
SECONDS_A_MONTH: Final = HOURS_A_MONTH * 3_600
KIB_A_GB: Final = 1_024 * 1_024
"""AWS counts a KB as 1,024 bytes on the page of prices."""
DEFAULT: Final = Path(__file__).with_name("prices.yaml")

Price = Annotated[float, Field(ge=0.0, le=1_000_000.0)]


class Provisioned(Section):
    """A stream of so many shards."""

    shard_hour: Price | None = Field(default=None, description="An hour of a shard.")
    million_payload_units: Price | None = Field(
        default=None, description="A million PUT payload units: 25 KiB of a record, begun ones whole."
    )


class OnDemand(Section):
    """A stream that grows by itself (On-demand Standard)."""

    stream_hour: Price | None = Field(default=None, description="An hour of a stream.")
    gb_in: Price | None = Field(default=None, description="A GB written, each record rounded up to 1 KiB.")


class Prices(Section):
    """One table: of one region, in one currency."""

    model_config = FROZEN | {"title": "doka prices"}

    version: Literal[1] = Field(description="Of this form.")
    region: Region = Field(description="Where they hold.", examples=["eu-west-1"])
    currency: Text = Field(description="In what they are.", examples=["USD"])
    as_of: Text = Field(description="The day on which they were read, in quotes.", examples=["2026-11-30"])
    source: Text = Field(
        description="Where they were read.", examples=["https://aws.amazon.com/kinesis/data-streams/pricing/"]
    )
    checked: Flag = Field(default=True, description="Whether somebody has read them in the source itself.")
    provisioned: Provisioned = Field(default=Provisioned(), description="A stream of so many shards.")
    on_demand: OnDemand = Field(default=OnDemand(), description="A stream that grows by itself.")


def read_prices(file: Path | None) -> Prices:
    """Read a table of prices, the one that comes with doka where none is named.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    return _checked(*read_yaml(file or DEFAULT))


def parse_prices(text: str, origin: str = "prices") -> Prices:
    """Read a table from a text, as `read_prices` does from a file.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    return _checked(*parse_yaml(text, origin))


def _checked(data: Mapping[str, Any], origins: Mapping[SettingPath, str]) -> Prices:
    try:
        return Prices(**data)
    except ValidationError as error:
        raise SettingsError(problems_of(error, Prices, origins)) from None


@dataclass(frozen=True, slots=True)
class Month:
    """What a month costs in each mode; None where it is not known, or no number of shards is enough."""

    provisioned: float | None
    on_demand: float | None

    @property
    def least(self) -> float | None:
        """The cheaper of the two, as far as they are known."""
        return min((cost for cost in (self.provisioned, self.on_demand) if cost is not None), default=None)


def month(load: Load, prices: Prices) -> Month:
    """Give what a month of a stream of its own costs that takes this load."""
    return Month(_provisioned(load, prices.provisioned), _on_demand(load, prices.on_demand))


def _provisioned(load: Load, prices: Provisioned) -> float | None:
    if load.shards is None or prices.shard_hour is None or prices.million_payload_units is None:
        return None
    units = load.payload_units * SECONDS_A_MONTH / 1_000_000
    return load.shards * HOURS_A_MONTH * prices.shard_hour + units * prices.million_payload_units


def _on_demand(load: Load, prices: OnDemand) -> float | None:
    if load.shards is None or prices.stream_hour is None or prices.gb_in is None:
        return None
    return HOURS_A_MONTH * prices.stream_hour + load.billed * SECONDS_A_MONTH / KIB_A_GB * prices.gb_in
