"""Where the console command `doka` begins."""

from __future__ import annotations

import sys

from doka.app.cli.main import main as run_command_line


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
