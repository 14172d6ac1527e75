from __future__ import annotations

import pytest

from doka.adapters.aws.kinesis.identity import ID_BYTES_MAX, AnswerIds, read_id


def test_an_id_is_believed_once() -> None:
    """The first answer of an id is one, each further one is a repeat, also on a fresh connection."""
    ids = AnswerIds()
    assert [None, "repeated_answer", "repeated_answer"] == [
        ids.doubt(b"a", fresh=fresh) for fresh in (False, True, False)
    ]


@pytest.mark.parametrize(("fresh", "doubt"), [(True, None), (False, "nameless_answer")])
def test_an_answer_without_an_id_needs_a_connection_of_its_own(*, fresh: bool, doubt: str | None) -> None:
    """It is believed where nothing can have been answered before it."""
    assert doubt == AnswerIds().doubt(None, fresh=fresh)


def test_at_least_as_many_as_promised_are_remembered_and_at_most_twice() -> None:
    """Memory is bounded, and the youngest are those that are kept."""
    ids = AnswerIds(remembered=100)
    for number in range(1_000):
        assert ids.doubt(b"%d" % number, fresh=False) is None
        oldest = max(0, number - 99)
        assert "repeated_answer" == ids.doubt(b"%d" % oldest, fresh=False)
    assert len(ids._young) + len(ids._old) <= 200


@pytest.mark.parametrize(
    ("head", "answer_id"),
    [
        (b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: one-two\r\nDate: x\r\n\r\n", b"one-two"),
        (b"HTTP/1.1 200 OK\r\nDate: x\r\nX-AMZN-REQUESTID:one-Two  \r\n\r\n", b"one-Two"),
        (b"HTTP/1.1 200 OK\r\nx-amzn-RequestId:\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nx-amzn-RequestId-Of: one\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nDate: x\r\n\r\n", None),
        (b"HTTP/1.1 100 Continue\r\nx-amzn-RequestId: one\r\n\r\nHTTP/1.1 200 OK\r\nDate: x\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: " + b"x" * ID_BYTES_MAX + b"\r\n\r\n", b"x" * ID_BYTES_MAX),
        (b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: " + b"x" * (ID_BYTES_MAX + 1) + b"\r\n\r\n", None),
        (b"", None),
    ],
)
def test_an_id_is_read_from_the_last_header_block(head: bytes, answer_id: bytes | None) -> None:
    """Names have no case; what is empty, too long, or of an interim answer is no id."""
    assert answer_id == read_id(head)
