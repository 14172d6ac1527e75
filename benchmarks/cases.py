"""What is measured, and what is aimed at: one line a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.feeding import Load

Kind = Literal["throughput", "latency", "idle", "memory", "audit"]
REFERENCE = "plain-100b"
"""The case that the cost of others is compared with."""
AGGREGATED_REFERENCE = "aggregated-100b"
"""The same for those that aggregate."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One figure of doka in a case, and the bound that it shall keep."""

    figure: str
    relation: Literal["<=", ">="]
    bound: float
    cores: int = 1
    """It wants so many; on a machine with fewer it is not judged."""

    def met(self, value: float) -> bool:
        """Whether a measured value keeps the bound."""
        return value <= self.bound if self.relation == "<=" else value >= self.bound


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure; sizes in bytes, `delay` in seconds, `rate` in records/s.

    `records` is how many a full run forwards; where `seconds` are over before that, it counts what landed by then.
    """

    name: str
    what: str
    size: int = 100
    keys: int = 10_000
    partitions: int = 16
    records: int = 1_000_000
    kind: Kind = "throughput"
    tls: bool = False
    delay: float = 0.0
    rate: int = 0
    routes: int = 1
    """Each with a topic of its own, of so many `partitions`; all to one stream."""
    tee: int = 1
    """How many routes of doka read each topic, each to a stream of its own; a record counts as often as it lands."""
    workers: int = 1
    route: Mapping[str, Any] = field(default_factory=dict)
    """Further settings of doka's route."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Settings of doka's limits."""
    avro: bool = False
    """Whether values are Avro, which doka decodes by a registry."""
    one_by_one: bool = False
    """Whether each record of a steady rate is a batch of its own in Kafka; and doka is measured without `linger_ms` too."""
    quick: bool = False
    """Whether it is part of a short round."""
    beside: str = ""
    """The case that its cost is compared with within each round: the same load and latency, read by doka as that case has it."""
    aims: Sequence[Aim] = ()

    @property
    def aggregates_of(self) -> int:
        """The size of the records that doka's route aggregates; 0 where it does not."""
        return self.size if "aggregation" in self.route else 0

    @property
    def load(self) -> Load:
        """What its records are like."""
        return Load(self.size, self.keys, self.avro)


AGGREGATED: Mapping[str, Any] = {"aggregation": {"enabled": True}}
IDENTITY: Mapping[str, Any] = {
    "transform": {"file": str(Path(__file__).with_name("identity.py")), "function": "identity"}
}
IN_REQUEST: Mapping[str, Any] = {"ordering": "key_in_request"}

# fmt: off
CASES: Sequence[Case] = (
    Case(REFERENCE, "100 B, 10k keys, 16 partitions", quick=True, aims=(
        Aim("cpu_us", "<=", 4.5), Aim("cpu_to_floor", "<=", 4.0), Aim("baseline_to_cpu", ">=", 5.0),
        Aim("records_per_second", ">=", 200_000), Aim("rss_mib", "<=", 150.0),
        Aim("assigned_to_first_seconds", "<=", 1.5),
    )),
    Case("plain-1kb", "1 KB", size=1_024, records=300_000, quick=True, aims=(Aim("cpu_us", "<=", 8.0),)),
    Case("plain-10kb", "10 KB", size=10_240, records=60_000, aims=(Aim("rss_mib", "<=", 150.0),)),
    Case("unordered-100b", "100 B, ordering none", route={"ordering": "none"}),
    Case("tls-100b", "100 B over TLS", tls=True),
    Case("keys-10", "10 keys: bound by the round trip", keys=10, records=100_000),
    Case("keys-1m", "1,000,000 keys", keys=1_000_000, aims=(Aim("cpu_to_plain", "<=", 1.5),)),
    Case("hot-keys", "100 keys, 15 ms of latency", keys=100, delay=0.015, records=30_000, quick=True, aims=(
        Aim("records_per_second", ">=", 4_000),
    )),
    Case("in-request-100b", "100 B, ordering key_in_request", route=IN_REQUEST, beside=REFERENCE, aims=(
        Aim("cpu_to_plain", "<=", 1.25),
    )),
    Case("newline-100b", "100 B, append newline", route={"append": "newline"}, beside=REFERENCE, aims=(
        Aim("cpu_to_plain", "<=", 1.15),
    )),
    Case("transform-identity", "100 B, a transform that changes nothing", route=IDENTITY, beside=REFERENCE, aims=(
        Aim("cpu_to_plain", "<=", 1.15),
    )),
    Case("avro", "100 B of Avro, six fields, decoded to JSON", records=300_000, avro=True, aims=(Aim("cpu_us", "<=", 15.0),)),
    Case("gzip-1kb", "1 KB, compress gzip", size=1_024, records=100_000, route={"compress": "gzip"}),
    Case("zstd-1kb", "1 KB, compress zstd", size=1_024, records=200_000, route={"compress": "zstd"}),
    Case("hot-keys-in-request", "100 keys, 15 ms of latency, ordering key_in_request", keys=100, delay=0.015,
        route=IN_REQUEST, aims=(Aim("records_per_second", ">=", 80_000),)),
    *(
        Case(f"keys-{name}{suffix}", f"{keys:,} keys, 15 ms of latency{what}", keys=keys, delay=0.015, records=records,
            route=route, beside=f"keys-{name}" if suffix else "", aims=aims)
        for name, keys, records in (("1k", 1_000, 300_000), ("10k", 10_000, 1_000_000))
        for suffix, what, route, aims in (
            ("", "", {}, ()),
            ("-in-request", ", ordering key_in_request", IN_REQUEST, (Aim("cpu_to_key", "<=", 1.3),)),
        )
    ),
    Case("aggregated-100b", "100 B, aggregated", route=AGGREGATED, records=1_500_000, quick=True, aims=(
        Aim("cpu_us", "<=", 4.0), Aim("records_per_entry", ">=", 300.0), Aim("records_per_second", ">=", 280_000),
        Aim("rss_mib", "<=", 150.0),
    )),
    Case("aggregated-1kb", "1 KB, aggregated", size=1_024, records=300_000, route=AGGREGATED, aims=(
        Aim("cpu_us", "<=", 9.0),
    )),
    Case("aggregated-10-keys", "10 keys, aggregated", keys=10, route=AGGREGATED, aims=(
        Aim("cpu_to_aggregated", "<=", 1.5),
    )),
    Case("aggregated-1m-keys", "1,000,000 keys, aggregated", keys=1_000_000, route=AGGREGATED, aims=(
        Aim("cpu_to_aggregated", "<=", 1.5),
    )),
    Case("aggregated-hot-keys", "100 keys, 15 ms of latency, aggregated", keys=100, delay=0.015, route=AGGREGATED,
        aims=(Aim("records_per_second", ">=", 150_000),)),
    Case("partitions-1", "1 partition", partitions=1, aims=(Aim("cpu_to_plain", "<=", 1.5),)),
    Case("partitions-256", "256 partitions", partitions=256, aims=(Aim("cpu_to_plain", "<=", 1.5),)),
    Case("partitions-1000", "1,000 partitions", partitions=1_000, aims=(Aim("cpu_to_plain", "<=", 1.5),)),
    Case("routes-50", "50 routes, a topic of one partition each", routes=50, partitions=1, aims=(
        Aim("cpu_to_plain", "<=", 1.5),
    )),
    Case("tee-2", "two routes that read the same topic, each to a stream of its own", tee=2, records=600_000, beside=REFERENCE, aims=(
        Aim("cpu_to_plain", "<=", 1.0),
    )),
    Case("workers-2", "two workers: processes", workers=2, records=2_000_000, aims=(
        Aim("cpu_to_plain", "<=", 1.15), Aim("speed_to_plain", ">=", 1.6, cores=4),
    )),
    *(
        Case(f"latency-{name}{far}", f"steady {rate:,} records/s, one by one, answers after {delay * 1e3:.0f} ms",
            kind="latency", rate=rate, delay=delay, one_by_one=True, quick=name == "1k", aims=(
            Aim("p99_above_ms", "<=", 12.0), Aim("baseline_to_cpu", ">=", 1.0),
            *([Aim("cpu_to_at_once", "<=", share)] if share else []),
        ))
        for delay, far in ((0.001, ""), (0.010, "-far"))
        for name, rate, share in (("200", 200, None), ("1k", 1_000, 0.4), ("5k", 5_000, 0.6), ("20k", 20_000, None))
    ),
    Case("latency-1k-waits", "steady 1,000 records/s, one by one, answers after 1 ms, linger_ms 100", kind="latency",
        rate=1_000, delay=0.001, one_by_one=True, limits={"linger_ms": 100}, aims=(Aim("baseline_to_cpu", ">=", 1.0),)),
    Case("aggregated-latency-1k", "steady 1,000 records/s, aggregated", kind="latency", rate=1_000, route=AGGREGATED),
    Case("aggregated-latency-20k", "steady 20,000 records/s, aggregated", kind="latency", rate=20_000, route=AGGREGATED),
    Case("memory", "2 GB wait, nothing is answered", size=1_024, records=2_000_000, kind="memory", aims=(
        Aim("rss_above_base_mib", "<=", 64.0), Aim("rss_mib", "<=", 150.0),
    )),
    Case("audit", "both sides of a weekend compared: 22.7 million records", records=22_700_000, kind="audit", aims=(
        Aim("records_per_second", ">=", 150_000, cores=2), Aim("rss_mib", "<=", 512.0),
    )),
    Case("idle", "nothing to do", kind="idle", quick=True, aims=(Aim("idle_cpu_percent", "<=", 1.0),)),
)
# fmt: on


def chosen(names: str | None, *, quick: bool) -> Sequence[Case]:
    """Give the cases to run: those of the names, which commas part, those of a short round, or all.

    Raises ValueError for no such name.
    """
    if names is None:
        return [case for case in CASES if case.quick or not quick]
    wanted = names.split(",")
    unknown = sorted(set(wanted) - {case.name for case in CASES})
    if unknown:
        raise ValueError(f"there is no case {unknown[0]!r}; there are {', '.join(case.name for case in CASES)}")
    return [case for case in CASES if case.name in wanted]


def compared_with(case: Case) -> Case | None:
    """Give the case that runs beside this one in each of its rounds; None where its cost is compared with none so."""
    return next((each for each in CASES if each.name == case.beside), None)
