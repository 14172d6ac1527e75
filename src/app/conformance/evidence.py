"""The page of evidence: what was asked, what was answered, whether the design holds, and what leans on it.

It must never hold a payload, a key, a secret, or an account number that nobody wanted on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from doka.app.conformance.case import Outcome
from doka.app.conformance.trial import Result

VERSION: Final = 1
"""Of the form of the data."""
_ACCOUNT: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")
GUARANTEES: Final = "docs/guarantees.md"
_WORDS: Final = {
    Outcome.HOLDS: "hold",
    Outcome.DIFFERS: "differ from what AWS documents, and the design holds all the same",
    Outcome.FAILS: "do not hold",
    Outcome.OPEN: "could not be judged",
    Outcome.LEFT_OUT: "were left out",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a trial has found, and where and when."""

    results: Sequence[Result]
    version: str
    """Of doka."""
    route: str
    region: str
    answers: str
    """Who answered: AWS, or the address of what stands in for it."""
    began: float
    """Seconds since the epoch, by the host's clock."""
    left: Sequence[str] = ()
    """Streams that could not be removed."""
    stopped: bool = False
    with_account: bool = False

    @property
    def holds(self) -> bool:
        """Tell whether all that was asked holds, and nothing was left behind."""
        bad = {Outcome.FAILS, Outcome.OPEN}
        return not self.left and not self.stopped and not any(each.seen.outcome in bad for each in self.results)

    def shown(self, text: str) -> str:
        """Give a text without account numbers, unless they are wanted."""
        return without_accounts(text, wanted=self.with_account)


def without_accounts(text: str, *, wanted: bool = False) -> str:
    """Give a text without account numbers, unless they are wanted."""
    return text if wanted else _ACCOUNT.sub("ACCOUNT", text)


def remove_command(name: str, region: str) -> str:
    """Give what somebody types to remove a stream that is left."""
    return f"aws kinesis delete-stream --stream-name {name} --region {region}"


def counted(evidence: Evidence) -> str:
    """Say how many cases came to what."""
    outcomes = [each.seen.outcome for each in evidence.results]
    return "; ".join(f"{outcomes.count(one)} {words}" for one, words in _WORDS.items() if one in outcomes)


def data_of(evidence: Evidence) -> dict[str, Any]:
    """Give all of it as plain data, for JSON."""
    return {
        "version": VERSION,
        "doka": evidence.version,
        "route": evidence.route,
        "region": evidence.region,
        "answers": evidence.answers,
        "began": _moment(evidence),
        "holds": evidence.holds,
        "stopped": evidence.stopped,
        "left": [{"stream": name, "remove": remove_command(name, evidence.region)} for name in evidence.left],
        "cases": [
            {
                "name": each.case.name,
                "asked": each.case.asked,
                "outcome": each.seen.outcome.value,
                "answered": evidence.shown(each.seen.answered),
                "design": evidence.shown(each.seen.design),
                "leans": [{"promise": one.promise, "sentence": one.sentence} for one in each.case.leans],
            }
            for each in evidence.results
        ],
    }


def page_of(evidence: Evidence) -> str:
    """Give all of it as a page of Markdown."""
    return "\n".join(_lines(evidence)) + "\n"


def _lines(evidence: Evidence) -> Iterator[str]:
    yield "# Conformance of Kinesis and STS with what doka leans on"
    yield ""
    yield (
        f"Asked by doka {evidence.version} of {evidence.answers} in {evidence.region}, for route {evidence.route}, "
        f"on {_moment(evidence)}."
    )
    yield f"Of {len(evidence.results)} cases {counted(evidence)}."
    if evidence.stopped:
        yield "It was stopped before its end."
    for name in evidence.left:
        yield f"The stream {name} could not be removed: `{remove_command(name, evidence.region)}`."
    for each in evidence.results:
        yield ""
        yield f"## {each.case.name}: {each.seen.outcome.value}"
        yield ""
        yield f"- Asked: {each.case.asked}."
        yield f"- Answered: {evidence.shown(each.seen.answered)}."
        yield f"- Design: {evidence.shown(each.seen.design)}."
        for one in each.case.leans:
            yield f"- Leans on it: {one.promise} in {GUARANTEES}, «{one.sentence.rstrip('.')}»."


def _moment(evidence: Evidence) -> str:
    return f"{datetime.fromtimestamp(evidence.began, UTC):%Y-%m-%dT%H:%M:%SZ}"
