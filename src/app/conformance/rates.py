"""The cases of a shard that is given more than it takes: which entries are refused, by which codes, and what becomes of order.

Each refused entry must be none that landed, and each number must stand for the record at its place in the request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from doka.app.conformance.bench import AGAIN_NS, PATIENCE_NS, Bench, Entry, NotJudgedError, told
from doka.app.conformance.case import (
    EVERY_CODE,
    LANDED_IS_TOLD,
    REFUSED_GOES_FIRST,
    RESULTS_IN_ORDER,
    SLOWED_ALONE,
    Case,
    Outcome,
    Seen,
)
from doka.domain.events import Event, PutAnswered, PutRefused
from doka.domain.limits import PUT_RECORDS_MAX
from doka.domain.verdicts import Verdict, of_entry, of_request

KIB = 1024
RECORDS_IN_A_MIB = 32
KEYS_IN_A_REQUEST = 250


def records_a_second(bench: Bench) -> Seen:
    """Send many small records at once."""
    requests = [
        [(f"burst-{number}", b"%d.%d" % (number, place)) for place in range(PUT_RECORDS_MAX)]
        for number in range(bench.amounts.burst_requests)
    ]
    return _burst(bench, "burst-", requests)


def bytes_a_second(bench: Bench) -> Seen:
    """Send few large records at once."""
    filling = b"." * (32 * KIB - 64)
    requests = [
        [(f"bytes-{number}", b"%d.%d" % (number, place) + filling) for place in range(RECORDS_IN_A_MIB)]
        for number in range(bench.amounts.burst_mib)
    ]
    return _burst(bench, "bytes-", requests)


def _burst(bench: Bench, prefix: str, requests: Sequence[Sequence[Entry]]) -> Seen:
    """Send these all at once, and hold each result to what is in the stream."""
    answers = bench.put_all(requests)
    codes = Counter(code for answer in answers for code in _codes(answer))
    unknown = sorted(code for code in codes if _is_unknown(code))
    count = sum(map(len, requests))
    landed, refused, doubled = _placed(requests, answers)
    read = {record.number: record.data for record in bench.landed(prefix)}
    held = set(read.values())
    misplaced = sum(read.get(number) != data for number, data in landed.items())
    lied = sum(data in held for data in refused)
    named = ", ".join(f"{number} by {code}" for code, number in sorted(codes.items()))
    answered = f"{count} records at once: {len(landed) + doubled} have a number{f', refused {named}' if named else ''}"
    if misplaced or doubled or lied:
        said = (
            f"{doubled} numbers are not unique, {misplaced} are not those of the record, {lied} landed though refused"
        )
        return Seen(
            Outcome.FAILS, f"{answered}; {said}", "what an answer says is not so: records could be lost or doubled"
        )
    if unknown:
        return Seen(Outcome.FAILS, answered, f"doka does not know {', '.join(unknown)} as throttling: report it")
    if not codes:
        return Seen(Outcome.OPEN, answered, "nothing was throttled, so nothing is known of how it would be told")
    return Seen(
        Outcome.HOLDS,
        f"{answered}; read back, each result is that of the entry at its place",
        "exactly what was refused goes again, at a pace of the shard's own",
    )


def _codes(answer: Event) -> Sequence[str]:
    """Give the codes of the entries of an answer that did not land; of a whole request one for all."""
    match answer:
        case PutAnswered(failed=failed):
            return list(failed.values())
        case PutRefused(code=code):
            return [f"{code} (whole request)"]
        case _:
            raise NotJudgedError(f"a request was not answered: {told(answer)}")


def _is_unknown(code: str) -> bool:
    whole = code.removesuffix(" (whole request)")
    verdict = of_entry(code) if whole == code else of_request(whole)
    return verdict not in {Verdict.THROTTLED, Verdict.AMBIGUOUS, Verdict.RETRY}


def _placed(requests: Sequence[Sequence[Entry]], answers: Sequence[Event]) -> tuple[dict[str, bytes], list[bytes], int]:
    """Give the data by sequence number, as the answers have it, the data of what they refuse for certain, and doubled numbers."""
    landed: dict[str, bytes] = {}
    refused: list[bytes] = []
    doubled = 0
    for entries, answer in zip(requests, answers, strict=True):
        if isinstance(answer, PutAnswered) and answer.landings is not None:
            for place, (_, data) in enumerate(entries):
                if place not in answer.failed:
                    doubled += answer.landings.numbers[place] in landed
                    landed[answer.landings.numbers[place]] = data
                elif of_entry(answer.failed[place]) is Verdict.THROTTLED:
                    refused.append(data)
        else:
            refused += [data for _, data in entries]
    return landed, refused, doubled


def order_while_throttled(bench: Bench) -> Seen:
    """Send records of many keys as the service does under `ordering: key`: one of a key under way, what was refused first."""
    amounts = bench.amounts
    keys = [f"order-{number}" for number in range(amounts.keys)]
    nexts = dict.fromkeys(keys, 0)
    refused, gives_up_at = 0, bench.clock.now() + PATIENCE_NS
    while left := [key for key in keys if nexts[key] < amounts.rounds]:
        requests = [
            [(key, b"%d" % nexts[key]) for key in left[start : start + KEYS_IN_A_REQUEST]]
            for start in range(0, len(left), KEYS_IN_A_REQUEST)
        ]
        throttled = 0
        for entries, answer in zip(requests, bench.put_all(requests), strict=True):
            if isinstance(answer, PutAnswered):
                throttled += len(answer.failed)
                for place, (key, _) in enumerate(entries):
                    nexts[key] += place not in answer.failed
            else:
                throttled += len(entries)
        refused += throttled
        if bench.clock.now() > gives_up_at:
            raise NotJudgedError("the records did not all land within a minute")
        if throttled:
            bench.parts.pause(AGAIN_NS)
    found: dict[str, list[int]] = {}
    for record in bench.landed("order-"):
        found.setdefault(record.key, []).append(int(record.data))
    firsts = [list(dict.fromkeys(found.get(key, []))) for key in keys]
    lost = sum(amounts.rounds - len(first) for first in firsts)
    wrong = sum(sorted(first) != first for first in firsts)
    count = amounts.keys * amounts.rounds
    answered = f"{count} records of {amounts.keys} keys, {refused} refused on the way: {wrong} keys are out of order"
    if lost:
        return Seen(
            Outcome.FAILS, f"{answered}, {lost} records are not there", "what an answer calls landed can be lost"
        )
    if wrong:
        return Seen(Outcome.FAILS, answered, "the order of keys is not kept while a shard throttles")
    if not refused:
        return Seen(Outcome.OPEN, answered, "nothing was throttled, so it is not known of throttling")
    return Seen(Outcome.HOLDS, answered, "the order of each key is kept while the shard throttles")


CASES = (
    Case(
        "records_a_second",
        "some thousand small records at once, where a shard takes 1,000 a second",
        (RESULTS_IN_ORDER, LANDED_IS_TOLD, EVERY_CODE),
        records_a_second,
    ),
    Case(
        "bytes_a_second",
        "several MiB at once, where a shard takes 1 MiB a second",
        (RESULTS_IN_ORDER, EVERY_CODE, SLOWED_ALONE),
        bytes_a_second,
    ),
    Case(
        "order_while_throttled",
        "records of many keys faster than the shard takes them, what is refused sent again first",
        (REFUSED_GOES_FIRST, SLOWED_ALONE),
        order_while_throttled,
    ),
)
