"""One blocking question to the cluster at a time, beside the loop: on a thread that lives as long as the question."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

from confluent_kafka import KafkaException

from doka.adapters.kafka.client import ClientUnusableError

Q = TypeVar("Q")
A = TypeVar("A")
THREAD: Final = "doka-kafka-inquiry"


class Question(Generic[Q, A]):
    """The next one is refused until the answer of the one before was taken."""

    def __init__(self, find_out: Callable[[Q], A], nothing: A) -> None:
        """`find_out` runs on the thread and touches nothing but its answer; where it fails the answer is `nothing`."""
        self._find_out = find_out
        self._nothing = nothing
        self._answers: SimpleQueue[A] = SimpleQueue()
        self._busy = False

    def ask(self, question: Q) -> bool:
        """Ask; False, and nothing is asked, while another question is open."""
        if self._busy:
            return False
        self._busy = True
        threading.Thread(target=self._run, args=(question,), name=THREAD, daemon=True).start()
        return True

    def answer(self) -> A | None:
        """Take the answer; None while there is none."""
        try:
            answer = self._answers.get_nowait()
        except Empty:
            return None
        self._busy = False
        return answer

    def _run(self, question: Q) -> None:
        answer = self._nothing
        try:
            answer = self._find_out(question)
        except (ClientUnusableError, KafkaException):
            pass  # no token for a client at the moment, or nobody answers: the question is asked again
        finally:
            self._answers.put(answer)
