"""What an answer to PutRecords means, read as boto3 reads it and trusted less than boto3 trusts it.

    200, n results, each with a sequence number or an error code    PutAnswered
    4xx with an error code of the service                           PutRefused
    4xx that by definition was turned away before it was processed  PutRefused, code http_<status>
    5xx                                                             PutAmbiguous: it may have landed first
    everything else                                                 PutAmbiguous

«Everything else» is a 200 with the wrong number of results, with a result that says neither or both, with a count of
failures that contradicts the results, a body that is not the JSON it should be, and a 4xx of some proxy:
a box that answers with its own page may have passed the request on before.
It must never report an unknown outcome as a known one, and never hand on words of the service that could quote a
record or a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from operator import itemgetter
from typing import Any

import orjson

from doka.adapters.aws.codes import read_code
from doka.domain.events import Landings, PutAmbiguous, PutAnswered, PutRefused

NEVER_PROCESSED = frozenset({407, 411, 413, 414, 417, 421, 431})
"""Statuses that say that a request was turned away by its form or its way (RFC 9110), whoever says it."""

QUOTES_NOTHING = re.compile(
    r"AccessDenied|ExpiredToken|UnrecognizedClient|ResourceNotFound|ResourceInUse|KMS|Throttling|LimitExceeded"
    r"|ProvisionedThroughputExceeded|InternalFailure|ServiceUnavailable|OptInRequired|DryRunOperation",
)
"""Codes whose message names principals, actions and streams, never a part of the request's body or its headers.

A validation message quotes the partition key; one about the signature can quote the session token.
"""

_RESULT = b'"SequenceNumber":"'
_LANDED = rb'\{"SequenceNumber":"[0-9]++","ShardId":"shardId-[0-9]++"\}'
ALL_LANDED = re.compile(
    rb'\{(?:"EncryptionType":"[A-Z]++",)?+"FailedRecordCount":0,"Records":\[%b(?:,%b)*+\]\}' % (_LANDED, _LANDED)
)
"""An answer to records that all landed, written without a space: matching it costs half of what reading it does.

The whole body is matched, so what fits can be read in one way only, and each result in it has its number and no error.
"""

SKEW_WORDS = re.compile(r"Signature (?:expired|not yet current): [0-9TZ]{8,20}")
MESSAGE_CHARACTERS_MAX = 400

SEQUENCE_DIGITS_MAX = 129
"""Of a sequence number: 0|([1-9]\\d{0,128}), https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html."""

_sequence_number, _shard = itemgetter("SequenceNumber"), itemgetter("ShardId")


def read_answer(
    put: int, entries: int, status: int, head: bytes, body: bytes, *, wants_landings: bool = False
) -> PutAnswered | PutRefused | PutAmbiguous:
    """Give the meaning of a whole answer to a put of `entries` entries; `head` is its header block as received.

    `wants_landings`: tell where each entry came to lie; an answer that does not say it is not believed.
    """
    if status == HTTPStatus.OK:
        return _read_results(put, entries, body, wants_landings=wants_landings)
    code, message = read_error(head, body)
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        if code is not None:
            return PutRefused(put, code, safe_message(code, message))
        if status in NEVER_PROCESSED:
            return PutRefused(put, f"http_{status}")
    if code is None or status < HTTPStatus.INTERNAL_SERVER_ERROR:
        code = f"http_{status}"
    return PutAmbiguous(put, code)


def _read_results(put: int, entries: int, body: bytes, *, wants_landings: bool) -> PutAnswered | PutAmbiguous:
    if not wants_landings and ALL_LANDED.fullmatch(body) and body.count(_RESULT) == entries:
        return PutAnswered(put)
    try:
        answer = orjson.loads(body)
        results = answer["Records"]
        # Nothing failed, told in another form: C loops prove that each entry has its number, and none an error.
        if answer["FailedRecordCount"] == 0 and len(results) == entries and b"ErrorCode" not in body:
            numbers = list(map(_sequence_number, results))
            if not wants_landings:
                return PutAnswered(put) if are_numbers(numbers) else PutAmbiguous(put, "unreadable_answer")
            return _landed(put, {}, list(map(_shard, results)), numbers)
    except (ValueError, TypeError, KeyError, IndexError):
        pass
    return _read_each_result(put, entries, body, wants_landings=wants_landings)


def _read_each_result(put: int, entries: int, body: bytes, *, wants_landings: bool) -> PutAnswered | PutAmbiguous:
    try:
        answer = json.loads(body.decode())
    except (ValueError, RecursionError):
        return PutAmbiguous(put, "unreadable_answer")
    results = answer.get("Records") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        return PutAmbiguous(put, "unreadable_answer")
    if len(results) != entries:
        return PutAmbiguous(put, "wrong_result_count")
    failed: dict[int, str] = {}
    for index, result in enumerate(results):
        if not isinstance(result, dict):
            return PutAmbiguous(put, "unreadable_answer")
        number, code = result.get("SequenceNumber"), result.get("ErrorCode")
        if (number is None) == (code is None):  # neither, or both; JSON's null is absence, as it is to boto3
            return PutAmbiguous(put, "contradictory_answer")
        if code is None:
            if not are_numbers([number]):
                return PutAmbiguous(put, "unreadable_answer")
        elif read_code(code) is None:
            return PutAmbiguous(put, "unreadable_answer")
        else:
            failed[index] = code
    told = answer.get("FailedRecordCount")
    if told is not None and told != len(failed):
        return PutAmbiguous(put, "contradictory_answer")
    if not wants_landings:
        return PutAnswered(put, failed)
    shards, numbers = ([result.get(name) for result in results] for name in ("ShardId", "SequenceNumber"))
    return _landed(put, failed, shards, numbers)


def _landed(put: int, failed: Mapping[int, str], shards: list[Any], numbers: list[Any]) -> PutAnswered | PutAmbiguous:
    """Give an answer with the places of its entries; order cannot be judged by what is no number."""
    for index in failed:
        shards[index], numbers[index] = "", "0"
    if not are_numbers(numbers) or set(map(type, shards)) != {str}:
        return PutAmbiguous(put, "unreadable_answer")
    for index in failed:
        numbers[index] = ""
    return PutAnswered(put, failed, Landings(shards, numbers))


def are_numbers(numbers: list[Any]) -> bool:
    """Tell whether all of these, at least one, can be sequence numbers; C loops, for it is asked of every entry."""
    try:
        digits = "".join(numbers)
        sizes = set(map(len, numbers))
    except TypeError:
        return False
    return digits.isascii() and digits.isdigit() and 0 not in sizes and max(sizes) <= SEQUENCE_DIGITS_MAX


def read_header(head: bytes, name: bytes) -> str | None:
    """Give one header of the last block in `head` (a proxy's or an interim answer may stand before); None without it."""
    found = re.search(rb"\r\n" + re.escape(name) + rb":[ \t]*([^\r\n]*)", last_block(head), re.IGNORECASE)
    return found.group(1).decode("latin-1").strip() if found else None


def last_block(head: bytes) -> bytes:
    """Give the header block of the final answer alone."""
    return head.rstrip(b"\r\n").rsplit(b"\r\n\r\n", 1)[-1]


def read_error(head: bytes, body: bytes) -> tuple[str | None, str]:
    """Give (error code, message) as botocore finds them; the code is None where there is none of the service.

    As in the AWS JSON protocol the code may also stand in the header `x-amzn-errortype`, which botocore passes over.
    """
    try:
        answer = json.loads(body.decode()) if body else {}
    except (ValueError, RecursionError):
        answer = {}
    error: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    code = error.get("__type") or read_header(head, b"x-amzn-errortype")
    if not isinstance(code, str):
        return None, ""
    code = code.split(":", 1)[0].rsplit("#", 1)[-1]
    message = error.get("message", error.get("Message", ""))
    return read_code(code), message if isinstance(message, str) else ""


def safe_message(code: str, message: str) -> str:
    """Give as much of the service's words as cannot hold a key, a payload or a token, on one line."""
    if QUOTES_NOTHING.match(code):
        return " ".join(message.split())[:MESSAGE_CHARACTERS_MAX]
    skew = SKEW_WORDS.match(message)
    return skew.group() if skew else ""
