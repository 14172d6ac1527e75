"""Windows that join: whatever happens between two of them, each record is judged once, and a loss counts until it is found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import pytest

from doka.adapters.audit import carrying
from doka.adapters.audit import file as audit_file
from doka.adapters.audit.file import AuditFile
from doka.app.audit import windows as audit_windows
from doka.app.audit.reading import Reading
from doka.app.audit.windows import Windows
from doka.domain.audit.fates import Fate, Judgement
from doka.domain.errors import InvariantError, UsageError
from doka.domain.records import TopicPartition
from tests.unit.app.audit.two_sides import TwoSides

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
HOUR_MS = 3_600_000
SEEDS = range(3)
"""Of histories; each planted bug shows in the first, and each costs as much as ten tests by hand."""
WINDOWS = 6
NEVER: Callable[[], bool] = lambda: False  # noqa: E731 - a value among others


def after(looks: int) -> Callable[[], bool]:
    """Say stop at the so-manieth look."""
    left = iter(range(looks))
    return lambda: next(left, None) is None


def windows_of(world: TwoSides, path: Path) -> Windows:
    """Give the windows of a history, as a process that has just begun has them."""
    return Windows(world.sides(), path, "doka", None, HOUR_MS)


Lost = set[tuple[TopicPartition, int]]


def judged(world: TwoSides, path: Path, *, meanwhile: Callable[[], None] = lambda: None) -> tuple[Judgement, int]:
    """Judge the next window; give what was found, and how many losses were looked for again. `meanwhile`: before it is read."""
    judgement, carried, _ = judged_by_name(world, path, meanwhile=meanwhile)
    return judgement, carried


def judged_by_name(world: TwoSides, path: Path, *, meanwhile: Callable[[], None]) -> tuple[Judgement, int, Lost]:
    """Judge the next window, and name what is lost too, while its file is open: to open one costs as much as to judge."""
    windows = windows_of(world, path)
    begun = windows.begin()
    with begun.file as file:
        carried = file.lost
        meanwhile()
        if begun.unreadable is None:
            assert Reading(windows.sides, file, begun.identities).run(lambda _: None, NEVER)
        judgement = file.judge()
        lost = lost_of(file)
        windows.finish(file)
    return judgement, carried, lost


def lost_in(path: Path) -> Lost:
    """Name what is lost."""
    with AuditFile.open(path) as file:
        return lost_of(file)


def lost_of(file: AuditFile) -> Lost:
    """Name what is lost in a file that is open."""
    found = list(file.ranges(Fate.LOST))
    return {(each.partition, offset) for each in found for offset in range(each.first, each.last + 1)}


@dataclass
class Pipeline:
    """A forwarder that loses, doubles, lags, lands ahead of its commits, and now and then sends a loss once more."""

    draw: random.Random
    alike: bool
    """Whether records may be equal."""
    world: TwoSides = field(default_factory=TwoSides)
    landed: Counter[tuple[TopicPartition, int]] = field(default_factory=Counter)
    sent_to: Counter[TopicPartition] = field(default_factory=Counter)
    """Up to where it has sent, or given up."""

    def go_on(self, minutes: int) -> None:
        """Let so many minutes pass."""
        for _ in range(minutes):
            self.world.clock.pass_seconds(60)
            for place in (P0, P1):
                self._produce(place)
                self._forward(place)
            if self.draw.random() < 0.02:
                self.world.split()

    def _produce(self, place: TopicPartition) -> None:
        for _ in range(self.draw.randrange(3)):
            number = self.world.number * 1_000 + len(self.world.logs.get(place, ()))
            data = b"%d" % self.draw.randrange(3) if self.alike else b"%d/%d" % (place.partition, number)
            stamp = self.world.now_ms - self.draw.randrange(50_000)  # its producer's clock
            self.world.append(place, f"k{self.draw.randrange(4)}", data, stamp)

    def _forward(self, place: TopicPartition) -> None:
        log = self.world.logs.get(place, [])
        if self.draw.random() < 0.3:  # it lags
            return
        for offset in range(self.sent_to[place], len(log)):
            if self.draw.random() < 0.9:
                self._land(place, offset)
            self.sent_to[place] = offset + 1
        committed = self.world.committed.get(place, 0)
        if self.sent_to[place] > committed and self.draw.random() < 0.7:  # and commits behind what it has sent
            self.world.committed[place] = self.draw.randint(committed, self.sent_to[place])

    def _land(self, place: TopicPartition, offset: int) -> None:
        for _ in range(1 if self.alike or self.draw.random() < 0.95 else 2):
            self.world.land(place, offset)
            self.landed[place, offset] += 1

    def replay(self) -> None:
        """Send some of what was lost once more."""
        for place, offset in sorted(self.lost()):
            if self.draw.random() < 0.5:
                self._land(place, offset)

    def lost(self) -> set[tuple[TopicPartition, int]]:
        """Give what is committed and nowhere."""
        return {
            (place, offset)
            for place, end in self.world.committed.items()
            for offset in range(end)
            if not self.landed[place, offset]
        }

    def too_few(self, committed: dict[TopicPartition, int]) -> int:
        """Count by how many landings there are too few for these commits, where equal records are one as good as the other."""
        logs = self.world.logs
        wanted = Counter(logs[place][at][:2] for place, end in committed.items() for at in range(end))
        there: Counter[tuple[str, bytes]] = Counter()
        for (place, at), times in self.landed.items():
            there[logs[place][at][:2]] += times
        return (wanted - there).total()


def differs(seed: int, folder: Path, *, alike: bool = False) -> str | None:
    """Say where the audits of a history differ from what happened; None where they do not."""
    pipeline = Pipeline(random.Random(seed), alike)
    path = folder / f"{seed}.duckdb"
    path.unlink(missing_ok=True)
    records = 0
    for number in range(WINDOWS):
        pipeline.go_on(pipeline.draw.choice((20, 55)))
        if number == 2:
            pipeline.replay()
        if pipeline.draw.random() < 0.4:  # a process that is stopped in the middle
            windows = windows_of(pipeline.world, path)
            begun = windows.begin()
            with begun.file as file:
                Reading(windows.sides, file, begun.identities).run(lambda _: None, after(3))
            expected = pipeline.lost()  # its window is fixed
            committed = dict(pipeline.world.committed)
            pipeline.go_on(pipeline.draw.randrange(5))
        else:
            expected, committed = pipeline.lost(), dict(pipeline.world.committed)
        judgement, carried, lost = judged_by_name(pipeline.world, path, meanwhile=lambda: pipeline.go_on(1))
        records += judgement.records - carried
        if judgement.counts[Fate.NOT_JUDGED] or judgement.counts[Fate.NOT_YET]:
            return f"window {number}: something was left out"
        if records != sum(committed.values()):
            return f"window {number}: {records} records were judged, {sum(committed.values())} are committed"
        if alike:
            too_few = pipeline.too_few(committed)
            if judgement.counts[Fate.LOST] != too_few:
                return f"window {number}: {judgement.counts[Fate.LOST]} lost, {too_few} are"
        elif wrong := lost ^ {each for each in expected if not pipeline.landed[each]}:  # by when it was read
            return f"window {number}: {wrong}"
    return None


@pytest.mark.parametrize("seed", SEEDS)
def test_windows_say_together_what_happened(tmp_path: Path, seed: int) -> None:
    """Every committed record is judged once, and what is lost by now is exactly what no window and no replay has found."""
    assert differs(seed, tmp_path) is None


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_equal_records_are_counted_across_windows(tmp_path: Path, seed: int) -> None:
    """Of equal records the number counts, of all windows together."""
    assert differs(seed, tmp_path, alike=True) is None


# --- planted bugs ------------------------------------------------------------------------------------------------------

Plant = Callable[[pytest.MonkeyPatch], None]


def in_carrying(old: str, new: str) -> Plant:
    """Give what plants a bug into what is carried from window to window."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        assert old in carrying._CARRY
        patch.setattr(carrying, "_CARRY", carrying._CARRY.replace(old, new))

    return plant


def a_hole_between_windows(patch: pytest.MonkeyPatch) -> None:
    """Go on one offset behind the end."""
    _shift(patch, 1)


def an_edge_that_is_judged_twice(patch: pytest.MonkeyPatch) -> None:
    """Go on one offset before the end."""
    _shift(patch, -1)


def _shift(patch: pytest.MonkeyPatch, by: int) -> None:
    whole = Windows._firsts

    def shifted(self: Windows, *given: object) -> dict[TopicPartition, int]:
        firsts = whole(self, *given)  # type: ignore[arg-type]
        return {p: max(at + by, 0) if given[0] is not None else at for p, at in firsts.items()}

    patch.setattr(Windows, "_firsts", shifted)


def windows_that_join_by_times(patch: pytest.MonkeyPatch) -> None:
    """Take each partition up by the time again."""
    whole = Windows._firsts
    patch.setattr(
        Windows,
        "_firsts",
        lambda self, _before, *rest: whole(self, None, *rest),
    )


def an_end_that_is_not_committed(patch: pytest.MonkeyPatch) -> None:
    """Judge up to the ends of the logs."""
    patch.setattr(
        audit_windows,
        "replace",
        lambda each, **changes: replace(each, **{n: v for n, v in changes.items() if n != "end"}),
    )


PLANTED: dict[str, Plant] = {
    "a hole between windows": a_hole_between_windows,
    "an edge that is judged twice": an_edge_that_is_judged_twice,
    "windows that join by times": windows_that_join_by_times,
    "an end that is not committed": an_end_that_is_not_committed,
    "landings ahead of the commits are forgotten": in_carrying("JOIN shards USING (shard) WHERE arrived", "JOIN shards USING (shard) WHERE false AND arrived"),
    "landings of more than there are records are forgotten": in_carrying("number > records", "false"),
    "landings that were explained go on": in_carrying("number > records AND", ""),
    "losses are forgotten with their window": in_carrying("WHERE fate = 'lost'", "WHERE false"),
    "losses that are old are not judged any more": in_carrying("INSERT INTO passed", "INSERT INTO passed SELECT * FROM passed WHERE false; --"),
    "a shard is read from its beginning again": in_carrying("THEN old.last_sequence_number", "THEN NULL"),
}  # fmt: skip


OF_EQUAL_RECORDS = {
    "landings of more than there are records are forgotten",
    "landings that were explained go on",
    "a shard is read from its beginning again",
}
"""Bugs that are shown by histories in which records are equal: such a one is played first."""


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    """By one of the histories at least, as a difference or as something that cannot be."""
    PLANTED[bug](monkeypatch)
    for seed, alike in product(SEEDS, sorted((False, True), reverse=bug in OF_EQUAL_RECORDS)):
        try:
            if differs(seed, tmp_path, alike=alike) is not None:
                return
        except InvariantError:
            return
    pytest.fail("no history shows it")


# --- by hand -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def world() -> TwoSides:
    """Give a history of ten records, of which the first eight are committed, and all landed but the third and the last."""
    world = TwoSides()
    for number in range(10):
        world.append(P0, "k", b"%d" % number)
        if number not in {2, 9}:
            world.land(P0, number)
    world.committed[P0] = 8
    world.clock.pass_seconds(60)
    return world


def test_a_loss_counts_once_and_until_it_is_found(world: TwoSides, tmp_path: Path) -> None:
    """Window after window it is the same one, whatever its age, and none any more when it was sent again."""
    path = tmp_path / "x.duckdb"
    assert ([], 8) == ([*lost_in_nothing(path)], judged(world, path)[0].records)
    for _ in range(3):
        world.clock.pass_seconds(3 * 3_600)
        assert {(P0, 2)} == lost_in(path)
        assert (1, 1) == (judged(world, path)[0].counts[Fate.LOST], judged(world, path)[1])
    world.land(P0, 2)
    judgement, carried = judged(world, path)
    assert (0, 1, 1) == (judgement.counts[Fate.LOST], judgement.counts[Fate.IN_STREAM], carried)
    assert 0 == judged(world, path)[1]


def lost_in_nothing(path: Path) -> set[int]:
    """Say that nothing is there yet."""
    assert not path.exists()
    return set()


def test_it_is_judged_up_to_what_waits(world: TwoSides, tmp_path: Path) -> None:
    """To the first record that is not committed, however late it is; where nothing waits, to when it was asked."""
    path, waiting = tmp_path / "x.duckdb", world.logs[P0][8].timestamp_ms
    for hours in (0, 5):
        world.clock.pass_seconds(hours * 3_600)
        assert waiting == judged(world, path)[0].judged_until_ms
    world.committed[P0] = 10
    judgement, _ = judged(world, path)
    assert (world.now_ms, 2, {(P0, 2), (P0, 9)}) == (
        judgement.judged_until_ms,
        judgement.counts[Fate.LOST],
        lost_in(path),
    )


def test_a_clock_that_is_ahead_lets_nothing_go_that_is_still_needed(tmp_path: Path) -> None:
    """What landed ahead of its commit is found when that comes, though whoever audits believes that it was long ago."""
    world, path = TwoSides(host_ahead_ms=HOUR_MS), tmp_path / "x.duckdb"
    world.logs[P0] = []

    def write() -> None:
        world.land(P0, world.append(P0, "k", b"%d" % len(world.logs[P0])))

    for number in range(4):
        judgement, _ = judged(world, path, meanwhile=write)
        assert (min(number, 1), 0, 0) == tuple(
            judgement.counts[each] for each in (Fate.IN_STREAM, Fate.LOST, Fate.NOT_JUDGED)
        )
        world.committed[P0] = len(world.logs[P0])


def test_partitions_that_come_later_are_judged_whole(world: TwoSides, tmp_path: Path) -> None:
    """Of a new one nothing is passed over."""
    path = tmp_path / "x.duckdb"
    judged(world, path)
    world.clock.pass_seconds(60)
    world.append(P1, "k", b"new")
    world.committed[P1] = 1
    judged(world, path)
    assert {(P0, 2), (P1, 0)} == lost_in(path)


def test_a_topic_that_was_made_anew_is_judged_from_its_beginning(world: TwoSides, tmp_path: Path) -> None:
    """Its offsets mean other records; by its id that is known, however long its log is."""
    path = tmp_path / "x.duckdb"
    world.ids = {"orders": "first"}
    judged(world, path)
    world.ids, world.logs[P0] = {"orders": "second"}, []
    world.clock.pass_seconds(600)
    for number in range(9):
        world.append(P0, "k", b"new %d" % number)
        if number != 4:
            world.land(P0, number)
    world.committed[P0] = 9
    windows = windows_of(world, path)
    begun = windows.begin()
    begun.file.close()
    assert ("what the topic orders held before it was made anew",) == begun.missing
    assert (9, 1) == ((found := judged(world, path)[0]).records - 1, found.counts[Fate.LOST] - 1)


def test_a_log_that_was_cut_off_makes_no_losses(world: TwoSides, tmp_path: Path) -> None:
    """What it had and what was judged is no record of it any more; that is said, and nothing is judged a second time."""
    path = tmp_path / "x.duckdb"
    judged(world, path)
    del world.logs[P0][5:]
    begun = windows_of(world, path).begin()
    begun.file.close()
    assert ("orders[0]: its log ends at 5, and was judged up to 8: it is another one",) == begun.missing


def test_what_retention_takes_between_two_windows_is_said(world: TwoSides, tmp_path: Path) -> None:
    """Of the log by its offsets, of the stream by the time; what may have been there is not called lost."""
    path = tmp_path / "x.duckdb"
    judged(world, path)
    world.append(P0, "k", b"late")
    world.committed[P0] = 11
    world.log_starts[P0] = 9
    world.clock.pass_seconds(25 * 3_600)
    begun = windows_of(world, path).begin()
    begun.file.close()
    gone, deleted = begun.missing
    assert "orders:0:8 left the log before it was read" == gone
    assert deleted.startswith("what landed before ")
    judgement, _ = judged(world, path)
    assert (1, 2) == (judgement.counts[Fate.LOST], judgement.counts[Fate.NOT_JUDGED])


def test_a_window_that_cannot_be_read_on_is_judged_as_far_as_it_is_known(world: TwoSides, tmp_path: Path) -> None:
    """Stopped, and gone on with when the stream has deleted what was left: nothing is called lost, and the next one follows."""
    path = tmp_path / "x.duckdb"
    windows = windows_of(world, path)
    with windows.begin().file:
        pass  # killed before anything was read
    world.clock.pass_seconds(30 * 3_600)
    begun = windows_of(world, path).begin()
    begun.file.close()
    assert begun.unreadable == "the stream deleted what was left of this window before it was read"
    judgement, _ = judged(world, path)
    assert (0, False) == (judgement.counts[Fate.LOST], judgement.whole)
    world.committed[P0] = 10
    assert 0 == judged(world, path)[0].counts[Fate.LOST]


def test_a_file_of_another_audit_is_refused(world: TwoSides, tmp_path: Path) -> None:
    """What would be compared differently is no next window."""
    path = tmp_path / "x.duckdb"
    judged(world, path)
    other = Windows(world.sides(), path, "doka", "data", HOUR_MS)
    with pytest.raises(UsageError, match="is of another audit: its match is key_and_data, not data"):
        other.begin()


@pytest.mark.parametrize(("then", "after_that"), [(4_000, 4_000), (1_000, 1_000), (4_000, 1_000)])
def test_a_changed_record_limit_is_no_other_audit(world: TwoSides, tmp_path: Path, then: int, after_that: int) -> None:
    """The window that follows goes by the lower limit: what was put aside as too large by either is not called lost."""
    path = tmp_path / "x.duckdb"
    world.record_bytes_max = 2_000
    judged(world, path)
    large: list[bool] = []
    for limit in (then, after_that):
        sizes = (3_000, 10)  # of which neither lands
        first, small = (world.append(P0, "k", b"x" * size) for size in sizes)
        world.committed[P0] = len(world.logs[P0])
        world.record_bytes_max = limit
        world.clock.pass_seconds(3_600)
        judged(world, path)
        lost = lost_in(path)
        assert (P0, small) in lost
        large.append((P0, first) in lost)
    assert [False, then == after_that == 4_000] == large


def test_a_file_of_one_audit_is_no_window(world: TwoSides, tmp_path: Path) -> None:
    """It goes up to what nobody had committed, so what follows it would leave records out."""
    path = tmp_path / "x.duckdb"
    judged(world, path)
    with AuditFile.open(path) as file:
        terms, plan = file.terms, file.plan
    path.unlink()
    AuditFile.create(path, terms, plan).close()
    with pytest.raises(UsageError, match="is of one audit of a window that was named: name another file"):
        windows_of(world, path).begin()


def test_a_kill_between_two_windows_leaves_one_of_them(
    world: TwoSides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was left beside the file has no say."""
    path = tmp_path / "x.duckdb"
    judged(world, path)

    class KilledError(Exception):
        """The process is gone."""

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(audit_file, "carry", die)
        with pytest.raises(KilledError):
            windows_of(world, path).begin()
    assert {(P0, 2)} == lost_in(path)
    assert (1, 1) == ((found := judged(world, path))[0].counts[Fate.LOST], found[1])
    assert [path] == list(tmp_path.iterdir())
