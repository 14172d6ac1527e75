"""Bugs of what is made of data last: the newline behind it, its compression, and the size of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from doka.adapters.compression.gzip import GZIP
from doka.domain.compression import Compression
from doka.domain.held.ledger import Part
from doka.domain.routes import mapping
from doka.domain.routes.mapping import RecordMapping
from doka.domain.sending import aggregated_outbox
from doka.domain.sending.aggregate import encode
from doka.domain.sending.outbox import Outbox
from tests.simulation.planted.bug import Patch, bug
from tests.simulation.planted.plans import compressed, lines


def leave_the_newline_out_of_aggregates(patch: Patch) -> None:
    """Put a newline behind records that travel alone only."""

    def planted(keys: Sequence[str], values: Sequence[bytes], hash_key: str) -> bytes:
        return encode(keys, [value.removesuffix(b"\n") for value in values], hash_key)

    patch.replace(aggregated_outbox, "encode", planted)


def make_blank_lines(patch: Patch) -> None:
    """Put a newline behind a record that ends in one, or that is empty."""

    def planted(data: Sequence[bytes]) -> list[bytes]:
        return [each + b"\n" for each in data]

    patch.replace(mapping, "end_in_newline", planted)


def judge_the_size_before_compressing(patch: Patch) -> None:
    """Hold what came from Kafka against the stream's limit, and send what was made of it."""
    honest = RecordMapping._find_too_large

    def planted(  # noqa: PLR0917 - as the honest one, of which self is no argument
        self: RecordMapping,
        keys: Sequence[str],
        values: Sequence[bytes],
        data: Sequence[bytes],
        poison: dict[int, str],
        record_bytes_max: int,
    ) -> Sequence[bytes]:
        honest(self, keys, values, values, poison, record_bytes_max)
        return data

    patch.replace(RecordMapping, "_find_too_large", planted)


def compress_an_empty_record_to_nothing(patch: Patch) -> None:
    """Leave what is empty empty, so that whoever decompresses each record fails at it."""
    honest = mapping.compressed

    def planted(data: Sequence[bytes], compression: Compression) -> list[bytes]:
        return [made if each else b"" for each, made in zip(data, honest(data, compression), strict=True)]

    patch.replace(mapping, "compressed", planted)


def compress_once_more_what_is_sent_once_more(patch: Patch) -> None:
    """Compress the records of a refused request again."""
    honest = Outbox.delay

    def planted(self: Outbox, parts: Iterable[Part], until: int) -> None:
        kept = list(parts)
        for chunk in {id(part.chunk): part.chunk for part in kept}.values():
            chunk.values = GZIP.compress(chunk.values)
        honest(self, kept, until)

    patch.replace(Outbox, "delay", planted)


BUGS = (
    bug(leave_the_newline_out_of_aggregates, "I2", plan=lines),
    bug(make_blank_lines, "I2", plan=lines),
    bug(judge_the_size_before_compressing, "I11", plan=compressed),
    bug(compress_an_empty_record_to_nothing, "I2", plan=compressed),
    bug(compress_once_more_what_is_sent_once_more, "I2", plan=compressed),
)
