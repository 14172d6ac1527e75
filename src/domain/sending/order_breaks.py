"""Counting the records that came into their stream behind a later one of their key.

Theory of operation. Only records of one request can do that, because a key has one request on its way, and what was
refused of it goes again before anything later. So its answer shows it, entry by entry:

    refused      the entry was refused, and a later one of its key landed
    reordered    both landed, in one shard, and the later one has the lower sequence number
    unknown      nobody can tell: the entry, or the later one, may have landed (InternalFailure, or no answer at all)

A record is counted once, when it is first known that it was overtaken, or may have been. One that may be in the stream
already, from a try of which nobody knows, can only be `unknown`; so can one whose partition went meanwhile, for its
next owner may have landed it. One that can never land is overtaken by nobody.
So what is counted as refused and reordered has happened, and nothing else has but within what is counted as unknown.

Sequence numbers: "a unique identifier per shard", which ascend in the order in which the shard took the records
(https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html); so they are compared within a shard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import lt, ne, or_

from doka.domain.errors import invariant
from doka.domain.events import Landings, PutAnswered
from doka.domain.sending.put import LaneOf, Put
from doka.domain.verdicts import Verdict, of_entry

REFUSED, REORDERED, UNKNOWN = "refused", "reordered", "unknown"


def count_breaks(put: Put, answer: PutAnswered | None) -> Mapping[str, int]:
    """Count the records of a request that were overtaken, by cause; `answer` is None where nobody knows what landed.

    To be called before what landed is settled, and for a request that holds several records of a key.
    """
    told: Counter[str] = Counter()
    if answer is None:
        for lane, entries in _by_lane(put).items():
            _count(told, lane, entries, lambda _: Verdict.AMBIGUOUS, None)
        return told
    failed, landings = answer.failed, answer.landings
    invariant(landings is not None, f"the answer to put {put.number} tells no sequence numbers")
    if not failed and landings is not None and in_order(put.keys, landings):
        return told

    def verdict(entry: int) -> Verdict | None:
        code = failed.get(entry)
        return None if code is None else of_entry(code)

    for lane, entries in _by_lane(put).items():
        _count(told, lane, entries, verdict, landings)
    return told


def in_order(keys: Sequence[str], landings: Landings) -> bool:
    """Say whether neighbours of one key landed one behind the other, as far as C loops can say it; nothing failed."""
    numbers = landings.numbers
    if len(set(map(len, numbers))) > 1:  # digits of one length ascend as texts do
        return False
    return all(map(or_, map(ne, keys, islice(keys, 1, None)), map(lt, numbers, islice(numbers, 1, None))))


def _by_lane(put: Put) -> dict[LaneOf, list[tuple[int, int]]]:
    """Give the entries of each lane, each with its offset, in order."""
    found: dict[LaneOf, list[tuple[int, int]]] = {}
    entry = 0
    for chunk, places, _ in put.parts:
        for place in places:
            found.setdefault((chunk.owner, put.keys[entry]), []).append((entry, chunk.offsets[place]))
            entry += 1
    return found


def _count(
    told: Counter[str],
    lane: LaneOf,
    entries: Sequence[tuple[int, int]],
    verdict_of: Callable[[int], Verdict | None],
    landings: Landings | None,
) -> None:
    """Count what was overtaken in one lane, from its last entry to its first, and note what is in doubt from now on."""
    owner, key = lane
    doubts = owner.lanes.doubts(key)
    if doubts is None:
        return  # it is alone, and stays so until it is settled
    least: dict[str, int] = {}  # of each shard, the lowest sequence number of a later record
    landed = may_have = False
    for entry, offset in reversed(entries):
        verdict, cause = verdict_of(entry), None
        if verdict is None:
            if landings is not None:
                shard, number = landings.shards[entry], int(landings.numbers[entry])
                lowest = least.get(shard, number)
                least[shard] = min(number, lowest)
                cause = REORDERED if lowest < number else None
            cause = cause or (UNKNOWN if may_have else None)
            landed = True
        elif verdict is Verdict.AMBIGUOUS:
            cause = UNKNOWN if landed or may_have else None
            may_have = True
        elif verdict is not Verdict.SEARCH:
            cause = REFUSED if landed else UNKNOWN if may_have else None
        doubt = doubts.get(offset)
        if cause is not None and not doubt:
            told[UNKNOWN if doubt is False or owner.gone else cause] += 1
            doubts[offset] = True
        elif verdict is Verdict.AMBIGUOUS and doubt is None:
            doubts[offset] = False
