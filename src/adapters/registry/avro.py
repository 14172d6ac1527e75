"""Reads Avro by fastavro, and writes it as JSON.

Before a schema is handed to fastavro each of its logical types is taken out, and what JSON has no form for gets one of ours:
fastavro's C loops then call us for these values alone, in the branch of a union that was really written.

Two things a schema may say that would hurt the process: nesting without an end, on which fastavro's C code overruns the
stack, and items that take no bytes, of which a record of a few bytes may hold any number. By the first it is read in Python,
which notices; by the second nothing is read.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from math import isfinite
from typing import Any, Final
from uuid import UUID

import orjson
from fastavro import _read_py, logical_readers, parse_schema, read, schemaless_reader

from doka.adapters.registry.settings import Writing
from doka.adapters.registry.unpacking import unpacked
from doka.domain.schemas import Unusable

Json = Any

SCALE_MAX: Final = 1_000
"""Of a decimal: more zeros than this nobody wants written out."""
_OURS: Final = "doka"
_TAG: Final = "doka.tag"
_WRITES: Final = "doka.writes"
_SCALE: Final = "doka.scale"
_UUID_BYTES: Final = 16
_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_TOLD_BY_NAME: Final = frozenset({"null", "record", "error", "enum", "fixed"})
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the zone is written by hand, where there is one
_SECONDS_A_DAY: Final = 86_400


class NotReadError(ValueError):
    """By a schema nothing is read; the text says why."""


class AvroReader:
    """Reads by one schema."""

    def __init__(self, schema: Json, references: Sequence[Json], writing: Writing) -> None:
        """Take a schema, and those that it leans on, each behind what it leans on itself.

        Raises:
            NotReadError: by this schema nothing is read; the text says why.
        """
        prepared = _Prepared(writing)
        named: dict[str, Any] = {}
        try:
            for each in references:
                parse_schema(prepared.of(each), named)
            self._schema = parse_schema(prepared.of(schema), named)
        except NotReadError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a stranger's schema makes of fastavro
            raise NotReadError(f"it is no Avro schema that can be read: {type(error).__name__}") from None
        self._named = writing.unions == "tagged"
        self._read = _read_py.schemaless_reader if prepared.recurs else schemaless_reader

    def __call__(self, payloads: Sequence[bytes], *, packed: bool = False) -> list[bytes | None]:
        """Give each payload as JSON; None where it does not fit the schema."""
        return [self._one(unpacked(each) if packed else each) for each in payloads]

    def _one(self, payload: bytes | None) -> bytes | None:
        if payload is None:
            return None
        data = BytesIO(payload)
        try:
            found = self._read(data, self._schema, None, return_named_type=self._named)
            if data.read(1):
                return None
            return orjson.dumps(_tagged(found) if self._named else found)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - fastavro raises whatever its data makes it raise
            return None


def avro_reader(text: str, references: Sequence[str], writing: Writing) -> AvroReader | Unusable:
    """Make what reads by a schema, or say why nothing does."""
    try:
        return AvroReader(json.loads(text), [json.loads(each) for each in references], writing)
    except RecursionError:
        return Unusable("it is nested too deeply")
    except json.JSONDecodeError:
        return Unusable("it is no JSON")
    except NotReadError as error:
        return Unusable(str(error))


# --- schemas ---------------------------------------------------------------------------------------------------------


class _Prepared:
    """Gives schemas as fastavro shall have them."""

    def __init__(self, writing: Writing) -> None:
        self.recurs = False
        """Whether a type holds itself."""
        self._writing = writing
        self._around: list[str] = []  # names of the types that are not at their end
        self._empty = {"null"}  # names of the types whose values take no bytes

    def of(self, schema: Json, space: str = "") -> Json:
        """Give a schema; `space` is the namespace around it.

        Raises:
            NotReadError: it is none, or one by which nothing is read.
        """
        if isinstance(schema, list):
            return [self._branch(each, space) for each in schema]
        if isinstance(schema, str):
            return self._named(schema, space)
        kind = schema.get("type") if isinstance(schema, dict) else None
        if isinstance(kind, dict | list):
            return self.of(kind, space)
        match kind:
            case "record" | "error" | "enum" | "fixed":
                return self._defined(schema, space)
            case "array":
                items = self.of(schema.get("items"), space)
                if self._is_empty(items):
                    raise NotReadError("it has an array of items that take no bytes")
                return {"type": "array", "items": items}
            case "map":
                return {"type": "map", "values": self.of(schema.get("values"), space)}
            case str() if kind in _PRIMITIVES:
                return self._value({"type": kind}, schema)
            case str():
                return self._named(kind, space)
            case _:
                raise NotReadError("it is no Avro schema")

    def _named(self, name: str, space: str) -> Json:
        """Give a type that is told by its name."""
        if name in _PRIMITIVES:
            return self._value({"type": name}, {})
        full = _full(name, space)
        self.recurs = self.recurs or full in self._around
        return full

    def _branch(self, schema: Json, space: str) -> Json:
        """Give a branch of a union; one that has no name of its own is tagged here, the others by fastavro."""
        found = self.of(schema, space)
        if self._writing.unions == "plain" or isinstance(found, str) or found["type"] in _TOLD_BY_NAME:
            return found
        return {**found, "logicalType": _OURS, _TAG: found["type"]}

    def _defined(self, schema: dict[str, Any], space: str) -> Json:
        """Give a type that has a name."""
        name, within = schema.get("name"), schema.get("namespace", space)
        if not isinstance(name, str) or not isinstance(within, str):
            raise NotReadError("a type of it has no name")
        full = _full(name, within)
        made: dict[str, Any] = {"type": schema["type"], "name": full}
        if made["type"] == "enum":
            return made | {"symbols": schema.get("symbols")}
        if made["type"] == "fixed":
            made = self._value(made | {"size": schema.get("size")}, schema)
        else:
            self._around.append(full)
            made["fields"] = [
                {"name": each["name"], "type": self.of(each["type"], full.rpartition(".")[0])}
                for each in schema.get("fields") or ()
            ]
            self._around.pop()
        if self._is_empty(made):
            self._empty.add(full)
        return made

    def _is_empty(self, made: Json) -> bool:
        """Say whether values of a type take no bytes."""
        if isinstance(made, str):
            return made in self._empty
        if isinstance(made, list):
            return False
        if "fields" in made:
            return all(self._is_empty(each["type"]) for each in made["fields"])
        return bool(made["type"] == "null" or made.get("size") == 0)

    def _value(self, made: dict[str, Any], schema: dict[str, Any]) -> Json:
        """Give a type of one value, with what writes it, where JSON has no form for it."""
        scale = schema.get("scale", 0)
        match made["type"], schema.get("logicalType"):
            case (("bytes" | "fixed"), "decimal") if isinstance(scale, int) and 0 <= scale <= SCALE_MAX:
                writes = f"decimal.{self._writing.decimals}"
            case "fixed", "uuid" if made["size"] == _UUID_BYTES:
                writes = "uuid"
            case (("bytes" | "fixed"), _):
                writes = self._writing.bytes
            case (("float" | "double"), _):
                writes = "float"
            case (("int" | "long"), str(logical)) if self._writing.timestamps == "iso" and logical in _OF_TIME:
                writes = logical
            case _:
                return made
        return made | {"logicalType": _OURS, _WRITES: writes, _SCALE: scale}


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _tagged(found: Json) -> Json:
    """Give a value in which what fastavro names as a pair is named as an object; no other pairs come of it."""
    match found:
        case tuple():
            name, value = found
            return {name: _tagged(value)}
        case dict():
            return {name: _tagged(value) for name, value in found.items()}
        case list():
            return list(map(_tagged, found))
        case _:
            return found


# --- values ----------------------------------------------------------------------------------------------------------


def _float(value: float) -> float | str:
    """Give a number, or the name of what is none, as Avro's own JSON encoding has it."""
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN is not itself


def _decimal(content: bytes, scale: int) -> str:
    unscaled = int.from_bytes(content, signed=True)
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    whole, part = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return f"{'-' if unscaled < 0 else ''}{whole}{'.' if part else ''}{part}"


def _moment(places: int, zone: str) -> Callable[[int], int | str]:
    """Give what writes a time since 1970; what lies outside of the years 1 to 9999 stays a number."""
    unit = 10**places

    def write(value: int) -> int | str:
        seconds, part = divmod(value, unit)
        try:
            moment = _EPOCH + timedelta(seconds=seconds)
        except OverflowError:
            return value
        return f"{moment.isoformat()}.{part:0{places}}{zone}"

    return write


def _date(value: int) -> int | str:
    try:
        return (_EPOCH + timedelta(days=value)).date().isoformat()
    except OverflowError:
        return value


def _time_of_day(places: int) -> Callable[[int], int | str]:
    """Give what writes a time since midnight; what no day has stays a number."""
    unit, write = 10**places, _moment(places, "")

    def of_day(value: int) -> int | str:
        return str(write(value)).partition("T")[2] if 0 <= value < _SECONDS_A_DAY * unit else value

    return of_day


_OF_TIME: Final[dict[str, Callable[[int], int | str]]] = {
    "date": _date,
    "time-millis": _time_of_day(3),
    "time-micros": _time_of_day(6),
    "timestamp-millis": _moment(3, "Z"),
    "timestamp-micros": _moment(6, "Z"),
    "timestamp-nanos": _moment(9, "Z"),
    "local-timestamp-millis": _moment(3, ""),
    "local-timestamp-micros": _moment(6, ""),
    "local-timestamp-nanos": _moment(9, ""),
}
"""What writes a logical type of time as ISO 8601."""

_WRITERS: Final[dict[str, Callable[[Any, int], Any]]] = {
    "base64": lambda content, _: b64encode(content).decode("ascii"),
    "hex": lambda content, _: content.hex(),
    "latin1": lambda content, _: content.decode("latin-1"),
    "decimal.text": _decimal,
    "decimal.number": lambda content, scale: orjson.Fragment(_decimal(content, scale)),
    "uuid": lambda content, _: str(UUID(bytes=content)),
    "float": lambda value, _: _float(value),
}
"""What writes a value; the scale is that of a decimal."""


def _written(value: Any, schema: dict[Any, Any] | None = None, _reader: dict[Any, Any] | None = None) -> Any:
    """Write a value as JSON can have it; fastavro calls this for each value of a type that was prepared so."""
    schema = schema or {}
    writes = schema.get(_WRITES)
    if writes is not None:
        value = _OF_TIME[writes](value) if writes in _OF_TIME else _WRITERS[writes](value, schema[_SCALE])
    tag = schema.get(_TAG)
    return value if tag is None else {tag: value}


for _kind in (*_PRIMITIVES, "fixed", "array", "map"):
    for _readers in (read.LOGICAL_READERS, logical_readers.LOGICAL_READERS):  # of the C code, and of the Python
        _readers[f"{_kind}-{_OURS}"] = _written
