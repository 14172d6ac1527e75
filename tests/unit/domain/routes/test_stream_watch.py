from __future__ import annotations

from doka.domain.limits import (
    DESCRIBE_EVERY_NS,
    DESCRIBE_HINT_NS,
    DESCRIBE_WAITED_EVERY_NS,
    SURE_OF_LIMIT_NS,
)
from doka.domain.routes.stream_watch import StreamWatch
from tests.unit.domain.builders import SECOND, most_jitter, no_jitter

NOW = 1000 * SECOND


def watch(jitter: float = 0.0, *, news: bool = False, waited_for: bool = False) -> StreamWatch:
    """Give the watch of a stream that was described just now."""
    made = StreamWatch(lambda: jitter)
    made.answered(NOW, news=news, waited_for=waited_for)
    return made


def in_seconds(made: StreamWatch, since: int = NOW) -> float:
    """Give in how many seconds it looks again."""
    assert made.at is not None
    return (made.at - since) / SECOND


def test_nothing_is_looked_for_before_the_stream_was_described() -> None:
    """A stream that was never described is the matter of the route's standing, whatever hints there are."""
    made = StreamWatch(no_jitter)
    made.hinted(NOW)
    made.doubted(NOW)
    assert (None, False, None) == (made.at, made.due(NOW * 9), made.sure_until)


def test_members_that_began_together_do_not_ask_together() -> None:
    """The next look is drawn between half and one and a half of the interval; sooner while a record waits for it."""
    assert [DESCRIBE_EVERY_NS / SECOND * of for of in (0.5, 1.0, 1.5)] == [
        round(in_seconds(watch(jitter)), 3) for jitter in (0.0, 0.5, most_jitter())
    ]
    assert DESCRIBE_WAITED_EVERY_NS / SECOND == in_seconds(watch(0.5, waited_for=True))


def test_a_hint_brings_the_look_forward_and_each_that_was_in_vain_less_so() -> None:
    """The waits double up to the interval, and what has changed, or a look without a hint, lets them begin anew."""
    made, waits = watch(), []
    for _ in range(8):
        made.hinted(NOW)
        waits.append(in_seconds(made))
        made.answered(NOW, news=False, waited_for=False)
    half = DESCRIBE_EVERY_NS / SECOND / 2
    assert [10.0, 20.0, 40.0, 80.0, half, half, half, half] == waits  # it would have looked then anyway
    made.hinted(NOW)
    made.answered(NOW, news=True, waited_for=False)
    made.hinted(NOW)
    assert DESCRIBE_HINT_NS / SECOND == in_seconds(made)


def test_a_hint_long_after_the_last_answer_is_followed_within_seconds() -> None:
    """All members meet the same refusal at the same moment: their looks are spread over two seconds."""
    late = NOW + 100 * SECOND
    made = [watch(jitter) for jitter in (0.5, most_jitter())]
    for each in made:
        each.hinted(late)
    assert [1.0, 2.0] == [round(in_seconds(each, late), 3) for each in made]


def test_many_hints_draw_once() -> None:
    """A storm of refusals does not draw until the draw is short."""
    draws = iter((0.5, 0.9, 0.0, 0.0))
    made = StreamWatch(lambda: next(draws))
    made.answered(NOW, news=False, waited_for=False)
    for _ in range(50):
        made.hinted(NOW + 100 * SECOND)
    assert 1.8 == round(in_seconds(made, NOW + 100 * SECOND), 3)


def test_a_doubt_does_not_wait() -> None:
    """Where a record is about to be put aside the look comes at once, also where a hint had asked for one later."""
    made = watch()
    made.hinted(NOW)
    made.doubted(NOW + SECOND)
    assert made.due(NOW + SECOND)


def test_what_was_answered_is_sure_for_a_while_also_where_it_was_refused() -> None:
    """A stream that cannot be described must not hold a record for ever."""
    made = watch()
    assert NOW + SURE_OF_LIMIT_NS == made.sure_until
    made.failed(NOW + SECOND)
    assert NOW + SECOND + SURE_OF_LIMIT_NS == made.sure_until


def test_looks_that_fail_come_more_rarely_up_to_the_interval() -> None:
    """A missing permission costs next to nothing; the first look that succeeds ends that."""
    made, waits = watch(most_jitter()), []
    for _ in range(7):
        made.failed(NOW)
        waits.append(round(in_seconds(made)))
    assert [20, 40, 80, 160, 300, 300, 300] == waits
    made.answered(NOW, news=False, waited_for=False)
    made.failed(NOW)
    assert 20 == round(in_seconds(made))


def test_throttling_is_a_hint_once_it_lasts() -> None:
    """A burst says nothing of the shards; half a minute of refusals may mean that there are others."""
    made = watch()
    early = in_seconds(made)
    for second in range(29):
        made.throttled(NOW + second * SECOND)
    assert early == in_seconds(made)
    made.throttled(NOW + 60 * SECOND)  # after a quiet while: it begins anew
    assert early == in_seconds(made)
    for second in range(61, 91):
        made.throttled(NOW + second * SECOND)
    assert 90.0 == in_seconds(made)
