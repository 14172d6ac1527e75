from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from doka.app.audit.telling import COMPLETE, LOST, NOT_WHOLE, PLACES_SHOWN_MAX, Found, as_json, sentence, show
from doka.domain.audit.fates import Fate, Judgement, OffsetRange
from doka.domain.records import TopicPartition
from tests.unit.app.audit.audits import TERMS, file_of, found, judged

P0 = TopicPartition("orders", 0)


def shown(found: Found, *ranges: OffsetRange) -> str:
    """Give what a person reads."""
    out = io.StringIO()
    show(Console(file=out, width=120, soft_wrap=True), found, file_of(ranges))
    return out.getvalue()


@pytest.mark.parametrize(
    ("judgement", "why_stopped", "code", "start"),
    [
        (
            judged(),
            None,
            COMPLETE,
            "Nothing is lost: of 1,000 records all that the group has committed are in arn:stream",
        ),
        (judged(records=0), None, COMPLETE, "Kafka holds no record of this window"),
        (judged({Fate.LOST: 1}), None, LOST, "1 record is lost: committed by the group, and nowhere in arn:stream"),
        (judged({Fate.LOST: 2}), "it was stopped", LOST, "2 records are lost"),
        (judged(), "it was stopped", NOT_WHOLE, "No loss is known of 1,000 records: this is no proof yet."),
        (judged(kafka_read=False), None, NOT_WHOLE, "No loss is known of 1,000 records"),
        (
            judged({Fate.NOT_JUDGED: 7}),
            None,
            NOT_WHOLE,
            "No loss is known of 1,000 records, and 7 records could not be",
        ),
        (judged({Fate.NOT_YET: 7, Fate.DEAD_LETTER: 1, Fate.POISON: 2}), None, COMPLETE, "Nothing is lost"),
    ],
)
def test_a_loss_is_told_where_it_is_known_and_only_there(
    judgement: Judgement, why_stopped: str | None, code: int, start: str
) -> None:
    """The sentence and the exit code say the same, and neither calls complete what is not."""
    told = found(judgement, why_stopped)
    assert code == told.exit_code
    assert sentence(told).startswith(start)
    assert sentence(told) in shown(told)


def test_the_first_records_are_named_and_more_are_hinted_at() -> None:
    """So many places as a person reads, as `doka skip` takes them; all are in the file."""
    ranges = [OffsetRange(P0, 10 * place, 10 * place + place % 2) for place in range(PLACES_SHOWN_MAX + 1)]
    told = found(judged({Fate.LOST: 16}))
    assert "lost: orders:0:0, orders:0:10-11, " in shown(told, *ranges)
    assert shown(told, *ranges).count("orders:0:") == PLACES_SHOWN_MAX
    assert ", ...\n" in shown(told, *ranges)
    assert ", ...\n" not in shown(told, *ranges[:-1])


def test_what_is_not_known_stands_beside_what_is() -> None:
    """The part of the window that was judged, what the log does not hold any more, what could not be taken apart."""
    told = shown(
        found(
            judged({Fate.POISON: 3}, poison_codes={"RecordTooLarge": 3}, judged_from_ms=TERMS.since_ms + 60_000),
            broken_aggregates=2,
            not_compressed=3,
            notes=("orders:0:7 left the log before it was read",),
        )
    )
    for line in (
        "3 of those that can never land: RecordTooLarge",
        "2 aggregates in the stream could not be taken apart",
        "3 records in the stream cannot be decompressed: sent before the route had compress, or by somebody else",
        "Judged: 2026-08-01T00:01:00Z to 2026-08-01T01:00:00Z",
        "Not judged: orders:0:7 left the log before it was read.",
        "The longest time from a record to its landing: 250 ms",
    ):
        assert line in told
    assert "No part of the window" in shown(found(judged(judged_from_ms=TERMS.until_ms)))


def test_what_had_left_the_log_is_no_proof() -> None:
    """Nobody can judge what is not there any more; a loss that is known says more than that."""
    note = "12 offsets of orders[0] below 12 are no longer in the log"
    told = found(judged(), notes=(note,))
    assert NOT_WHOLE == told.exit_code
    assert "No loss is known of 1,000 records: this is no proof yet." in shown(told)
    assert not json.loads(as_json(told, file_of([])))["complete"]
    assert LOST == found(judged({Fate.LOST: 1}), notes=(note,)).exit_code
    assert COMPLETE == found(judged()).exit_code


def test_a_machine_is_told_all_of_it() -> None:
    """Each fate by its name, and each record of those that are named."""
    told = found(judged({Fate.LOST: 2}))
    data = json.loads(as_json(told, file_of([OffsetRange(P0, 4, 5)])))
    assert {fate.value: told.judgement.counts[fate] for fate in Fate}.items() <= data.items()
    assert (False, ["orders:0:4-5"], "2026-08-01T00:00:00Z") == (
        data["complete"],
        data["places"]["lost"],
        data["since"],
    )
