"""What a consumer gets of the stream, against an oracle that remembers everything, and against readers of their own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doka.adapters.compression.gzip import GZIP
from doka.consumer import (
    WINDOW_OFFSETS,
    Envelope,
    NotAnEnvelopeError,
    Place,
    Repeats,
    StateError,
    Verdict,
    read_envelope,
    unpack,
)
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.mapping import RecordMapping
from doka.domain.rules import RouteRules
from doka.domain.sending.aggregate import encode
from tests.architecture.source_tree import ROOT
from tests.fake_aws import unfold as as_another_does

TEXTS = st.none() | st.binary(max_size=20) | st.text(max_size=20).map(str.encode)
PLACES = st.builds(Place, st.sampled_from(["a", "b"]), st.integers(0, 1), st.integers(0, 60) | st.integers(0, 1 << 62))
WINDOW = 16


class Stored:
    """A record as Kafka has it, with what a chunk does not carry."""

    def __init__(self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> None:
        self._key, self._value, self._headers = key, value, list(headers)

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes | None]]:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_700_000_000_000


def enveloped(stored: Stored, **rules_too: Any) -> bytes:
    """Give the envelope that a route of the service, with these rules, makes of a record at t[3], offset 7."""
    rules = RouteRules("r", frozenset({"t"}), "role", partition_key="constant:k", envelope=True, **rules_too)
    chunk = Chunk(TopicPartition("t", 3), (7,), (stored.key(),), (stored.value(),), originals=(stored,))
    return bytes(RecordMapping(rules, lambda: 0.0).map(chunk, 1 << 20)[1][0])


@given(
    key=TEXTS, value=TEXTS, headers=st.lists(st.tuples(st.text(max_size=5), TEXTS), max_size=3), replayed=st.booleans()
)
def test_an_envelope_gives_back_the_record(
    *, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], replayed: bool
) -> None:
    """What the service's own mapping wrote is read as the very bytes that Kafka had, marks of a replay included."""
    data = enveloped(Stored(key, value, headers), replayed=replayed)
    expected = Envelope(Place("t", 3, 7), 1_700_000_000_000, key, tuple(headers), value, replayed)
    assert expected == read_envelope(data)
    assert expected == read_envelope(json.dumps(json.loads(data) | {"newer": 1}, indent=1).encode() + b"\n")


def test_an_envelope_is_read_out_of_its_line_and_out_of_what_was_compressed() -> None:
    """A newline behind it is no matter; what is compressed the consumer decompresses, inside an aggregate too."""
    stored = Stored(b"k", b"v", [])
    plain = read_envelope(enveloped(stored))
    assert plain == read_envelope(enveloped(stored, newline=True))
    made = enveloped(stored, compression=GZIP)
    inner = unpack("k", encode(["k", "k"], [made, made], "1"))
    assert [plain, plain] == [read_envelope(gzip.decompress(data)) for _, data in inner]


GOOD = json.loads(enveloped(Stored(b"k", b"secret", [])))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"secret",
        b"[" * 100_000,
        b"\xff",
        b"[1]",
        *(json.dumps({name: GOOD[name] for name in GOOD if name != left}).encode() for left in GOOD),
        *(
            json.dumps(GOOD | wrong).encode()
            for wrong in (
                {"topic": 1},
                {"partition": "3"},
                {"offset": True},
                {"offset": -1},
                {"offset": 1 << 63},
                {"timestamp": "now"},
                {"value": 5},
                {"value": {"base64": "***"}},
                {"value": "\ud800"},
                {"headers": [["only a name"]]},
                {"headers": [[1, "secret"]]},
            )
        ),
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    """Whatever a stranger wrote is one error, whose text shows nothing of it."""
    with pytest.raises(NotAnEnvelopeError) as refused:
        read_envelope(data)
    assert "secret" not in str(refused.value)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=9), st.binary(max_size=30)), min_size=1, max_size=40))
def test_aggregates_are_taken_apart(records: list[tuple[str, bytes]]) -> None:
    """Each record of an aggregate comes in its order, as another reader gets them; what is none, or broken, is itself."""
    aggregate = encode([key for key, _ in records], [data for _, data in records], "1")
    assert records == unpack("outer", aggregate)
    others = as_another_does(aggregate)
    assert others is not None
    assert records == [(each.partition_key, each.data) for each in others]
    assert [("outer", aggregate[:-1])] == unpack("outer", aggregate[:-1])
    assert [("k", b"plain")] == unpack("k", b"plain")


class Oracle:
    """Remembers every place for ever."""

    def __init__(self) -> None:
        self.shown: set[Place] = set()
        self.tops: dict[tuple[str, int], int] = {}

    def judge(self, place: Place) -> Verdict:
        """Say what a record is, as `Repeats` should."""
        partition = place[:2]
        known = place in self.shown
        if place.offset <= self.tops.get(partition, -1) - WINDOW:
            return Verdict.UNKNOWN
        self.shown.add(place)
        self.tops[partition] = max(place.offset, self.tops.get(partition, -1))
        return Verdict.REPEAT if known else Verdict.FIRST


@given(st.lists(PLACES | st.none(), max_size=80))
def test_it_knows_exactly_what_lies_in_its_window(places: list[Place | None]) -> None:
    """Within the window nothing is forgotten and nothing invented, below it nothing is claimed, also from a state (None)."""
    repeats, oracle = Repeats(WINDOW), Oracle()
    for place in places:
        if place is None:
            repeats = Repeats.restored(repeats.state(), window=WINDOW)
        else:
            assert oracle.judge(place) == repeats.judge(place)


@given(st.lists(PLACES, max_size=40), st.lists(PLACES, max_size=40), PLACES)
def test_a_merged_state_knows_what_both_knew(one: list[Place], other: list[Place], asked: Place) -> None:
    """Of two states, a place is a repeat only if one of them was shown it, and a first only if neither was."""
    states = []
    for places in (one, other):
        repeats = Repeats(WINDOW)
        for place in places:
            repeats.judge(place)
        states.append(repeats.state())
    shown = asked in {*one, *other}
    top = max((place.offset for place in (*one, *other) if place[:2] == asked[:2]), default=-1)
    expected = (Verdict.UNKNOWN,) if asked.offset <= top - WINDOW else (Verdict.REPEAT if shown else Verdict.FIRST,)
    assert Repeats.restored(*states, window=WINDOW).judge(asked) in expected


def test_a_larger_window_does_not_know_what_was_forgotten() -> None:
    """What a smaller window let go stays unknown; what comes from then on is remembered for longer."""
    repeats = Repeats(4)
    for offset in (1, 9):
        repeats.judge(Place("t", 0, offset))
    wider = Repeats.restored(repeats.state(), window=100)
    assert [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.FIRST, Verdict.FIRST, Verdict.FIRST, Verdict.REPEAT] == [
        wider.judge(Place("t", 0, offset)) for offset in (1, 5, 6, 50, 7, 9)
    ]


def test_a_topic_made_anew_is_forgotten_when_told() -> None:
    """Its offsets are first landings again; another topic's are not."""
    repeats = Repeats()
    for topic in ("a", "b"):
        repeats.judge(Place(topic, 0, 5))
    repeats.forget("a")
    assert [Verdict.FIRST, Verdict.REPEAT] == [repeats.judge(Place(topic, 0, 5)) for topic in ("a", "b")]


def test_memory_is_bounded() -> None:
    """However many records came and however far their offsets went, a partition takes an eighth of a byte for each offset."""
    repeats = Repeats()
    for offset in (*range(0, 4 * WINDOW_OFFSETS, 997), 1 << 62, (1 << 62) + WINDOW_OFFSETS - 1):
        repeats.judge(Place("t", 0, offset))
    (window,) = repeats._windows.values()  # what it costs shows nowhere else
    assert WINDOW_OFFSETS == window.bits.bit_length()
    assert WINDOW_OFFSETS / 7 > sys.getsizeof(window.bits)


@pytest.mark.parametrize(
    "state", ["", "{}", "[]", '{"form":2,"partitions":[]}', '{"form":1,"partitions":[["t",0,0,0,"AA=="]]}']
)
def test_a_state_that_is_none_is_refused(state: str) -> None:
    """A text of somebody else, or of a later form, is one error; an empty memory would let repeats through in silence."""
    with pytest.raises(StateError):
        Repeats.restored(state)


def test_a_window_has_an_offset() -> None:
    """A window of none is refused."""
    with pytest.raises(ValueError, match="at least 1"):
        Repeats(0)


def test_it_runs_on_the_standard_library_alone() -> None:
    """An interpreter without any installed package imports it, and reads what the service wrote."""
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from doka.consumer import Repeats, read_envelope
print(Repeats().judge(read_envelope({enveloped(Stored(b"k", None, []))!r}).place).value)
print([name for name in sys.modules if name.split(".")[0] in ("boto3", "confluent_kafka", "pydantic", "socket", "threading")])
"""
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert "first\n[]\n" == ran.stdout
