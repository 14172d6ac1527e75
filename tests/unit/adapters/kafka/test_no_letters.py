from __future__ import annotations

import pytest

from adapters.kafka.no_letters import NoLetters
from domain.errors import InvariantError
from domain.ports import DeadLetters
from tests.dead_letters import Original, letter

SECRET = b"a payload that nobody may see"


def test_a_letter_without_a_topic_is_a_broken_invariant() -> None:
    """Its record would be settled by nothing; the message says which one it is, and not what is in it."""
    letters: DeadLetters = NoLetters()
    with pytest.raises(InvariantError, match=r"orders\[3\]@41") as raised:
        letters.submit(letter(1, Original(SECRET, SECRET)))
    assert SECRET.decode() not in str(raised.value)


def test_nothing_is_ever_answered() -> None:
    """It costs the loop nothing, before and after its end."""
    letters = NoLetters()
    assert [] == list(letters.answers())
    letters.close()
    assert [] == list(letters.answers())
