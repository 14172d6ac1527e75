"""The state file of a replay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from doka.app.replay.outcome import Outcome
from doka.app.replay.state import LOSSES, State, read_state
from doka.domain.errors import UsageError
from doka.domain.records import TopicPartition
from doka.domain.replay.progress import Progress, ReplayRange

P0 = TopicPartition("orders", 0)
ASKED: dict[str, object] = {"--since": "63h", "--until": None, "--offsets": [], "--route": None, "--stream": None}


def state() -> State:
    """Give one in the middle."""
    progress = Progress([ReplayRange(P0, 5, 20), ReplayRange(P0, 30, 40)], {P0: 12})
    outcome = Outcome(landed=7, poisoned={(P0, 6): "NoValue"}, gone={ReplayRange(P0, 8, 9)})
    return State(ASKED, progress, outcome, ("some are gone",), short=True, topic_ids={"orders": "abc"})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """All of it, and nothing else is left beside the file."""
    file = tmp_path / "weekend.state"
    state().write(file)
    found = read_state(file, ASKED)
    assert found is not None
    assert (state().outcome, state().missing, True, {"orders": "abc"}) == (
        found.outcome,
        found.missing,
        found.short,
        found.topic_ids,
    )
    assert state().progress.left == found.progress.left
    assert [file] == list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_a_new_replay(tmp_path: Path) -> None:
    """It is made when the first is sent."""
    assert read_state(tmp_path / "none", ASKED) is None


def test_a_write_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    """Whoever goes on from it repeats more, and loses nothing."""
    file = tmp_path / "weekend.state"
    state().write(file)
    before = file.read_bytes()
    (tmp_path / "weekend.state.new").mkdir()  # in the way
    with pytest.raises(OSError, match=r"weekend\.state\.new"):
        state().write(file)
    assert before == file.read_bytes()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"kind": "another"}', '{"kind": "doka replay 1", "settled": [{"topic": 1}]}', "\x00"]
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    """In one line, and it stays as it is."""
    file = tmp_path / "notes.txt"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"--state .*notes\.txt is no state of a replay; name another file"):
        read_state(file, ASKED)
    assert text == file.read_text()


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_state(tmp_path, ASKED)
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read: it is no text"):
        read_state(tmp_path / "bytes", ASKED)


def test_the_file_of_another_replay_is_refused(tmp_path: Path) -> None:
    """With its words: what is left of one is not what another asks for."""
    file = tmp_path / "weekend.state"
    state().write(file)
    with pytest.raises(UsageError, match=r"is of another replay \(--since 63h\); name another file, or the same words"):
        read_state(file, {**ASKED, "--since": "2h"})


@pytest.mark.parametrize(
    ("settled", "looked_after_ms", "anew"),
    [(40, 61_000, True), (40, 59_000, False), (40, None, False), (39, 61_000, False)],
)
def test_a_replay_whose_audit_has_looked_again_gives_way(
    tmp_path: Path, settled: int, looked_after_ms: int | None, *, anew: bool
) -> None:
    """One that had ended by then: what it sent was found, so what is lost now is another loss. Else it might be sent twice."""
    file, now = tmp_path / "orders.duckdb.replay", 1_700_000_000
    State(ASKED | {LOSSES: "first"}, Progress([ReplayRange(P0, 30, 40)], {P0: settled})).write(file)
    os.utime(file, (now, now))
    looked_at_ms = None if looked_after_ms is None else now * 1_000 + looked_after_ms
    if anew:
        assert read_state(file, ASKED | {LOSSES: "second"}, looked_at_ms) is None
    else:
        with pytest.raises(UsageError, match="is of another replay"):
            read_state(file, ASKED | {LOSSES: "second"}, looked_at_ms)
