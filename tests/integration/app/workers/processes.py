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
