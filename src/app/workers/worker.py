"""A worker: the service as one of several processes, started by its supervisor and by nobody else.

It is `doka run` but for three things: its configuration comes over the socket pair, its pages are asked for there, and
its end is the end of the supervisor as well as a signal.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence

from doka.adapters.system import first_signals
from doka.adapters.system.collector import begin_without_the_collector, spare_the_collector
from doka.adapters.system.signals import StopSignals
from doka.app import EXIT_USAGE
from doka.app.version import version
from doka.app.workers.frames import receive_frame
from doka.app.workers.link import SupervisorLink, write_to
from doka.app.workers.setup import Setup, unpacked
from doka.domain.errors import UsageError
from doka.domain.events import StopRequested

ALONE = "the end of its supervisor"


def main(arguments: Sequence[str]) -> int:
    """Run a worker: the descriptors of the socket pair and of the supervisor's stdout; give its exit code.

    The last word is `watched` where a SIGHUP asks the supervisor to read its configuration again: a terminal that goes
    sends one to all.
    """
    if arguments[-1] == "watched":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Held back until here by the supervisor. Nothing is owned yet, so a stop may end this process like that.
    first_signals.leave_on_stop()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, first_signals.STOP_SIGNALS)
    begin_without_the_collector()
    sock, stdout = socket.socket(fileno=int(arguments[0])), int(arguments[1])
    frame = receive_frame(sock)
    if frame is None:  # the supervisor is gone before it said anything
        return 0
    setup = unpacked(frame[1])
    try:
        return serve(setup, sock, stdout)
    except UsageError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"doka: worker {setup.worker}: {line}\n")
        return EXIT_USAGE


def serve(setup: Setup, sock: socket.socket, stdout: int) -> int:
    """Run the service until somebody asks for a stop, it cannot go on, or it is alone; give the exit code.

    Raises:
        UsageError: the configuration cannot be used.
    """
    from doka.app.container import Container
    from doka.app.service import LAST_LINES_SECONDS, leaver

    container = Container(
        settings=setup.settings,
        hostname=setup.hostname,
        version=version(),
        log_style=setup.log_style,
        worker=setup.worker,
        server=None,
    )
    telemetry, inbox = container.telemetry(), container.inbox()
    spare_the_collector()

    def alone() -> None:
        write_to(stdout)
        inbox.put(StopRequested(ALONE))

    telemetry.open()
    SupervisorLink(sock, container.clock(), container.health(), alone).open()
    try:
        with StopSignals(inbox, leaver(container)):
            return container.runtime().run().code
    finally:
        first_signals.hold_back()
        telemetry.close(LAST_LINES_SECONDS)


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stderr.flush()
    # The interpreter gives signals their default action back while it goes down, and a late one would then be the death
    # of a worker that had ended well. All that was to be closed is.
    os._exit(exit_code)
