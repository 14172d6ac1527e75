"""What a question for credentials comes to: a grant, or a refusal that may be shown to anybody.

A refusal must never carry a secret: STS itself repeats the session token in some of its texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from doka.domain.events import LeaseRefused
from doka.domain.lease import Secrets

_IN_A_HEADER = re.compile(r"[!-~](?:[ -~]*[!-~])?")
MESSAGE_CHARACTERS_MAX = 500
_STS_REPEATS_THE_REQUEST_AFTER = "The Canonical String for this request"


@dataclass(frozen=True, slots=True)
class Grant:
    """Credentials of one issue; times in ns of `ports.Clock.now`, `ends_at` None where they do not end."""

    secrets: Secrets
    issued_at: int
    ends_at: int | None
    account_id: str | None = None

    def lives_beyond(self, now: int, at_most: int) -> bool:
        """Tell whether more than `at_most` ns, or a third of its whole life if that is less, are left at `now`."""
        if self.ends_at is None:
            return True
        return self.ends_at - now > min(at_most, (self.ends_at - self.issued_at) // 3)


class RefusedError(Exception):
    """There are no credentials this time; stays within this adapter, where it becomes a `LeaseRefused`.

    `identity_refused` tells that the service did not accept who asked, so what signed the question may be worth nothing.
    `worth_asking_again` tells that the question was refused by its date and that the answer has taught the right one.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        skew_seconds: float | None = None,
        identity_refused: bool = False,
        worth_asking_again: bool = False,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.skew_seconds = skew_seconds
        self.identity_refused = identity_refused
        self.worth_asking_again = worth_asking_again

    def event(self, role: str) -> LeaseRefused:
        """Give this refusal as the event of a role."""
        return LeaseRefused(role, self.code, self.message, self.skew_seconds)


def check_secrets(secrets: Secrets, source: str) -> None:
    """Refuse keys and a token that cannot stand in a header, before the HTTP client does and quotes them.

    `source` says where they are from, in words for the operator.

    Raises:
        RefusedError: naming which of the three it is, never what it holds.
    """
    named = {"access key": secrets.access_key, "secret key": secrets.secret_key, "session token": secrets.token}
    for name, text in named.items():
        if text and _IN_A_HEADER.fullmatch(text) is None:
            what = (
                "a line break"
                if "\n" in text or "\r" in text
                else "a blank at an end, or a character that no header takes"
            )
            raise RefusedError("UnusableCredentials", f"the {name} of {source} holds {what}; give it without")


def showable(text: str, secrets: Iterable[Secrets] = ()) -> str:
    """Give the part of a service's text that may be shown: one line, without the request and without its secrets."""
    line = " ".join(text.split(_STS_REPEATS_THE_REQUEST_AFTER, maxsplit=1)[0].split())
    for triple in secrets:
        for secret in (triple.secret_key, triple.token):
            if secret:
                line = line.replace(secret, "***")
    return line[:MESSAGE_CHARACTERS_MAX]
