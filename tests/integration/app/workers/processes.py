"""What a test asks the kernel about processes that are not its own children."""

from __future__ import annotations

from pathlib import Path


def ended(pid: int) -> bool:
    """Say whether a process has ended; one that nobody has buried yet has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}
