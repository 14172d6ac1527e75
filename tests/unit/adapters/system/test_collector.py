"""The collector looks less often, and still finds what it must."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, weakref
from doka.adapters.system.collector import YOUNG_OBJECTS_MAX, begin_without_the_collector, spare_the_collector

class Node:
    pass

begin_without_the_collector()
begun = gc.isenabled()
spare_the_collector()
frozen = gc.get_freeze_count()
node = Node()
node.itself = node
seen = weakref.ref(node)
del node
kept = [[] for _ in range(YOUNG_OBJECTS_MAX + 1_000)]
print(not begun, frozen > 1_000, gc.isenabled(), seen() is None, sum(g["collections"] for g in gc.get_stats()) < 100)
"""


def test_cycles_still_go_and_start_up_is_left_alone() -> None:
    """In a process of its own: nothing is looked for in a start, what was there then is frozen, and a cycle goes once enough objects came after it."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert "True True True True True" == done.stdout.strip()
