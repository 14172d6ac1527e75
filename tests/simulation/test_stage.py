"""What the stage shows is what the service says of itself in the simulated world."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import doka.adapters.simulated.world as world_module
from doka.adapters.simulated.plan import Kind
from doka.domain.rules import OnUnreadable
from tests.simulation.stage import STEADY, Stage


def test_a_calm_play_is_ready_and_its_counters_run() -> None:
    """The page is the real one: what was put settles on it, and nothing is wrong."""
    stage = Stage().run_to(600)
    last = stage.scrapes[600.0]
    landed = len(stage.world.streams["s0"].landed)
    assert landed > 30
    assert landed == last.samples['doka_records_settled_total{route="s0"}']
    assert (True, ()) == (last.ready, last.reasons)
    assert [30.0 * i for i in range(21)] == list(stage.scrapes)


def test_a_fault_shows_from_its_beginning_to_its_end() -> None:
    """Figures, readiness with its reason, and the log tell of a stream that was gone for a while; it ends with it."""
    stage = Stage(scrape_every=15)
    stage.strike(Kind.STREAM_MISSING, 60, 300)
    stage.run_to(420)
    seen = {at: scrape.samples.get('doka_route_blocked{reason="ResourceNotFoundException",route="s0"}')
            for at, scrape in stage.scrapes.items()}  # fmt: skip
    assert {None, 1.0} == set(seen.values())
    assert (None, 1.0, None) == (seen[45.0], seen[120.0], seen[420.0])
    assert ("route s0 is blocked: ResourceNotFoundException",) == stage.scrapes[120.0].reasons
    assert [60 < line["at"] < 100 for line in stage.log if line["event"] == "route_blocked"] == [True]
    assert stage.scrapes[420.0].ready


def test_the_pages_can_be_asked_at_any_moment() -> None:
    """A call at a moment of its own reads what would be answered just then."""
    stage = Stage()
    seen: list[int] = []

    def look() -> None:
        answer = stage.ask("/readyz")
        assert answer is not None
        seen.append(answer.code)

    stage.strike(Kind.STS_DENIED, 0, 100)
    stage.at(7.5, look)
    stage.at(199.5, look)
    stage.run_to(200)
    assert [503, 200] == seen


def test_weather_lasts_as_long_as_it_is_said_to() -> None:
    """All requests of a span of time vanish, those before and after it do not."""
    stage = Stage()
    stage.weather(100, 300, vanished=1.0)
    stage.run_to(500)
    times = [(landed.at - 1_000 * 10**9) / 10**9 for landed in stage.world.streams["s0"].landed]
    assert [] == [at for at in times if 101 < at < 300]
    assert [at for at in times if at < 100]
    assert [at for at in times if at > 300]


def test_nothing_listens_between_two_lives_and_the_next_begins_at_zero() -> None:
    """A killed process takes its pages and counters along; the next has its own start."""
    stage = Stage(scrape_every=1)
    stage.strike(Kind.CRASH, 100, 100)
    stage.run_to(150)
    down = [at for at, scrape in stage.scrapes.items() if scrape.page is None]
    assert [101.0, 102.0, 103.0, 104.0, 105.0] == down
    began = {scrape.samples["doka_process_start_time_seconds"] for scrape in stage.scrapes.values() if scrape.page}
    assert [105.0] == pytest.approx([max(began) - min(began)], abs=1.5)
    assert 0.0 == stage.scrapes[106.0].samples['doka_records_settled_total{route="s0"}']


def test_a_doze_passes_over_nothing_that_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that turns seldom lands the same records at the same moments, and counts the same."""
    monkeypatch.setattr(world_module, "CALL_NS", 0)  # else each turn shifts what follows by some microseconds

    def seen(turn_every: float) -> list[object]:
        stage = Stage(turn_every=turn_every)
        stage.weather(120, 240, answer_lost=1.0)
        stage.strike(Kind.BROKER_STALL, 300, 400)
        stage.run_to(600)
        samples = stage.scrapes[600.0].samples
        shown = ("doka_records_settled", "doka_possible_duplicates", "doka_route_blocks", "doka_records_fetched")
        return [
            {k: v for k, v in samples.items() if k.startswith(shown)},
            [x.at for x in stage.world.streams["s0"].landed],
        ]

    assert seen(0.1) == seen(5.0)


def test_a_loop_that_hangs_is_told_by_the_pages_that_go_on() -> None:
    """Its age grows, and /healthz says so; when it turns again all is well."""
    stage = Stage()
    alive: list[int] = []

    def look() -> None:
        answer = stage.ask("/healthz")
        assert answer is not None
        alive.append(answer.code)

    stage.hang(100, 220)
    stage.at(155, look)
    stage.at(215, look)
    stage.at(290, look)
    stage.run_to(300)
    assert [200, 503, 200] == alive
    assert 85 < stage.scrapes[210.0].samples["doka_loop_turn_age_seconds"] < 112
    assert stage.scrapes[300.0].ready


def test_a_process_that_is_suspended_answers_nobody() -> None:
    """A scrape of it fails; later it goes on as before."""
    stage = Stage()
    stage.strike(Kind.SUSPENDED, 99, 219)
    stage.run_to(300)
    assert [120.0, 150.0, 180.0, 210.0] == [at for at, scrape in stage.scrapes.items() if scrape.page is None]
    assert stage.scrapes[300.0].ready


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Kind.BATCH_UNREADABLE, r"partition t0\[0\] waits: offsets \d+ to \d+ cannot be read: the batch is corrupt"),
        (Kind.TOPIC_MISSING, "topic t0 does not exist"),
        (Kind.TOPIC_REFUSED, "topic t0 may not be read"),
    ],
)
def test_what_nothing_draws_can_be_played_and_ends(kind: Kind, sentence: str) -> None:
    """A damaged batch, a topic that is gone and one that is denied are told by /readyz, and hold nothing up later."""
    stage = Stage()
    stage.strike(kind, 60, 600, draw=1)
    stage.run_to(900)
    assert [True] == [True for reason in stage.scrapes[570.0].reasons if re.match(sentence, reason)]
    assert (True, ()) == (stage.scrapes[900.0].ready, stage.scrapes[900.0].reasons)
    assert {0.0} == {v for k, v in stage.scrapes[900.0].samples.items() if k.startswith("doka_waiting_seconds")}


def test_what_cannot_be_read_is_stepped_over_where_that_is_the_policy() -> None:
    """With `on_unreadable: continue` the offsets are counted, and what is behind them lands."""
    stage = Stage(replace(STEADY, on_unreadable=OnUnreadable.CONTINUE))
    stage.strike(Kind.BATCH_UNREADABLE, 60, 600, draw=1)
    stage.run_to(600)
    samples = stage.scrapes[600.0].samples
    assert 5.0 == samples['doka_unreadable_offsets_total{policy="continue",topic="t0"}']
    assert stage.scrapes[600.0].ready
    assert 0.0 == samples['doka_lag_records{partition="0",route="s0",topic="t0"}']
