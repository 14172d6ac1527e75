"""The cases of which shard a record goes to: by its key, unless the stream was told to take no notice of keys."""

from __future__ import annotations

from bisect import bisect_right

from doka.adapters.telemetry.sentences import many
from doka.app.conformance.bench import Bench, NotJudgedError, RefusedError
from doka.app.conformance.case import AUTO_IS_REFUSED, ONE_KEY_ONE_SHARD, Case, Need, Outcome, Seen
from doka.domain.sending.pacing import hash_key

KEYS = 200


def keys_by_md5(bench: Bench) -> Seen:
    """Put many keys without explicit hash keys: each must go to the shard whose range holds the MD5 of its key."""
    shards = sorted(bench.found.shards, key=lambda each: each.first_hash_key)
    if len(shards) < 2:  # noqa: PLR2004 - of one shard nothing can be seen
        raise NotJudgedError("the stream has one shard, or they could not be listed")
    starts = [each.first_hash_key for each in shards]
    keys = [f"md5-{number}" for number in range(KEYS)]
    try:
        landings = bench.settle([(key, b"0") for key in keys])
    except RefusedError as refused:
        raise NotJudgedError(str(refused)) from None
    expected = [shards[bisect_right(starts, hash_key(key)) - 1].shard for key in keys]
    wrong = sum(one != other for one, other in zip(expected, landings.shards, strict=True))
    answered = f"{len(keys)} keys in {len(set(landings.shards))} shards: {wrong} are not where their MD5 says"
    if wrong:
        return Seen(Outcome.FAILS, answered, "keys do not stay in their shards: their order cannot be kept")
    return Seen(Outcome.HOLDS, answered, "a key stays in its shard, and each shard has its pace")


def auto_is_told(bench: Bench) -> Seen:
    """Look what the description of a stream says that was made with AUTO, and where the records of one key go."""
    says = not bench.found.honours_keys
    try:
        landings = bench.settle([("auto-key", b"%d" % number) for number in range(KEYS)])
    except RefusedError as refused:
        raise NotJudgedError(str(refused)) from None
    shards = len(set(landings.shards))
    said = "the description says AUTO" if says else "the description does not say AUTO"
    answered = f"{said}; {KEYS} records of one key in {many(shards, 'shard')}"
    if says:
        return Seen(Outcome.HOLDS, answered, "a route that keeps order is refused at its start")
    if shards > 1:
        return Seen(Outcome.FAILS, answered, "doka would not see that keys are ignored: order would be gone in silence")
    return Seen(Outcome.OPEN, answered, "the keys hold: what answers has made no stream of AUTO")


KEYS_BY_MD5 = Case(
    "keys_by_md5",
    f"{KEYS} keys on the shards of a stream on demand, no explicit hash key",
    (ONE_KEY_ONE_SHARD,),
    keys_by_md5,
    Need.ON_DEMAND,
)
AUTO_IS_TOLD = Case(
    "auto_is_told",
    "a stream on demand that was made with AUTO distribution",
    (AUTO_IS_REFUSED,),
    auto_is_told,
    Need.ON_DEMAND,
)
