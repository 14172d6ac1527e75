"""The cases of order: between the requests of a key, and inside one request."""

from __future__ import annotations

from itertools import pairwise

from doka.app.conformance.bench import Bench, NotJudgedError, told
from doka.app.conformance.case import (
    LANDED_IS_TOLD,
    LATER_IS_BEHIND,
    NO_ORDER_IN_A_REQUEST,
    NUMBERS_TELL,
    Case,
    Outcome,
    Seen,
)
from doka.domain.events import PutAnswered


def in_turn(bench: Bench) -> Seen:
    """Send one record of a key after the other, each behind the answer to the one before, beside puts of other keys.

    Those beside it take connections, so that the key's own puts come on several.
    """
    sent, numbers = [b"%06d" % number for number in range(bench.amounts.in_turn)], list[int]()
    again = 0
    for data in sent:
        request = [("turn-key", data)]
        answer, *_ = bench.put_all([request, [("turn-beside-1", data)], [("turn-beside-2", data)]])
        if isinstance(answer, PutAnswered) and not answer.failed and answer.landings is not None:
            numbers.append(int(answer.landings.numbers[0]))
        else:
            again += 1
            numbers.append(int(bench.settle(request).numbers[0]))
    landed = [record.data for record in bench.landed("turn-key")]
    first = list(dict.fromkeys(landed))
    inversions = sum(later <= earlier for earlier, later in pairwise(numbers))
    behind = f"; {again} went again" if again else ""
    answered = f"{len(sent)} puts: {inversions} sequence numbers are not above the one before{behind}"
    if sorted(first) != sent:
        return Seen(
            Outcome.FAILS, f"{answered}; {len(set(sent) - set(first))} are not in the stream", "a record is lost"
        )
    if inversions or first != sent:
        return Seen(
            Outcome.FAILS,
            answered,
            "the order of a key needs more than a round trip between its records: do not use it",
        )
    return Seen(
        Outcome.HOLDS, f"{answered}; read back in the order in which they were sent", "the order of a key is kept"
    )


def within_a_request(bench: Bench) -> Seen:
    """Send records of one key side by side in one request, and look where each came to lie."""
    behind, count = 0, 0
    placed: dict[str, bytes] = {}
    for number in range(bench.amounts.requests_of_one_key):
        entries = [(f"within-{number}", b"%06d" % place) for place in range(bench.amounts.entries_of_one_key)]
        answer = bench.put(entries)
        if not isinstance(answer, PutAnswered) or answer.landings is None:
            raise NotJudgedError(f"a request was not answered: {told(answer)}")
        landed = [(int(text), data) for text, (_, data) in zip(answer.landings.numbers, entries, strict=True) if text]
        placed |= {str(at): data for at, data in landed}
        behind += sum(later[0] <= earlier[0] for earlier, later in pairwise(landed))
        count += len(landed)
    read = {record.number: record.data for record in bench.landed("within-")}
    wrong = sum(read.get(number) != data for number, data in placed.items())
    if wrong:
        told_wrong = f"{wrong} of {count} records do not stand where the answer says"
        return Seen(Outcome.FAILS, told_wrong, "an answer's place in a request says nothing: a record could be lost")
    if behind:
        return Seen(
            Outcome.HOLDS,
            f"{behind} of {count} records lie before one that stood before them in the request",
            "as AWS says: `ordering: key` never has two of a key in one request, and `key_in_request` counts these",
        )
    return Seen(
        Outcome.HOLDS,
        f"all {count} records lie in the order of their requests, each where the answer says",
        "more than AWS promises, and nothing leans on it; `key_in_request` would count what is not so",
    )


CASES = (
    Case(
        "in_turn",
        "records of one key, each sent behind the answer to the one before, over several connections; "
        "PutRecords has no SequenceNumberForOrdering",
        (LATER_IS_BEHIND,),
        in_turn,
    ),
    Case(
        "within_a_request",
        "records of one key side by side in one request",
        (NO_ORDER_IN_A_REQUEST, NUMBERS_TELL, LANDED_IS_TOLD),
        within_a_request,
    ),
)
