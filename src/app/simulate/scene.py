"""What is simulated, as one value: the traffic, the tokens, the rules of the service, what goes wrong and when.

Times are seconds after the start. The same scene and the same seed give the same history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from doka.adapters.simulated.plan import CALM, Delays, Incident, Kind, Plan, Span, Work
from doka.adapters.simulated.tokens import REVOKED_CODES
from doka.app.simulate.own_function import OwnFunction
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import LimitRules, RoleRules, RotationPolicy, RouteRules, Rules

CLOCK_WRONG = "clock_wrong"
DOKA = "doka"
ORIGINAL = "original"

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        CLOCK_WRONG: "the clock of the host is wrong",
        Kind.STS_DOWN.value: "STS does not answer",
        Kind.STS_SLOW.value: "STS is fifty times as slow",
        Kind.STS_DENIED.value: "STS refuses the role: AccessDenied",
        Kind.STS_THROTTLED.value: "STS is throttled",
        Kind.TOKENS_REVOKED.value: "every token is revoked before its end",
        Kind.ACCESS_DENIED.value: "the role may not write to Kinesis",
        Kind.SUSPENDED.value: "the process stands still",
        Kind.REBALANCE.value: "partitions go to another member, and come back",
        Kind.EXPELLED.value: "the member is thrown out of the group",
        Kind.BROKER_STALL.value: "Kafka does not answer",
        Kind.COORDINATOR_FROZEN.value: "the group's coordinator does not answer",
        Kind.PARTITION_STALL.value: "one partition's leader does not answer",
        Kind.RETENTION.value: "retention removes records that were not read",
        Kind.STREAM_MISSING.value: "the stream is gone",
        Kind.STREAM_UPDATING.value: "the stream is being created",
        Kind.STREAM_AUTO.value: "the stream ignores partition keys",
        Kind.DESCRIBE_DENIED.value: "the stream may not be described",
        Kind.STREAM_DENIED.value: "the role may not write to one stream",
        Kind.STREAM_REFUSING.value: "the stream refuses every request as invalid",
        Kind.SHARD_SPLIT.value: "a shard is split",
        Kind.SHARD_MERGE.value: "two shards are merged",
        Kind.SHARD_HOT.value: "a shard refuses every record: somebody else uses it up",
        Kind.CRASH.value: "the process is killed",
        Kind.STOP.value: "the process is stopped and started again",
        Kind.CONSUMER_DEAD.value: "the Kafka client fails for good",
    }
)
"""What can go wrong, in words. Left out is what strikes single records, or makes a topic anew: bulk logs have neither."""

FAULTS = tuple(SENTENCES)

AT_ONCE = frozenset(
    {Kind.TOKENS_REVOKED.value, Kind.CRASH.value, Kind.STOP.value, Kind.CONSUMER_DEAD.value, Kind.EXPELLED.value}
    | {Kind.RETENTION.value, Kind.SHARD_SPLIT.value, Kind.SHARD_MERGE.value}
)
"""Faults that are over when they have struck."""

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400)
_SAMPLES_MAX = 400
_FETCH_ALL = 10**7  # of a partition at once: the bursts are the only batches


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is written: `rate` records a second over all topics, in bursts, each record of `record_bytes`."""

    rate: float = 100.0
    partitions: int = 4
    keys: int = 10_000
    record_bytes: int = 100
    burst_seconds: float = 10.0
    by_hour: tuple[float, ...] = ()
    """The share of `rate` in each of the 24 hours after midnight; empty: always all of it."""

    def rate_at(self, seconds_of_day: float) -> float:
        """Give records a second at a time of the day."""
        return self.rate * self.by_hour[int(seconds_of_day // 3_600) % 24] if self.by_hour else self.rate


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault; `which` chooses the shard, partition or error code that it hits, where there are several."""

    kind: str
    from_seconds: float
    until_seconds: float
    which: int = 0
    clock_seconds: float = 0.0
    """How far the host's clock is ahead (below 0: behind), while `clock_wrong`."""

    @property
    def told(self) -> str:
        """What happens, in words."""
        words = SENTENCES[self.kind]
        if self.kind == CLOCK_WRONG:
            minutes, way = abs(self.clock_seconds) / 60, "ahead" if self.clock_seconds > 0 else "behind"
            return f"{words}: {minutes:g} min {way}"
        if self.kind == Kind.TOKENS_REVOKED.value:
            return f"{words} ({REVOKED_CODES[self.which % len(REVOKED_CODES)]})"
        return words


@dataclass(frozen=True, slots=True)
class Scene:
    """One world and one service in it."""

    title: str
    duration_seconds: float
    token_seconds: float = 3_600.0
    seed: int = 1
    start: str = "2026-01-09T18:00:00"  # a Friday
    traffic: Traffic = field(default_factory=Traffic)
    rules: Rules = field(default_factory=lambda: simple_rules(RotationPolicy.BEFORE_EXPIRY))
    shards: int = 2
    hops: int = 1
    """Roles in the chain: each renewal asks STS once for each."""
    troubles: tuple[Trouble, ...] = ()
    weather: Plan | None = None
    """Where the network's fates and delays and the group's patience come from; None: calm, and as they usually are."""
    delay_seconds: float | None = None
    """The stated bound: no record may land later than this; None states none."""
    must_deliver: bool = True
    """Whether records that still wait at the end are a failure."""
    functions: tuple[OwnFunction | None, ...] = ()
    """What each route makes of records of its own, where it makes anything of them; empty: of none."""
    settle_seconds: float = 300.0
    """How long the service may go on after the last record was written."""

    @property
    def step_seconds(self) -> float:
        """How far the samples of the history are apart."""
        return float(next((s for s in _STEPS if self.duration_seconds / s <= _SAMPLES_MAX), _STEPS[-1]))

    def never_renewed(self) -> Scene:
        """Give the same scene for the service of the incident, which takes a token at its start and never another."""
        roles = tuple(replace(role, policy=RotationPolicy.NEVER) for role in self.rules.roles)
        return replace(self, rules=replace(self.rules, roles=roles))

    @property
    def policy(self) -> str:
        """The rotation policies in words."""
        return ", ".join(dict.fromkeys(policy_words(role) for role in self.rules.roles))


@dataclass(frozen=True, slots=True)
class ScenePlan(Plan):
    """A plan whose rules are given, not drawn."""

    given: Rules | None = None

    def rules(self) -> Rules:
        """Give the rules, under the names that the simulated world knows."""
        assert self.given is not None
        return self.given


def simple_rules(policy: RotationPolicy, *, interval_seconds: float = 1_800.0, margin_seconds: float = 600.0) -> Rules:
    """Give rules of one route and one role, everything else as it is by default."""
    role = RoleRules(
        "writer", policy, margin=int(margin_seconds * NS_PER_SECOND), interval=int(interval_seconds * NS_PER_SECOND)
    )
    return Rules((RouteRules("orders", frozenset({"orders"}), "writer"),), (role,), LimitRules())


def policy_words(role: RoleRules) -> str:
    """Write a rotation policy as people say it: `interval 30 min`."""
    if role.policy is RotationPolicy.INTERVAL:
        return f"interval {role.interval / NS_PER_SECOND / 60:g} min"
    return str(role.policy.value)


def plan_of(scene: Scene) -> ScenePlan:
    """Give the plan of the world; in calm weather nothing in it is drawn but delays."""
    rules, weather = scene.rules, scene.weather
    routes = tuple(
        replace(r, name=f"s{i}", topics=frozenset({f"t{i}"}), patterns=frozenset()) for i, r in enumerate(rules.routes)
    )
    never = int((scene.duration_seconds + scene.settle_seconds + 3_600) * NS_PER_SECOND)
    return ScenePlan(
        seed=scene.seed,
        work=Work(
            routes=len(routes),
            partitions=scene.traffic.partitions,
            shards=scene.shards,
            records=0,
            fetch_run=_FETCH_ALL,
        ),
        delays=_delays(scene.hops) if weather is None else weather.delays,
        rates=CALM if weather is None else weather.rates,
        incidents=tuple(_incident(t) for t in scene.troubles if t.kind != CLOCK_WRONG),
        limits=rules.limits,
        role=rules.roles[0],
        on_gap=rules.on_gap,
        lease_life=int(scene.token_seconds * NS_PER_SECOND),
        session_timeout=45 * NS_PER_SECOND if weather is None else weather.session_timeout,  # the Kafka client's own
        restart=5 * NS_PER_SECOND if weather is None else weather.restart,
        static_member=False if weather is None else weather.static_member,
        heal_at=never if weather is None else int(scene.duration_seconds * NS_PER_SECOND),
        given=replace(rules, routes=routes),
    )


def _delays(hops: int) -> Delays:
    """Give the usual delays; a chain's hops are asked one after the other."""
    usual = Delays()
    return replace(usual, sts=Span(usual.sts.least * hops, usual.sts.most * hops))


def _incident(trouble: Trouble) -> Incident:
    at, until = (int(moment * NS_PER_SECOND) for moment in (trouble.from_seconds, trouble.until_seconds))
    return Incident(Kind(trouble.kind), at, until, trouble.which)
