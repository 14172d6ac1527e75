"""A route that decodes: what waits for schemas, what is told of a registry that fails, and how it goes on."""

from __future__ import annotations

from doka.domain.commands import FetchSchemas, PausePartitions, ResumePartitions, SendPut
from doka.domain.events import (
    PartitionsAssigned,
    PartitionsLost,
    RecordsFetched,
    RegistryRefused,
    SchemasFetched,
    StopRequested,
)
from doka.domain.facts import IntakeClosed, IntakeOpened, PartitionStuck, RecordsPoisoned, SchemaLearned
from doka.domain.records import TopicPartition
from doka.domain.rules import LimitRules, Only, OnPoison
from doka.domain.schemas import Unusable
from tests.unit.domain.builders import MS, ORDERS, SECOND, Extras, Machine, chunk, route_rules
from tests.unit.domain.forwarding import settle
from tests.unit.domain.routes.decoded import decode, framed, framed_chunk, reader

OTHER = TopicPartition("orders", 1)


def machine(**rules: object) -> Machine:
    """Make a machine whose route decodes, with two partitions."""
    made = Machine(
        routes=(route_rules(decode=decode(), **rules),),
        limits=LimitRules(commit_every=1, linger=0, ahead_records=1_000),
    )
    made.open({ORDERS: 0, OTHER: 0})
    return made


def asked(made: Machine) -> list[tuple[str, ...]]:
    """Give what was asked of the registry so far."""
    return [command.schemas for command in made.of(FetchSchemas) if isinstance(command, FetchSchemas)]


def sent(made: Machine) -> list[bytes]:
    """Give the data that was sent so far."""
    return [value for put in made.of(SendPut) if isinstance(put, SendPut) for value in put.values]


def test_records_wait_for_their_schema_and_the_others_of_other_partitions_do_not() -> None:
    """What is before the first unknown schema goes on, in order; the answer lets in the rest."""
    made = machine()
    made.step(RecordsFetched(framed_chunk(1, 1, payload="a")))
    assert ([], [("1",)]) == (sent(made), asked(made))
    made.step(SchemasFetched("orders", {"1": reader}), after=MS)
    assert [b'"a"', b'"a"'] == sent(made)
    made.step(RecordsFetched(framed_chunk(1, 2, 1, start=2, payload="b")), after=10 * MS)
    made.step(RecordsFetched(chunk("z", partition=OTHER, values=[framed(1, "z")])), after=10 * MS)
    assert [b'"a"', b'"a"', b'"b"', b'"z"'] == sent(made)
    assert [("1",), ("2",)] == asked(made)
    assert made.forwarder.status(made.now).routes["orders"].blocked is None
    made.step(SchemasFetched("orders", {"2": reader}), after=MS)
    settle(made)
    made.store()
    assert {ORDERS: 5, OTHER: 1} == made.committed()
    assert 0 == made.forwarder.status(made.now).held_bytes
    assert 2 == made.forwarder.status(made.now).routes["orders"].schemas
    assert [SchemaLearned("orders", "1", "usable"), SchemaLearned("orders", "2", "usable")] == made.of(SchemaLearned)


def test_a_registry_that_fails_blocks_the_route_in_words_and_heals_by_itself() -> None:
    """Told once; what was taken in goes on being sent, nothing more is taken in, partitions are paused, and probes go on."""
    made = machine()
    made.step(RecordsFetched(framed_chunk(1)))
    made.step(RegistryRefused("orders", "not_connected", "it takes no connection"), after=SECOND)
    assert [] == made.of(IntakeClosed)
    for _ in range(3):
        made.step(RegistryRefused("orders", "not_connected", "it takes no connection"), after=100 * SECOND)
    reason = "schema_registry:not_connected"
    told = IntakeClosed("orders", reason, "it takes no connection")
    assert [told] == made.of(IntakeClosed)
    status = made.forwarder.status(made.now)
    assert f"route orders is blocked: {reason}" in status.reasons()
    assert status.partitions[ORDERS].paused
    assert status.partitions[OTHER].paused
    assert {("1",)} == set(asked(made))
    assert 5 == len(asked(made))
    made.step(SchemasFetched("orders", {"1": reader}), after=MS)
    opened = made.of(IntakeOpened)[-1]
    assert isinstance(opened, IntakeOpened)
    assert opened.after > 100 * SECOND
    assert ResumePartitions(frozenset({ORDERS, OTHER})) in made.told
    assert PausePartitions(frozenset({ORDERS, OTHER})) in made.told
    assert () == made.forwarder.status(made.now).reasons()
    assert [b'"x"'] == sent(made)


def test_a_schema_that_is_not_there_makes_poison_with_a_code_of_its_own() -> None:
    """After it was said for some seconds; so does one by which nothing reads, and a value that does not fit."""
    made = machine(on_poison=OnPoison.DROP)
    values = [framed(1), framed(2), framed(3, "bad"), framed(3), b"plain"]
    made.step(RecordsFetched(chunk("abcde", values=values)))
    for _ in range(4):
        found = {"1": None, "2": Unusable("it is no Avro"), "3": reader}
        made.step(SchemasFetched("orders", found), after=SECOND)
    codes = ["SchemaUnknown", "SchemaUnusable", "DecodeFailed", "ValueNotFramed"]
    expected = [
        RecordsPoisoned("orders", ORDERS, offset, code, "drop")
        for offset, code in zip((0, 1, 2, 4), codes, strict=True)
    ]
    assert expected == made.of(RecordsPoisoned)
    assert [b'"x"'] == sent(made)
    assert 5 == settle(made)
    told = {(fact.schema, fact.outcome, fact.why) for fact in made.of(SchemaLearned) if isinstance(fact, SchemaLearned)}
    assert {
        ("1", "unknown", "the registry has no schema of this id"),
        ("2", "unusable", "it is no Avro"),
        ("3", "usable", ""),
    } == told


def test_what_is_decoded_is_filtered_mapped_and_kept_by_its_original() -> None:
    """The steps come in their order: decoded, filtered, mapped, enveloped."""

    def documents(payloads: object, *, packed: bool) -> list[bytes | None]:
        assert not packed
        return [b'{"type":"%s"}' % each for each in payloads]  # type: ignore[attr-defined]

    made = machine(only=Only("pointer:/type", frozenset({"a"})), partition_key="field:/type", envelope=True)
    values = [framed(1, "a"), framed(1, "b"), b"none"]
    made.step(RecordsFetched(chunk("xyz", values=values, originals=[Extras()] * 3)))
    made.step(SchemasFetched("orders", {"1": documents}), after=MS)
    (put,) = made.of(SendPut)
    assert isinstance(put, SendPut)
    assert ["a"] == list(put.keys)
    assert b'"value":"{\\"type\\":\\"a\\"}"' in put.values[0]
    assert {"absent": 0, "other": 1} == made.forwarder.status(made.now).routes["orders"].filtered


def test_a_partition_that_went_is_not_waited_for() -> None:
    """Where it alone needed the schema the route opens; nothing is asked while stopping."""
    made = machine()
    made.step(RecordsFetched(framed_chunk(1)))
    for _ in range(2):
        made.step(RegistryRefused("orders", "timed_out", ""), after=100 * SECOND)
    assert "schema_registry:timed_out" == made.forwarder.status(made.now).routes["orders"].blocked
    made.step(PartitionsLost(frozenset({ORDERS})), after=MS)
    assert made.forwarder.status(made.now).routes["orders"].blocked is None
    made.step(PartitionsAssigned({ORDERS: 0}), RecordsFetched(framed_chunk(1)))
    made.step(RegistryRefused("orders", "timed_out", ""))
    before = len(asked(made))
    made.step(StopRequested("SIGTERM"), after=100 * SECOND)
    assert before == len(asked(made))
    assert made.left.drained


def test_a_partition_that_waits_for_a_schema_says_for_which() -> None:
    """Where the registry says nothing for longer than a request may take; and it goes on when the schema comes."""
    made = machine()
    made.step(RecordsFetched(framed_chunk(1)), SchemasFetched("orders", {"1": reader}), after=10 * MS)
    made.step(RecordsFetched(framed_chunk(2, start=1)), after=10 * MS)
    for _ in range(40):
        made.decide(after=SECOND // 2)
    shown = made.forwarder.status(made.now).partitions[ORDERS]
    told = "schema 2, which the record at offset 1 names, is not known yet"
    assert ("schema", told) == (shown.stuck_reason, shown.stuck)
    made.step(SchemasFetched("orders", {"2": reader}))
    settle(made)
    made.decide(after=SECOND)
    assert [True, False] == [fact.stuck for fact in made.of(PartitionStuck) if isinstance(fact, PartitionStuck)]
    assert made.forwarder.status(made.now).partitions[ORDERS].stuck is None
