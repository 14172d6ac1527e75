import pytest

from doka.adapters.kafka.no_letters import NoLetters
from doka.domain.commands import SendLetter
from doka.domain.errors import InvariantError
from doka.domain.records import TopicPartition


class _Record:
    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes | None:
        return None

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 0, -1


def test_without_a_topic_no_letter_may_be_sent() -> None:
    """A letter without a topic would settle a record by nothing, so it stops the service."""
    letters = NoLetters()

    with pytest.raises(InvariantError, match=r"orders\[0\]@7 was sent to the dead letters"):
        letters.submit(SendLetter(1, TopicPartition("orders", 0), 7, _Record(), "EmptyPartitionKey", 0, "orders"))
    assert list(letters.answers()) == []
    letters.close()
