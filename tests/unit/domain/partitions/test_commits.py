from __future__ import annotations

import pytest

from doka.domain.events import CommitAnswered
from doka.domain.facts import CommitFailed, OffsetsCommitted
from doka.domain.limits import COMMIT_GIVEN_UP_NS
from doka.domain.partitions.commits import Commits
from doka.domain.partitions.partition import Partition
from doka.domain.records import TopicPartition
from tests.unit.domain.builders import MS, ORDERS, SECOND, held, partition

NOW = 100 * SECOND
OTHER = TopicPartition("orders", 1)


@pytest.fixture
def commits() -> Commits:
    """Commit at most once a second."""
    return Commits(SECOND)


@pytest.fixture
def owner() -> Partition:
    """Give an owned partition that was read from 0 on."""
    return partition()


def move(commits: Commits, owner: Partition, to: int) -> None:
    """Let a watermark move."""
    owner.ledger.complete_to(to)
    commits.moved([owner])


def due(commits: Commits, now: int = NOW, *, hurry: bool = False) -> dict[TopicPartition, int] | None:
    """Give the offsets of the commit that goes out now."""
    commit = commits.due(now, hurry=hurry)
    return None if commit is None else dict(commit.offsets)


def test_nothing_moved_commits_nothing(commits: Commits) -> None:
    """Without a change there is no commit, and none to wake for."""
    assert (None, None) == (due(commits), commits.next_wake())


def test_commits_all_that_moved_together(commits: Commits, owner: Partition) -> None:
    """One commit carries every partition that moved, sorted, at its watermark."""
    other = partition(OTHER)
    move(commits, other, 7)
    move(commits, owner, 5)
    assert [(ORDERS, 5), (OTHER, 7)] == list((due(commits) or {}).items())


def test_leaves_out_what_kafka_holds(commits: Commits, owner: Partition) -> None:
    """A partition whose watermark is not higher than what Kafka holds is not committed."""
    commits.moved([owner])
    assert due(commits) is None


def test_at_most_once_in_an_interval(commits: Commits, owner: Partition) -> None:
    """The next commit waits its turn, though the one before was answered."""
    move(commits, owner, 1)
    due(commits)
    commits.answered(CommitAnswered(1))
    move(commits, owner, 2)
    assert NOW + SECOND == commits.next_wake()
    assert [None, {ORDERS: 2}] == [due(commits, NOW + wait) for wait in (SECOND - 1, SECOND)]


def test_a_stop_does_not_wait_for_its_turn(commits: Commits, owner: Partition) -> None:
    """In a hurry the next commit goes as soon as the one before was answered."""
    move(commits, owner, 1)
    due(commits)
    commits.answered(CommitAnswered(1))
    move(commits, owner, 2)
    assert {ORDERS: 2} == due(commits, NOW + 1 * MS, hurry=True)


def test_one_in_flight(commits: Commits, owner: Partition) -> None:
    """While a commit is unanswered no other goes out, hurry or not."""
    move(commits, owner, 1)
    due(commits)
    move(commits, owner, 2)
    assert due(commits, NOW + 30 * SECOND, hurry=True) is None
    assert NOW + COMMIT_GIVEN_UP_NS == commits.next_wake()


def test_an_answer_is_remembered(commits: Commits, owner: Partition) -> None:
    """What Kafka stored is known, and not committed again."""
    move(commits, owner, 5)
    due(commits)
    assert OffsetsCommitted(1) == commits.answered(CommitAnswered(1))
    commits.moved([owner])
    assert (5, None) == (owner.committed, due(commits, NOW + SECOND))


def test_a_refused_commit_goes_again(commits: Commits, owner: Partition) -> None:
    """Refused offsets go with the next commit, together with what moved since, and the refusal is told."""
    other = partition(OTHER)
    move(commits, owner, 5)
    due(commits)
    move(commits, other, 7)
    assert CommitFailed("ILLEGAL_GENERATION") == commits.answered(CommitAnswered(1, "ILLEGAL_GENERATION"))
    assert (0, {ORDERS: 5, OTHER: 7}) == (owner.committed, due(commits, NOW + SECOND))


def test_an_unanswered_commit_is_given_up_and_goes_again(commits: Commits, owner: Partition) -> None:
    """A commit that nobody answers does not stop the later ones, and its offsets are not forgotten."""
    move(commits, owner, 5)
    due(commits)
    assert due(commits, NOW + COMMIT_GIVEN_UP_NS - 1) is None
    assert {ORDERS: 5} == due(commits, NOW + COMMIT_GIVEN_UP_NS)


def test_an_answer_after_giving_up_changes_nothing(commits: Commits, owner: Partition) -> None:
    """Only the answer of the commit in flight is believed; a late failure is still told."""
    move(commits, owner, 5)
    due(commits)
    due(commits, NOW + COMMIT_GIVEN_UP_NS)
    assert [None, CommitFailed("late")] == [commits.answered(CommitAnswered(1, error)) for error in (None, "late")]
    assert owner.committed == 0
    commits.answered(CommitAnswered(2))
    assert owner.committed == 5


def test_the_last_commit_does_not_wait(commits: Commits, owner: Partition) -> None:
    """A partition that is given back is committed at once, though another commit is in flight."""
    move(commits, owner, 5)
    due(commits)
    owner.ledger.complete_to(8)
    last = commits.last([owner])
    assert last is not None
    assert ({ORDERS: 8}, 2) == (last.offsets, last.commit)
    assert commits.answered(CommitAnswered(2)) is None
    assert OffsetsCommitted(1) == commits.answered(CommitAnswered(1))


def test_no_last_commit_without_need(commits: Commits, owner: Partition) -> None:
    """What Kafka holds already is not committed for a farewell."""
    assert commits.last([owner]) is None


def test_a_forgotten_partition_is_not_committed(commits: Commits, owner: Partition) -> None:
    """After lost, nothing goes out for it, whether it was noted before or refused since."""
    move(commits, owner, 5)
    owner.gone = True
    commits.forget(owner)
    assert due(commits) is None


def test_a_refused_commit_of_a_gone_partition_is_not_repeated(commits: Commits, owner: Partition) -> None:
    """A refusal brings back only partitions that are still owned."""
    move(commits, owner, 5)
    due(commits)
    owner.gone = True
    commits.forget(owner)
    commits.answered(CommitAnswered(1, "UNKNOWN_MEMBER_ID"))
    assert due(commits, NOW + SECOND) is None


def test_an_answer_for_a_former_ownership_says_nothing_about_the_new(commits: Commits, owner: Partition) -> None:
    """A partition that came back is another one: what was stored before does not keep its commits from going out."""
    move(commits, owner, 500)
    due(commits)
    owner.gone = True
    commits.forget(owner)
    again = partition()
    commits.answered(CommitAnswered(1))
    move(commits, again, 3)
    assert (0, {ORDERS: 3}) == (again.committed, due(commits, NOW + SECOND))


def test_a_hurried_commit_does_not_wait_its_turn(commits: Commits, owner: Partition) -> None:
    """A commit for which records wait goes as soon as the one before was answered, once."""
    move(commits, owner, 1)
    due(commits)
    move(commits, owner, 2)
    commits.hurry()
    assert due(commits, NOW + 1 * MS) is None
    commits.answered(CommitAnswered(1))
    assert NOW == commits.next_wake()
    assert {ORDERS: 2} == due(commits, NOW + 1 * MS)
    commits.answered(CommitAnswered(2))
    move(commits, owner, 3)
    assert due(commits, NOW + 2 * MS) is None


def test_after_a_failure_hurry_is_no_reason(commits: Commits, owner: Partition) -> None:
    """A commit that was refused, or given up, is tried again at its turn, whoever waits: no storm of refusals."""
    move(commits, owner, 1)
    due(commits)
    commits.answered(CommitAnswered(1, "NOT_COORDINATOR"))
    commits.hurry()
    assert [None, {ORDERS: 1}] == [due(commits, NOW + wait) for wait in (SECOND - 1, SECOND)]
    commits.hurry()
    given_up = NOW + SECOND + COMMIT_GIVEN_UP_NS
    assert {ORDERS: 1} == due(commits, given_up)


def test_knows_how_many_records_kafka_has_not_taken(commits: Commits, owner: Partition) -> None:
    """Records passed since the offset that Kafka took was sent are uncommitted; a refusal changes nothing."""
    seen = []
    for serial, error in ((1, "NOT_COORDINATOR"), (2, None)):
        chunk = held(owner, "abc", owner.ledger.watermark)
        owner.ledger.append(chunk)
        owner.ledger.settle(chunk, 3)
        commits.moved([owner])
        due(commits, NOW + serial * SECOND)
        later = held(owner, "d", owner.ledger.watermark)
        owner.ledger.append(later)
        owner.ledger.settle(later, 1)
        commits.answered(CommitAnswered(serial, error))
        seen.append(owner.uncommitted)
    assert [4, 1] == seen
