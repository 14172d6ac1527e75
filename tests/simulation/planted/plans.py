"""Runs with the settings that some bugs need to show; each is drawn from its seed, like any other."""

from __future__ import annotations

from dataclasses import replace

from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.faults import aggregated, changing, draw_plan, mapped, narrow
from doka.adapters.simulated.plan import CALM, Delays, Incident, Kind, Plan, Rates, Sick, Span, Work
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.rules import LimitRules, OnPoison, Ordering, RoleRules

MS = NS_PER_MS
MANY = range(100, 2_000, 150)  # moments in ms
FIRST_PARTITION = 1 << 6  # as a draw that is no multiple of three, and no kill


def much_moving(seed: int) -> Plan:
    """Give a drawn run with a rebalance, or a lost session, every 150 ms, and throttled entries."""
    plan, chance = draw_plan(seed), Chance(seed).of("moves")
    moves = tuple(
        Incident(chance.choice((Kind.REBALANCE, Kind.EXPELLED)), at * MS, (at + 100) * MS, chance.getrandbits(30))
        for at in MANY
    )
    rates = Rates(entry_throttled=0.3 * chance.random(), late=0.2 * chance.random(), vanished=0.2 * chance.random())
    limits = replace(plan.limits, request_timeout=100 * MS, drain=NS_PER_SECOND, linger=0)  # so that more is under way
    return replace(plan, incidents=moves, rates=rates, heal_at=2 * NS_PER_SECOND, limits=limits)


def commits_that_vanish(seed: int) -> Plan:
    """Give a run of six partitions, of which one comes and goes, while half of all commits never arrive."""
    return Plan(
        seed,
        work=Work(partitions=6, records=30, burst=1, every=Span(0, 100 * MS)),
        rates=Rates(commit_vanished=0.5),
        incidents=tuple(Incident(Kind.REBALANCE, at * MS, (at + 50) * MS, FIRST_PARTITION) for at in MANY),
        limits=LimitRules(commit_every=50 * MS),
        heal_at=2 * NS_PER_SECOND,
    )


def paced_and_moving(seed: int) -> Plan:
    """Give a run of one busy shard that refuses most of what it gets, with a rebalance every 150 ms."""
    work = Work(partitions=6, shards=1, records=400, keys=1_000, burst=50, every=Span(0, 100 * MS))
    return replace(
        much_moving(seed), work=work, rates=Rates(entry_throttled=0.7), limits=LimitRules(), sick=Sick.NOTHING
    )


def a_dead_consumer(seed: int) -> Plan:
    """Give a drawn run in which the consumer dies."""
    plan = draw_plan(seed)
    death = Incident(Kind.CONSUMER_DEAD, plan.heal_at // 2, plan.heal_at // 2)
    return replace(plan, incidents=(death,), rates=CALM)


def dead_letters_that_fail(seed: int) -> Plan:
    """Give a drawn run with poison, whose letters are refused every other time."""
    plan = draw_plan(seed)
    rates = replace(plan.rates, letter_refused=0.5)
    return replace(plan, on_poison=OnPoison.DEAD_LETTER, work=replace(plan.work, poison=0.2), rates=rates)


def renewed_before_the_end(seed: int) -> Plan:
    """Give a drawn run whose leases live two seconds and are renewed when a third of that is left."""
    return replace(draw_plan(seed), role=RoleRules("r0"), lease_life=2 * NS_PER_SECOND)


def one_stream_denied(seed: int) -> Plan:
    """Give a run of two routes with one role, of which one loses its permission for some seconds."""
    return Plan(
        seed=seed,
        work=Work(routes=2, records=300, every=Span(0, 100 * MS)),
        delays=Delays(sts=Span(2 * MS, 10 * MS)),
        incidents=(Incident(Kind.STREAM_DENIED, at=200 * MS, until=12 * NS_PER_SECOND),),
        heal_at=12 * NS_PER_SECOND,
    )


def denied_for_long(seed: int) -> Plan:
    """Give a drawn run with a long lease under which every stream denies access for ten seconds."""
    denied = Incident(Kind.ACCESS_DENIED, at=500 * MS, until=10 * NS_PER_SECOND)
    plan = replace(draw_plan(seed), role=RoleRules("r0"), lease_life=900 * NS_PER_SECOND, rates=CALM)
    return replace(plan, incidents=(denied,), heal_at=12 * NS_PER_SECOND, wall_skew_seconds=0.0)


def revoked_while_slow(seed: int) -> Plan:
    """Give a drawn run in which leases are revoked again and again, while refusals take longer than the next lease."""
    revoked = [Incident(Kind.TOKENS_REVOKED, at * MS, at * MS, FIRST_PARTITION) for at in MANY]
    plan = replace(draw_plan(seed), role=RoleRules("r0"), lease_life=900 * NS_PER_SECOND, rates=CALM)
    slow = Delays(put=Span(MS, 100 * MS), answer=Span(MS, 100 * MS), sts=Span(MS, 2 * MS))
    limits = replace(plan.limits, requests_in_flight=16, request_timeout=NS_PER_SECOND)
    return replace(plan, delays=slow, limits=limits, incidents=tuple(revoked), heal_at=2 * NS_PER_SECOND)


def leases_that_nobody_knows(seed: int) -> Plan:
    """Give a drawn run in which for ten seconds no stream recognises any lease that STS issues."""
    return replace(draw_plan(seed), rates=Rates(sts_unknown=1.0), incidents=(), heal_at=10 * NS_PER_SECOND)


def leases_that_come_too_late(seed: int) -> Plan:
    """Give a drawn run in which for ten seconds each lease has ended when it arrives."""
    return replace(draw_plan(seed), rates=Rates(sts_past=1.0), incidents=(), heal_at=10 * NS_PER_SECOND)


def headers_and_envelopes(seed: int) -> Plan:
    """Give a drawn run whose keys come from a header, whose records travel in envelopes, or both."""
    return mapped(draw_plan(seed))


def lines(seed: int) -> Plan:
    """Give a drawn run whose records end in newlines, now and then in aggregates."""
    plan = replace(draw_plan(seed), newline=True)
    return aggregated(plan) if seed % 2 else plan


def compressed(seed: int) -> Plan:
    """Give a drawn run with little room, whose records are compressed by gzip, and some are large before that."""
    plan = little_room(seed)
    limits = replace(plan.limits, held_bytes=64 * 1024 * 1024)  # large poison stays in it
    return replace(plan, work=replace(plan.work, large=0.2), limits=limits, compress="gzip")


def streams_changed(seed: int) -> Plan:
    """Give a run of many minutes in which streams are changed, one of them to AUTO for nearly all of the time."""
    plan = changing(draw_plan(seed))
    auto = Incident(Kind.STREAM_AUTO, 20 * NS_PER_SECOND, 800 * NS_PER_SECOND)
    return replace(plan, incidents=(auto, *plan.incidents), ordering=Ordering.KEY, aggregation=None)


def limits_raised(seed: int) -> Plan:
    """Give a run of ten minutes with large records, which each stream takes after some minutes."""
    plan = changing(draw_plan(seed))
    raised = tuple(Incident(Kind.RECORD_LIMIT_RAISED, 200 * NS_PER_SECOND, 200 * NS_PER_SECOND, i) for i in range(3))
    work = replace(plan.work, records=40, every=Span(0, 10 * NS_PER_SECOND), large=0.2)
    return replace(
        plan, work=work, incidents=raised, ordering=Ordering.KEY, aggregation=None, heal_at=600 * NS_PER_SECOND
    )


def large_and_raised(seed: int) -> Plan:
    """Give the same with aggregation, few keys, and a policy that lets large records wait."""
    plan = aggregated(limits_raised(seed))
    return replace(plan, work=replace(plan.work, keys=2, burst=5), on_poison=OnPoison.BLOCK)


def slow_and_sts_down(seed: int) -> Plan:
    """Give a run of three routes in which STS is down at first, and every answer of a stream takes seconds."""
    return Plan(
        seed,
        work=Work(routes=3, records=30),
        delays=Delays(put=Span(1_500 * MS, 2_500 * MS)),
        incidents=(Incident(Kind.STS_DOWN, 0, 2 * NS_PER_SECOND),),
        heal_at=2 * NS_PER_SECOND,
    )


def little_room(seed: int) -> Plan:
    """Give a drawn run with small requests and records, and keys of more bytes than characters."""
    return narrow(draw_plan(seed))


def searches_in_little_room(seed: int) -> Plan:
    """Give one in which only the service knows what can never land, so that controls are asked for."""
    plan = little_room(seed)
    work = replace(plan.work, refused=0.3, value_bytes=200)
    limits = replace(plan.limits, request_bytes=2_000, request_records=500)
    return replace(plan, work=work, limits=limits, record_bytes_max=6_000)


def aggregates_in_little_room(seed: int) -> Plan:
    """Give one with aggregation, several poison records of each key, and none that stops its partition."""
    plan = aggregated(little_room(seed))
    work = replace(plan.work, keys=1 + seed % 2, large=0.2, refused=0.2, poisons=5)
    rates = replace(plan.rates, letter_refused=0.5)
    limits = replace(plan.limits, held_bytes=64 * 1024 * 1024, ahead_records=50_000)
    return replace(plan, work=work, rates=rates, limits=limits, on_poison=OnPoison.DEAD_LETTER)


def letters_fail_while_moving(seed: int) -> Plan:
    """Give a run with poison whose letters are refused, and with a rebalance, or a lost session, every 150 ms."""
    plan = much_moving(seed)
    work = replace(plan.work, poison=0.2)
    rates = Rates(letter_refused=0.8)
    return replace(plan, on_poison=OnPoison.DEAD_LETTER, work=work, rates=rates)


def sts_down_for_long(seed: int) -> Plan:
    """Give a drawn run in which STS is down for ten seconds."""
    down = Incident(Kind.STS_DOWN, at=0, until=10 * NS_PER_SECOND)
    return replace(draw_plan(seed), incidents=(down,), heal_at=10 * NS_PER_SECOND)
