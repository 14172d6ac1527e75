"""Every rotation policy under every token life in every kind of bad day, for doka and for a forwarder that swallows.

Both forwarders renew their tokens by the same policy; what differs is only what they do with a put that is refused. So
the grid shows which part saves the records: renewal makes refusals rare, the forwarder makes them harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from doka.app.simulate.engine import run_side
from doka.app.simulate.history import CLEAN, LOST, WAITS, Side
from doka.app.simulate.jobs import Tell
from doka.app.simulate.scene import CLOCK_WRONG, DOKA, ORIGINAL, Scene, Traffic, Trouble, policy_words, simple_rules
from doka.domain.limits import CHAINED_ROLE_SECONDS_MAX
from doka.domain.rules import RotationPolicy, Rules

POLICIES: Sequence[Rules] = (
    simple_rules(RotationPolicy.NEVER),
    simple_rules(RotationPolicy.INTERVAL, interval_seconds=30 * 60.0),
    simple_rules(RotationPolicy.INTERVAL, interval_seconds=59 * 60.0),
    simple_rules(RotationPolicy.BEFORE_EXPIRY),
    simple_rules(RotationPolicy.ON_DEMAND),
)
LIVES: Mapping[str, float] = MappingProxyType({"15m": 900.0, "1h": 3_600.0, "12h": 43_200.0})
_BURSTS: Mapping[str, float] = MappingProxyType({"15m": 10.0, "1h": 30.0, "12h": 120.0})  # a day in few of them
_LIVES_A_CELL = 2
_CHAIN = "role chain"


@dataclass(frozen=True, slots=True)
class GridWorld:
    """A kind of day: a fault that begins at a share of a token's life and lasts for seconds, or a share of it."""

    name: str
    kind: str | None = None
    begins: float = 0.75  # of a token's life: before renewals by margin
    seconds: float = 0.0
    share: float = 0.0
    clock_seconds: float = 0.0
    hops: int = 1


WORLDS: Sequence[GridWorld] = (
    GridWorld("quiet"),
    GridWorld("STS down 5 min", "sts_down", seconds=300.0),
    GridWorld("STS down 40 min", "sts_down", seconds=2_400.0),
    GridWorld("STS down 3 h", "sts_down", seconds=10_800.0),
    GridWorld("clock 4 min wrong", CLOCK_WRONG, 0.5, share=1.0, clock_seconds=240.0),
    GridWorld("clock 20 min wrong", CLOCK_WRONG, 0.5, share=1.0, clock_seconds=1_200.0),
    GridWorld("token revoked early", "tokens_revoked", 0.5),
    GridWorld("suspended past expiry", "suspended", 0.6, share=0.6),
    GridWorld(_CHAIN, hops=2),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One policy, one token life, one world."""

    world: GridWorld
    life: str
    rules: Rules

    @property
    def policy(self) -> str:
        """The policy in words."""
        return policy_words(self.rules.roles[0])

    @property
    def applicable(self) -> bool:
        """Whether AWS issues such a token at all: a chained role may not ask for more than an hour."""
        return self.world.hops == 1 or LIVES[self.life] <= CHAINED_ROLE_SECONDS_MAX

    def scene(self) -> Scene:
        """Give the scene: one record a second for two token lives, or until the fault has been over for a while."""
        life, world = LIVES[self.life], self.world
        troubles: tuple[Trouble, ...] = ()
        until = 0.0
        if world.kind is not None:
            begins = world.begins * life
            until = begins + world.seconds + world.share * life
            troubles = (Trouble(world.kind, begins, until, clock_seconds=world.clock_seconds),)
        return Scene(
            title=f"{world.name}, tokens of {self.life}, {self.policy}",
            duration_seconds=max(_LIVES_A_CELL * life, until + life / 4),
            token_seconds=life,
            traffic=Traffic(1.0, 2, 1_000, burst_seconds=_BURSTS[self.life]),
            rules=self.rules,
            troubles=troubles,
            must_deliver=self.rules.roles[0].policy is not RotationPolicy.NEVER,
            hops=world.hops,
        )


@dataclass(frozen=True, slots=True)
class Compared:
    """What a cell came to: each side, or None where the cell is not applicable."""

    cell: Cell
    doka: Side | None
    swallowing: Side | None


def cells(worlds: Sequence[str] = (), lives: Sequence[str] = ()) -> list[Cell]:
    """Give the grid, world by world; only these worlds and lives, where any are named."""
    return [
        Cell(world, life, rules)
        for world in WORLDS
        if not worlds or world.name in worlds
        for life in LIVES
        if not lives or life in lives
        for rules in POLICIES
    ]


CellJob = tuple[Cell, str]


def jobs_of(grid: Sequence[Cell]) -> list[CellJob]:
    """Give what there is to run."""
    return [(cell, side) for cell in grid if cell.applicable for side in (DOKA, ORIGINAL)]


def run_job(job: CellJob, tell: Tell) -> Side:
    """Run one side of one cell."""
    cell, side = job
    return run_side(cell.scene(), side, tell)


def compared(grid: Sequence[Cell], sides: Sequence[Side]) -> list[Compared]:
    """Put the results of `jobs_of(grid)` back into the grid."""
    left = iter(sides)
    return [Compared(cell, next(left), next(left)) if cell.applicable else Compared(cell, None, None) for cell in grid]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the grid comes to."""

    ran: int
    doka_clean: int
    doka_waits: int
    doka_failed: int
    doka_lost: int
    swallowing_lossy: int
    swallowing_lost: int


def summary_of(results: Sequence[Compared]) -> Summary:
    """Sum the grid up."""
    doka = [result.doka for result in results if result.doka is not None]
    swallowing = [result.swallowing for result in results if result.swallowing is not None]
    return Summary(
        ran=len(doka),
        doka_clean=sum(side.verdict == CLEAN for side in doka),
        doka_waits=sum(side.verdict == WAITS for side in doka),
        doka_failed=sum(side.failed for side in doka),
        doka_lost=sum(side.totals.lost for side in doka),
        swallowing_lossy=sum(side.verdict == LOST for side in swallowing),
        swallowing_lost=sum(side.totals.lost for side in swallowing),
    )
