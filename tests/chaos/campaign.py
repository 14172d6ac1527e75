"""All rounds of a seed: worlds side by side against one broker, and what came of them together."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.history import History, Kill
from tests.chaos.plan import ALWAYS_MET, WORLDS_AT_ONCE, Shape, draw_worlds
from tests.chaos.rules import Judgement, judgement
from tests.chaos.world import running_world
from tests.containers.kafka_broker import KafkaBroker

RECORDS_A_KILL_MIN = 100  # fewer prove nothing
ROUNDS_TO_MEET_MOMENTS = 12  # moments are dealt in turn, two worlds at a time
ROUNDS_TO_MEET_FAULTS = 100  # a fault needs its weather and a life that is long enough

RELOADS_MET = ("accepted", "taken", "refused")

Say = Callable[[str], None]


@dataclass
class Result:
    """What came of all rounds; `broken` is empty where every rule held."""

    seed: int
    rounds: int
    kills: int = 0
    worlds: int = 0
    records: int = 0
    landings: int = 0
    lost: int = 0
    out_of_order: int = 0
    duplicates: int = 0
    could_repeat: int = 0
    """What the committed offsets left to repeat at each kill, and what torn puts held."""
    bound: int = 0
    """`ahead_records` for each partition and kill, and what torn puts held."""
    kills_with_repeats: int = 0
    """Kills at which landed records were not committed."""
    moments: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    reloads: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    def add(self, history: History, found: Judgement) -> None:
        """Add a world."""
        self.worlds += 1
        self.kills += len(history.kills)
        self.records += found.records
        self.landings += found.landings
        self.lost += found.lost
        self.out_of_order += found.out_of_order
        self.duplicates += found.duplicates
        self.could_repeat += found.could_repeat
        self.bound += found.bound
        self.kills_with_repeats += sum(left > 0 for left in found.repeated_after)
        self.moments.update(str(kill.moment) for kill in history.kills)
        self.faults.update(history.faults)
        self.reloads.update(history.reloads)
        self.broken += found.broken

    def proves_nothing(self) -> str | None:
        """Say why all this has put nothing to the test, or None."""
        if self.records < RECORDS_A_KILL_MIN * self.kills:
            return f"only {self.records} records for {self.kills} kills"
        if self.rounds < ROUNDS_TO_MEET_MOMENTS:
            return None
        if missed := [str(moment) for moment in ALWAYS_MET if not self.moments[moment]]:
            return f"no kill met: {', '.join(missed)}"
        if not self.kills_with_repeats:
            return "no kill left anything to repeat"
        if missed := [name for name in RELOADS_MET if not self.reloads[name]]:
            return f"no reload was {', '.join(missed)}"
        if self.reloads["accepted"] == self.reloads["taken"]:
            return "no kill came amid a reload"
        if self.rounds >= ROUNDS_TO_MEET_FAULTS and (missed := [name for name, n in self.faults.items() if not n]):
            return f"never: {', '.join(missed)}"
        return None

    def __str__(self) -> str:
        return (
            f"lost {self.lost}, out of order {self.out_of_order}, duplicates {self.duplicates:,} of at most "
            f"{self.bound:,}, {self.kills} kills, seed {self.seed}"
        )

    def as_json(self) -> Mapping[str, Any]:
        """Give it as plain values."""
        return {**vars(self), "moments": dict(self.moments), "faults": dict(self.faults), "reloads": dict(self.reloads)}


class Campaign:
    """Runs the worlds of a seed; after the first broken rule no further round begins."""

    def __init__(self, broker: KafkaBroker, *, seed: int, rounds: int, folder: Path, say: Say) -> None:
        """Take a broker, the draw, a folder where the histories of what went wrong are kept, and where to tell."""
        self.result = Result(seed, rounds)
        self._broker, self._folder, self._say = broker, folder, say
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def run(self) -> Result:
        """Run all worlds, two at a time; an interrupt ends them at their next round."""
        began = time.monotonic()
        with ThreadPoolExecutor(WORLDS_AT_ONCE) as pool:
            worlds = [pool.submit(self._world, shape) for shape in draw_worlds(self.result.seed, self.result.rounds)]
            try:
                for world in worlds:
                    world.result()
            finally:
                self._stop.set()
        self.result.seconds = round(time.monotonic() - began, 1)
        if not self.result.broken and (reason := self.result.proves_nothing()) is not None:
            self.result.broken.append(f"this proves nothing: {reason}")
        return self.result

    def _world(self, shape: Shape) -> None:
        if self._stop.is_set():
            return
        folder = self._folder / shape.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._judge(shape, folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, its evidence is kept and the other worlds end
            with self._lock:
                self.result.broken.append(f"{shape.name} could not go on: {type(error).__name__}: {error}")
            self._stop.set()

    def _judge(self, shape: Shape, folder: Path) -> None:
        with running_world(self._broker, shape, folder, self.result.seed) as world:
            for plan in shape.rounds:
                if self._stop.is_set():
                    return
                self._tell(shape, world.round(plan))
            history = world.finish()
        found = judgement(history)
        with self._lock:
            self.result.add(history, found)
        if found.broken:
            history.save(folder / "history.json")
            self._stop.set()
        else:
            shutil.rmtree(folder)

    def _tell(self, shape: Shape, kill: Kill) -> None:
        self._say(
            f"{kill.round:>5}/{self.result.rounds}  {shape.name}  {kill.moment:<21}  {kill.weather:<28}  "
            f"landed {kill.landed:>6}  committed {sum(kill.committed):>6}  {kill.seconds:>4.1f} s"
        )


def a_seed() -> int:
    """Draw a seed that a person can type."""
    return int.from_bytes(os.urandom(4), "big")
