from __future__ import annotations

from uuid import UUID

import pytest

from doka.domain.records import TopicPartition
from doka.domain.routes import decoding as subject
from doka.domain.routes.decoding import FAILED, NOT_FRAMED, UNKNOWN, UNUSABLE, Decoding
from doka.domain.routes.fields import UNREADABLE_HEADERS
from doka.domain.schemas import HEADER, Framing, Unusable
from tests.unit.domain.builders import ORDERS, SECOND, Extras, HeadersRefused, chunk, no_jitter
from tests.unit.domain.routes.decoded import decode, framed, framed_chunk, reader

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")


def made(framing: Framing = Framing.CONFLUENT) -> Decoding:
    """Make what knows no schema yet."""
    return Decoding(decode(framing), no_jitter)


def test_a_chunk_is_known_up_to_its_first_record_without_a_schema() -> None:
    """And all that it lacks is wanted, in the order of its records, once."""
    of = made()
    of.answered({"1": reader}, 0)
    assert 2 == of.known_part(framed_chunk(1, 1, 3, 1, 2, 3), 0)
    assert ("3", "2") == of.wanted(0)
    assert () == of.wanted(0)  # while the answer is missing
    of.answered({"3": reader, "2": reader}, 0)
    assert 4 == of.known_part(framed_chunk(3, 1, 2, 3, start=2), 0)
    assert () == of.wanted(0)
    assert not of.waits


def test_values_become_json_and_the_rest_poison() -> None:
    """Each by its own schema, at its own place; a tombstone stays one, and what is no frame is none."""
    of = made()
    of.answered({"1": reader, "2": Unusable("why")}, 0)
    for _ in range(5):
        of.answered({"3": None}, 4 * SECOND)
        of.answered({"3": None}, 8 * SECOND)
    values = [framed(1, "a"), None, framed(1, "bad"), framed(2), framed(3), b"", b"{}", b"\x00\x00", framed(1, "b")]
    given = chunk("abcdefghi", values=values)
    assert 9 == of.known_part(given, 8 * SECOND)
    poison: dict[int, str] = {}
    found = of.decoded(given, poison)
    assert [b'"a"', None, *values[2:8], b'"b"'] == found
    assert {2: FAILED, 3: UNUSABLE, 4: UNKNOWN, 5: NOT_FRAMED, 6: NOT_FRAMED, 7: NOT_FRAMED} == poison


def test_a_guid_names_a_schema_in_front_of_a_value_or_in_a_header() -> None:
    """The header comes first; a value without one says it itself, and headers that cannot be read are asked for once."""
    header, front = b"\x01" + GUID.bytes, b"\x01" + GUID.bytes + b"a"
    of = made(Framing.CONFLUENT_HEADER)
    originals = [
        Extras([(HEADER, header)]),
        Extras([("other", b"1")]),
        Extras([(HEADER, b"\x02")]),
        HeadersRefused(),
        Extras(),
    ]
    given = chunk("abcde", values=[b"a", front, b"a", b"a", None], originals=originals)
    for _ in range(2):
        assert 0 == of.known_part(given, 0)
    assert (str(GUID),) == of.wanted(0)
    of.answered({str(GUID): reader}, 0)
    part = given.part(0, 3)
    assert 3 == of.known_part(part, 0)
    poison: dict[int, str] = {}
    assert [b'"a"', b'"a"', b"a"] == of.decoded(part, poison)
    assert {2: NOT_FRAMED} == poison
    rest, poison = given.part(3, 5), {}
    assert 2 == of.known_part(rest, 0)
    assert [b"a", None] == of.decoded(rest, poison)
    assert {0: UNREADABLE_HEADERS} == poison


def test_a_packed_payload_is_told_to_its_reader() -> None:
    """Glue's frames name a schema, and whether what stands behind it is compressed."""
    of = made(Framing.GLUE)
    of.answered({str(GUID): reader}, 0)
    values = [b"\x03\x05" + GUID.bytes + b"a", b"\x03\x00" + GUID.bytes + b"b", framed(1)]
    poison: dict[int, str] = {}
    assert [b'"a-packed"', b'"b"', framed(1)] == of.decoded(chunk("abc", values=values), poison)
    assert {2: NOT_FRAMED} == poison


def test_a_schema_is_absent_only_after_it_was_said_for_seconds() -> None:
    """A registry that follows another may not have it yet; then it is asked again after a minute, and may be there."""
    of = made()
    given = framed_chunk(1)
    assert 0 == of.known_part(given, 0)
    for second in range(3):
        assert ("1",) == of.wanted(second * SECOND)
        assert {} == of.answered({"1": None}, second * SECOND)
        assert () == of.wanted(second * SECOND)
        assert (second + 1) * SECOND == of.next_wake()
        assert 0 == of.known_part(given, second * SECOND)
    assert ("1",) == of.wanted(3 * SECOND)
    assert {"1": None} == of.answered({"1": None}, 3 * SECOND)
    assert 1 == of.known_part(given, 3 * SECOND)
    assert 0 == of.known_part(framed_chunk(1, start=9), 63 * SECOND)
    assert ("1",) == of.wanted(63 * SECOND)
    assert {"1": reader} == of.answered({"1": reader}, 63 * SECOND)
    assert 1 == of.known_part(framed_chunk(1, start=9), 63 * SECOND)


def test_a_registry_that_fails_is_asked_again_after_a_backoff() -> None:
    """The first failure is nobody's business, the second one is; an answer ends it."""
    of = made()
    of.known_part(framed_chunk(1), 0)
    assert ("1",) == of.wanted(0)
    assert of.next_wake() is None
    assert not of.refused(0)
    again = of.next_wake()
    assert again is not None
    assert 0 < again < SECOND
    assert () == of.wanted(again - 1)
    assert ("1",) == of.wanted(again)
    assert of.refused(again)
    later = of.next_wake()
    assert later is not None
    assert later > again
    assert ("1",) == of.wanted(later)
    of.answered({"1": reader}, later)
    of.known_part(framed_chunk(2), later)
    assert ("2",) == of.wanted(later)
    assert not of.refused(later)


def test_the_next_question_is_that_for_which_it_is_time_first() -> None:
    """One schema in doubt does not put off another that was never asked for, and one that is absent is asked for in its time."""
    of = made()
    of.known_part(framed_chunk(1), 0)
    assert ("1",) == of.wanted(0)
    of.answered({"1": None}, 0)
    of.known_part(chunk("a", partition=TopicPartition("orders", 1), values=[framed(2)]), 0)
    assert 0 == of.next_wake()
    assert ("2",) == of.wanted(0)
    of.refused(0)
    again = of.next_wake()
    assert again is not None
    assert 0 < again < SECOND
    assert ("2",) == of.wanted(again)
    of.answered({"2": reader}, again)
    assert SECOND == of.next_wake()
    for second in range(1, 4):
        of.answered({"1": None}, second * SECOND)
    assert 63 * SECOND == of.next_wake()


def test_what_waits_of_a_partition_that_went_is_not_asked_for() -> None:
    """Whoever has it now asks himself."""
    of = made()
    of.known_part(framed_chunk(1), 0)
    other = TopicPartition("orders", 1)
    of.known_part(chunk("a", partition=other, values=[framed(2)]), 0)
    of.forget(ORDERS)
    assert ("2",) == of.wanted(0)
    of.forget(other)
    assert not of.waits
    assert of.next_wake() is None


def test_schemas_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was used least lately is forgotten, and asked for again; so are those that are not there."""
    monkeypatch.setattr(subject, "SCHEMAS_MAX", 3)
    of = made()
    of.answered({"1": reader, "2": reader, "3": reader}, 0)
    of.decoded(framed_chunk(1), {})
    of.answered({"4": reader}, 0)
    assert 3 == of.schemas
    assert [1, 0, 1, 1] == [of.known_part(framed_chunk(schema, start=schema), 0) for schema in (1, 2, 3, 4)]
    for second in (0, 4):
        of.answered({str(schema): None for schema in range(10, 15)}, second * SECOND)
    assert [0, 0, 1, 1, 1] == [
        of.known_part(framed_chunk(schema, start=schema), 4 * SECOND) for schema in range(10, 15)
    ]


def test_one_question_has_an_end() -> None:
    """What does not fit into it is asked for next."""
    of = made()
    of.known_part(framed_chunk(*range(1, 41)), 0)
    asked = of.wanted(0)
    assert subject.ASKED_MAX == len(asked)
    of.answered(dict.fromkeys(asked, reader), 0)
    assert 32 == of.known_part(framed_chunk(*range(1, 41)), 0)
    assert 8 == len(of.wanted(0))


def test_a_command_asks_and_waits() -> None:
    """Until it has an answer for each; what is absent it believes at once."""
    asked: list[tuple[str, ...]] = []

    def ask(schemas: tuple[str, ...]) -> dict[str, object]:
        asked.append(schemas)
        return {schemas[0]: None if schemas[0] == "2" else reader}

    of = made()
    given = framed_chunk(1, 2, 3)
    of.fill(given, ask)  # type: ignore[arg-type]  # of these readers
    poison: dict[int, str] = {}
    assert [b'"x"', framed(2), b'"x"'] == of.decoded(given, poison)
    assert {1: UNKNOWN} == poison
    of.fill(given, ask)  # type: ignore[arg-type]
    assert [("1", "2", "3"), ("2", "3"), ("3",)] == asked
