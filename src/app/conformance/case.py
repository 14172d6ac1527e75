"""What a case of the trial is: what is asked, what leans on the answer, and what came of it.

A case judges doka's design and nothing else: AWS may answer otherwise than it documents, and the design hold all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from doka.app.conformance.bench import Bench


class Outcome(Enum):
    """What a case has come to."""

    HOLDS = "holds"
    DIFFERS = "differs"
    """What was answered is not what AWS documents, and the design holds all the same."""
    FAILS = "fails"
    """The design leans on something that is not so."""
    OPEN = "not known"
    """It was tried, and could not be judged."""
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a case: codes and counts, never a payload, a key or a secret; `design`: what doka makes of it."""

    outcome: Outcome
    answered: str
    design: str


@dataclass(frozen=True, slots=True)
class Leaning:
    """A sentence of docs/guarantees.md, word for word, under the promise that it belongs to."""

    promise: str
    sentence: str


class Need(Enum):
    """What a case needs beside the stream; its value says why it is left out without that."""

    EXPIRY = "a session of 15 minutes has to end: add --wait-for-expiry"
    ON_DEMAND = "it needs a stream on demand: add --on-demand"
    RIGHTS = (
        "it needs the right to deny a role its living sessions (iam:PutRolePolicy), which who writes should not have; "
        "revoke the role's sessions in the console while `doka run` forwards, and look at /readyz"
    )


@dataclass(frozen=True, slots=True)
class Case:
    """One question to AWS. `play` asks it on a bench; `asked` says it in a clause."""

    name: str
    asked: str
    leans: tuple[Leaning, ...]
    play: Callable[[Bench], Seen]
    needs: Need | None = None


LANDED_IS_TOLD: Final = Leaning("G1", "A result with a sequence number means that the record is in the stream.")
RESULTS_IN_ORDER: Final = Leaning("G1", "The results stand in the order of the request, and there are as many")
REFUSED_IS_NOT_LANDED: Final = Leaning(
    "G2", "A refusal of the whole request (4xx with a code of the service) means that nothing of it landed."
)
EVERY_CODE: Final = Leaning("G2", "One table maps every error code to a verdict, and no verdict drops")
LIMITS_AT_START: Final = Leaning(
    "G2", "The limits of the stream are read when the route starts and every few minutes, not before each put"
)
TOMBSTONES: Final = Leaning("G2", "A tombstone becomes an empty record unless `null_value: reject` is set")
NO_ORDER_IN_A_REQUEST: Final = Leaning("G3", 'PutRecords "doesn\'t guarantee the ordering of records" of one request')
LATER_IS_BEHIND: Final = Leaning("G3", "a record that was put after the answer for the one before it arrived later.")
REFUSED_GOES_FIRST: Final = Leaning("G3", "A refused or ambiguous record keeps its lane and is sent again first.")
ONE_KEY_ONE_SHARD: Final = Leaning("G3", "One partition key goes to one shard, by MD5")
AUTO_IS_REFUSED: Final = Leaning(
    "G3", "A stream in AUTO distribution is refused under `ordering: key`, because it ignores keys"
)
NUMBERS_TELL: Final = Leaning("G3", "both have a sequence number, of one shard, and the later record has the lower one")
HASH_KEYS: Final = Leaning(
    "G3", "The outer record and each inner one carry the same explicit hash key, the middle of the slice"
)
EXPIRATION: Final = Leaning("G4", "`Expiration` is when the credentials end")
DATE: Final = Leaning("G4", "the `Date` header of the same answer is on the same clock.")
SKEW: Final = Leaning(
    "G4", "A signature is judged by the service's clock, with a tolerance of five minutes in most cases"
)
REVOKED: Final = Leaning(
    "G4", "A lease that is revoked early is not past its end. The first refusal is how doka learns of it."
)
SLOWED_ALONE: Final = Leaning("G7", "A throttled shard is slowed down alone")
