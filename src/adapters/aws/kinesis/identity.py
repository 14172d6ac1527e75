"""Whether an answer was given before: each answer of the service has an id of its own, and one that comes again is a lie.

An answer may be repeated after a request has left and before its own answer comes, when no look at the connection helps.
Its id helps always, for what was answered before was seen before.
"""

from __future__ import annotations

from doka.adapters.aws.kinesis.answers import last_block

ANSWERS_REMEMBERED = 16_384
"""At least so many, at most twice: some 4 MB, and minutes of the fastest process that was measured."""

ID_BYTES_MAX = 256
"""AWS's are 36 bytes, moto's 52."""

_NAME = b"\r\nx-amzn-requestid:"


class AnswerIds:
    """The ids of the answers that were seen lately."""

    def __init__(self, remembered: int = ANSWERS_REMEMBERED) -> None:
        self._remembered = remembered
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()

    def doubt(self, answer_id: bytes | None, *, fresh: bool) -> str | None:
        """Give why the answer with this id cannot be believed, or None; `fresh`: it is the first of its connection.

        An answer without an id could be any that was given before on its connection, so there must have been none.
        """
        if answer_id is None:
            return None if fresh else "nameless_answer"
        if answer_id in self._young or answer_id in self._old:
            return "repeated_answer"
        if len(self._young) >= self._remembered:
            self._old, self._young = self._young, set()
        self._young.add(answer_id)
        return None


def read_id(head: bytes) -> bytes | None:
    """Give the id of an answer (`x-amzn-RequestId`); None where there is none, or nothing that could be one."""
    block = last_block(head)
    at = block.lower().find(_NAME)
    if at < 0:
        return None
    found = block[at + len(_NAME) :].split(b"\r\n", 1)[0].strip()
    return found if 0 < len(found) <= ID_BYTES_MAX else None
