"""The settings of the routes: which topics go to which stream, and how a Kafka record becomes a Kinesis record."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, create_model, model_validator

from doka.app.settings.arn import parse_stream_arn
from doka.app.settings.decode import DecodeSettings
from doka.app.settings.fields import (
    Flag,
    FunctionName,
    JsonPointer,
    LaneCount,
    Name,
    PartitionKey,
    Region,
    Section,
    StreamArnText,
    StreamName,
    Text,
    TopicOrPattern,
)
from doka.domain.patterns import is_pattern
from doka.domain.rules import TOPICS_MAX_DEFAULT


class StreamSettings(Section):
    """Where the records go. By name, by ARN, or both; another account without a role needs the ARN."""

    name: StreamName | None = Field(default=None, description="Name of the stream.", examples=["orders"])
    arn: StreamArnText | None = Field(
        default=None,
        description="ARN of the stream.",
        examples=["arn:aws:kinesis:eu-west-1:210987654321:stream/orders"],
    )
    region: Region | None = Field(
        default=None, description="Region of the stream; by default the ARN's, else aws.region."
    )
    role: Name | None = Field(default=None, description="A name under roles; without one the ambient credentials sign.")

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.name is None and self.arn is None:
            raise ValueError("needs a name or an arn")
        return self

    @property
    def called(self) -> str:
        """The name of the stream: its own setting, else the ARN's."""
        return self.name if self.name is not None else parse_stream_arn(self.arn or "").name

    def region_or(self, default: str) -> str:
        """Give the region of the stream: its own setting, else the ARN's, else this one."""
        if self.region is not None:
            return self.region
        return default if self.arn is None else parse_stream_arn(self.arn).region


_IN: Final[dict[str, Any]] = {
    "in": (
        tuple[str, ...],
        Field(
            default=(),
            description="The texts of records that are sent; all others are filtered: not sent, and counted.",
            examples=[["created", "changed"]],
        ),
    )
}
"""A field whose name is a word of Python's, so that no class body can have it."""


class Aggregation(Section):
    """KPL aggregation: many records in one Kinesis record, in order."""

    enabled: Flag = Field(default=False, description="Put many records into one Kinesis record.")
    target_bytes: Annotated[int, Field(strict=True, ge=1_024, le=10_485_760)] = Field(
        default=51_200, description="Size at which an aggregate goes."
    )
    linger_ms: Annotated[int, Field(strict=True, ge=0, le=60_000)] = Field(
        default=100, description="How long a small aggregate waits for more."
    )
    lanes: LaneCount = Field(default=64, description="Slices of the hash space, a power of two; at least the shards.")


class OnlySettings(create_model("_OnlyIn", __base__=Section, **_IN)):  # type: ignore[misc]  # see _IN
    """A filter: records are sent of which a field of the value, or a header, is one of some texts."""

    pointer: JsonPointer | None = Field(
        default=None,
        description="JSON pointer to the field of the value that decides; a number or true is compared as JSON writes it.",
        examples=["/type"],
    )
    header: Text | None = Field(default=None, description="Name of the header that decides.", examples=["event-type"])

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.pointer is not None and self.header is not None:
            raise ValueError("has a pointer and a header; keep one")
        decides = self.pointer is not None or self.header is not None
        if decides and not self.texts:
            raise ValueError("would leave out every record; list in `in` what is sent")
        if self.texts and not decides:
            raise ValueError("does not say what is looked at; add a pointer, like /type, or a header")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """What is sent."""
        return tuple(getattr(self, "in"))


class TransformSettings(Section):
    """A function of one's own that records go through before they are sent; it is run as a part of doka."""

    file: Text | None = Field(
        default=None, description="The file with the function, of Python.", examples=["/etc/doka/orders.py"]
    )
    function: FunctionName | None = Field(
        default=None,
        description="The name of the function in it, under @transform of doka.transform.",
        examples=["clean"],
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.file is None) != (self.function is None):
            missing = "file" if self.file is None else "function"
            raise ValueError(f"needs a file and the name of a function in it; add {missing}")
        return self


def _called(decided: dict[str, Any]) -> str:
    stream: StreamSettings = decided["stream"]
    return stream.called


class RouteSettings(Section):
    """Topics that go to one stream, with lanes, limits and a state of their own."""

    topics: tuple[TopicOrPattern, ...] = Field(
        min_length=1,
        description=(
            "Kafka topics; several routes may read one that they name: docs/tee.md. One with * is a pattern: * stands for any "
            "characters, and topics that match are found while doka runs: docs/topics.md."
        ),
        examples=[["orders"]],
    )
    topics_max: Annotated[int, Field(strict=True, ge=1, le=1_000)] = Field(
        default=TOPICS_MAX_DEFAULT,
        description="So many topics the patterns may bring; where more match, those that are new are not read, and told.",
    )
    stream: StreamSettings = Field(description="Where the records go.", examples=[{"name": "orders"}])
    name: Name = Field(default_factory=_called, description="Name in metrics and logs; by default the stream's.")
    decode: DecodeSettings = Field(
        default=DecodeSettings(),
        description="Values decoded to JSON by the schemas of a registry, before all else; by default none. See docs/decoding.md.",
    )
    only: OnlySettings = Field(
        default=OnlySettings(),
        description="Which records are sent; by default all. docs/transforms.md says what becomes of the others.",
    )
    transform: TransformSettings = Field(
        default=TransformSettings(),
        description="A function of one's own over records; by default none. See docs/transforms.md.",
    )
    partition_key: PartitionKey = Field(
        default="kafka_key",
        description="What becomes the partition key: kafka_key, random, field:/json/pointer, header:NAME, constant:TEXT.",
    )
    null_key: Literal["random", "partition", "reject"] = Field(
        default="random",
        description="What a record without that key gets: a random one, its Kafka partition's, or poison.",
    )
    null_value: Literal["empty", "reject"] = Field(default="empty", description="What a tombstone becomes.")
    key_encoding: Literal["utf8", "base64", "hex"] = Field(
        default="utf8",
        description="How the bytes of a key become text; what is not UTF-8 falls back to base64, counted in doka_key_fallbacks_total.",
    )
    ordering: Literal["key", "key_in_request", "none"] = Field(
        default="key",
        description=(
            "The order that is kept. key: of each key, whatever fails; one record of a key is on its way at a time. "
            "key_in_request: of each key, but for what is refused or reordered inside one request, which is counted; "
            "for few hot keys. none."
        ),
    )
    aggregation: Aggregation = Field(default=Aggregation(), description="KPL aggregation.")
    envelope: Literal["none", "json"] = Field(
        default="none",
        description="json: topic, partition, offset, timestamp, key, headers and value as one JSON object; replayed: true behind them where doka replay sent it.",
    )
    append: Literal["none", "newline"] = Field(
        default="none",
        description=(
            "newline: each record's data ends in one, for Firehose and others that lay records side by side; "
            "what ends in one gets no second, and an empty record stays empty."
        ),
    )
    compress: Literal["none", "gzip", "zstd"] = Field(
        default="none",
        description="gzip, zstd: each record's data is compressed by itself, so every consumer must decompress it; below some 300 bytes it gains little.",
    )
    on_poison: Literal["block", "drop", "dead_letter"] = Field(
        default="block",
        description="What becomes of a record that can never land; dead_letter by default where dead_letters.topic is set.",
    )

    @property
    def named(self) -> tuple[str, ...]:
        """The topics that it names."""
        return tuple(topic for topic in self.topics if not is_pattern(topic))

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of topics that it takes beside."""
        return tuple(topic for topic in self.topics if is_pattern(topic))
