"""Sees that a configuration was changed: by looking every few seconds, on a thread of its own.

What is read is compared, not times or inodes: a ConfigMap is changed by a link of its directory that points elsewhere,
an editor puts another file in the place, and both may leave a time that says nothing. Looking by the path follows both,
and works on every file system, where a notice of the kernel's does not.
A file may be written while it is looked at, so a change counts once two looks have seen the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from hashlib import sha256

LOOK_EVERY_SECONDS = 2.0
"""Far below the minute that a kubelet takes to bring a ConfigMap, and a page of text to read each time."""

Look = Callable[[], Mapping[str, bytes | None]]
"""Reads all that is watched: path -> content, None where it cannot be read."""


class ConfigurationWatch:
    """Calls `changed` once for each change, from its own thread; a change that is taken back before the next look is none.

    It is given the state that was seen, by which whoever has judged it already knows it again.
    """

    def __init__(self, look: Look, changed: Callable[[bytes], None], every: float = LOOK_EVERY_SECONDS) -> None:
        """Take what reads the files, what to call, and how often to look, in seconds."""
        self._look = look
        self._changed = changed
        self._every = every
        self._known = state_of(look())
        self._seen = self._known
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="doka-watch", daemon=True)

    def open(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; a look that hangs is left behind."""
        self._stop.set()

    def look(self) -> None:
        """Look once, and call where what was seen twice is another than what is known."""
        seen, before = state_of(self._look()), self._seen
        self._seen = seen
        if seen == before and seen != self._known:
            self._known = seen
            self._changed(seen)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.look()


def state_of(files: Mapping[str, bytes | None]) -> bytes:
    """Give what tells one state of all that is watched from another."""
    whole = sha256()
    for name, content in sorted(files.items()):
        whole.update(sha256(name.encode(errors="surrogateescape")).digest())
        whole.update(b"-" if content is None else sha256(content).digest())
    return whole.digest()
