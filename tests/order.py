"""In what order the workers of `make test` take the tests: at any time as many compute as there are cores, and the others wait.

A third of a run's time the cores had nothing to do, where all workers had tests that wait for a broker, a time-out or a
process; and tests that compute were slow where all workers had those. What is taken next is so decided when a worker asks,
and no table says how long a test takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling
from xdist.workermanage import WorkerController

WAITING = (
    "tests/containers/",
    "tests/integration/app/workers/",
    "tests/integration/alerts/test_live.py",
    "tests/integration/service/",
    "tests/integration/app/cli/test_resend.py",
    "tests/integration/app/cli/test_lag.py",
    "tests/integration/app/iam/test_policies_are_enough.py",
    "tests/integration/app/cli/test_check.py",
    "tests/integration/app/cli/test_rehearse.py",
    "tests/integration/kafka/",
    "tests/contract/test_source.py",
)
"""Where the tests are that take more than five times as long as they compute; those with the longest first, as they begin first."""

WHOLE = (
    "tests/architecture/test_packaging.py",
    "tests/contract/",
    "tests/integration/app/simulate/test_incident.py",
    "tests/integration/aws/",
    "tests/integration/registry/",
    "tests/simulation/test_consumer.py",
    "tests/unit/",
)
"""Where one worker takes a file at once: its tests are short, or what the file makes for all of them it makes once."""

AT_ONCE = os.cpu_count() or 2
"""How many workers take tests that compute, as long as there are others."""

Work = dict[str, dict[str, bool]]


class Interleaved(LoadGroupScheduling):  # type: ignore[misc]  # the library has no types
    """Gives a worker that asks a test that computes, or one that waits: what fewer have than should."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._sorted = False

    def _split_scope(self, nodeid: str) -> str:
        scope = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if scope == nodeid and nodeid.startswith(WHOLE) else scope

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._sorted:
            self._sorted = True
            for scope in in_order(self.workqueue, self.collection):
                self.workqueue.move_to_end(scope)
        others = (work for other, work in self.assigned_work.items() if other is not node)
        waits = sum(map(computes, others)) >= AT_ONCE
        asked = (scope for scope, tests in self.workqueue.items() if (place(tests) < len(WAITING)) is waits)
        self.workqueue.move_to_end(next(asked, next(iter(self.workqueue))), last=False)
        super()._assign_work_unit(node)


def in_order(units: Mapping[str, Iterable[str]], collection: Iterable[str]) -> list[str]:
    """Give the units in the order in which they begin: those that wait as WAITING has them, each kind as it was collected.

    pytest-xdist would begin with those of most tests, and so end with the longest: a kill loop is one test.
    """
    collected = {test: number for number, test in enumerate(collection)}
    return sorted(units, key=lambda unit: (place(units[unit]), min(map(collected.__getitem__, units[unit]))))


def place(tests: Iterable[str]) -> int:
    """Give which of WAITING these tests of one unit are in; those that compute come behind all of them."""
    first = next(iter(tests))
    return next((i for i, start in enumerate(WAITING) if first.startswith(start)), len(WAITING))


def computes(work: Work) -> bool:
    """Say whether what a worker is at computes; what it was given before is done first."""
    at = next((tests for tests in work.values() if not all(tests.values())), None)
    return at is not None and place(at) == len(WAITING)


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist nobody asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Interleaved | None:
    """Take this order with `--dist loadgroup`, which is `make test`'s."""
    return Interleaved(config, log) if config.getoption("dist") == "loadgroup" else None
