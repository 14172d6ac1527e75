from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from doka.adapters.aws.codes import CODE_PATTERN
from doka.adapters.aws.kinesis.answers import last_block, read_answer, read_header, safe_message
from doka.domain.events import Landings, PutAmbiguous, PutAnswered, PutRefused
from tests.unit.adapters.aws.kinesis.leases import TOKEN
from tests.unit.adapters.aws.kinesis.reference import ARN, reference

PUT = 7
ENTRIES = 3
UNREADABLE = PutAmbiguous(PUT, "unreadable_answer")
LANDED = {"SequenceNumber": "49", "ShardId": "shardId-000000000000"}
SLOW = "ProvisionedThroughputExceededException"
THROTTLED: dict[str, object] = {"ErrorCode": SLOW, "ErrorMessage": "Rate exceeded"}
RECORDS: list[dict[str, object]] = [{"Data": b"", "PartitionKey": "0"}] * ENTRIES


def head_of(headers: Mapping[str, str], status: int = 200) -> bytes:
    """Give a header block as libcurl hands it over."""
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def read(
    status: int, body: object, headers: Mapping[str, str] | None = None
) -> PutAnswered | PutRefused | PutAmbiguous:
    """Read an answer to a put of three entries; a body that is no bytes goes through JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_answer(PUT, ENTRIES, status, head_of(headers or {}, status), raw)


def read_by_boto3(status: int, body: bytes, headers: Mapping[str, str]) -> PutAnswered | PutRefused | PutAmbiguous:
    """Say what follows from boto3's own reading of the same answer, by the rules that stand above `read_answer`."""
    try:
        answer = reference().put(RECORDS, ("StreamARN", ARN), status=status, body=body, headers=headers)
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        readable = CODE_PATTERN.fullmatch(code) is not None
        if status < 500:
            return PutRefused(PUT, code) if readable else PutAmbiguous(PUT, f"http_{status}")
        return PutAmbiguous(PUT, code if readable else f"http_{status}")
    except (BotoCoreError, ResponseParserError, AttributeError, TypeError, ValueError, RecursionError):
        return PutAmbiguous(PUT, "what boto3 itself stumbles over")
    results: list[dict[str, Any]] = answer.get("Records", [])
    failed = {index: result["ErrorCode"] for index, result in enumerate(results) if "ErrorCode" in result}
    numbers = [result["SequenceNumber"] for result in results if "SequenceNumber" in result]
    sound = (
        len(results) == ENTRIES
        and all(isinstance(number, str) and re.fullmatch("[0-9]{1,129}", number) for number in numbers)
        and all(isinstance(code, str) and CODE_PATTERN.fullmatch(code) for code in failed.values())
        and all(("ErrorCode" in result) != ("SequenceNumber" in result) for result in results)
        and all(isinstance(result.get("ErrorCode", result.get("SequenceNumber")), str) for result in results)
        and answer.get("FailedRecordCount", len(failed)) == len(failed)
    )
    return PutAnswered(PUT, failed) if sound else PutAmbiguous(PUT, "not sound")


words = st.one_of(st.none(), st.just(""), st.text(max_size=5), st.integers(), st.just("49"), st.just("InternalFailure"))
results = st.one_of(
    st.just(LANDED),
    st.just(LANDED),
    st.just(THROTTLED),
    st.dictionaries(
        st.sampled_from(["SequenceNumber", "ShardId", "ErrorCode", "ErrorMessage", "New"]), words, max_size=4
    ),
)
answers = st.fixed_dictionaries(
    {"Records": st.lists(results, min_size=2, max_size=4)},
    optional={"FailedRecordCount": st.one_of(st.integers(-1, 4), st.none()), "EncryptionType": st.just("KMS")},
).map(lambda answer: json.dumps(answer).encode())
whole_answers = st.lists(st.sampled_from([LANDED, THROTTLED]), min_size=ENTRIES, max_size=ENTRIES).map(
    lambda chosen: json.dumps({"FailedRecordCount": chosen.count(THROTTLED), "Records": chosen}).encode()
)
garbage = st.one_of(
    st.binary(max_size=20),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=4).map(
        lambda value: json.dumps(value).encode()
    ),
    whole_answers.map(lambda body: body[:-7]),
    st.just(b"[" * 100_000),
)


@st.composite
def nearly_landed(draw: st.DrawFn) -> bytes:
    """Give an answer as the service writes it, in which all landed, with a few of its bytes put out of place."""
    answer = {"FailedRecordCount": 0, "Records": [LANDED] * draw(st.integers(2, 4))}
    if draw(st.booleans()):
        answer = {"EncryptionType": "KMS", **answer}
    body = json.dumps(answer, separators=(",", ":")).encode()
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, len(body)))
        end = draw(st.integers(begin, min(begin + 3, len(body))))
        body = (
            body[:begin]
            + draw(st.sampled_from([b"", b"1", b",", b'"', b"}", b"],[", b" ", body[end:begin:-1]]))
            + body[end:]
        )
    return body


@settings(max_examples=600, deadline=None)
@given(body=st.one_of(answers, whole_answers, nearly_landed(), garbage))
def test_every_answer_of_200_is_read_as_boto3_reads_it(body: bytes) -> None:
    """Whole, partial, contradictory, cut or garbled: settled and failed entries are boto3's, all else is ambiguous."""
    expected, actual = read_by_boto3(200, body, {}), read(200, body)
    assert type(expected) is type(actual)
    if isinstance(expected, PutAnswered) and isinstance(actual, PutAnswered):
        assert dict(expected.failed) == dict(actual.failed)


codes = st.one_of(
    st.sampled_from(
        [
            "ExpiredTokenException",
            "com.amazonaws.kinesis.v20131202#ResourceNotFoundException",
            "InternalFailure:http://internal.amazon.com/",
            "aws.v1#KMSThrottlingException:http://x",
            "",
        ]
    ),
    st.text(max_size=8),
    st.integers(),
    st.none(),
)
errors = st.dictionaries(
    st.sampled_from(["__type", "message", "Message", "code"]), st.one_of(codes, st.text(max_size=8)), max_size=3
).map(lambda error: json.dumps(error).encode())


@settings(max_examples=300, deadline=None)
@given(status=st.sampled_from([400, 403, 404, 409, 429, 500, 502, 503]), body=st.one_of(errors, garbage))
def test_every_error_is_read_as_boto3_reads_it(status: int, body: bytes) -> None:
    """A code of the service is boto3's code; where boto3 finds none, the outcome is unknown."""
    expected, actual = read_by_boto3(status, body, {}), read(status, body)
    assert type(expected) is type(actual)
    if isinstance(expected, PutRefused) and isinstance(actual, PutRefused):
        assert expected.code == actual.code
    if isinstance(expected, PutAmbiguous) and isinstance(actual, PutAmbiguous) and expected.reason[0] != "w":
        assert expected.reason == actual.reason


@settings(max_examples=100, deadline=None)
@given(
    status=st.integers(200, 599).filter(lambda status: status != 200 and not 400 <= status < 500), body=whole_answers
)
def test_a_status_that_is_neither_200_nor_4xx_is_never_a_known_outcome(status: int, body: bytes) -> None:
    """However good the body looks, a 2xx that is not 200, a redirect or a 5xx says nothing about the records."""
    assert PutAmbiguous(PUT, f"http_{status}") == read(status, body)


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        ({"FailedRecordCount": 0, "Records": [LANDED] * 3}, PutAnswered(PUT)),
        ({"Records": [LANDED] * 3}, PutAnswered(PUT)),
        (
            {"FailedRecordCount": 2, "Records": [THROTTLED, LANDED, {"ErrorCode": "InternalFailure"}]},
            PutAnswered(PUT, {0: "ProvisionedThroughputExceededException", 2: "InternalFailure"}),
        ),
        ({"FailedRecordCount": 0, "Records": [{**LANDED, "ErrorCode": None}] * 3}, PutAnswered(PUT)),
        ({"FailedRecordCount": 0, "Records": [LANDED] * 2}, PutAmbiguous(PUT, "wrong_result_count")),
        ({"FailedRecordCount": 0, "Records": [LANDED] * 4}, PutAmbiguous(PUT, "wrong_result_count")),
        ({"FailedRecordCount": 0, "Records": [LANDED, LANDED, THROTTLED]}, PutAmbiguous(PUT, "contradictory_answer")),
        ({"FailedRecordCount": 1, "Records": [LANDED] * 3}, PutAmbiguous(PUT, "contradictory_answer")),
        ({"FailedRecordCount": 0, "Records": [LANDED, LANDED, {}]}, PutAmbiguous(PUT, "contradictory_answer")),
        (
            {"FailedRecordCount": 0, "Records": [LANDED, LANDED, {**LANDED, **THROTTLED}]},
            PutAmbiguous(PUT, "contradictory_answer"),
        ),
        (
            {"FailedRecordCount": 1, "Records": [LANDED, LANDED, {**LANDED, **THROTTLED}]},
            PutAmbiguous(PUT, "contradictory_answer"),
        ),
        (
            {"FailedRecordCount": 0, "Records": [LANDED, LANDED, {"SequenceNumber": 49}]},
            PutAmbiguous(PUT, "unreadable_answer"),
        ),
        *(
            ({"FailedRecordCount": 0, "Records": [LANDED, other, {"SequenceNumber": number}]}, UNREADABLE)
            for number in ("", "null", "None", "-1", "1e3", " 49", "49 ", "\N{SUPERSCRIPT TWO}", "1" * 130)
            for other in (LANDED, {**LANDED, "ErrorCode": None})
        ),
        *(
            ({"FailedRecordCount": 1, "Records": [LANDED, LANDED, {"ErrorCode": code}]}, UNREADABLE)
            for code in ("", "two words", "X" * 30_000, "Internal\ud800Failure", "InternalFailure\n", "7", 7)
        ),
        ({"FailedRecordCount": 0, "Records": [LANDED, LANDED, None]}, PutAmbiguous(PUT, "unreadable_answer")),
        ({"FailedRecordCount": 0}, PutAmbiguous(PUT, "unreadable_answer")),
        ({"__type": "ExpiredTokenException"}, PutAmbiguous(PUT, "unreadable_answer")),
        ([], PutAmbiguous(PUT, "unreadable_answer")),
        (b"", PutAmbiguous(PUT, "unreadable_answer")),
        (b'{"FailedRecordCount":0,"Records":[', PutAmbiguous(PUT, "unreadable_answer")),
        (b"<html>captive portal</html>", PutAmbiguous(PUT, "unreadable_answer")),
        (b"\xff\xfe", PutAmbiguous(PUT, "unreadable_answer")),
    ],
)
def test_an_answer_of_200_is_known_only_when_it_is_whole(answer: object, event: object) -> None:
    """Each entry has exactly one of number and code, and the count agrees; anything less is ambiguous."""
    assert event == read(200, answer)


@pytest.mark.parametrize(
    ("status", "answer", "event"),
    [
        (400, {"__type": "a.b#ExpiredTokenException"}, PutRefused(PUT, "ExpiredTokenException")),
        (403, b"<html>denied by the proxy</html>", PutAmbiguous(PUT, "http_403")),
        (400, b"", PutAmbiguous(PUT, "http_400")),
        (400, {"__type": "two words"}, PutAmbiguous(PUT, "http_400")),
        (400, {"__type": 7}, PutAmbiguous(PUT, "http_400")),
        (413, b"<html>Request Entity Too Large</html>", PutRefused(PUT, "http_413")),
        (407, b"", PutRefused(PUT, "http_407")),
        (500, {"__type": "InternalFailure"}, PutAmbiguous(PUT, "InternalFailure")),
        (503, b"<html>", PutAmbiguous(PUT, "http_503")),
        (302, b"", PutAmbiguous(PUT, "http_302")),
        (204, b"", PutAmbiguous(PUT, "http_204")),
    ],
)
def test_an_error_is_known_only_in_the_services_own_words(status: int, answer: object, event: object) -> None:
    """A 4xx needs a code, or a status that by itself excludes processing; a 5xx is never known."""
    assert event == read(status, answer)


def landing(number: object, shard: object = "s-1") -> dict[str, object]:
    """Give the result of an entry that landed there."""
    return {"SequenceNumber": number, "ShardId": shard}


@pytest.mark.parametrize(
    ("results", "event"),
    [
        (
            [landing("7"), landing("49", "s-2"), landing("50")],
            PutAnswered(PUT, {}, Landings(["s-1", "s-2", "s-1"], ["7", "49", "50"])),
        ),
        (
            [landing("7"), THROTTLED, landing("50")],
            PutAnswered(PUT, {1: SLOW}, Landings(["s-1", "", "s-1"], ["7", "", "50"])),
        ),
        ([landing("7"), landing("-8"), landing("9")], PutAmbiguous(PUT, "unreadable_answer")),
        ([landing("7"), landing(""), landing("9")], PutAmbiguous(PUT, "unreadable_answer")),
        ([landing("7"), landing("\N{SUPERSCRIPT TWO}"), landing("9")], PutAmbiguous(PUT, "unreadable_answer")),
        ([landing("7"), landing("1" * 130), landing("9")], PutAmbiguous(PUT, "unreadable_answer")),
        ([landing("7"), landing("8", None), landing("9")], PutAmbiguous(PUT, "unreadable_answer")),
        ([landing("7"), {"SequenceNumber": "8"}, landing("9")], PutAmbiguous(PUT, "unreadable_answer")),
        ([landing("7"), {"SequenceNumber": "8"}, THROTTLED], PutAmbiguous(PUT, "unreadable_answer")),
    ],
)
def test_where_entries_came_to_lie_is_read_when_asked_for(
    results: list[dict[str, object]], event: PutAnswered | PutAmbiguous
) -> None:
    """Shard and number of each entry that landed are told; by what is no number nobody can judge, so it is not believed."""
    body = json.dumps({"FailedRecordCount": results.count(THROTTLED), "Records": results}).encode()
    assert event == read_answer(PUT, ENTRIES, 200, b"", body, wants_landings=True)


def test_where_entries_came_to_lie_is_not_read_when_nobody_asks() -> None:
    """Other routes pay nothing for it, and do not depend on it."""
    body = json.dumps({"FailedRecordCount": 0, "Records": [{"SequenceNumber": "8"}] * ENTRIES}).encode()
    assert PutAnswered(PUT) == read_answer(PUT, ENTRIES, 200, b"", body)


def test_a_code_may_stand_in_the_header_alone() -> None:
    """The AWS JSON protocol allows `x-amzn-errortype`; an empty body with it is a refusal."""
    assert PutRefused(PUT, "AccessDeniedException") == read(
        400, b"", {"X-Amzn-ErrorType": "com.aws#AccessDeniedException:http://x"}
    )


def test_only_the_last_header_block_counts() -> None:
    """Headers of a proxy's or an interim answer before the real one are not the service's."""
    head = head_of({"Date": "proxy"}, 200) + head_of({"Date": "interim"}, 100) + head_of({"date": " service "}, 200)
    assert "service" == read_header(head, b"Date")
    assert b"proxy" not in last_block(head)
    assert read_header(head_of({}), b"Date") is None


@pytest.mark.parametrize(
    ("code", "message", "safe"),
    [
        ("AccessDeniedException", "User: arn:x is not\n authorized", "User: arn:x is not authorized"),
        ("ResourceNotFoundException", "Stream orders not found", "Stream orders not found"),
        ("ExpiredTokenException", "x" * 1000, "x" * 400),
        ("ValidationException", "Value 'my secret key' at 'records.1.member.partitionKey' failed", ""),
        ("SerializationException", "cannot read 'my secret key'", ""),
        ("InvalidSignatureException", f"The Canonical String should have been\nx-amz-security-token:{TOKEN}", ""),
        (
            "InvalidSignatureException",
            f"Signature expired: 20261123T034000Z is now earlier than 20261123T040000Z {TOKEN}",
            "Signature expired: 20261123T034000Z",
        ),
        ("SomethingNew", "my secret key", ""),
    ],
)
def test_words_that_could_quote_a_record_or_a_secret_are_kept_back(code: str, message: str, safe: str) -> None:
    """Only messages about principals, streams and clocks pass; those about the request may quote it."""
    assert safe == safe_message(code, message)
    refused = read(400, {"__type": code, "message": message})
    assert PutRefused(PUT, code, safe) == refused
