"""The cases of limits: exactly the limit must be taken, for doka sends it; what is above must land nothing.

What is above a limit doka never sends, unless the stream was changed since the route began; how it is refused decides
whether the record is then found and told, or the route blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from doka.app.conformance.bench import TAKEN, Bench, Entry, NotJudgedError, RefusedError, told
from doka.app.conformance.case import HASH_KEYS, LIMITS_AT_START, REFUSED_IS_NOT_LANDED, TOMBSTONES, Case, Outcome, Seen
from doka.domain.events import Event, PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from doka.domain.limits import PARTITION_KEY_CHARACTERS_MAX, PUT_BYTES_MAX, PUT_RECORDS_MAX, RECORD_BYTES_DEFAULT
from doka.domain.verdicts import Verdict, of_entry, of_request

Make = Callable[[Bench, str], Sequence[Entry]]
"""Makes the entries of a request; their keys begin with the word that is given."""


def at(make: Make, prefix: str, bench: Bench) -> Seen:
    """Send what is exactly at a limit: it must land."""
    entries = make(bench, prefix)
    try:
        bench.settle(entries)
    except RefusedError as refused:
        return Seen(Outcome.FAILS, str(refused), f"doka sends as much: {_follows(refused.code)}")
    if set(entries) - {(record.key, record.data) for record in bench.landed(prefix)}:
        return Seen(
            Outcome.FAILS, f"{TAKEN}, and what was read back is not what was sent", "a record is changed on its way"
        )
    return Seen(Outcome.HOLDS, f"{TAKEN}, and read back as it was sent", "doka sends as much")


def whole_request(make: Make, prefix: str, bench: Bench) -> Seen:
    """Send a request of exactly the limit, of which a shard takes only a part at once: it must not be refused as a whole."""
    answer = bench.put(make(bench, prefix))
    if isinstance(answer, PutRefused) and of_request(answer.code) is not Verdict.THROTTLED:
        searched = of_request(answer.code) is Verdict.SEARCH
        follows = "it is searched, and its records land in smaller ones" if searched else _follows(answer.code)
        return Seen(
            Outcome.FAILS, told(answer), f"doka sends as much: {follows}; lower limits.request_mib to what is taken"
        )
    if isinstance(answer, PutAmbiguous | PutUnsent):
        raise NotJudgedError(told(answer))
    return Seen(Outcome.HOLDS, told(answer), "doka sends as much; what a shard throttles of it goes again")


def above(make: Make, prefix: str, bench: Bench) -> Seen:
    """Send what is just above a limit: it must be refused, and nothing of it land."""
    answer = bench.put(make(bench, prefix))
    landed = len(bench.landed(prefix))
    if isinstance(answer, PutUnsent | PutAmbiguous):
        words = "it is sent again, and could come twice" if landed else "it is sent again until somebody looks"
        said = f"{told(answer)}; {landed} records of it are in the stream"
        return Seen(Outcome.DIFFERS, said, f"doka never sends such a request; if it did: {words}")
    if _code(answer) is None:
        return Seen(Outcome.DIFFERS, f"{told(answer)}: the limit is higher here", "doka keeps to the documented limit")
    if landed and isinstance(answer, PutRefused):
        return Seen(
            Outcome.FAILS,
            f"{told(answer)}, and {landed} records of it are in the stream",
            "what was refused would come twice",
        )
    code = _code(answer) or ""
    verdict = of_request(code) if isinstance(answer, PutRefused) else of_entry(code)
    if verdict is Verdict.SEARCH:
        others = "" if isinstance(answer, PutRefused) else " for this entry alone"
        return Seen(Outcome.HOLDS, f"{told(answer)}; nothing of it landed", f"doka would search for the record{others}")
    return Seen(
        Outcome.DIFFERS,
        f"{told(answer)}; nothing of it landed",
        f"doka never sends such a request; if it did: {_follows(code)}",
    )


def hash_keys(bench: Bench) -> Seen:
    """Send records with the least and the greatest explicit hash key, as aggregates have one."""
    answer = bench.put([("hash-0", b"0"), ("hash-1", b"1")], hash_keys=["0", str(2**128 - 1)])
    if isinstance(answer, PutAnswered) and not answer.failed:
        return Seen(Outcome.HOLDS, TAKEN, "aggregates may lie at both ends of the hash space")
    if isinstance(answer, PutAmbiguous | PutUnsent):
        return Seen(Outcome.FAILS, told(answer), "with `aggregation.enabled` such an aggregate would be sent for ever")
    return Seen(Outcome.FAILS, told(answer), "do not enable aggregation on this stream")


def _code(answer: Event) -> str | None:
    if isinstance(answer, PutRefused):
        return answer.code
    codes = list(answer.failed.values()) if isinstance(answer, PutAnswered) else []
    return codes[0] if codes else None


def _follows(code: str) -> str:
    """Say what doka does where it meets this code."""
    return {
        Verdict.SEARCH: "the record is found and told as poison, for `on_poison` to decide",
        Verdict.BLOCKED: "the route blocks, loudly",
        Verdict.DENIED: "the route blocks, loudly",
        Verdict.LEASE: "the lease is renewed, and it is sent again",
    }.get(of_request(code), "it is sent again")


# --- what is sent ------------------------------------------------------------------------------------------------------


def _record(more: int, bench: Bench, prefix: str) -> list[Entry]:
    size = bench.found.record_bytes_max - len(prefix) + more
    return [(prefix, b"r" * size)]


def _key(characters: int, letter: str, _bench: Bench, prefix: str) -> list[Entry]:
    return [(prefix + letter * (characters - len(prefix)), b"key")]


def _entries(count: int, _bench: Bench, prefix: str) -> list[Entry]:
    return [(f"{prefix}{number}", b"%d" % number) for number in range(count)]


def _bytes(more: int, bench: Bench, prefix: str) -> list[Entry]:
    size = min(bench.found.record_bytes_max, RECORD_BYTES_DEFAULT)
    full = [(f"{prefix}{number:02}", b"b" * (size - len(prefix) - 2)) for number in range(PUT_BYTES_MAX // size)]
    return full + ([(prefix, b"b" * (more - len(prefix)))] if more else [])


def _empty(_bench: Bench, prefix: str) -> list[Entry]:
    return [(prefix, b"")]


def _case(name: str, asked: str, judge: Callable[[Make, str, Bench], Seen], make: Make) -> Case:
    leans = (LIMITS_AT_START,) if judge is not above else (LIMITS_AT_START, REFUSED_IS_NOT_LANDED)
    return Case(name, asked, leans, partial(judge, make, f"{name}-"))


_KEY_MAX = PARTITION_KEY_CHARACTERS_MAX
CASES = (
    _case(
        "record_at_limit", "a record whose data and key are exactly the stream's record limit", at, partial(_record, 0)
    ),
    _case("record_above_limit", "a record one byte above it", above, partial(_record, 1)),
    _case("key_at_limit", f"a key of {_KEY_MAX} characters", at, partial(_key, _KEY_MAX, "k")),
    _case(
        "key_of_wide_characters",
        f"a key of {_KEY_MAX} characters, nearly all of four bytes each",
        at,
        partial(_key, _KEY_MAX, "\N{FISH}"),
    ),
    _case("key_above_limit", f"a key of {_KEY_MAX + 1} characters", above, partial(_key, _KEY_MAX + 1, "k")),
    Case("empty_data", "a record without data", (TOMBSTONES,), partial(at, _empty, "empty_data-")),
    _case("entries_at_limit", f"a request of {PUT_RECORDS_MAX} records", at, partial(_entries, PUT_RECORDS_MAX)),
    _case(
        "entries_above_limit",
        f"a request of {PUT_RECORDS_MAX + 1} records",
        above,
        partial(_entries, PUT_RECORDS_MAX + 1),
    ),
    Case(
        "hash_keys",
        "the explicit hash keys 0 and 2^128-1; without aggregation doka sends none",
        (HASH_KEYS,),
        hash_keys,
    ),
    _case("request_at_limit", "a request of exactly 10 MiB of data and keys", whole_request, partial(_bytes, 0)),
    _case("request_above_limit", "a request some bytes above 10 MiB", above, partial(_bytes, 32)),
)
