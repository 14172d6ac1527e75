"""Bugs of what a record becomes: its key out of a header, its envelope."""

from __future__ import annotations

from collections.abc import Sequence

from doka.domain.records import Chunk, Original
from doka.domain.routes import fields, mapping
from doka.domain.routes.mapping import RecordMapping
from tests.simulation.planted.bug import Patch, bug
from tests.simulation.planted.plans import headers_and_envelopes


def take_the_first_header_of_a_name(patch: Patch) -> None:
    """Take a key from the first of several headers of one name, where the last one counts."""
    honest = fields.headers_of

    def planted(original: Original, place: int, poison: dict[int, str]) -> Sequence[tuple[str, bytes | None]] | None:
        headers = honest(original, place, poison)
        return headers and headers[::-1]

    patch.replace(mapping, "headers_of", planted)


def name_the_first_offset_in_each_envelope(patch: Patch) -> None:
    """Write into every envelope of a chunk the offset of its first record."""
    honest = RecordMapping._envelopes

    def planted(self: RecordMapping, chunk: Chunk, poison: dict[int, str]) -> Sequence[bytes]:
        first = b'"offset":%d,' % chunk.offsets[0]
        envelopes = zip(chunk.offsets, honest(self, chunk, poison), strict=True)
        return [envelope.replace(b'"offset":%d,' % offset, first, 1) for offset, envelope in envelopes]

    patch.replace(RecordMapping, "_envelopes", planted)


def leave_the_envelope_off_a_record_that_comes_alone(patch: Patch) -> None:
    """Send the value as it is where a chunk has one record."""
    honest = RecordMapping._envelopes

    def planted(self: RecordMapping, chunk: Chunk, poison: dict[int, str]) -> Sequence[bytes]:
        envelopes = honest(self, chunk, poison)
        return [value or b"" for value in chunk.values] if chunk.count == 1 else envelopes

    patch.replace(RecordMapping, "_envelopes", planted)


BUGS = (
    bug(leave_the_envelope_off_a_record_that_comes_alone, "I2", plan=headers_and_envelopes),
    bug(take_the_first_header_of_a_name, "I2", "I4", plan=headers_and_envelopes),
    bug(name_the_first_offset_in_each_envelope, "I2", plan=headers_and_envelopes),
)
