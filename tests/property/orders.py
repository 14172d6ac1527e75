"""Judges every command in the moment in which it is given.

The numbers are those of the invariants that they guard: I1 no commit before settlement, I3 monotone commits of owned
partitions, I4 order of keys, I5 no stale signature, I7 bounds, I8 no needless duplicate, I10 one question at a time,
I11 poison isolates, I13 ownership, I14 conservation.
"""

from __future__ import annotations

from collections.abc import Iterable

from doka.domain.commands import (
    Command,
    CommitOffsets,
    DescribeStream,
    Halt,
    PausePartitions,
    RequestLease,
    ResumePartitions,
    SeekPartition,
    SendLetter,
    SendPut,
)
from doka.domain.facts import OrderBroken, RecordsPoisoned, StreamFactsAssumed
from doka.domain.limits import COMMIT_GIVEN_UP_NS
from doka.domain.records import TopicPartition
from doka.domain.rules import OnPoison
from tests.property.puts import judge_put, may_sign
from tests.property.state import State
from tests.property.truth import Ownership


def obey(state: State, command: Command) -> None:
    """Judge a command, and note what it asks for."""
    match command:
        case SendPut():
            judge_put(state, command)
        case SendLetter():
            _lettered(state, command)
        case CommitOffsets():
            _committed(state, command)
        case RequestLease(role):
            assert role not in state.lease_wanted, f"I10: two requests for a lease of {role} in flight"
            state.lease_wanted.add(role)
        case DescribeStream(route, lease):
            assert route not in state.describing, f"I10: {route} is described twice at once"
            may_sign(state, lease)
            state.describing[route] = command
        case PausePartitions(partitions):
            _flag(state, partitions, paused=True)
        case ResumePartitions(partitions):
            _flag(state, partitions, paused=False)
        case SeekPartition(tp, offset):
            own = state.owned[tp]
            own.position, own.gap = offset, False
        case Halt(reason):
            raise AssertionError(f"I12: {reason}")
        case _:
            pass


def hear(state: State, fact: object) -> None:
    """Judge what the machine tells, and note it; facts are heard before the commands of the same decision."""
    if isinstance(fact, RecordsPoisoned):
        _poisoned(state, fact)
    elif isinstance(fact, OrderBroken):
        state.breaks[fact.cause] += fact.records
        state.met[f"a break of order is told: {fact.cause}"] += 1
    elif isinstance(fact, StreamFactsAssumed):
        state.assumed.add(fact.route)


def _flag(state: State, partitions: Iterable[TopicPartition], *, paused: bool) -> None:
    for tp in partitions:
        assert state.owned[tp].paused is not paused, f"I14: {tp} is told twice whether it is paused"
        state.owned[tp].paused = paused


def _committed(state: State, command: CommitOffsets) -> None:
    final = bool(state.farewell) and set(command.offsets) <= set(state.farewell)
    owners = {tp: state.farewell[tp] if final else state.owned.get(tp) for tp in command.offsets}
    if not final:
        young = [at for _, at, _, last in state.commits.values() if not last and state.now - at < COMMIT_GIVEN_UP_NS]
        assert not young, "I3: two commits are in flight"
    known: dict[TopicPartition, Ownership] = {}
    for tp, offset in command.offsets.items():
        own = owners[tp]
        assert own is not None, f"I3: {tp} is committed, which is not owned"
        assert own.committed <= offset <= own.reach, f"I3: {tp} is committed at {offset}, {own.committed}..{own.reach}"
        open_ = [o for o in own.fetched if o < offset and o not in own.settled]
        assert not open_, f"I1: {tp} is committed at {offset} above {open_}"
        lost = [r.offset for r in own.log.records.values() if own.start <= r.offset < offset and not r.safe]
        assert own.life != own.log.life or not lost, f"I1: {tp} is committed at {offset}, {lost} never landed"
        own.committed = offset
        known[tp] = own
    state.commits[command.commit] = (command, state.now, known, final)


def _poisoned(state: State, fact: RecordsPoisoned) -> None:
    own = state.owned.get(fact.partition)
    if own is None or fact.offset not in own.fetched:
        return  # it went meanwhile
    record = own.fetched[fact.offset]
    assert record.poison, f"I11: {fact.partition} {fact.offset} is called poison and is none"
    assert fact.offset not in own.parked, f"I11: {fact.partition} {fact.offset} is quarantined twice"
    if record.bad:
        kind = "records" if state.setup.aggregation(fact.partition.topic) is None else "aggregates"
        state.met[f"poison is found among {kind}, policy {fact.policy}"] += 1
    own.parked.add(fact.offset)
    if fact.policy == OnPoison.DROP.value:
        record.dropped = True
        own.settled.add(fact.offset)
        own.sent_to = max(own.sent_to, fact.offset + 1)


def _lettered(state: State, command: SendLetter) -> None:
    own = state.owned.get(command.partition)
    assert own is not None, f"I13: a letter of {command.partition} is sent, which is not owned"
    assert command.offset in own.parked, f"I11: a letter of {command.partition} {command.offset}, which is no poison"
    assert command.offset not in own.settled, "I8: a letter is sent again that was acknowledged"
    record = own.fetched[command.offset]
    assert all(other is not record for other, of in state.letters.values() if of is own), "I8: two letters at once"
    own.sent_to = max(own.sent_to, command.offset + 1)
    state.letters[command.letter] = (record, own)
