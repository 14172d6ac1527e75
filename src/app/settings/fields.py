"""The kinds of value that settings are made of, each with its limit and its words.

A message says what is wrong and what to write; it never repeats the value, since a misplaced secret may stand there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from doka.app.settings.arn import REGION, STREAM_NAME, parse_role_arn, parse_stream_arn
from doka.app.settings.endpoints import parse_endpoint
from doka.domain.limits import PARTITION_KEY_CHARACTERS_MAX, ROLE_SECONDS_MAX, ROLE_SECONDS_MIN

FROZEN = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, validate_default=True)


def check_http_url(text: str, *, example: str, secrets: str, end: str = "") -> str:
    """Take a URL without a login, query or fragment; `secrets` says where a login belongs, `end` goes on after the path.

    Raises:
        ValueError: it is not `scheme://host[:port][/path]`, by http or https.
    """
    shape = f"must be a URL like {example}"
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        raise ValueError(shape) from None
    if url.scheme not in {"http", "https"} or not host or not text.isprintable() or " " in text:
        raise ValueError(shape)
    if url.username is not None or url.password is not None:
        raise ValueError(f"must not hold a user name or password; {secrets}")
    if url.query or url.fragment:
        raise ValueError(f"must end with the path{end}")
    return text


class Section(BaseModel):
    """A group of settings: frozen, no unknown keys, and an empty one in YAML (null) means its defaults."""

    model_config = FROZEN

    @model_validator(mode="before")
    @classmethod
    def _take_empty_as_absent(cls, data: Any) -> Any:
        return without_empty(cls.model_fields, data)


def without_empty(fields: dict[str, FieldInfo], data: Any) -> Any:
    """Leave out sections, lists and maps that stand empty in YAML; any other null stays, and is judged."""
    if not isinstance(data, dict):
        return data
    return {key: value for key, value in data.items() if value is not None or not _is_group(fields.get(key))}


def _is_group(field: FieldInfo | None) -> bool:
    """Tell whether a field holds further settings rather than one value."""
    if field is None:
        return False
    kind = field.annotation
    return get_origin(kind) in {tuple, dict} or (isinstance(kind, type) and issubclass(kind, BaseModel))


@dataclass(frozen=True, slots=True)
class Matching:
    """Text that matches a pattern as a whole; `otherwise` is what is told of any other. Editors see the pattern too."""

    pattern: str
    otherwise: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        compiled = re.compile(self.pattern, re.ASCII)

        def check(text: str) -> str:
            if compiled.fullmatch(text) is None:
                raise ValueError(self.otherwise)
            return text

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "pattern": f"^(?:{self.pattern})$"}


def _checked_by(parse: Any) -> AfterValidator:
    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _start_from(text: str) -> str:
    if text in {"earliest", "latest"}:
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be earliest, latest or a time like 2026-08-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("is a time without a zone; add one, like 2026-08-01T00:00:00Z")
    return text


def _partition_key(text: str) -> str:
    kind, colon, rest = text.partition(":")
    if not colon and kind in {"kafka_key", "random"}:
        return text
    if colon and kind == "field":
        if not rest.startswith("/"):
            raise ValueError("needs a JSON pointer, which starts with a slash, like field:/order/id")
        return text
    if colon and kind == "header":
        if not rest:
            raise ValueError("needs the name of a header, like header:tenant")
        return text
    if colon and kind == "constant":
        if not 1 <= len(rest) <= PARTITION_KEY_CHARACTERS_MAX:
            raise ValueError(f"needs 1 to {PARTITION_KEY_CHARACTERS_MAX} characters after constant:")
        return text
    raise ValueError("must be kafka_key, random, field:/json/pointer, header:NAME or constant:TEXT")


def _json_pointer(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("must be a JSON pointer, which starts with a slash, like /order/type")
    return text


def _power_of_two(number: int) -> int:
    if number & (number - 1):
        raise ValueError("must be a power of two, like 64")
    return number


def _client_value(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError("must be text, a number, or true or false")


Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1)]

Name = Annotated[
    str,
    Matching(r"[A-Za-z0-9_.-]{1,128}", "must be 1 to 128 letters, digits, dots, dashes or underscores"),
]
Region = Annotated[str, Matching(REGION.pattern, "is not the name of an AWS region; write it like eu-west-1")]
TopicName = Annotated[
    str,
    Matching(
        r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}",
        "is not the name of a Kafka topic: 1 to 249 letters, digits, dots, dashes or underscores",
    ),
]
TopicOrPattern = Annotated[
    str,
    Matching(
        r"(?!\.{1,2}$)[A-Za-z0-9._*-]{1,249}",
        "is not the name of a Kafka topic: 1 to 249 letters, digits, dots, dashes or underscores; a * in it makes a pattern",
    ),
]
StreamName = Annotated[
    str,
    Matching(
        r"[^{}]*",
        "is no template: give each stream a route of its own with its topics, since roles and IAM go by the ARN of a stream",
    ),
    Matching(
        STREAM_NAME.pattern,
        "is not the name of a Kinesis stream: 1 to 128 letters, digits, dots, dashes or underscores; an ARN goes into arn",
    ),
]
BootstrapServer = Annotated[
    str,
    Matching(
        r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}",
        "must be HOST:PORT without a scheme, like b-1.example:9098 (MSK: 9098 IAM, 9096 SCRAM, 9094 TLS, 9092 plaintext)",
    ),
]
RoleArnText = Annotated[str, _checked_by(parse_role_arn)]
StreamArnText = Annotated[str, _checked_by(parse_stream_arn)]
EndpointUrl = Annotated[str, _checked_by(parse_endpoint)]
# STS AssumeRole API reference: ExternalId, SourceIdentity, Tags.
ExternalId = Annotated[
    str, Matching(r"[\w+=,.@:/-]{2,1224}", "must be 2 to 1224 letters, digits or any of _ + = , . @ : / -")
]
SourceIdentity = Annotated[
    str, Matching(r"[\w+=,.@-]{2,64}", "must be 2 to 64 letters, digits or any of _ + = , . @ -")
]
TagKey = Annotated[str, Field(min_length=1, max_length=128)]
TagValue = Annotated[str, Field(max_length=256)]
RoleSeconds = Annotated[int, Field(strict=True, ge=ROLE_SECONDS_MIN, le=ROLE_SECONDS_MAX)]
StartText = Annotated[str, AfterValidator(_start_from)]
PartitionKey = Annotated[str, AfterValidator(_partition_key)]
FunctionName = Annotated[
    str, Matching(r"[A-Za-z_][A-Za-z0-9_]*", "must be the name of a function: letters, digits and underscores")
]
JsonPointer = Annotated[str, AfterValidator(_json_pointer)]
LaneCount = Annotated[int, Field(strict=True, ge=1, le=65_536), AfterValidator(_power_of_two)]
ClientValue = Annotated[Any, AfterValidator(_client_value), WithJsonSchema({"type": ["string", "number", "boolean"]})]
