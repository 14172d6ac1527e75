from __future__ import annotations

import pytest
from botocore.parsers import create_parser
from botocore.session import Session

from doka.adapters.embedded.aws_answer import error_code, refusal

SHAPES = {"kinesis": ("json", "kinesis", "PutRecords"), "sts": ("query", "sts", "AssumeRole")}


@pytest.mark.parametrize("service", ["kinesis", "sts"])
def test_a_refusal_is_read_by_botocore_as_that_error(service: str) -> None:
    """Code, text and status come out of botocore's own parser, also where the text has XML's characters in it."""
    answer = refusal(service, 400, "ExpiredToken", 'it is <expired> & "over"')
    protocol, name, operation = SHAPES[service]
    shape = Session().get_service_model(name).operation_model(operation).output_shape
    assert shape is not None
    raw = {"status_code": answer.status, "headers": dict(answer.headers), "body": answer.body}
    parsed = create_parser(protocol).parse(raw, shape)
    said = (parsed["Error"]["Code"], parsed["Error"]["Message"], answer.code)
    assert said == ("ExpiredToken", 'it is <expired> & "over"', "ExpiredToken")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"__type":"ResourceNotFoundException","message":"x"}', "ResourceNotFoundException"),
        (b'{"__type":"com.amazonaws.kinesis#LimitExceededException"}', "LimitExceededException"),
        (b"{}", "Unknown"),
        (b"[]", "Unknown"),
        (b"<html>", "Unknown"),
        (b"\xff", "Unknown"),
    ],
)
def test_the_code_of_an_error_is_read(body: bytes, code: str) -> None:
    """The name behind a namespace, and Unknown for what is no error of AWS."""
    assert code == error_code(body)
