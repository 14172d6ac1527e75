"""A plan drawn from a seed: work, weather, incidents, limits.

Swarm testing: each seed first draws which faults it has at all, and how strong they may be; so many seeds are calm in
all but one dimension, where a fault that ten others would hide comes to light.
Limits are drawn to their edges too: a batch of one, a margin above the life of the lease, room for few records.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random  # noqa: TID251 - the type of a seeded source that is given

from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.plan import (
    CALM,
    GROWTH,
    SILENT,
    UNDRAWN,
    Delays,
    Incident,
    Kind,
    Plan,
    Rates,
    Sick,
    Span,
    Work,
)
from doka.adapters.simulated.tokens import REVOKED_CODES
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.partitions.start_positions import LogEdge
from doka.domain.rules import (
    TOPICS_MAX_DEFAULT,
    AggregationRules,
    KeyEncoding,
    LimitRules,
    NullKey,
    NullValue,
    OnGap,
    OnPoison,
    OnUnreadable,
    Ordering,
    RoleRules,
    RotationPolicy,
)

MS = NS_PER_MS
SECOND = NS_PER_SECOND
RECORDS_DEFAULT = 100

_RATES: dict[str, float] = {
    "unsent": 0.3,
    "reset_before": 0.3,
    "vanished": 0.2,
    "answer_lost": 0.2,
    "reset_after": 0.3,
    "garbled": 0.3,
    "late": 0.3,
    "throttled": 0.5,
    "failed_before": 0.3,
    "failed_after": 0.3,
    "entry_throttled": 0.5,
    "entry_failed": 0.3,
    "commit_refused": 0.5,
    "commit_vanished": 0.3,
    "commit_unanswered": 0.3,
    "sts_failed": 0.6,
    "sts_short": 0.5,
    "sts_past": 0.4,
    "describe_failed": 0.6,
    "letter_refused": 0.6,
    "letter_unacknowledged": 0.4,
}
"""The strongest that each may be drawn."""

_APART = frozenset(
    {*SILENT, *UNDRAWN, *GROWTH, Kind.REGISTRY_DOWN, Kind.SKIP_ORDERED, Kind.BATCH_UNREADABLE, Kind.RECORD_LIMIT_RAISED}
)
"""Drawn for runs of their own."""
_ONCE = frozenset({Kind.RETENTION, Kind.TOPIC_RECREATED, Kind.CONSUMER_DEAD, Kind.STOP, Kind.STREAM_REFUSING})


_SICK = (Sick.NOTHING, Sick.DEAD_STREAM, Sick.HOT_SHARD, Sick.UNFETCHABLE)


def draw_plan(seed: int, records: int = RECORDS_DEFAULT) -> Plan:
    """Give the plan of a seed, always the same."""
    chance = Chance(seed).of("plan")
    heal_at = int(chance.uniform(0.3, 3.0) * SECOND)
    sick = chance.choice(_SICK) if chance.random() < 0.2 else Sick.NOTHING  # noqa: PLR2004
    return Plan(
        seed=seed,
        work=_draw_work(chance, records),
        delays=_draw_delays(chance),
        rates=_with_repeats(_draw_rates(chance), seed),
        incidents=_draw_incidents(chance, heal_at),
        limits=_with_linger(_draw_limits(chance), seed),
        role=_draw_role(chance),
        on_poison=chance.choice(list(OnPoison)),
        on_gap=chance.choice(list(OnGap)),
        sick=sick,
        lease_life=int(chance.choice((0.5, 2.0, 10.0, 900.0)) * SECOND),
        session_timeout=int(chance.choice((0.05, 0.5, 3.0)) * SECOND),
        restart=int(chance.choice((0.0, 0.1, 1.0)) * SECOND),
        static_member=chance.random() < 0.3,  # noqa: PLR2004
        wall_skew_seconds=chance.choice((0.0, 0.0, 0.0, 200.0, -200.0)),
        heal_at=heal_at,
    )


def calm_plan(seed: int, records: int = RECORDS_DEFAULT) -> Plan:
    """Give a plan of the same variety without any fault: the outcome must be exactly once."""
    chance = Chance(seed).of("calm")
    work = _draw_work(chance, records)
    return Plan(
        seed=seed,
        work=Work(
            routes=work.routes,
            partitions=work.partitions,
            shards=work.shards,
            records=work.records,
            keys=work.keys,
            burst=work.burst,
            every=work.every,
            value_bytes=work.value_bytes,
            null_keys=work.null_keys,
            tombstones=work.tombstones,
            markers=work.markers,
            holes=work.holes,
            fetch_run=work.fetch_run,
        ),
        lease_life=int(chance.choice((2.0, 900.0)) * SECOND),
        heal_at=SECOND,
    )


def aggregated(plan: Plan) -> Plan:
    """Give the same run with aggregation, its lanes and sizes drawn from a source of their own."""
    chance = Chance(plan.seed).of("aggregation")
    rules = AggregationRules(
        target_bytes=chance.choice((1, 300, 1_000, 51_200)),
        linger=int(chance.choice((0, 5, 100)) * MS),
        lanes=chance.choice((1, 2, 4, 64)),
    )
    return replace(plan, aggregation=rules)


def sharing(plan: Plan) -> Plan:
    """Give the same run with `ordering: key_in_request`: few keys, entries refused among theirs, requests reordered.

    A calm plan stays calm.
    """
    chance = Chance(plan.seed).of("sharing")
    rates = (
        plan.rates
        if plan.calm
        else replace(
            plan.rates,
            entry_throttled=max(plan.rates.entry_throttled, _rarely(chance, 0.5, 0.5)),
            entry_failed=max(plan.rates.entry_failed, _rarely(chance, 0.3, 0.3)),
            reordered=chance.choice((0.0, 0.0, 0.2, 1.0)),
        )
    )
    keys = chance.choice((1, 2, 5, plan.work.keys))
    return replace(plan, ordering=Ordering.KEY_IN_REQUEST, rates=rates, work=replace(plan.work, keys=keys))


def narrow(plan: Plan) -> Plan:
    """Give the same run with little room: small requests and records, wide keys, and several of a key that never land."""
    chance = Chance(plan.seed).of("narrow")
    work = replace(
        plan.work,
        keys=chance.choice((1, 2, 5, plan.work.keys)),
        value_bytes=chance.choice((20, 200)),
        wide_keys=chance.choice((False, True)),
        refused=_rarely(chance, 0.4, 0.2),
        large=_rarely(chance, 0.4, 0.2),
        poisons=chance.choice((1, 2, 5)),
    )
    held_bytes = 64 * 1024 * 1024 if work.large else plan.limits.held_bytes  # large poison stays in it
    limits = replace(plan.limits, request_bytes=chance.choice((800, 2_000, 5_000)), held_bytes=held_bytes)
    record_bytes_max = chance.choice((1_300, 2_500, 6_000))
    rates = replace(plan.rates, entry_unheard=_rarely(chance, 0.3, 0.3))
    return replace(plan, work=work, limits=limits, rates=rates, record_bytes_max=record_bytes_max)


def distrusted(plan: Plan) -> Plan:
    """Give the same run for long enough, with leases that no stream recognises, are denied for seconds, or come too late."""
    chance = Chance(plan.seed).of("distrusted")
    heal_at = 10 * SECOND
    past = Chance(plan.seed).of("past").choice((plan.rates.sts_past, plan.rates.sts_past, 1.0))
    rates = replace(plan.rates, sts_unknown=chance.choice((0.0, 0.3, 1.0)), sts_past=past)
    denied = Incident(Kind.ACCESS_DENIED, int(chance.random() * SECOND), heal_at - SECOND)
    incidents = (*plan.incidents, denied) if chance.random() < 0.5 else plan.incidents  # noqa: PLR2004
    role = replace(plan.role, policy=chance.choice(list(RotationPolicy)[:3]))
    return replace(plan, rates=rates, incidents=incidents, role=role, lease_life=900 * SECOND, heal_at=heal_at)


def on_call(plan: Plan) -> Plan:
    """Give the same run with a person who orders records to be skipped, such that can never land before others."""
    chance = Chance(plan.seed).of("on_call")
    orders = [
        Incident(Kind.SKIP_ORDERED, at := int(chance.random() * plan.heal_at), at, chance.getrandbits(30))
        for _ in range(chance.choice((1, 2, 5)))
    ]
    work = replace(plan.work, poison=max(plan.work.poison, chance.choice((0.0, 0.05))))
    incidents = sorted((*plan.incidents, *orders), key=lambda incident: incident.at)
    return replace(plan, work=work, incidents=tuple(incidents))


def unordered(plan: Plan) -> Plan:
    """Give the same run with `ordering: none`: nothing waits for another record of its key."""
    return replace(plan, ordering=Ordering.NONE)


_LONG = (*SILENT, Kind.BROKER_STALL, Kind.COORDINATOR_FROZEN, Kind.PARTITION_STALL, Kind.STREAM_DENIED, Kind.STS_DENIED)


def silent(plan: Plan) -> Plan:
    """Give a run of minutes in calm weather, in which one or two faults let records wait in Kafka for long."""
    chance = Chance(plan.seed).of("silent")
    heal_at = 200 * SECOND
    incidents: list[Incident] = []
    for number in range(chance.choice((1, 1, 2))):
        at = int(chance.uniform(0, 60) * SECOND)
        until = at + int(chance.uniform(20, 130) * SECOND)
        incidents.append(Incident(chance.choice(_LONG if number else SILENT), at, until, chance.getrandbits(30)))
    calm = calm_plan(plan.seed, records=60)
    work = replace(calm.work, burst=chance.choice((1, 3)), every=Span(0, int(chance.choice((1, 6)) * SECOND)))
    if chance.random() < 0.2:  # noqa: PLR2004 - a session is revoked while nobody could tell it from the denial of a stream
        at = int(chance.uniform(1, 20) * SECOND)
        incidents.append(Incident(Kind.ACCESS_DENIED, at, at + 30 * SECOND))
        incidents.append(
            Incident(Kind.TOKENS_REVOKED, at + 15 * SECOND, heal_at, REVOKED_CODES.index("AccessDeniedException"))
        )
    incidents.sort(key=lambda incident: incident.at)
    return replace(calm, work=work, incidents=tuple(incidents), heal_at=heal_at, lease_life=900 * SECOND)


_CHANGES = (Kind.RECORD_LIMIT_RAISED, Kind.STREAM_AUTO, Kind.SHARD_SPLIT, Kind.SHARD_MERGE, Kind.DESCRIBE_DENIED)


def changing(plan: Plan) -> Plan:
    """Give a run of many minutes in calm weather, in which whoever owns the streams changes them, and large records come."""
    chance = Chance(plan.seed).of("changing")
    heal_at = 1_500 * SECOND
    incidents: list[Incident] = []
    for kind in _CHANGES:
        for _ in range(chance.choice((0, 1, 2))):
            at = int(chance.uniform(10, 900) * SECOND)
            incidents.append(Incident(kind, at, at + int(chance.uniform(10, 590) * SECOND), chance.getrandbits(30)))
    incidents.sort(key=lambda incident: incident.at)
    calm = calm_plan(plan.seed, records=60)
    work = replace(
        calm.work,
        keys=chance.choice((1, 5, 20)),
        burst=chance.choice((1, 5)),
        every=Span(0, int(chance.choice((10, 25)) * SECOND)),
        value_bytes=20,
        large=chance.choice((0.05, 0.2)),
        poisons=20,
    )
    changed = replace(
        calm,
        work=work,
        incidents=tuple(incidents),
        on_poison=chance.choice(list(OnPoison)),
        record_bytes_max=chance.choice((1_300, 2_500)),
        heal_at=heal_at,
        lease_life=900 * SECOND,
        role=RoleRules("r0", policy=chance.choice(list(RotationPolicy)[:3])),
    )
    return chance.choice((_as_it_is, _as_it_is, aggregated, sharing, unordered))(changed)


def _as_it_is(plan: Plan) -> Plan:
    return plan


def damaged(plan: Plan) -> Plan:
    """Give the same run with stored records that cannot be read, for a time, or until the operator gives them up."""
    chance = Chance(plan.seed).of("damaged")
    incidents = list(plan.incidents)
    for _ in range(chance.choice((1, 2, 4))):
        at = int(chance.random() * plan.heal_at / 2)
        incidents.append(Incident(Kind.BATCH_UNREADABLE, at, plan.heal_at, chance.getrandbits(30)))
    incidents.sort(key=lambda incident: incident.at)
    return replace(plan, incidents=tuple(incidents), on_unreadable=chance.choice(list(OnUnreadable)))


def unrenewed(plan: Plan) -> Plan:
    """Give the same run under a policy that never renews a lease: what ends stays ended, and says so."""
    chance = Chance(plan.seed).of("unrenewed")
    role = replace(plan.role, policy=RotationPolicy.NEVER)
    return replace(plan, role=role, sick=Sick.UNRENEWED, lease_life=int(chance.choice((2.0, 900.0)) * SECOND))


def encoded(plan: Plan) -> Plan:
    """Give the same run with keys in another alphabet, and records without a key or a value that are placed or refused.

    Its stops have more time than between two words of what they wait for.
    """
    chance = Chance(plan.seed).of("encoded")
    work = replace(plan.work, wide_keys=False, value_bytes=20, poison=0.0, null_keys=chance.choice((0.0, 0.1, 0.4)))
    drawn = replace(
        plan,
        work=work,
        limits=replace(plan.limits, drain=12 * SECOND),
        key_encoding=chance.choice(list(KeyEncoding)),
        null_key=chance.choice(list(NullKey)),
        null_value=chance.choice(list(NullValue)),
    )
    raw = chance.choice((False, True)) and not plan.partition_key.startswith("field:")
    return replace(drawn, work=replace(work, raw_keys=raw))


def mapped(plan: Plan) -> Plan:
    """Give the same run with its keys taken from a header, its records in envelopes, or both."""
    partition_key, envelope = (
        Chance(plan.seed).of("mapped").choice((("header:key", False), ("kafka_key", True), ("header:key", True)))
    )
    mapped_so = replace(plan, partition_key=partition_key, envelope=envelope)
    other = Chance(plan.seed).of("fields").choice((None, None, "field:/key", "random"))
    if other is None or (other == "random" and plan.sick is Sick.HOT_SHARD):  # a drawn key stays where it is
        return mapped_so
    return replace(mapped_so, partition_key=other, work=replace(plan.work, tombstones=0.0))


def finished(plan: Plan) -> Plan:
    """Give the same run with a newline behind each record's data, or with each compressed."""
    chance = Chance(plan.seed).of("finished")
    if chance.choice((True, False)):
        return replace(plan, newline=True)
    return replace(plan, compress=chance.choice(("gzip", "zstd")))


def filtered(plan: Plan) -> Plan:
    """Give the same run with records that their routes leave out, by a filter or by a transform."""
    if plan.partition_key.startswith("field:"):  # which has documents of its own
        return plan
    chance = Chance(plan.seed).of("filtered")
    work = replace(plan.work, unwanted=chance.choice((0.1, 0.5, 0.9)), tombstones=0.0, large=0.0)
    return replace(plan, work=work, transforms=chance.random() < 0.5)  # noqa: PLR2004


def decoding(plan: Plan) -> Plan:
    """Give the same run with values that were written with a schema registry, which fails as all else does."""
    chance = Chance(plan.seed).of("decoding")
    work = replace(plan.work, undecodable=chance.choice((0.0, 0.02, 0.1)))
    found = list(plan.incidents)
    for _ in range(0 if plan.rates is CALM else chance.choice((0, 1, 2))):
        at = int(chance.random() * plan.heal_at)
        lasts = int(chance.choice((0.1, 1.0)) * chance.random() * plan.heal_at)
        found.append(Incident(Kind.REGISTRY_DOWN, at, min(at + lasts, plan.heal_at)))
    failed = 0.0 if plan.rates is CALM else chance.choice((0.0, 0.2, 0.6))
    return replace(
        plan,
        decodes=True,
        work=work,
        incidents=tuple(sorted(found, key=lambda incident: incident.at)),
        rates=plan.rates if plan.rates is CALM else replace(plan.rates, registry_failed=failed),
    )


def teed(plan: Plan) -> Plan:
    """Give the same run with two or three routes that read each topic.

    Not where one stream never heals: it would hold the others of its topic, which is right, and nothing to find. Nor where
    patterns bring the topics: those have one route each.
    """
    if plan.sick in {Sick.DEAD_STREAM, Sick.HOT_SHARD} or plan.patterned:
        return plan
    legs = Chance(plan.seed).of("teed").choice((2, 2, 3))
    return replace(plan, work=replace(plan.work, tee=legs, large=0.0))


def growing(plan: Plan) -> Plan:
    """Give the same run with topics by patterns, to which topics and partitions are added while it runs."""
    chance = Chance(plan.seed).of("growing")
    incidents = list(plan.incidents)
    for kind in (Kind.TOPIC_APPEARS, Kind.PARTITION_ADDED):
        for _ in range(chance.choice((0, 1, 2, 3))):
            at = int(chance.random() * plan.heal_at)
            incidents.append(Incident(kind, at, at, chance.getrandbits(30)))
    incidents.sort(key=lambda incident: incident.at)
    return replace(
        plan,
        work=replace(plan.work, tee=1),  # a topic that patterns of two routes match is not read
        patterned=True,
        incidents=tuple(incidents),
        topics_max=chance.choice((TOPICS_MAX_DEFAULT, TOPICS_MAX_DEFAULT, TOPICS_MAX_DEFAULT, 1, 2)),
        start_from=chance.choice(list(LogEdge)),
        discovery=int(chance.choice((0.01, 0.1, 1.0)) * SECOND),
    )


def heavy(plan: Plan) -> Plan:
    """Give the same run with records so large that a few of them are all that a shard takes in a second, and a request holds."""
    chance = Chance(plan.seed).of("heavy")
    work = replace(plan.work, value_bytes=chance.choice((20_000, 60_000)), shards=chance.choice((1, 2)), tombstones=0.0)
    limits = replace(
        plan.limits,
        held_bytes=64 * 1024 * 1024,
        body_bytes=chance.choice((100_000, plan.limits.body_bytes)),
        request_bytes=chance.choice((300_000, plan.limits.request_bytes)),
    )
    rates = plan.rates if plan.calm else replace(plan.rates, entry_throttled=max(plan.rates.entry_throttled, 0.1))
    return replace(plan, work=work, limits=limits, rates=rates)


def overrun(plan: Plan) -> Plan:
    """Give the same run with more records that can never land than may be put aside in a minute."""
    return replace(plan, limits=replace(plan.limits, poison_per_minute=2), heal_within=900 * SECOND)


def swarm_plan(seed: int, records: int = RECORDS_DEFAULT) -> Plan:
    """Give the plan of a seed: of six, two with aggregation, and one in which the records of a key share requests.

    Of the others one in eight keeps no order. Of each of these, one in four is narrow, one in ten distrusted, and one in
    five mapped, and one in eleven filtered; one in nine each is damaged, unrenewed, or has its keys encoded. Of those that are not narrow one in 25 is heavy.
    One in seven has a person who skips records; one in 160 may put little poison aside.
    One in eleven ends its records in newlines, or compresses them; one in thirteen decodes what was written with a registry, and
    in one more each topic has several routes; another one has topics by patterns, and topics and partitions that appear.
    One in thirty is calm and long, with faults that show nowhere but in what the service says of itself; one in 180 is longer
    still, and its streams are changed.
    """
    if seed % 180 == 43:  # noqa: PLR2004
        return changing(draw_plan(seed, records))
    if seed % 30 == 29:  # noqa: PLR2004
        return silent(draw_plan(seed, records))
    plan = draw_plan(seed, records)
    if seed % 3 == 2:  # noqa: PLR2004
        plan = aggregated(plan)
    elif seed % 6 == 1:
        plan = sharing(plan)
    elif seed // 6 % 8 == 1:
        plan = unordered(plan)
    if seed // 6 % 4 == 3:  # noqa: PLR2004
        plan = narrow(plan)
    if seed // 6 % 5 == 2:  # noqa: PLR2004
        plan = mapped(plan)
    if seed // 6 % 11 == 4:  # noqa: PLR2004
        plan = finished(plan)
    if seed // 6 % 11 == 7:  # noqa: PLR2004
        plan = filtered(plan)
    if seed // 6 % 13 == 5:  # noqa: PLR2004
        plan = decoding(plan)
    if seed // 6 % 13 == 9:  # noqa: PLR2004
        plan = teed(plan)
    if seed // 6 % 13 == 11:  # noqa: PLR2004
        plan = growing(plan)
    if seed // 6 % 7 == 3:  # noqa: PLR2004
        plan = on_call(plan)
    if seed // 6 % 160 == 3:  # noqa: PLR2004
        plan = overrun(plan)
    if seed // 6 % 25 == 6 and seed // 6 % 4 != 3:  # noqa: PLR2004
        plan = heavy(plan)
    apart = {2: damaged, 5: unrenewed, 8: encoded}.get(seed // 6 % 9)
    plan = plan if apart is None else apart(plan)
    return distrusted(plan) if seed // 6 % 10 == 4 and apart is None else plan  # noqa: PLR2004


def _rarely(chance: Random, likely: float, most: float) -> float:
    return chance.random() * most if chance.random() < likely else 0.0


def _draw_work(chance: Random, records: int) -> Work:
    return Work(
        routes=chance.choice((1, 1, 1, 2, 3)),
        partitions=chance.choice((1, 2, 3, 6)),
        shards=chance.choice((1, 2, 4)),
        records=records,
        keys=chance.choice((1, 2, 5, 20, 1_000)),
        burst=chance.choice((1, 5, 20, 50)),
        every=Span(0, int(chance.choice((2, 20, 60)) * MS)),
        value_bytes=chance.choice((0, 20, 200)),
        null_keys=_rarely(chance, 0.3, 0.3),
        tombstones=_rarely(chance, 0.3, 0.3),
        markers=_rarely(chance, 0.3, 0.3),
        holes=_rarely(chance, 0.3, 0.2),
        poison=_rarely(chance, 0.2, 0.05),
        refused=_rarely(chance, 0.1, 0.05),
        fetch_run=chance.choice((1, 3, 20, 500)),
    )


def _draw_delays(chance: Random) -> Delays:
    slow = chance.choice((1, 1, 1, 4, 10))
    tail = _rarely(chance, 0.3, 0.1)
    return Delays(
        put=Span(MS, 5 * slow * MS, tail),
        answer=Span(MS, 3 * slow * MS, tail),
        commit=Span(MS, 3 * slow * MS, tail),
        sts=Span(5 * MS, 20 * slow * MS, tail),
        join=Span(MS, 30 * slow * MS, tail),
    )


def _draw_rates(chance: Random) -> Rates:
    if chance.random() < 0.2:  # noqa: PLR2004 - only incidents, or nothing at all
        return CALM
    likely = chance.choice((0.1, 0.3, 0.6))
    return Rates(**{name: _rarely(chance, likely, most) for name, most in _RATES.items()})


def _with_repeats(rates: Rates, seed: int) -> Rates:
    """Let answers come again in some of the runs that have faults; drawn apart, so that all else stays as it was."""
    chance = Chance(seed).of("repeats")
    return rates if rates is CALM else replace(rates, repeated=_rarely(chance, 0.2, 0.3))


def _draw_incidents(chance: Random, heal_at: int) -> tuple[Incident, ...]:
    kinds = [kind for kind in Kind if kind not in _APART and chance.random() < chance.choice((0.0, 0.1, 0.3))]
    found: list[Incident] = []
    for kind in kinds:
        for _ in range(1 if kind in _ONCE else chance.choice((1, 1, 2, 4))):
            at = int(chance.random() * heal_at)
            lasts = int(chance.choice((0.02, 0.2, 1.0)) * chance.random() * heal_at)
            found.append(Incident(kind, at, min(at + lasts, heal_at), chance.getrandbits(30)))
    return tuple(sorted(found, key=lambda incident: incident.at))


def _draw_limits(chance: Random) -> LimitRules:
    return LimitRules(
        held_bytes=chance.choice((20_000, 200_000, 64 * 1024 * 1024)),
        ahead_records=chance.choice((1, 5, 20, 50_000)),
        requests_in_flight=chance.choice((1, 2, 16)),
        request_timeout=int(chance.choice((0.03, 0.1, 0.3)) * SECOND),
        request_records=chance.choice((1, 3, 20, 500)),
        commit_every=int(chance.choice((0.01, 0.1, 1.0)) * SECOND),
        drain=int(chance.choice((0.2, 1.0, 5.0)) * SECOND),
    )


def _with_linger(limits: LimitRules, seed: int) -> LimitRules:
    """Let puts that are not full wait for more, by a chance of its own: all else of a seed stays as it was."""
    return replace(limits, linger=Chance(seed).of("linger").choice((0, 5, 5, 30)) * NS_PER_MS)


def _draw_role(chance: Random) -> RoleRules:
    policies = (RotationPolicy.BEFORE_EXPIRY, RotationPolicy.INTERVAL, RotationPolicy.ON_DEMAND)
    return RoleRules(
        "r0",
        policy=chance.choice(policies),
        margin=int(chance.choice((0.1, 1.0, 600.0)) * SECOND),
        interval=int(chance.choice((0.2, 2.0, 1800.0)) * SECOND),
    )
