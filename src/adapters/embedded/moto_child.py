"""The child process in which moto runs; the only module that imports moto and flask.

It must never outlive the process that started it, and never print anything but its port.
"""

from __future__ import annotations

import logging
import os
import sys
import threading

HOST = "127.0.0.1"


def main() -> None:
    """Serve moto on a free port, tell the port on stdout, and end when stdin does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.disable(logging.CRITICAL)
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    for service in ("sts", "iam", "kinesis"):  # otherwise imported inside the first requests, while leases tick
        create_backend_app(service)
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server(HOST, 0, application, threaded=True, request_handler=MotoRequestHandler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


def _end_with_parent() -> None:
    # The other end of this pipe belongs to the parent alone and closes with it, however it ends, SIGKILL included.
    # (PR_SET_PDEATHSIG would look at the thread that started us, which may end long before its process.)
    os.read(sys.stdin.fileno(), 1)
    os._exit(0)


if __name__ == "__main__":
    main()
