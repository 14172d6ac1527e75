from __future__ import annotations

import pytest

from doka.domain.commands import Command, CommitOffsets
from doka.domain.events import CommitAnswered
from doka.domain.facts import CommitFailed, OffsetsCommitted
from doka.domain.held.lanes import Lanes
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import COMMIT_GIVEN_UP_NS
from doka.domain.partitions.commits import UNANSWERED, Commits, Watermarks
from doka.domain.records import TopicPartition
from doka.domain.turn import Turn
from tests.unit.domain.builders import MS, ORDERS, SECOND, held, told

NOW = 100 * SECOND
OTHER = TopicPartition("orders", 1)


@pytest.fixture
def commits() -> Commits:
    """Commit at most once a second."""
    return Commits(SECOND)


def owned(tp: TopicPartition = ORDERS) -> Watermarks:
    """Make the watermarks of an owned partition that one route reads from 0 on."""
    return Watermarks((OffsetLedger(tp, 0, Lanes()),))


@pytest.fixture
def owner() -> Watermarks:
    """Give one."""
    return owned()


def move(commits: Commits, owner: Watermarks, to: int) -> None:
    """Let a watermark move."""
    owner.ledgers[0].complete_to(to)
    commits.moved(owner)


def settled_one(owner: Watermarks) -> None:
    """Let one record come and settle."""
    chunk = held(owner.ledgers[0], "a")
    owner.ledgers[0].append(chunk)
    owner.ledgers[0].settle(chunk, 1)


def due(commits: Commits, now: int = NOW, *, hurry: bool = False) -> dict[TopicPartition, int] | None:
    """Give the offsets of the commit that goes out now; that one before it was given up may be told with it."""
    match told(commits.due, now, hurry=hurry):
        case [CommitOffsets(_, offsets)] | [CommitFailed(), CommitOffsets(_, offsets)]:
            return dict(offsets)
        case nothing:
            assert nothing in ([], [CommitFailed(UNANSWERED)])
            return None


def answered(commits: Commits, serial: int, error: str | None = None) -> list[Command]:
    """Let the answer of a commit come; give what is told of it."""
    return told(commits.answered, CommitAnswered(serial, error))


def test_nothing_moved_commits_nothing(commits: Commits) -> None:
    """Without a change there is no commit, and none to wake for."""
    assert (None, None) == (due(commits), commits.next_wake())


def test_commits_all_that_moved_together(commits: Commits, owner: Watermarks) -> None:
    """One commit carries every partition that moved, sorted, at its watermark."""
    other = owned(OTHER)
    move(commits, other, 7)
    move(commits, owner, 5)
    assert [(ORDERS, 5), (OTHER, 7)] == list((due(commits) or {}).items())


def test_leaves_out_what_kafka_holds(commits: Commits, owner: Watermarks) -> None:
    """A partition whose watermark is not higher than what Kafka holds is not committed."""
    commits.moved(owner)
    assert due(commits) is None


def test_at_most_once_in_an_interval(commits: Commits, owner: Watermarks) -> None:
    """The next commit waits its turn, though the one before was answered."""
    move(commits, owner, 1)
    due(commits)
    answered(commits, 1)
    move(commits, owner, 2)
    assert NOW + SECOND == commits.next_wake()
    assert [None, {ORDERS: 2}] == [due(commits, NOW + wait) for wait in (SECOND - 1, SECOND)]


def test_a_stop_does_not_wait_for_its_turn(commits: Commits, owner: Watermarks) -> None:
    """In a hurry the next commit goes as soon as the one before was answered."""
    move(commits, owner, 1)
    due(commits)
    answered(commits, 1)
    move(commits, owner, 2)
    assert {ORDERS: 2} == due(commits, NOW + 1 * MS, hurry=True)


def test_one_in_flight(commits: Commits, owner: Watermarks) -> None:
    """While a commit is unanswered no other goes out, hurry or not."""
    move(commits, owner, 1)
    due(commits)
    move(commits, owner, 2)
    assert due(commits, NOW + 30 * SECOND, hurry=True) is None
    assert NOW + COMMIT_GIVEN_UP_NS == commits.next_wake()


def test_an_answer_is_remembered(commits: Commits, owner: Watermarks) -> None:
    """What Kafka stored is known, and not committed again."""
    move(commits, owner, 5)
    due(commits)
    assert [OffsetsCommitted(1)] == answered(commits, 1)
    commits.moved(owner)
    assert (5, None) == (owner.committed, due(commits, NOW + SECOND))


def test_what_waited_for_kafka_is_looked_at(commits: Commits, owner: Watermarks) -> None:
    """A commit that Kafka took lets more in, so every partition is looked at; a refused one changes nothing for them."""
    looks = []
    for serial, error in ((1, "NOT_COORDINATOR"), (2, None)):
        move(commits, owner, serial)
        due(commits, NOW + serial * SECOND)
        turn = Turn()
        commits.answered(CommitAnswered(serial, error), turn)
        looks.append(turn.look)
    assert [False, True] == looks


def test_a_refused_commit_goes_again(commits: Commits, owner: Watermarks) -> None:
    """Refused offsets go with the next commit, together with what moved since, and the refusal is told."""
    other = owned(OTHER)
    move(commits, owner, 5)
    due(commits)
    move(commits, other, 7)
    assert [CommitFailed("ILLEGAL_GENERATION")] == answered(commits, 1, "ILLEGAL_GENERATION")
    assert (0, {ORDERS: 5, OTHER: 7}) == (owner.committed, due(commits, NOW + SECOND))


def test_an_unanswered_commit_is_given_up_and_goes_again(commits: Commits, owner: Watermarks) -> None:
    """A commit that nobody answers does not stop the later ones, and its offsets are not forgotten."""
    move(commits, owner, 5)
    due(commits)
    assert due(commits, NOW + COMMIT_GIVEN_UP_NS - 1) is None
    assert {ORDERS: 5} == due(commits, NOW + COMMIT_GIVEN_UP_NS)


def test_a_commit_that_is_given_up_is_told_as_one_that_failed(commits: Commits, owner: Watermarks) -> None:
    """Once, when its time is over; not for partitions that are somebody else's."""
    move(commits, owner, 5)
    due(commits)
    failed, again = told(commits.due, NOW + COMMIT_GIVEN_UP_NS, hurry=False)
    assert CommitFailed("no answer within 60 s") == failed
    assert CommitOffsets(2, {ORDERS: 5}) == again
    assert [] == told(commits.due, NOW + COMMIT_GIVEN_UP_NS + SECOND, hurry=False)
    owner.ledgers[0].gone = True
    assert [] == told(commits.due, NOW + 2 * COMMIT_GIVEN_UP_NS, hurry=False)


def test_an_answer_after_giving_up_changes_nothing(commits: Commits, owner: Watermarks) -> None:
    """Only the answer of the commit in flight is believed; a late failure is still told."""
    move(commits, owner, 5)
    due(commits)
    due(commits, NOW + COMMIT_GIVEN_UP_NS)
    assert [[], [CommitFailed("late")]] == [answered(commits, 1, error) for error in (None, "late")]
    assert owner.committed == 0
    answered(commits, 2)
    assert owner.committed == 5


def test_the_last_commit_does_not_wait(commits: Commits, owner: Watermarks) -> None:
    """A partition that is given back is committed at once, though another commit is in flight."""
    move(commits, owner, 5)
    due(commits)
    owner.ledgers[0].complete_to(8)
    assert [CommitOffsets(2, {ORDERS: 8})] == told(commits.last, [owner], awaited=False)
    assert [] == answered(commits, 2)
    assert [OffsetsCommitted(1)] == answered(commits, 1)


@pytest.mark.parametrize(("error", "unstored"), [(None, 0), ("UNKNOWN_MEMBER_ID", 1)])
def test_the_answer_of_a_last_commit_is_awaited_where_it_matters(
    commits: Commits, owner: Watermarks, error: str | None, unstored: int
) -> None:
    """At a stop it is known what became of a last commit: its records are stored, or will repeat."""
    settled_one(owner)
    assert [CommitOffsets(1, {ORDERS: 1})] == told(commits.last, [owner], awaited=True)
    assert commits.awaits_last
    answered(commits, 1, error)
    assert (False, unstored) == (commits.awaits_last, commits.unstored)


def test_the_answer_of_a_last_commit_is_not_awaited_otherwise(commits: Commits, owner: Watermarks) -> None:
    """After a rebalance the process goes on, and whoever owns the partition now knows better."""
    settled_one(owner)
    told(commits.last, [owner], awaited=False)
    assert not commits.awaits_last
    answered(commits, 1, "UNKNOWN_MEMBER_ID")
    assert 0 == commits.unstored


def test_no_last_commit_without_need(commits: Commits, owner: Watermarks) -> None:
    """What Kafka holds already is not committed for a farewell."""
    assert [] == told(commits.last, [owner], awaited=False)


def test_a_forgotten_partition_is_not_committed(commits: Commits, owner: Watermarks) -> None:
    """After lost, nothing goes out for it, whether it was noted before or refused since."""
    move(commits, owner, 5)
    owner.ledgers[0].gone = True
    commits.forget(owner)
    assert due(commits) is None


def test_a_forgotten_partition_wakes_nobody(commits: Commits, owner: Watermarks) -> None:
    """What had moved of it is no reason for another turn."""
    move(commits, owner, 5)
    due(commits)
    answered(commits, 1)
    move(commits, owner, 8)
    assert NOW + SECOND == commits.next_wake()
    commits.forget(owner)
    assert commits.next_wake() is None


def test_an_unanswered_commit_of_a_gone_partition_is_given_up_for_good(commits: Commits, owner: Watermarks) -> None:
    """When its time is over nothing goes again, nobody waits for it, and a late answer says nothing."""
    move(commits, owner, 5)
    due(commits)
    owner.ledgers[0].gone = True
    commits.forget(owner)
    assert (None, None) == (due(commits, NOW + COMMIT_GIVEN_UP_NS), commits.next_wake())
    assert [] == answered(commits, 1)


def test_after_one_was_given_up_hurry_is_no_reason(owner: Watermarks) -> None:
    """A commit that nobody answered is a failure: the next one waits for its turn, whoever waits for it."""
    commits = Commits(2 * COMMIT_GIVEN_UP_NS)
    move(commits, owner, 5)
    due(commits)
    commits.hurry()
    given_up, turn = NOW + COMMIT_GIVEN_UP_NS, NOW + 2 * COMMIT_GIVEN_UP_NS
    assert [None, None, {ORDERS: 5}] == [due(commits, now) for now in (given_up, turn - 1, turn)]


def test_a_refused_commit_of_a_gone_partition_is_not_repeated(commits: Commits, owner: Watermarks) -> None:
    """A refusal brings back only partitions that are still owned."""
    move(commits, owner, 5)
    due(commits)
    owner.ledgers[0].gone = True
    commits.forget(owner)
    answered(commits, 1, "UNKNOWN_MEMBER_ID")
    assert due(commits, NOW + SECOND) is None


def test_an_answer_for_a_former_ownership_says_nothing_about_the_new(commits: Commits, owner: Watermarks) -> None:
    """A partition that came back is another one: what was stored before does not keep its commits from going out."""
    move(commits, owner, 500)
    due(commits)
    owner.ledgers[0].gone = True
    commits.forget(owner)
    again = owned()
    answered(commits, 1)
    move(commits, again, 3)
    assert (0, {ORDERS: 3}) == (again.committed, due(commits, NOW + SECOND))


def test_a_hurried_commit_does_not_wait_its_turn(commits: Commits, owner: Watermarks) -> None:
    """A commit for which records wait goes as soon as the one before was answered, once."""
    move(commits, owner, 1)
    due(commits)
    move(commits, owner, 2)
    commits.hurry()
    assert due(commits, NOW + 1 * MS) is None
    answered(commits, 1)
    assert NOW == commits.next_wake()
    assert {ORDERS: 2} == due(commits, NOW + 1 * MS)
    answered(commits, 2)
    move(commits, owner, 3)
    assert due(commits, NOW + 2 * MS) is None


def test_after_a_failure_hurry_is_no_reason(commits: Commits, owner: Watermarks) -> None:
    """A commit that was refused, or given up, is tried again at its turn, whoever waits: no storm of refusals."""
    move(commits, owner, 1)
    due(commits)
    answered(commits, 1, "NOT_COORDINATOR")
    commits.hurry()
    assert [None, {ORDERS: 1}] == [due(commits, NOW + wait) for wait in (SECOND - 1, SECOND)]
    commits.hurry()
    given_up = NOW + SECOND + COMMIT_GIVEN_UP_NS
    assert {ORDERS: 1} == due(commits, given_up)


def test_knows_how_many_records_kafka_has_not_taken(commits: Commits, owner: Watermarks) -> None:
    """Records passed since the offset that Kafka took was sent are uncommitted; a refusal changes nothing."""
    seen, (ledger,) = [], owner.ledgers
    for serial, error in ((1, "NOT_COORDINATOR"), (2, None)):
        chunk = held(ledger, "abc", owner.lowest)
        ledger.append(chunk)
        ledger.settle(chunk, 3)
        commits.moved(owner)
        due(commits, NOW + serial * SECOND)
        later = held(ledger, "d", owner.lowest)
        ledger.append(later)
        ledger.settle(later, 1)
        answered(commits, serial, error)
        seen.append(owner.uncommitted)
    assert [4, 1] == seen


def test_of_several_ledgers_the_lowest_is_committed(commits: Commits) -> None:
    """What lies above it is neither committed nor taken for it; the answer says for each ledger how much of it Kafka has."""
    ledgers = tuple(OffsetLedger(ORDERS, 0, Lanes(), alone=False) for _ in range(2))
    for ledger, keys in zip(ledgers, ("abcd", "ab"), strict=True):
        chunk = held(ledger, keys)
        ledger.append(chunk)
        ledger.settle(chunk, len(keys))
    both = Watermarks(ledgers)
    assert (2, 0, 4, 2) == (both.lowest, both.committed, both.uncommitted, both.ahead)
    commits.moved(both)
    assert {ORDERS: 2} == due(commits)
    answered(commits, 1)
    assert ([2, 2], [2, 0], 0, 2) == (
        [ledger.committed for ledger in ledgers],
        [ledger.uncommitted for ledger in ledgers],
        both.uncommitted,
        both.ahead,
    )
