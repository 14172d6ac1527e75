"""What a broken rule is."""

from __future__ import annotations


class ViolationError(BaseException):
    """A rule was broken."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule
