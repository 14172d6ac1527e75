"""docs/failure-modes.md as the expectation of tests: what its column "what you see" says is looked for in what was seen.

A test plays a row, looks (`Seen`), and hands what it saw to the fixture `sees`:

    @pytest.mark.failure_mode("the stream is not there")
    def test_a_stream_that_is_gone(sees: Sees) -> None:
        ...
        sees(doka.look())

An entry is clauses, with `;` between them, and each clause is made of these:

    nothing                         ready all the time, and no line of the log above `info`
    `doka_x{label="value"}`         a series with these labels that is not 0
    `doka_x` grows / falls          it does, from one look to a later one
    no `doka_x`                     there is no such series
    `word` in `/readyz`             a reason holds the word; "in `/healthz`" likewise
    `event` with `word` in the log  one line holds all of them: its event, its fields that say something, their words
    exit code 1                     the process ended with it

`a`, `b` or `c` are alternatives: one of them in each look, each of them in some look of the test.
"after 20 s" in a clause: not before, and soon after. A word in capitals, such as `CODE`, and `...` stand for any word.
"""

from tests.failure_modes.page import Row, rows
from tests.failure_modes.plays import Sees
from tests.failure_modes.seen import Sample, Seen

__all__ = ["Row", "Sample", "Seen", "Sees", "rows"]
