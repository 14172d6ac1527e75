"""Reloads by drawn seeds: every rule holds, and bugs that are planted on purpose are found by the right ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from doka.app.workers import reloading
from doka.app.workers.health import WorkersHealth
from doka.app.workers.reloader import Reloader
from doka.app.workers.reloading import Reloading, _Pass, _Phase, _Step
from doka.app.workers.supervision import KillWorker, Order, StopWorker, Supervision
from doka.app.workers.trial import Judged
from tests.simulation.planted.bug import Patch
from tests.simulation.reloads import Draw, calm, draw_reloads, rule_of, run_reloads, stopped_on_the_way

SEEDS = 60
BUDGET = 80
CLEAN_SEEDS = 20
SITUATIONS = {
    *("accepted", "taken", "taken back", "refused", "refused again later", "killed past its drain"),
    *("died", "died on the way", "stopped", "stopped on the way", "healed"),
}


def test_no_rule_is_broken_and_everything_has_been_played() -> None:
    """Deaths, bad workers, hanging judgements, refusals and stops amid reloads: eight rules hold in every run."""
    outcomes = {seed: run_reloads(draw_reloads(seed)) for seed in range(SEEDS)}
    assert {} == {seed: str(each.broken) for seed, each in outcomes.items() if each.broken is not None}
    reached = Counter(situation for each in outcomes.values() for situation in each.reached)
    assert set() == SITUATIONS - reached.keys()


def test_a_seed_plays_the_same_again() -> None:
    """A run is its seed's alone."""
    assert run_reloads(draw_reloads(7)) == run_reloads(draw_reloads(7))


def test_a_stop_amid_anything_ends_all() -> None:
    """Whatever is under way when it is wished."""
    assert [None] * CLEAN_SEEDS == [rule_of(run_reloads(stopped_on_the_way(seed))) for seed in range(CLEAN_SEEDS)]


def test_a_worker_at_work_waits_for_the_old_one_to_come_back() -> None:
    """Found by a drawn run: a reload turns back while the old worker of the place was started again a moment ago."""
    assert None is rule_of(run_reloads(draw_reloads(33)))


# --- planted bugs ------------------------------------------------------------------------------------------------------


def goes_without_a_drain(patch: Patch) -> None:
    """The old worker is killed instead of being asked to drain."""
    honest = Supervision.decide

    def decide(self: Supervision, now: int) -> list[Order]:
        return [KillWorker(each.worker) if isinstance(each, StopWorker) else each for each in honest(self, now)]

    patch.replace(Supervision, "decide", decide)


def takes_what_was_refused(patch: Patch) -> None:
    """What was refused by something outside is taken all the same."""
    honest = Reloader._take_in

    def _take_in(self: Reloader, judged: Judged, now: int) -> None:
        world = self._telemetry
        written = world.file  # type: ignore[attr-defined]
        refused = judged.settings is None
        honest(self, Judged(written.settings, f"hash-{written.number}") if refused else judged, now)

    patch.replace(Reloader, "_take_in", _take_in)


def lets_the_old_one_go_too_early(patch: Patch) -> None:
    """The old worker is retired as soon as the new one is started."""
    honest = Reloading._begin

    def _begin(self: Reloading, going: _Pass, place: int, now: int, reports: reloading.Reports) -> None:
        honest(self, going, place, now, reports)
        if going.step is not None and going.step.old is not None and not going.static:
            self._retire(going, going.step.old)

    patch.replace(Reloading, "_begin", _begin)


def starts_a_static_member_beside_its_like(patch: Patch) -> None:
    """Two of one name are in the group at a time."""
    honest = Reloading.accepted

    def accepted(self: Reloading, drain: int, *, static: bool) -> int:
        del static
        return honest(self, drain, static=False)

    patch.replace(Reloading, "accepted", accepted)


def forgets_what_is_wished_on_the_way(patch: Patch) -> None:
    """A change during a reload is dropped."""
    honest = Reloading.ask

    def ask(self: Reloading) -> None:
        if not self.under_way:
            honest(self)

    patch.replace(Reloading, "ask", ask)


def waits_for_a_judgement_for_ever(patch: Patch) -> None:
    """A judging that hangs keeps all later ones from happening, until it ends by itself."""
    honest = Reloading.decide

    def decide(self: Reloading, now: int, reports: reloading.Reports) -> list[reloading.ReloadOrder]:
        if self._judging_since is not None and not self._supervision.stopping:
            self._judging_since = now
        return honest(self, now, reports)

    patch.replace(Reloading, "decide", decide)


def takes_nothing_back(patch: Patch) -> None:
    """Where a new worker did not do, what was replaced already stays replaced."""
    honest = Reloading._fail

    def _fail(self: Reloading, going: _Pass, reason: str, now: int, reports: reloading.Reports) -> None:
        target = going.target
        honest(self, going, reason, now, reports)
        going.target = target

    patch.replace(Reloading, "_fail", _fail)


def kills_in_the_drain(patch: Patch) -> None:
    """An old worker is given the drain of another configuration, or none."""

    def retire(self: Supervision, worker: int) -> None:
        known = self._workers.get(worker)
        if known is not None and not known.runs:
            del self._workers[worker]
        elif known is not None:
            known.retired, known.drain = True, -4_000_000_000

    patch.replace(Supervision, "retire", retire)


def says_that_a_refusal_went_well(patch: Patch) -> None:
    """The figure stays 1."""

    def _refuse(self: Reloader, problems: tuple[str, ...], now: int, *, passing: bool) -> None:
        self._reloading.refused(now, passing=passing)
        self._telemetry.refused(problems, again_in=1 if passing else None)

    patch.replace(Reloader, "_refuse", _refuse)


def forgets_who_is_on_trial_in_a_stop(patch: Patch) -> None:
    """A stop asks those alone who are no longer on trial."""
    honest = Supervision.decide

    def decide(self: Supervision, now: int) -> list[Order]:
        orders = honest(self, now)
        if not self.stopping:
            return orders
        return [each for each in orders if not (isinstance(each, StopWorker) and self._workers[each.worker].on_trial)]

    patch.replace(Supervision, "decide", decide)


def believes_one_word(patch: Patch) -> None:
    """A place is done though its old worker has not left: the next one begins beside it."""
    honest = Reloading._go_on

    def _go_on(self: Reloading, going: _Pass, step: _Step, now: int, reports: reloading.Reports) -> None:
        if step.phase is _Phase.LEAVES:
            going.step = None
            return
        honest(self, going, step, now, reports)

    patch.replace(Reloading, "_go_on", _go_on)


def believes_the_last_word(patch: Patch) -> None:
    """A worker that said that it is ready counts as ready for as long as it says nothing else."""
    honest = WorkersHealth.reports

    def reports(self: WorkersHealth, now: int) -> dict[int, tuple[str, ...]]:
        del now
        return honest(self, 0)

    patch.replace(WorkersHealth, "reports", reports)


PLANTED: Mapping[Callable[[Patch], None], tuple[set[str], Draw]] = {
    goes_without_a_drain: ({"R3", "R5"}, calm()),
    takes_what_was_refused: ({"R2"}, draw_reloads),
    lets_the_old_one_go_too_early: ({"R1"}, draw_reloads),
    starts_a_static_member_beside_its_like: ({"R4"}, draw_reloads),
    forgets_what_is_wished_on_the_way: ({"R6"}, draw_reloads),
    waits_for_a_judgement_for_ever: ({"R6"}, draw_reloads),
    takes_nothing_back: ({"R1", "R6"}, draw_reloads),
    kills_in_the_drain: ({"R3"}, calm()),
    says_that_a_refusal_went_well: ({"R7"}, draw_reloads),
    forgets_who_is_on_trial_in_a_stop: ({"R3", "R8"}, stopped_on_the_way),
    believes_one_word: ({"R4"}, draw_reloads),
    believes_the_last_word: ({"R1"}, draw_reloads),
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its budget of seeds, by one of the rules that are there for it, and by no other one before."""
    rules, draw = PLANTED[plant]
    plant(Patch(monkeypatch))
    found = next((rule for seed in range(BUDGET) if (rule := rule_of(run_reloads(draw(seed)))) is not None), None)
    assert found in rules
