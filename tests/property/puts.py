"""Judges requests: what they carry, who signs them, and in which order, at the moment in which they are decided."""

from __future__ import annotations

from doka.domain.commands import SendPut
from doka.domain.lease import Lease
from doka.domain.records import TopicPartition
from tests.property.state import State
from tests.property.truth import STREAM_LIMIT, Flight, Ownership, Record, Sent


def may_sign(state: State, lease: Lease) -> None:
    """Judge that a lease may sign now."""
    assert lease.serial == state.leases[lease.role].serial, f"I6: lease {lease.serial} is not the last one"
    assert lease.serial not in state.rejected, f"I5: lease {lease.serial} was rejected and signs"
    if lease.ends_at is not None:
        life = max(lease.ends_at - lease.issued_at, 0)
        reserve = min(state.limits.request_timeout, life // 5)
        assert state.now < lease.ends_at - reserve, f"I5: lease {lease.serial} signs within its reserve"


def judge_put(state: State, command: SendPut) -> None:
    """Judge a request, and note it as in flight."""
    assert command.put not in state.flights, f"I8: a request in flight is called {command.put} already"
    assert 0 < len(command.keys) == len(command.values) <= state.limits.request_records, "I7: request too large"
    may_sign(state, command.lease)
    ends_at = command.lease.ends_at
    left = state.limits.request_timeout if ends_at is None else ends_at - state.now
    assert 0 < command.timeout <= min(left, state.limits.request_timeout), "I5: the request may outlive its lease"
    entries: list[list[Sent]] = []
    for inside in state.aggregates[command.route].began(command):
        entry: list[Sent] = []
        before = [sent for each in entries for sent in each if sent.own.shares]
        for key, value in inside:
            entry.append(_judge_record(state, command.route, key, value, [*before, *entry]))
        entries.append(entry)
    _judge_sizes(state, command, entries)
    flight = state.flights[command.put] = Flight(command, entries)
    _note(state, flight)


def _judge_record(state: State, route: str, key: str, value: bytes, before_it: list[Sent]) -> Sent:
    """Judge that a record may leave now, behind those before it in its entry, or in its request where keys share one."""
    record = _record(state, value)
    own = state.owned.get(record.tp)
    assert own is not None, f"I13: {record.tp} is sent, which is not owned"
    at = f"{record.tp} {record.offset}"
    assert own.fetched.get(record.offset) is record, f"I13: {at} is sent, which this owner did not fetch"
    found = record.poison and not record.bad and not (record.large and route in state.assumed)
    assert not found, f"I11: {at} is sent, which can never land"
    assert record.offset not in own.parked, f"I11: {at} is sent, which is known to be poison"
    assert record.offset not in own.settled, f"I8: {at} is sent again, which is settled"
    assert record.offset not in own.flying, f"I8: {at} is sent again before it was answered"
    assert own.drain_below is None or record.offset < own.drain_below, f"I13: {at} is new and sent in a drain"
    assert record.key is None or key == record.key.decode(), f"I4: {at} is sent under {key}"
    with_it = {sent.record.offset for sent in before_it if sent.own is own}
    before = [offset for offset in own.open_before(record) if offset not in with_it]
    assert not before, f"I4: {at} is sent while {before} are un-settled"
    own.flying.add(record.offset)
    own.sent_to = max(own.sent_to, record.offset + 1)
    return Sent(record, own)


def _record(state: State, value: bytes) -> Record:
    topic, partition, life, offset = value.split(b"#", 1)[0].split(b"|")
    return state.logs[TopicPartition(topic.decode(), int(partition))].ever[int(life), int(offset)]


def _judge_sizes(state: State, command: SendPut, entries: list[list[Sent]]) -> None:
    if command.route in state.assumed:
        return
    for key, value, entry in zip(command.keys, command.values, entries, strict=True):
        large = len(key) + len(value) > STREAM_LIMIT and not any(sent.record.poison for sent in entry)
        assert not large, f"I7: an aggregate of {len(value)} bytes, and the stream takes {STREAM_LIMIT}"


# --- what was put to the test ------------------------------------------------------------------------------------


def _note(state: State, flight: Flight) -> None:
    """Note what is worth having been seen of a request that leaves."""
    route = flight.command.route
    half = state.halves.pop(route, None)
    kind = "a record"
    if flight.command.hash_keys is not None:
        kind = "an aggregate"
        _note_aggregates(state, flight)
    if half is not None and half == {sent.record for sent in flight.sent}:
        state.met["a search halves an aggregate"] += 1
    shared = [(record.tp, own.lane(record)) for record, own in flight.sent if own.shares and record.key is not None]
    state.met["records of a key share a request"] += len(set(shared)) < len(shared)
    if any(own.drain_below is not None for _, own in flight.sent):
        state.met[f"{kind} leaves in a drain"] += 1


def _note_aggregates(state: State, flight: Flight) -> None:
    met, place_of = state.met, state.aggregates[flight.command.route].place_of
    for hash_key, value, entry in zip(
        flight.command.hash_keys or (), flight.command.values, flight.entries, strict=True
    ):
        if len(entry) == 1:
            met["a record too large for an aggregate leaves as it is"] += value == entry[0].record.value
            continue
        met["an aggregate leaves"] += 1
        met["an aggregate of several partitions leaves"] += len({record.tp for record, _ in entry}) > 1
        lanes = [(record.tp, own.lane(record)) for record, own in entry]
        met["an aggregate of several records of a key leaves"] += len(set(lanes)) < len(lanes)
        poison = [
            own.fetched[offset].key for own in {id(own): own for _, own in entry}.values() for offset in _stay(own)
        ]
        met["a lane goes on past poison of another key"] += any(
            key and place_of(key.decode()) == hash_key for key in poison
        )
    met["an older record goes again that later poison of its key does not hold up"] += any(
        own.fetched[offset].key == record.key for record, own in flight.sent for offset in _stay(own)
    )


def _stay(own: Ownership) -> set[int]:
    return own.parked - own.settled
