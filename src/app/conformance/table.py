"""All cases, in the order in which they are played: what throttles the shard comes last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from doka.adapters.aws.kinesis.trial_stream import Mode
from doka.app.conformance import addressing, distribution, limits, order, rates, refusals
from doka.app.conformance.case import Case

CASES: Final[Mapping[Mode, tuple[Case, ...]]] = {
    Mode.ONE_SHARD: (
        *addressing.CASES,
        *order.CASES,
        *refusals.CASES,
        *limits.CASES,
        *rates.CASES,
    ),
    Mode.ON_DEMAND: (distribution.KEYS_BY_MD5,),
    Mode.AUTO: (distribution.AUTO_IS_TOLD,),
}
"""By the kind of stream that they are played on."""
