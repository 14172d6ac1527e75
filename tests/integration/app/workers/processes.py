"""What a test asks the kernel about processes that are not its own children."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc/self/stat").exists()  # Linux


def ended(pid: int) -> bool:
    """Say whether a process has ended; one that nobody has buried yet has, as far as that can be seen."""
    try:
        if PROC:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            return stat.rpartition(")")[2].split()[0] in {"Z", "X"}
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return True
    return False


def stands_still(pid: int) -> bool:
    """Say whether SIGSTOP has reached every thread of a process, each of which may run on for a moment."""
    stats = [each.read_text(encoding="utf-8", errors="replace") for each in Path(f"/proc/{pid}/task").glob("*/stat")]
    return bool(stats) and {"T"} == {stat.rpartition(")")[2].split()[0] for stat in stats}
