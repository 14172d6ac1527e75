"""The judge of killed services: it must pass what is allowed, and name each rule that was broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.chaos.history import History, Kill, Landing
from tests.chaos.plan import Moment
from tests.chaos.rules import judgement
from tests.checking import KeyLog, Stamp, encode
from tests.fake_aws import Violation
from tests.fake_aws.history import MIXED_TRIPLE, STALE_SIGNATURE

RECORDS = 8  # of one partition, two keys in turn
AHEAD = 4


def landing(offset: int, serial: int = 1, request: str = "r") -> Landing:
    """Give the landing of the record at an offset."""
    stamp = Stamp(KeyLog("orders", 0, f"k{offset % 2}"), offset // 2)
    return Landing(encode(stamp), serial, f"{request}{serial}-{offset}")


def landings(*offsets: int, serial: int = 1) -> list[Landing]:
    """Give the landings of the records at these offsets, a put for each."""
    return [landing(offset, serial) for offset in offsets]


def kill(landed: int, committed: int, *, leases: int = 1, torn: int = 0) -> Kill:
    """Give what was found at a death."""
    return Kill(
        round=leases,
        moment=Moment.ANY,
        weather="calm",
        landed=landed,
        committed=[committed],
        leases=leases,
        torn=torn,
        seconds=1.0,
    )


def history(landed: Sequence[Landing], *kills: Kill, committed: int = RECORDS, torn: int = 0) -> History:
    """Give the history of a world with one partition."""
    acknowledged = {KeyLog("orders", 0, f"k{key}"): list(range(key, RECORDS, 2)) for key in range(2)}
    return History(
        topic="orders",
        ahead_records=AHEAD,
        acknowledged=acknowledged,
        landings=landed,
        kills=kills,
        committed=[committed],
        log_ends=[RECORDS],
        torn=torn,
        violations=[],
        reloads={},
        faults={},
    )


CLEAN = history(
    [*landings(0, 1, 2, 3, 5), *landings(2, 3, 4, 5, 6, serial=2), *landings(5, 6, 7, serial=3)],
    kill(5, 2, leases=1),
    kill(10, 5, leases=2),
)


def test_what_is_allowed_is_clean_and_counted() -> None:
    """Two deaths that repeat what was not committed break nothing, and every repeat is within what could be."""
    found = judgement(CLEAN)
    assert [] == found.broken
    assert (8, 13, 0, 0, 5) == (found.records, found.landings, found.lost, found.out_of_order, found.duplicates)
    assert [3, 2] == list(found.repeated_after)
    assert (5, 2 * AHEAD) == (found.could_repeat, found.bound)


BROKEN = {
    "I1 committed above what had landed": (replace(CLEAN, kills=[kill(5, 5), CLEAN.kills[1]]), "I1"),
    "I1 committed over a hole": (history(landings(0, 1, 2, 3, 5, 6, 7, 4), kill(7, 5)), "I1"),
    "I1 landed after the death of its committer": (history(landings(*range(8)), kill(2, 3)), "I1"),
    "I2 lost": (replace(CLEAN, landings=CLEAN.landings[:-1]), "I2"),
    "I2 nobody wrote it": (replace(CLEAN, landings=[*CLEAN.landings, Landing(b"other", 3, "r")]), "I2"),
    "I2 not committed at the end": (replace(CLEAN, committed=[7]), "I2"),
    "I3 committed went back": (
        replace(CLEAN, kills=[kill(5, 3, leases=1), kill(10, 2, leases=2)]),
        "I3",
    ),
    "I4 a later record of the key landed first": (history(landings(2, 1, 0, 3, 4, 5, 6, 7)), "I4"),
    "I8 below what was committed when it began": (
        replace(CLEAN, landings=[*CLEAN.landings, landing(4, 3)]),
        "I8",
    ),
    "I8 ahead_records above what was committed": (history([*landings(*range(8))], kill(8, 3)), "I8"),
    "I8 twice in one life": (replace(CLEAN, landings=[*CLEAN.landings, landing(7, 3, "s")]), "I8"),
}


@pytest.mark.parametrize(("broken", "rule"), BROKEN.values(), ids=BROKEN)
def test_each_broken_rule_is_named(broken: History, rule: str) -> None:
    """A history that breaks a rule is found, and told by that rule."""
    assert rule in {told.partition(":")[0] for told in judgement(broken).broken}


@pytest.mark.parametrize(("kind", "rule"), [(STALE_SIGNATURE, "I5"), (MIXED_TRIPLE, "I6")])
def test_signatures_that_no_client_makes_are_named(kind: str, rule: str) -> None:
    """A stale signature breaks I5, one of two leases I6."""
    seen = Violation(kind, "detail", "PutRecords", "r", 1, 0)
    (told,) = judgement(replace(CLEAN, violations=[seen])).broken
    assert told.startswith(f"{rule}: {kind}")


def test_a_torn_put_may_land_twice_and_no_more_than_it_held() -> None:
    """A life may repeat the records of as many puts as were torn, of the largest ones; one more is too many."""
    torn = [*landings(0, 1), *[Landing(landing(o).payload, 1, "torn") for o in (2, 3)]]
    again = [*landings(2, 3), *landings(4, 5, 6, 7)]
    allowed = judgement(history([*torn, *again], torn=1))
    assert ([], 2, 2, 2) == (list(allowed.broken), allowed.duplicates, allowed.could_repeat, allowed.bound)
    assert judgement(history([*torn, *again])).broken
    assert judgement(history([*torn, *again, landing(7, 1, "third")], torn=1)).broken


def test_what_lands_after_its_senders_death_belongs_to_its_sender() -> None:
    """A put that was held and lands late is no repeat of the life that runs meanwhile."""
    late = history(
        [*landings(0, 1, serial=1), landing(2, 2), landing(2, 1), *landings(3, 4, 5, 6, 7, serial=2)], kill(2, 2)
    )
    found = judgement(late)
    assert ([], 1) == (list(found.broken), found.duplicates)
