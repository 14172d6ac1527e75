"""Where each microsecond goes: the CPU time of the loop's thread by stage, in the real service at full speed or at a trickle.

    python -m benchmarks.stages [CASE] [RECORDS]

Some thirty methods, each called a few times a batch and never once a record, are wrapped by a clock of the thread's CPU
time; what a stage spends in another one counts there. So the profile costs next to nothing, unlike a profiler's.
What the garbage collector takes is inside the stages, and told besides. librdkafka's own threads are in none of them.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks.broker import running_kafka, topics_of
from benchmarks.cases import REFERENCE, Case, chosen
from benchmarks.contenders import Place, assigned_at, running_doka
from benchmarks.endpoint import running_endpoint
from benchmarks.feeding import Feed
from benchmarks.latency import WARM_SECONDS, trickle
from benchmarks.rounds import backlog_of_doka, check_end, first_landing
from tests.containers import service

CHECKOUT = Path(__file__).parent.parent
OUT = "BENCHMARK_STAGES_FILE"
RECORDS = 600_000
WITHIN_SECONDS = 120.0
COLLECTOR = "(of all these: garbage collector)"

STAGES = (
    ("doka.adapters.kafka.source:_consume", "consume: messages out of librdkafka"),
    ("doka.adapters.kafka.source:KafkaSource.fetch", "fetch: columns and chunks"),
    ("doka.domain.routes.shaping:Shaping.of", "shape: filter and transform"),
    ("doka.domain.routes.decoding:Decoding.known_part", "decode: frames"),
    ("doka.domain.routes.decoding:Decoding.decoded", "decode: to JSON"),
    ("doka.domain.routes.mapping:RecordMapping.map", "map: keys and sizes"),
    ("doka.domain.held.lanes:KeyLanes.admit", "lanes: admit"),
    ("doka.domain.held.lanes:KeyLanes.release", "lanes: release"),
    ("doka.domain.sending.outbox:Outbox.pack", "outbox: pack a request"),
    ("doka.domain.sending.outbox:Outbox.settle", "outbox: settle an answer"),
    ("doka.domain.sending.wide_lanes:WideLanes.admit", "lanes of aggregates: admit"),
    ("doka.domain.sending.wide_lanes:WideLanes.take", "lanes of aggregates: take"),
    ("doka.domain.sending.aggregated_outbox:how_many_fit", "aggregates: how many fit"),
    ("doka.domain.sending.aggregated_outbox:encode", "aggregates: encode"),
    ("doka.domain.sending.aggregated_outbox:AggregatedOutbox.pack", "aggregates: pack a request"),
    ("doka.domain.sending.aggregated_outbox:AggregatedOutbox.settle", "aggregates: settle an answer"),
    ("doka.domain.forwarder:Forwarder.handle", "forwarder: events, the rest"),
    ("doka.domain.forwarder:Forwarder.decide", "forwarder: decide, the rest"),
    ("doka.adapters.aws.kinesis.body:BodyBuilder.build", "sink: body"),
    ("doka.adapters.aws.signing:Signer.sign", "sink: signature"),
    ("doka.adapters.aws.kinesis.wire:Wire.start", "sink: libcurl, send"),
    ("doka.adapters.aws.kinesis.wire:Wire.step", "sink: libcurl, receive"),
    ("doka.adapters.aws.kinesis.sink:read_answer", "sink: read the answer"),
    ("doka.adapters.aws.kinesis.sink:KinesisSink.submit", "sink: the rest"),
    ("doka.adapters.aws.kinesis.sink:KinesisSink.answers", "sink: the rest"),
    ("doka.adapters.telemetry.telemetry:ServiceTelemetry.tell", "telemetry"),
    ("doka.adapters.telemetry.telemetry:ServiceTelemetry.fetched", "telemetry"),
    ("doka.adapters.telemetry.telemetry:ServiceTelemetry.publish", "telemetry"),
    ("doka.app.runtime:Runtime.turn", "loop, the rest"),
)


class StageClock:
    """Sums up the thread's CPU time in ns by stage; a stage's time stops while another one runs inside it."""

    def __init__(self, clock: Callable[[], int] = time.thread_time_ns) -> None:
        self.spent: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._clock = clock
        self._inner: list[int] = []
        self._collecting = 0

    def watch(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Give the same function, timed."""

        @functools.wraps(function)
        def timed(*args: object, **given: object) -> object:
            begun = self._clock()
            self._inner.append(0)
            try:
                return function(*args, **given)
            finally:
                took = self._clock() - begun
                self.spent[stage] += took - self._inner.pop()
                self.calls[stage] += 1
                if self._inner:
                    self._inner[-1] += took

        return timed

    def install(self) -> None:
        """Wrap every stage. Raises AttributeError for one that is not there any more."""
        for place, stage in STAGES:
            module, _, name = place.partition(":")
            owner: Any = import_module(module)
            *path, last = name.split(".")
            for step in path:
                owner = getattr(owner, step)
            setattr(owner, last, self.watch(getattr(owner, last), stage))
        gc.callbacks.append(self._collector)

    def _collector(self, phase: str, _: object) -> None:
        if phase == "start":
            self._collecting = self._clock()
        else:
            self.spent[COLLECTOR] += self._clock() - self._collecting
            self.calls[COLLECTOR] += 1


def inside() -> None:
    """Be the console command `doka`, timed; what was spent is left where the environment says."""
    from doka.app.__main__ import main as serve

    clock = StageClock()
    clock.install()
    try:
        serve()
    finally:
        Path(os.environ[OUT]).write_text(json.dumps([clock.spent, clock.calls]), encoding="utf-8")


def profile(case: Case, count: int) -> Table:
    """Forward a filled topic, or a trickle, by the timed service and give its stages, the most expensive first."""
    trickles = case.kind == "latency"
    with (
        tempfile.TemporaryDirectory() as folder,
        running_kafka() as broker,
        topics_of(broker, case.routes, case.partitions) as topics,
        running_endpoint(tls=case.tls) as endpoint,
    ):
        place = Place(broker.bootstrap_servers, topics, endpoint, Path(folder))
        if not trickles:
            Feed(place.bootstrap_servers, topics, case.load).fill(count)
        script, out = place.folder / "doka", place.folder / "stages.json"
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(CHECKOUT)!r})\nfrom benchmarks.stages import inside\ninside()\n",
            encoding="utf-8",
        )
        script.chmod(0o700)
        endpoint.forget(delay=case.delay, aggregates_of=case.aggregates_of)
        timed = patch.object(service, "DOKA", script), patch.dict(os.environ, {OUT: str(out)})
        with timed[0], timed[1], running_doka(place, case) as doka:
            if trickles:
                assigned_at(doka)
                seconds = max(1.0, count / case.rate - WARM_SECONDS)
                whole = trickle(place, case, doka.child.pid, seconds)[1]
                count = int(case.rate * WARM_SECONDS) + int(case.rate * seconds)
                check_end(place, doka, None)
            else:
                whole = backlog_of_doka(place, doka, first_landing(place, doka.child), count * case.tee, WITHIN_SECONDS)
        spent, calls = json.loads(out.read_text(encoding="utf-8"))
    return table_of(spent, calls, count * case.tee, f"{case.name}, whole process {whole['cpu_us']:.2f} us a record")


def main(arguments: Sequence[str]) -> int:
    """Print the profile of one case; give the exit code, 2 where there is no such case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__.split("\n", 1)[0])
    parser.add_argument("case", nargs="?", default=REFERENCE, help=f"which, {REFERENCE} if not given")
    parser.add_argument("records", nargs="?", type=int, default=RECORDS, help="how many, %(default)s if not given")
    given = parser.parse_args(arguments)
    try:
        (case,) = chosen(given.case, quick=False)
    except ValueError as error:
        parser.error(str(error))
    Console(width=None if sys.stdout.isatty() else 100).print(profile(case, given.records))
    return 0


def table_of(spent: dict[str, int], calls: dict[str, int], records: int, title: str) -> Table:
    """Show ns by stage as us a record."""
    table = Table(title=title, title_justify="left")
    for heading in ("us a record", "calls", "stage"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage, ns in sorted(spent.items(), key=lambda each: (each[0] == COLLECTOR, -each[1])):
        table.add_row(f"{ns / records / 1e3:.2f}", f"{calls[stage]:,}", stage)
    loop = sum(ns for stage, ns in spent.items() if stage != COLLECTOR)
    table.add_row(f"{loop / records / 1e3:.2f}", "", "the loop's thread together", style="bold")
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
