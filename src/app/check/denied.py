"""What AWS says of a denial: which action, on what, and the kind of policy that decided, in its own fixed words.

The words are those of the IAM user guide, "Troubleshoot access denied error messages": an explicit deny is "with an
explicit deny in a KIND", a missing allow is "because no KIND allows the ACTION action".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ACTION = re.compile(r"not authorized to perform:? ([a-zA-Z0-9-]+:[A-Za-z*]+)", re.IGNORECASE)
_RESOURCE = re.compile(r"on resource:? (arn:\S+)", re.IGNORECASE)
_KIND = r"([A-Za-z][A-Za-z -]{2,40}?(?:policy|boundary))"
_EXPLICIT = re.compile(rf"with an explicit deny in an? {_KIND}\b", re.IGNORECASE)
_MISSING = re.compile(rf"because no {_KIND} allows", re.IGNORECASE)

ORGANIZATION = {
    "service control policy": "AWS Organizations has it, for the account of who asks",
    "resource control policy": "AWS Organizations has it, for the account of what is asked for",
}
"""Kinds that nobody in the account itself can change."""


@dataclass(frozen=True, slots=True)
class Denial:
    """What a message tells; None for what it does not."""

    action: str | None
    kind: str | None
    """The kind of policy, in AWS's words and in lower case."""
    explicit: bool
    """A statement denies it, so that no allow elsewhere helps."""
    resource: str | None = None
    """The ARN on which it was denied."""


def read_denial(message: str) -> Denial:
    """Read AWS's message about a denial; a stand-in's own words tell nothing."""
    action, explicit, missing, resource = (found.search(message) for found in (_ACTION, _EXPLICIT, _MISSING, _RESOURCE))
    kind = explicit or missing
    return Denial(
        action=None if action is None else action[1],
        kind=None if kind is None else kind[1].lower(),
        explicit=explicit is not None,
        resource=None if resource is None else resource[1],
    )


def facts_of(code: str, message: str, action: str, on: str | None = None) -> dict[str, str | None]:
    """Give for a machine which action was denied, and on what: as AWS tells it, else what was asked for."""
    denial = read_denial(message)
    return {"code": code, "action": denial.action or action, "on": denial.resource or on}


def cure_for_policy(denial: Denial, action: str, places: dict[str, str]) -> str | None:
    """Say which policy is to be changed, where the message names its kind; `places` says whose it is, by kind."""
    if denial.kind is None:
        return None
    place = ORGANIZATION.get(denial.kind) or places.get(denial.kind)
    where = "" if place is None else f" ({place})"
    if denial.explicit:
        return f"take the deny of {action} out of the {denial.kind}{where}; no allow elsewhere outweighs it"
    return f"allow {action} in the {denial.kind}{where}"
