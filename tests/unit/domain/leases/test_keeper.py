"""A role's lease. By default it lives 3,600 s from 0, is due at 3,000 s and may sign until 3,590 s."""

from __future__ import annotations

import pytest

from doka.domain.errors import InvariantError
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.facts import LeaseRejected, LeaseRenewalFailed, LeaseRenewed
from doka.domain.leases.keeper import TRANSITIONS, LeaseInput, LeaseKeeper, LeaseState
from doka.domain.limits import BACKOFF_FIRST_NS
from doka.domain.rules import RoleRules, RotationPolicy
from doka.domain.turn import Turn
from tests.unit.domain.builders import MS, SECOND, lease, most_jitter, no_jitter, told

TIMEOUT = 10 * SECOND
BORN = 10_000 * SECOND  # of a lease whose life counts, not its end
S, I = LeaseState, LeaseInput  # noqa: E741 - as the table itself names them


def keeper(policy: RotationPolicy = RotationPolicy.BEFORE_EXPIRY, *, timeout: int = TIMEOUT) -> LeaseKeeper:
    """Keep a role that never had a lease."""
    return LeaseKeeper(RoleRules("writer", policy), timeout, no_jitter)


def issue(to: LeaseKeeper, serial: int = 1, *, at: int = 0, life: int | None = 3600 * SECOND, now: int = -1) -> None:
    """Let a lease arrive that was asked for at `at`."""
    to.issued(LeaseIssued(lease(serial, at=at, life=life)), at if now < 0 else now, Turn())


def refuse(to: LeaseKeeper, now: int = 0, code: str = "AccessDenied", skew: float | None = None) -> LeaseRenewalFailed:
    """Let STS refuse."""
    (failed,) = told(to.refused, LeaseRefused("writer", code, "not allowed", skew), now)
    assert isinstance(failed, LeaseRenewalFailed)
    return failed


def in_state(state: LeaseState) -> tuple[LeaseKeeper, int]:
    """Bring a keeper into a state; give it and the time."""
    made = keeper()
    if state is S.ABSENT:
        return made, 0
    issue(made)
    now = {S.FRESH: 1, S.DUE: 3000, S.EXPIRING: 3590, S.REFUSED: 3590}[state] * SECOND
    made.tick(now)
    if state is S.REFUSED:
        refuse(made, now)
    assert made.state is state
    return made, now


def apply(to: LeaseKeeper, what: LeaseInput, now: int) -> None:
    """Let one input of the table happen in the way it happens."""
    match what:
        case I.ISSUED:
            issue(to, 2, at=now)
        case I.REFUSED:
            refuse(to, now)
        case I.RENEWAL_TIME:
            to.tick(max(now, 3000 * SECOND))
        case I.RESERVE_REACHED:
            to.tick(max(now, 3590 * SECOND))
        case I.REJECTED:
            to.rejected(1, "ExpiredTokenException", now, Turn())


@pytest.mark.parametrize("what", LeaseInput)
@pytest.mark.parametrize("state", LeaseState)
def test_every_input_in_every_state(state: LeaseState, what: LeaseInput) -> None:
    """Each pair moves as the table says; a pair that is not in it leaves the state as it was."""
    made, now = in_state(state)
    apply(made, what, now)
    assert TRANSITIONS.get((state, what), state) is made.state


def test_only_a_lease_that_is_there_signs() -> None:
    """Signing is allowed in exactly the states FRESH and DUE."""
    signing = {state for state in LeaseState if (at := in_state(state))[0].for_signing(at[1]) is not None}
    assert {S.FRESH, S.DUE} == signing


class TestReserve:
    """No request may outlive the lease that signed it."""

    @pytest.mark.parametrize(
        ("life", "timeout", "reserve"),
        [(3600, 10, 10), (50, 10, 10), (49, 10, 9.8), (5, 10, 1), (900, 200, 180)],
    )
    def test_is_the_timeout_but_a_fifth_of_a_short_life(self, life: int, timeout: int, reserve: float) -> None:
        """Reserve = min(request timeout, life / 5): the old lease signs until there and no longer."""
        made = keeper(timeout=timeout * SECOND)
        issue(made, at=BORN, life=life * SECOND)
        start = BORN + life * SECOND - int(reserve * SECOND)
        assert made.for_signing(start - 1) is not None
        assert made.for_signing(start) is None

    def test_cuts_the_timeout_to_what_is_left(self) -> None:
        """A request's time is what its lease has left, when that is less than the timeout."""
        made = keeper()
        issue(made, life=20 * SECOND)
        assert [10 * SECOND, 10 * SECOND, 5 * SECOND] == [
            timeout for now in (0, 10, 15) if (signing := made.for_signing(now * SECOND)) for timeout in signing[1:]
        ]

    def test_old_lease_signs_while_renewal_fails(self) -> None:
        """Refusals change nothing for a lease that has not ended: it signs until its reserve."""
        made = keeper()
        issue(made)
        for now in range(3000, 3590, 10):
            made.wants_lease(now * SECOND, needed=True)
            refuse(made, now * SECOND)
            assert made.for_signing(now * SECOND) is not None
            assert made.trouble(now * SECOND) is None
        assert made.for_signing(3590 * SECOND) is None
        assert ("lease_refused:AccessDenied", "not allowed") == made.trouble(3590 * SECOND)

    def test_a_lease_without_end_signs_for_ever(self) -> None:
        """Credentials that do not end have no reserve and the whole timeout."""
        made = keeper()
        issue(made, life=None)
        signing = made.for_signing(10**6 * SECOND)
        assert signing is not None
        assert TIMEOUT == signing[1]
        assert made.next_change(10**6 * SECOND) is None


class TestRenewal:
    """Each policy asks at its own time, one request at a time."""

    def test_asks_at_once_at_the_start(self) -> None:
        """Every policy needs a first lease, and asks once until it is answered."""
        for policy in RotationPolicy:
            made = keeper(policy)
            assert [True, False] == [made.wants_lease(now, needed=False) for now in (0, 60 * SECOND)]

    @pytest.mark.parametrize(("life", "margin"), [(3600, 600), (1800, 600), (900, 300), (6, 2)])
    def test_before_expiry_asks_a_margin_before_the_end(self, life: int, margin: int) -> None:
        """Margin = min(margin, life / 3)."""
        made = keeper()
        issue(made, at=BORN, life=life * SECOND)
        due = BORN + (life - margin) * SECOND
        assert [False, True] == [made.wants_lease(now, needed=False) for now in (due - 1, due)]

    def test_before_expiry_is_spread(self) -> None:
        """Jitter brings the request forward by up to a fifth of the margin."""
        made = LeaseKeeper(RoleRules("writer"), TIMEOUT, most_jitter)
        issue(made)
        assert (3600 - 720) * SECOND == pytest.approx(made.next_change(1 * SECOND), abs=1 * MS)

    def test_interval_asks_by_the_clock(self) -> None:
        """The policy `interval` asks every so often, whatever the lease's end."""
        made = keeper(RotationPolicy.INTERVAL)
        issue(made, life=7200 * SECOND)
        assert [False, True] == [made.wants_lease(now * SECOND, needed=False) for now in (1799, 1800)]

    def test_interval_asks_for_a_lease_that_ends_before(self) -> None:
        """A lease that is shorter than the interval is renewed when it may no longer sign."""
        made = keeper(RotationPolicy.INTERVAL)
        issue(made, life=900 * SECOND)
        assert [False, True] == [made.wants_lease(now * SECOND, needed=False) for now in (889, 890)]

    def test_on_demand_asks_only_when_something_waits(self) -> None:
        """The policy `on_demand` lets a lease end, and asks when the next put could not be signed."""
        made = keeper(RotationPolicy.ON_DEMAND)
        made.wants_lease(0, needed=False)
        issue(made)
        assert made.wants_lease(3589 * SECOND, needed=True) is False
        assert made.wants_lease(4000 * SECOND, needed=False) is False
        assert made.wants_lease(4001 * SECOND, needed=True) is True

    @pytest.mark.parametrize("ends", [True, False])
    def test_never_asks_no_second_time(self, ends: bool) -> None:  # noqa: FBT001 - a case
        """The policy `never` lets the lease end, or be rejected, and says that this is the trouble."""
        made = keeper(RotationPolicy.NEVER)
        made.wants_lease(0, needed=True)
        issue(made)
        if not ends:
            made.rejected(1, "ExpiredTokenException", 60 * SECOND, Turn())
        assert made.wants_lease(4000 * SECOND, needed=True) is False
        assert ("lease_ended", "the lease has ended and rotation.policy is never") == made.trouble(4000 * SECOND)

    def test_never_asks_until_it_had_one(self) -> None:
        """Where the very first request was refused, `never` tries again after a backoff."""
        made = keeper(RotationPolicy.NEVER)
        made.wants_lease(0, needed=True)
        refuse(made, 0)
        assert made.wants_lease(1 * SECOND, needed=True) is True

    @pytest.mark.parametrize(
        "policy", [RotationPolicy.BEFORE_EXPIRY, RotationPolicy.INTERVAL, RotationPolicy.ON_DEMAND]
    )
    def test_a_rejection_is_renewed_at_once(self, policy: RotationPolicy) -> None:
        """Every policy but `never` asks at once when the service refuses the lease."""
        made = keeper(policy)
        made.wants_lease(0, needed=True)
        issue(made)
        made.rejected(1, "ExpiredTokenException", 60 * SECOND, Turn())
        assert made.wants_lease(60 * SECOND, needed=True) is True

    def test_a_shorter_life_than_asked_for_is_fine(self) -> None:
        """What counts is the life that came, not the one that was asked for."""
        made = keeper()
        issue(made, life=5 * SECOND)
        assert [True, True, False] == [made.for_signing(int(now * SECOND)) is not None for now in (0, 3.9, 4)]
        assert made.wants_lease(4 * SECOND, needed=False) is True

    def test_a_lease_due_at_birth_makes_no_storm(self) -> None:
        """A lease that came so late that it is due already signs, and its successor is asked for after a moment."""
        made = keeper()
        issue(made, life=3600 * SECOND, now=3100 * SECOND)
        assert made.for_signing(3100 * SECOND) is not None
        assert [False, True] == [made.wants_lease(3100 * SECOND + ms * MS, needed=True) for ms in (99, 100)]

    def test_a_new_lease_replaces_the_old_at_once(self) -> None:
        """The next request is signed with the new lease, though the old one still lives."""
        made = keeper()
        issue(made)
        issue(made, 2, at=3000 * SECOND)
        signing = made.for_signing(3001 * SECOND)
        assert signing is not None
        assert signing[0].serial == 2

    def test_no_lease_comes_twice(self) -> None:
        """A lease with a serial that is not higher than the held one's cannot be."""
        made = keeper()
        issue(made, 2)
        with pytest.raises(InvariantError, match="came twice"):
            issue(made, 2)


class TestRefusal:
    """STS says no."""

    def test_waits_longer_each_time(self) -> None:
        """The tries are spread by a backoff that doubles and stays under a minute."""
        made = keeper()
        waits = [refuse(made, 0).retry_in for _ in range(20)]
        assert sorted(waits) == waits
        assert [5 * MS, 10 * MS, 20 * MS, 3 * SECOND] == [*waits[:3], waits[-1]]

    def test_does_not_ask_before(self) -> None:
        """Until the wait is over nothing is asked."""
        made = keeper()
        made.wants_lease(0, needed=True)
        wait = refuse(made, 0).retry_in
        assert [False, True] == [made.wants_lease(now, needed=True) for now in (wait - 1, wait)]

    def test_begins_anew_after_a_lease(self) -> None:
        """A lease ends the row of refusals and the trouble."""
        made = keeper()
        for _ in range(10):
            refuse(made, 0)
        issue(made, at=60 * SECOND)
        assert made.trouble(60 * SECOND) is None
        assert 5 * MS == refuse(made, 61 * SECOND).retry_in

    def test_explains_only_what_came_after_it(self) -> None:
        """A refusal before the present lease is no reason why that lease is gone."""
        made = keeper()
        refuse(made)
        issue(made, at=60 * SECOND)
        made.rejected(1, "ExpiredTokenException", 61 * SECOND, Turn())
        assert made.trouble(61 * SECOND) is None

    def test_finds_a_lease_that_ended_meanwhile(self) -> None:
        """A refusal that comes in the moment in which the old lease stops signing leaves the role refused."""
        made = keeper()
        issue(made)
        refuse(made, 3590 * SECOND)
        assert S.REFUSED is made.state

    def test_tells_what_is_left(self) -> None:
        """The fact names code, message, the next try and what the old lease has left."""
        made = keeper()
        issue(made)
        expected = LeaseRenewalFailed("writer", "AccessDenied", "not allowed", 5 * MS, 500 * SECOND)
        assert expected == refuse(made, 3100 * SECOND)

    def test_tells_the_cure_that_came_along(self) -> None:
        """What helps is the adapter's word, and told as it is."""
        made = keeper()
        (failed,) = told(made.refused, LeaseRefused("writer", "AccessDenied", "no", cure="ask them"), 0)
        assert LeaseRenewalFailed("writer", "AccessDenied", "no", 5 * MS, None, "ask them") == failed

    def test_by_skew_is_told_as_such(self) -> None:
        """A refusal that let the clock's error be measured is trouble of its own kind, with the figure."""
        made = keeper()
        refuse(made, 0, "SignatureDoesNotMatch", skew=-1200.4)
        assert ("clock_skew", "this host's clock is -1200 s off and STS refuses its signatures") == made.trouble(0)


class TestRejection:
    """Kinesis refuses a lease before its end."""

    def test_drops_the_lease(self) -> None:
        """The rejected lease signs nothing more, and the fact says how old it was."""
        made = keeper()
        issue(made)
        expected = LeaseRejected("writer", 1, "ExpiredTokenException", 60 * SECOND)
        assert [expected] == told(made.rejected, 1, "ExpiredTokenException", 60 * SECOND)
        assert made.for_signing(60 * SECOND) is None

    def test_of_another_lease_changes_nothing(self) -> None:
        """Late answers that name a former lease reject nothing: however many, one renewal."""
        made = keeper()
        issue(made)
        made.rejected(1, "ExpiredTokenException", 60 * SECOND, Turn())
        assert [] == told(made.rejected, 1, "ExpiredTokenException", 60 * SECOND)
        issue(made, 2, at=61 * SECOND)
        assert [] == told(made.rejected, 1, "ExpiredTokenException", 62 * SECOND)
        assert made.for_signing(62 * SECOND) is not None

    def test_two_early_deaths_within_a_minute_are_survived_at_once(self) -> None:
        """The first and the second death without anything landed are both renewed in the same moment."""
        made = keeper()
        made.wants_lease(0, needed=True)
        issue(made)
        for serial, now in ((1, 10 * SECOND), (2, 40 * SECOND)):
            made.rejected(serial, "ExpiredTokenException", now, Turn())
            assert made.trouble(now) is None
            assert made.wants_lease(now, needed=True) is True
            issue(made, serial + 1, at=now)

    def test_the_third_death_in_a_row_waits(self) -> None:
        """Leases that keep dying before anything landed are renewed with a backoff, and that is trouble."""
        made = keeper()
        for serial in (1, 2, 3):
            issue(made, serial)
            made.rejected(serial, "ExpiredTokenException", 0, Turn())
        assert [False, True] == [made.wants_lease(now * MS, needed=True) for now in (49, 50)]
        assert ("lease_rejected", "3 leases in a row were rejected before anything landed") == made.trouble(0)

    def test_a_landed_request_forgives_the_deaths(self) -> None:
        """Once something landed with the held lease, the next deaths are renewed at once again."""
        made = keeper()
        issue(made, 1)
        made.rejected(1, "ExpiredTokenException", 0, Turn())
        issue(made, 2)
        made.rejected(2, "ExpiredTokenException", 0, Turn())
        issue(made, 3)
        made.landed(3)
        made.rejected(3, "ExpiredTokenException", 0, Turn())
        assert made.wants_lease(0, needed=True) is True

    def test_a_landing_under_a_former_lease_forgives_nothing(self) -> None:
        """A late answer to a request of a dead lease says nothing about the present one."""
        made = keeper()
        for serial in (1, 2):
            issue(made, serial)
            made.rejected(serial, "ExpiredTokenException", 0, Turn())
        issue(made, 3)
        made.landed(1)
        made.rejected(3, "ExpiredTokenException", 0, Turn())
        assert made.wants_lease(0, needed=True) is False

    def test_leases_that_are_born_dead_wait_too(self) -> None:
        """A lease that has ended when it arrives never signs; after two, the next is asked for with a backoff."""
        made = keeper()
        asked = []
        for serial in (1, 2, 3):
            issue(made, serial, life=1 * SECOND, now=5 * SECOND)
            assert made.for_signing(5 * SECOND) is None
            asked.append(made.wants_lease(5 * SECOND, needed=True))
        assert [True, True, False] == asked


class TestNextChange:
    """The loop sleeps until time alone changes something."""

    def test_goes_from_renewal_to_reserve(self) -> None:
        """First the renewal, then the reserve, then nothing."""
        made = keeper()
        issue(made)
        assert [3000 * SECOND, 3590 * SECOND, None] == [made.next_change(now * SECOND) for now in (1, 3000, 3590)]

    def test_forgets_a_lease_that_is_gone(self) -> None:
        """Nobody wakes up for the renewal, or the reserve, of a lease that was rejected."""
        made = keeper()
        issue(made)
        made.rejected(1, "ExpiredTokenException", 60 * SECOND, Turn())
        assert made.next_change(60 * SECOND) is None

    def test_names_the_next_try(self) -> None:
        """After a refusal it is the end of the wait."""
        made = keeper()
        assert refuse(made, 0).retry_in == made.next_change(0)

    def test_a_wait_that_is_over_hides_no_later_moment(self) -> None:
        """At the very end of a wait the next moment is the lease's own."""
        made = keeper()
        issue(made)
        assert 3000 * SECOND == made.next_change(BACKOFF_FIRST_NS)


def test_tells_the_life_of_a_lease() -> None:
    """Each lease is told with its serial and life."""
    made = keeper()
    assert [LeaseRenewed("writer", 1, 3600 * SECOND)] == told(made.issued, LeaseIssued(lease(1)), 0)
    assert [LeaseRenewed("writer", 2, None)] == told(made.issued, LeaseIssued(lease(2, life=None)), 0)


def test_tells_how_long_a_lease_was_on_its_way() -> None:
    """From the moment in which it was asked for, whether one came or not; what nobody asked for took no time."""
    made = keeper()
    assert made.wants_lease(10 * SECOND, needed=True)
    (renewed,) = told(made.issued, LeaseIssued(lease(1)), 10 * SECOND + 300 * MS)
    assert LeaseRenewed("writer", 1, 3600 * SECOND, 300 * MS) == renewed
    assert made.wants_lease(3100 * SECOND, needed=True)
    assert 80 * MS == refuse(made, 3100 * SECOND + 80 * MS).took
    assert 0 == refuse(made, 3200 * SECOND).took, "nobody asked"


def test_status_shows_state_serial_and_what_is_left() -> None:
    """Figures of a lease: its state, its serial, what is left of it, and whether it ends at all."""
    made = keeper()
    absent = made.status(0, needed=True)
    assert ("absent", 0, None, True) == (absent.state, absent.serial, absent.left, absent.has_end)
    issue(made, 7)
    fresh = made.status(100 * SECOND, needed=True)
    assert ("fresh", 7, 3500 * SECOND, True) == (fresh.state, fresh.serial, fresh.left, fresh.has_end)
    past = made.status(3601 * SECOND, needed=True)
    assert ("expiring", -SECOND) == (past.state, past.left)
    issue(made, 8, life=None)
    endless = made.status(100 * SECOND, needed=True)
    assert (None, False) == (endless.left, endless.has_end)
