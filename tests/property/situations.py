"""What the model world must have been through: a rule that was never put to the test has not held.

Each is noted in the moment in which it happens. An aggregate is here one of several records.
"""

from __future__ import annotations

from collections import Counter

OF_RECORDS = (
    "a record leaves in a drain",
    "a partition is asked for with a record in flight",
    "a partition is taken back with a record in flight",
    "a partition is lost with a record in flight",
    "a partition is recreated with a record in flight",
    "a partition is stopped with a record in flight",
    "poison is found among records, policy block",
    "poison is found among records, policy drop",
    "poison is found among records, policy dead_letter",
)
OF_AGGREGATES = (
    "an aggregate leaves",
    "an aggregate of several records of a key leaves",
    "an aggregate of several partitions leaves",
    "a record too large for an aggregate leaves as it is",
    "an aggregate leaves in a drain",
    "an aggregate never leaves",
    "an aggregate is refused: throttled",
    "an aggregate is refused: ambiguous",
    "an aggregate is refused: lane",
    "an aggregate is refused: isolate",
    "an aggregate is refused, and another entry landed",
    "a request with an aggregate is refused: throttled",
    "a request with an aggregate is refused: lease",
    "a request with an aggregate is refused: denied",
    "a request with an aggregate is refused: blocked",
    "a request with an aggregate is refused: isolate",
    "nobody knows what became of an aggregate",
    "an aggregate lands late",
    "an aggregate is answered of which a part belongs to others",
    "a partition is asked for with an aggregate in flight",
    "a partition is taken back with an aggregate in flight",
    "a partition is lost with an aggregate in flight",
    "a partition is recreated with an aggregate in flight",
    "a partition is stopped with an aggregate in flight",
    "a search halves an aggregate",
    "poison is found among aggregates, policy block",
    "poison is found among aggregates, policy drop",
    "poison is found among aggregates, policy dead_letter",
    "a lane goes on past poison of another key",
    "an older record goes again that later poison of its key does not hold up",
)
OF_KEYS_THAT_SHARE = (
    "records of a key share a request",
    "a break of order is told: refused",
    "a break of order is told: reordered",
    "a break of order is told: unknown",
)
SITUATIONS = (*OF_RECORDS, *OF_AGGREGATES, *OF_KEYS_THAT_SHARE)
CORE = (
    "an aggregate of several records of a key leaves",
    "an aggregate of several partitions leaves",
    "a record too large for an aggregate leaves as it is",
    "an aggregate is refused: isolate",
    "a request with an aggregate is refused: isolate",
    "nobody knows what became of an aggregate",
    "a search halves an aggregate",
    "poison is found among aggregates, policy block",
    "poison is found among aggregates, policy drop",
    "poison is found among aggregates, policy dead_letter",
    "an older record goes again that later poison of its key does not hold up",
)
"""What also a driver must reach that draws each step blindly, and with it one of the next."""
TAKEN_AWAY = tuple(situation for situation in OF_AGGREGATES if situation.startswith("a partition is "))


def missing(met: Counter[str]) -> list[str]:
    """Name the situations that there were not."""
    return [situation for situation in SITUATIONS if not met[situation]]


def missing_of_the_core(met: Counter[str]) -> list[str]:
    """Name the situations that there were not, of those that matter most."""
    found = [situation for situation in CORE if not met[situation]]
    return found if any(met[situation] for situation in TAKEN_AWAY) else [*found, " or ".join(TAKEN_AWAY)]
