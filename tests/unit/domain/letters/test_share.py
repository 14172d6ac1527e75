"""What a resend may commit of one partition, for what it sends and for what it leaves out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from doka.domain.letters.resent import Resent
from doka.domain.letters.share import Planned, Share

OFFSETS = st.sets(st.integers(0, 60))


@given(before=OFFSETS, reached=st.integers(0, 50), chosen=OFFSETS, watermark=st.integers(0, 60))
def test_what_is_committed_is_done_and_nothing_else_is(
    before: set[int], reached: int, chosen: set[int], watermark: int
) -> None:
    """Every offset below 40 is a letter; what came later, another resend has left out."""
    state = Resent.of(sorted(offset for offset in before if offset < reached), reached)
    letters = [offset for offset in range(40) if not state.is_done(offset)]
    planned = Planned([o for o in letters if o in chosen], [o for o in letters if o not in chosen], 40)
    share = Share(state, planned)
    after = share.after(watermark)
    passed = {o for o in range(70) if state.reached <= o < after.reached and o not in letters}
    done = {o for o in range(70) if state.is_done(o)} | {o for o in planned.chosen if o < watermark}
    assert done == {o for o in range(70) if after.is_done(o)} - passed
    assert after.offset >= state.offset


def test_it_is_finished_when_kafka_holds_the_last_that_was_chosen() -> None:
    """Where nothing is chosen, at once; what retention took is not waited for."""
    share = Share(Resent(2), Planned([1, 5, 8], [0, 6], 10))
    assert ([5, 8], 9, False) == (share.chosen, share.up_to, share.finished)
    share.settled = 9
    assert share.finished
    assert Share(Resent(0), Planned([], [3], 10)).finished
    share.forget_below(7)
    assert ([8], Resent(9)) == (share.chosen, share.after(9))
