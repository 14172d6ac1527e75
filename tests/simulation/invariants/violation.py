"""What a broken rule is, and what each rule expects."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RULES: Mapping[str, str] = MappingProxyType(
    {
        "I1": "no offset is committed before every record below it is settled",
        "I2": "everything that was produced and committed has landed, is a dead letter, or was dropped and counted",
        "I3": "commits go forwards, never above what was delivered, and only for partitions that are owned",
        "I4": "first landings of a key are in source order, and no record overtakes one of its key that is un-settled",
        "I5": "a request is signed with a lease that has not ended, and may not outlive it",
        "I6": "the secrets of a signature come from one issue",
        "I7": "requests in flight, their sizes, and what is held stay within their limits",
        "I8": "records land again only where a fault explains it, at most `ahead_records` a partition",
        "I9": "what is due is done in its turn; when the last fault has healed, lag goes to zero; what is sick for ever holds back nobody else",
        "I10": "questions and attempts are bounded in time, and their waits have jitter",
        "I11": "only what can never land is put aside, and it settles when its letter is acknowledged",
        "I12": "what cannot go on stops loudly, and commits nothing after it",
        "I13": "nothing is sent of a partition that is not owned, and a drain sends nothing new",
        "I14": "the figures that are told are those of the world",
        "I15": "no offset of the input is skipped in silence",
        "I16": "what an answer calls landed has landed",
        "I17": "no secret and no payload stands in a text for people",
        "I18": "a seed gives the same trace whenever and wherever it runs",
        "I19": "a stop ends within its time, and no earlier than what was sent is settled",
        "I20": "no decision depends on the wall clock",
        "I21": "a record that waits in Kafka for more than 30 s shows: not ready, stuck, or a lag as long as its wait",
    }
)
"""Every rule by its name, as it is expected to hold."""


class ViolationError(BaseException):
    """A rule was broken: which, and what was seen."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule
        self.what = what

    @property
    def expected(self) -> str:
        """What the rule expects."""
        return RULES[self.rule]
