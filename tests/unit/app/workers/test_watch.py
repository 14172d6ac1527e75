from __future__ import annotations

from pathlib import Path

from doka.app.workers.changes import read
from doka.app.workers.watch import ConfigurationWatch, state_of
from tests.waiting import eventually


class Watched:
    """A watch that is made to look by hand, and how often it has called."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | None] = {"doka.yaml": b"a"}
        self.calls = 0
        self.watch = ConfigurationWatch(lambda: self.files, self._changed)

    def _changed(self, state: bytes) -> None:
        assert state_of(self.files) == state
        self.calls += 1

    def look(self, times: int = 1) -> int:
        """Look so often, and give how often it has called by then."""
        for _ in range(times):
            self.watch.look()
        return self.calls


def test_a_change_counts_once_and_when_it_was_seen_twice() -> None:
    """A file may be half written at the first look."""
    watched = Watched()
    assert 0 == watched.look(3)
    watched.files["doka.yaml"] = b"half"
    assert 0 == watched.look()
    watched.files["doka.yaml"] = b"whole"
    assert 0 == watched.look()
    assert 1 == watched.look(3)


def test_a_change_that_is_taken_back_is_none() -> None:
    """What is there is what is known."""
    watched = Watched()
    watched.files["doka.yaml"] = b"b"
    watched.look()
    watched.files["doka.yaml"] = b"a"
    assert 0 == watched.look(3)


def test_a_file_that_is_gone_and_one_that_comes_are_changes() -> None:
    """Gone is told as such by whoever reads it; a transform that a new configuration names is watched from then on."""
    watched = Watched()
    watched.files["doka.yaml"] = None
    assert 1 == watched.look(2)
    watched.files = {"doka.yaml": b"a", "transform.py": b""}
    assert 2 == watched.look(2)
    watched.files = {"doka.yaml": b"", "transform.py": b"a"}
    assert 3 == watched.look(2), "the same bytes in another file are another state"


def test_links_are_followed_and_times_do_not_count(tmp_path: Path) -> None:
    """As a kubelet changes a ConfigMap: the link of the directory leads elsewhere, and the file's own does not change."""
    for name, text in (("..1", "a"), ("..2", "b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "doka.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..1")
    file = tmp_path / "doka.yaml"
    file.symlink_to("..data/doka.yaml")
    calls: list[bool] = []
    watch = ConfigurationWatch(lambda: {str(file): read(file)}, lambda _state: calls.append(True), every=0.01)
    watch.open()
    try:
        (tmp_path / "..1" / "doka.yaml").touch()
        (tmp_path / "..next").symlink_to("..2")
        (tmp_path / "..next").replace(tmp_path / "..data")
        eventually(lambda: calls, what="the change")
    finally:
        watch.close()
    assert [True] == calls
