"""`python -m tests.fake_aws`: the fake as a process of its own; prints its URL as its first line."""

from __future__ import annotations

import argparse
import selectors
import signal
import sys

from tests.fake_aws.control import Control
from tests.fake_aws.server import FakeAws


def main() -> int:
    """Serve until SIGTERM, SIGINT or, with --with-parent, until standard input ends: with the one that holds it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_aws", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--seed", type=int, default=0, help="of all chance in scripted faults")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    given = parser.parse_args()
    fake = FakeAws(seed=given.seed, host=given.host, port=given.port)
    fake.on_control = Control(fake)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: fake.loop.stop())
    if given.with_parent:
        fake.loop.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, lambda _: fake.loop.stop())
    sys.stdout.write(f"{fake.url}\n")
    sys.stdout.flush()
    fake.loop.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
