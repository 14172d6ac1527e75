"""Reads Protobuf by descriptors that the user gives, and writes it as JSON, as Protobuf's own JSON mapping has it.

A registry has the text of a .proto file, which only a compiler could read; so the user has it compiled, once, into a set of
descriptors. Of the text just so much is read as it takes to find its file in the set: the package, and the messages.

A set that is older than what a producer writes knows not all of its fields. What it does not know it would leave out in
silence, so such a record counts as one that does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from doka.adapters.registry.unpacking import unpacked
from doka.domain.schemas import Unusable

INDEXES_MAX: Final = 32
"""Of one message: so deep nobody nests."""
_BESIDE: Final = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_WORDS: Final = re.compile(r"[{}]|\bpackage\s+([\w.]+)\s*;|\bmessage\s+(\w+)\s*(?=\{)")


class Descriptors:
    """What a set of descriptors holds."""

    def __init__(self, content: bytes) -> None:
        """Take a set, as `protoc --include_imports --descriptor_set_out` writes it.

        Raises:
            ValueError: it is none, or lacks a file that another one imports.
        """
        self._pool = descriptor_pool.DescriptorPool()
        self._files: dict[tuple[str, tuple[str, ...]], Any] = {}
        try:
            files = descriptor_pb2.FileDescriptorSet.FromString(content).file
            for file in files:
                self._pool.Add(file)
            for file in files:
                found = self._pool.FindFileByName(file.name)
                self._files[file.package, tuple(each.name for each in file.message_type)] = found
        except Exception as error:  # noqa: BLE001 - of a stranger's bytes
            raise ValueError(f"no set of descriptors can be read: {type(error).__name__}") from None
        if not self._files:
            raise ValueError("no set of descriptors: it holds no file")

    def reader(self, text: str) -> ProtobufReader | Unusable:
        """Make what reads by the schema of a registry, or say why nothing does."""
        package, messages = outline(text)
        file = self._files.get((package, messages))
        if file is None:
            where = f"package {package}" if package else "no package"
            return Unusable(
                f"no file of decode.descriptor_file has {where} and the messages {', '.join(messages)}, in this order"
            )
        return ProtobufReader(file, self._pool)


class ProtobufReader:
    """Reads by one file of a set."""

    def __init__(self, file: Any, pool: Any) -> None:
        self._top = list(file.message_types_by_name.values())
        self._pool = pool
        self._classes: dict[bytes, Any] = {}  # by the bytes that name a message

    def __call__(self, payloads: Sequence[bytes], *, packed: bool = False) -> list[bytes | None]:
        """Give each payload as JSON; None where it does not fit."""
        return [self._one(unpacked(each) if packed else each) for each in payloads]

    def _one(self, payload: bytes | None) -> bytes | None:
        if payload is None:
            return None
        try:
            indexes, end = read_indexes(payload)
            kind = self._class(payload[:end], indexes)
            message = kind.FromString(payload[end:])
            size = message.ByteSize()
            message.DiscardUnknownFields()
            if message.ByteSize() != size:
                return None
            return orjson.dumps(json_format.MessageToDict(message, descriptor_pool=self._pool))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever a stranger's data makes of the library
            return None

    def _class(self, head: bytes, indexes: Sequence[int]) -> Any:
        if head not in self._classes:
            found = self._top[indexes[0]]
            for index in indexes[1:]:
                found = found.nested_types[index]
            self._classes[head] = message_factory.GetMessageClass(found)
        return self._classes[head]


def read_indexes(payload: bytes) -> tuple[list[int], int]:
    """Read which message a payload is, as Confluent's serializers say it: the way down to it, and where that ends.

    Raises:
        ValueError: it says none.
    """
    count, at = _zigzag(payload, 0)
    if count == 0:  # the first message of the file, in short
        return [0], at
    if not 0 < count <= INDEXES_MAX:
        raise ValueError("no list of indexes")
    found = []
    for _ in range(count):
        index, at = _zigzag(payload, at)
        if index < 0:
            raise ValueError("no index")
        found.append(index)
    return found, at


def _zigzag(payload: bytes, at: int) -> tuple[int, int]:
    """Read a number, and where it ends. Raises IndexError where the payload ends before, ValueError where it has no end."""
    number = 0
    for shift in range(0, 35, 7):
        byte = payload[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return (number >> 1) ^ -(number & 1), at
    raise ValueError("a number without an end")


def outline(text: str) -> tuple[str, tuple[str, ...]]:
    """Give the package of a .proto file, and the messages at its top, in their order."""
    package, messages, depth = "", [], 0
    for found in _WORDS.finditer(_BESIDE.sub(" ", text)):
        word = found[0]
        if word == "{":
            depth += 1
        elif word == "}":
            depth -= 1
        elif depth == 0 and found[1] is not None:
            package = found[1]
        elif depth == 0:
            messages.append(found[2])
    return package, tuple(messages)
