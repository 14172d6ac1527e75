"""For whoever reads the stream: aggregates taken apart, envelopes read, and repeats told from first landings.

It needs the standard library alone, loads no client and opens nothing, so it runs wherever a consumer does.
It must never call a record a repeat that it was not shown before: what it cannot know it says it does not know.

What is remembered of a Kafka partition is a window of offsets, one bit each, that ends with the highest offset shown, as
receivers of IPsec know the packets that an attacker plays again (RFC 4303, section 3.4.3). Holes in the offsets, and records
of keys that stand in other shards, cost nothing and hold nothing up.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple
from zlib import compress, decompress
from zlib import error as ZlibError  # noqa: N812 - it is a class

from doka.domain.audit.aggregates import unfold
from doka.domain.audit.landed import Landed

__all__ = [
    "WINDOW_OFFSETS",
    "Envelope",
    "NotAnEnvelopeError",
    "Place",
    "Repeats",
    "StateError",
    "Verdict",
    "read_envelope",
    "unpack",
]

WINDOW_OFFSETS: Final = 131_072
"""Offsets that are remembered of a partition by default, 16 KiB: more than twice the default of `limits.ahead_records`, which
bounds how far above a record that is still to come others have landed; what is left is for offsets that are no records."""

_FORM = 1  # of the state
_OFFSETS = 1 << 63  # Kafka's are below it


class NotAnEnvelopeError(ValueError):
    """The data is not what a route with `envelope: json` writes. The text says what is wrong, and nothing of the data."""


class StateError(ValueError):
    """What should be the state of a `Repeats` is none, or one of another form."""


class Place(NamedTuple):
    """What names a record of Kafka: where it stands there."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """A record of Kafka as it was there, out of an envelope."""

    place: Place
    timestamp: int | None
    """ms since the epoch; None where Kafka had none."""
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None
    """None is a tombstone."""
    replayed: bool = False
    """`doka replay` sent it: it may come behind later records of its key."""


class Verdict(Enum):
    """What can be said of a record that is shown."""

    FIRST = "first"
    """It was not shown before."""
    REPEAT = "repeat"
    """It was."""
    UNKNOWN = "unknown"
    """Its offset lies below all that is remembered of its partition: it may be either."""


def unpack(key: str, data: bytes) -> list[tuple[str, bytes]]:
    """Give partition key and data of each record inside a record of the stream, in order; one that is no aggregate is itself.

    What only begins like an aggregate, or is a broken one, is itself too, as it is to the Kinesis Client Library.
    """
    whole, _ = unfold(Landed("", [key], [data], [""], [0]))
    return list(zip(whole.keys, whole.data, strict=True))


def read_envelope(data: bytes) -> Envelope:
    """Read what a route with `envelope: json` wrote; fields that it does not know are passed over.

    Raises:
        NotAnEnvelopeError: it is not JSON, or a field is missing or of another type.
    """
    try:
        found = json.loads(data)
        place = Place(found["topic"], found["partition"], found["offset"])
        timestamp = found["timestamp"]
        key, value = _as_bytes(found["key"]), _as_bytes(found["value"])
        headers = tuple((_text(name), _as_bytes(content)) for name, content in found["headers"])
    except KeyError as error:
        raise NotAnEnvelopeError(f"an envelope has a field {error}") from None
    except (ValueError, TypeError, RecursionError):
        raise NotAnEnvelopeError(
            "it is not JSON with the fields of an envelope; is the route's envelope json?"
        ) from None
    _text(place.topic)
    if not (_is_count(place.partition) and _is_count(place.offset) and (timestamp is None or type(timestamp) is int)):
        raise NotAnEnvelopeError("partition and offset of an envelope are whole numbers, its timestamp one or null")
    return Envelope(place, timestamp, key, headers, value, found.get("replayed") is True)


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise NotAnEnvelopeError("topic and names of headers in an envelope are texts")
    return found


def _as_bytes(found: object) -> bytes | None:
    """Take back what JSON cannot carry. Raises ValueError, KeyError or TypeError where it was nothing of ours."""
    if found is None:
        return None
    if isinstance(found, dict):
        return b64decode(found["base64"], validate=True)
    return _text(found).encode()


def _is_count(found: object) -> bool:
    return type(found) is int and 0 <= found < _OFFSETS


@dataclass(slots=True)
class _Window:
    """What is remembered of one partition; `Repeats` writes it."""

    floor: int = 0  # nothing below it is known any more
    top: int = -1  # the highest offset shown
    bits: int = 0  # bit n: offset top - n was shown

    def raise_to(self, offset: int, window: int) -> None:
        """Let the window end with a higher offset."""
        moved = offset - self.top
        self.bits = self.bits << moved & (1 << window) - 1 if moved < window else 0
        self.top = offset
        self.floor = max(self.floor, offset - window + 1)


class Repeats:
    """Tells repeats of records from their first landings, by topic, partition and offset.

    Memory: `window / 8` bytes for each Kafka partition that was shown, whatever came. What lies further than `window` offsets
    below the highest of its partition is UNKNOWN, which is never said of anything else. So `window` must be at least
    `limits.ahead_records` of the forwarder, with room for offsets that are no records; see docs/consumer.md.
    """

    def __init__(self, window: int = WINDOW_OFFSETS) -> None:
        """Remember `window` offsets of each partition. Raises ValueError for fewer than one."""
        if window < 1:
            raise ValueError("window is a number of offsets, at least 1")
        self.window = window
        self._windows: dict[tuple[str, int], _Window] = {}

    def judge(self, place: Place) -> Verdict:
        """Say what a record is, and remember that it was shown."""
        topic, partition, offset = place
        known = self._windows.get((topic, partition))
        if known is None:
            known = self._windows[topic, partition] = _Window()
        if offset > known.top:
            known.raise_to(offset, self.window)
            known.bits |= 1
            return Verdict.FIRST
        if offset < known.floor:
            return Verdict.UNKNOWN
        back = known.top - offset
        if known.bits >> back & 1:
            return Verdict.REPEAT
        known.bits |= 1 << back
        return Verdict.FIRST

    def forget(self, topic: str) -> None:
        """Forget a topic: it was deleted and made anew, and its offsets name other records now."""
        for partition in [partition for partition in self._windows if partition[0] == topic]:
            del self._windows[partition]

    # --- state ---------------------------------------------------------------------------------------------------

    def state(self) -> str:
        """Give all that is remembered as one line of text, which `restored` takes."""
        partitions = [
            [topic, partition, known.floor, known.top, b64encode(compress(_bytes(known.bits), 1)).decode()]
            for (topic, partition), known in self._windows.items()
        ]
        return json.dumps({"form": _FORM, "partitions": partitions}, separators=(",", ":"))

    @classmethod
    def restored(cls, *states: str, window: int = WINDOW_OFFSETS) -> Repeats:
        """Give what remembers all that these states do: one of a shard, or those of the two shards that it was merged of.

        What was forgotten stays UNKNOWN, also with a larger window than before.

        Raises:
            StateError: one of them is no state.
        """
        repeats = cls(window)
        for state in states:
            for (topic, partition), known in _read_state(state).items():
                repeats._take_in(topic, partition, known)
        return repeats

    def _take_in(self, topic: str, partition: int, other: _Window) -> None:
        known = self._windows.setdefault((topic, partition), _Window())
        if other.top > known.top:
            known.raise_to(other.top, self.window)
        known.bits |= other.bits << known.top - other.top if known.top - other.top < self.window else 0
        known.bits &= (1 << self.window) - 1
        known.floor = max(known.floor, other.floor)


def _bytes(bits: int) -> bytes:
    return bits.to_bytes((bits.bit_length() + 7) // 8)


def _read_state(text: str) -> Mapping[tuple[str, int], _Window]:
    try:
        found = json.loads(text)
        form = found["form"]
        partitions = {
            (_text(topic), int(partition)): _Window(
                int(floor), int(top), int.from_bytes(decompress(b64decode(bits, validate=True)))
            )
            for topic, partition, floor, top, bits in found["partitions"]
        }
    except (ValueError, KeyError, TypeError, ZlibError, RecursionError):
        raise StateError("it is no state of doka.consumer.Repeats") from None
    if form != _FORM:
        raise StateError(f"the state has form {form!r}; this version reads form {_FORM}")
    return partitions
