"""`python -m tests.chaos`, which `make chaos` runs: kill the service again and again, and judge what is left.

Exit codes: 0 where every rule held, 1 where one was broken, 2 for words that mean nothing and without an engine.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from benchmarks.report import commit, now
from tests.containers import engine

FOLDER = Path(".evidence")
BROKEN_SHOWN_MAX = 10
ENDED_BY_SIGTERM = 128 + signal.SIGTERM
ENDED_BY_SIGINT = 128 + signal.SIGINT


def main(words: Sequence[str] | None = None) -> int:
    """Run the rounds, a line each, and tell the verdict and the command that repeats it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="how often the service is killed (200)")
    parser.add_argument("--seed", type=int, default=None, help="of the draw; by default a new one")
    given = parser.parse_args(words)
    if given.rounds < 1:
        parser.error("--rounds must be at least 1")
    trouble = engine.trouble()
    if trouble is not None:
        print(f"this needs a container engine (docker, podman), and none answers: {trouble}", file=sys.stderr)  # noqa: T201
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED_BY_SIGTERM))  # so that all that was started is stopped
    try:
        return _run(given.rounds, given.seed)
    except KeyboardInterrupt:
        _say("interrupted: nothing was judged")
        return ENDED_BY_SIGINT


def _run(rounds: int, seed: int | None) -> int:
    from tests.chaos.campaign import Campaign, a_seed
    from tests.containers.kafka_broker import running_broker

    seed = a_seed() if seed is None else seed
    kept = FOLDER / f"chaos-{seed}"
    _say(f"seed {seed}, {rounds} rounds; a broker starts in a container")
    with running_broker() as broker:
        begun = now()
        result = Campaign(broker, seed=seed, rounds=rounds, folder=kept, say=_say).run()
    written = {"at": begun, "commit": commit(), **result.as_json()}
    (FOLDER / "chaos.json").write_bytes(orjson.dumps(written, option=orjson.OPT_INDENT_2))
    _say(
        f"{result.records:,} records in {result.seconds:g} s; {_listed(result.faults)}; reloads {_listed(result.reloads)}; killed {_listed(result.moments)}"
    )
    for broken in result.broken[:BROKEN_SHOWN_MAX]:
        _say(f"BROKEN {broken}")
    if result.broken:
        _say(f"what happened is kept in {kept}")
    elif kept.exists():
        kept.rmdir()
    _say(f"{result}\nrepeat it: make chaos ROUNDS={rounds} SEED={seed}")
    return 1 if result.broken else 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's output


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
