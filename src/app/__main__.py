"""Where the console command `doka` begins.

Nothing is imported here that takes time: `doka run` has to heed a stop before it can do anything else.
"""

from __future__ import annotations

import sys

from doka.adapters.system import first_signals


def main() -> None:
    """Run the command line and leave with its exit code."""
    serving = sys.argv[1:2] == ["run"]
    if serving:
        first_signals.leave_on_stop(hangup_stops="--watch" not in sys.argv)
        from doka.adapters.system.collector import begin_without_the_collector

        begin_without_the_collector()
    from doka.app.cli.main import main as run_command_line

    code = run_command_line(sys.argv[1:])
    if serving:
        first_signals.hold_back()
    sys.exit(code)


if __name__ == "__main__":
    main()
