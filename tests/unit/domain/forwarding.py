"""Machines for tests of the forwarder."""

from __future__ import annotations

from doka.domain.commands import SendPut
from doka.domain.events import StopRequested
from doka.domain.records import TopicPartition
from doka.domain.rules import LimitRules, RoleRules, RotationPolicy
from tests.unit.domain.builders import ORDERS, Machine, route_rules

ONLY = frozenset({ORDERS})
OTHER = TopicPartition("orders", 1)
PAYMENTS = TopicPartition("payments", 0)
STOP = StopRequested("SIGTERM")


def machine(**changes: object) -> Machine:
    """Make a machine that is open, owns orders[0] from 0 on, and commits at once."""
    limits = LimitRules(**{"request_records": 4, "commit_every": 1, "linger": 0} | changes)  # type: ignore[arg-type]  # named by the caller
    made = Machine(limits=limits)
    made.open()
    return made


def on_demand(**changes: object) -> Machine:
    """Make a machine like `machine` whose role renews only where something waits to be signed."""
    limits = LimitRules(**{"request_records": 4, "commit_every": 1, "linger": 0} | changes)  # type: ignore[arg-type]  # named by the caller
    made = Machine(limits=limits, roles=(RoleRules("writer", policy=RotationPolicy.ON_DEMAND),))
    made.open()
    return made


def two_routes(**changes: int) -> Machine:
    """Make a machine with two routes, each with a partition and a role of its own."""
    made = Machine(
        routes=(route_rules("orders"), route_rules("payments", role="payer")),
        roles=(RoleRules("writer"), RoleRules("payer")),
        limits=LimitRules(**{"request_records": 4, "commit_every": 1, "linger": 0} | changes),
    )
    made.open({ORDERS: 0, PAYMENTS: 0})
    return made


def sent(put: SendPut) -> list[int]:
    """Name the records of a request by their offsets: the builders' values are the offsets."""
    return [int(value) for value in put.values]


def settle(made: Machine) -> int:
    """Answer everything well until nothing is in flight; give the committed offset."""
    while made.puts or made.commits:
        for put in tuple(made.puts):
            made.answer(put)
        if made.commits:
            made.store()
    return made.forwarder.status(made.now).partitions[ORDERS].committed
