"""What is told of a campaign: figures add up, and one that has put nothing to the test does not pass."""

from __future__ import annotations

import orjson

from tests.chaos.campaign import Result
from tests.chaos.plan import Moment
from tests.chaos.rules import judgement
from tests.unit.chaos.test_rules import CLEAN


def whole(rounds: int = 100) -> Result:
    """Give a result that proves something."""
    result = Result(5, rounds, kills=rounds, records=100 * rounds, kills_with_repeats=1)
    result.moments.update(str(moment) for moment in Moment)
    result.faults.update({"entries refused": 3})
    result.reloads.update({"begun": 9, "accepted": 7, "taken": 5, "refused": 2, "failed": 0})
    return result


def test_worlds_add_up() -> None:
    """Kills, records, duplicates and their bounds are the sums over the worlds."""
    result = Result(5, 4)
    for _ in range(2):
        result.add(CLEAN, judgement(CLEAN))
    assert (2, 4, 16, 10, 16) == (result.worlds, result.kills, result.records, result.duplicates, result.bound)
    assert "lost 0, out of order 0, duplicates 10 of at most 16, 4 kills, seed 5" == str(result)
    assert 4 == orjson.loads(orjson.dumps(result.as_json()))["moments"][Moment.ANY]


def test_what_proves_nothing_is_said() -> None:
    """Too few records, a moment that no kill met, a fault that never fired, kills without effect: each is told."""
    assert whole().proves_nothing() is None
    few, unmet, quiet, harmless = whole(), whole(), whole(), whole()
    few.records = 99 * 100
    del unmet.moments[Moment.IN_DRAIN]
    quiet.faults["entries refused"] = 0
    harmless.kills_with_repeats = 0
    none_taken, none_amid = whole(), whole()
    none_taken.reloads["taken"] = 0
    assert "no reload was taken" == none_taken.proves_nothing()
    none_amid.reloads["taken"] = 7
    assert "no kill came amid a reload" == none_amid.proves_nothing()
    told = [each.proves_nothing() or "" for each in (few, unmet, quiet, harmless)]
    quiet.rounds = quiet.kills = 20
    assert quiet.proves_nothing() is None, "a short campaign may not meet every fault"
    assert ["only", "no kill", "never:", "no kill"] == [
        next(start for start in ("only", "no kill", "never:") if text.startswith(start)) for text in told
    ]
