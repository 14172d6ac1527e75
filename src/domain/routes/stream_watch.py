"""When a stream that is known is described again, and how sure what is known of it is.

Theory of operation. A stream may be changed at any time, by whoever owns it, and tells nobody.

    every few minutes   drawn anew each time, so that members that began together do not go on asking together;
                        sooner while a record waits that a higher record limit would let land
    after a hint        a refusal that a change would explain; where such a look brought nothing new, the next waits longer
    in doubt            at once: a record is about to be put aside as too large, by what was known some time ago

A look that fails changes nothing of what is known. It is tried again, and hurts nobody meanwhile.
"""

from __future__ import annotations

from doka.domain.backoff import Jitter, backoff
from doka.domain.limits import (
    DESCRIBE_EVERY_NS,
    DESCRIBE_HINT_NS,
    DESCRIBE_WAITED_EVERY_NS,
    NS_PER_SECOND,
    SURE_OF_LIMIT_NS,
)

_SPREAD_NS = 2 * NS_PER_SECOND  # all members meet a refusal at the same time, and shall not ask at the same time
_FAILED_FIRST_NS = 2 * DESCRIBE_HINT_NS
_THROTTLED_FOR_NS = 30 * NS_PER_SECOND  # from here on throttling hints at fewer shards; before, at a burst
_QUIET_NS = 10 * NS_PER_SECOND  # without a throttled record: what comes then begins anew


class StreamWatch:
    """The next look at one stream; nothing is looked for before the stream has been described once. Moments in ns."""

    def __init__(self, jitter: Jitter) -> None:
        self.at: int | None = None
        """When to ask again; None: not before something else was learned."""
        self.sure_until: int | None = None
        """Until when what is known is held to be true without another question; None: nothing was answered yet."""
        self._jitter = jitter
        self._answered_at = 0
        self._hinted = False
        self._hinted_at = 0
        self._in_vain = 0  # looks in a row that a hint had asked for, and that brought nothing new
        self._failed = 0  # looks in a row
        self._throttled_since = self._throttled_at = 0

    def due(self, now: int) -> bool:
        """Say whether it is time to ask."""
        return self.at is not None and now >= self.at

    # --- answers -------------------------------------------------------------------------------------------------

    def answered(self, now: int, *, news: bool, waited_for: bool) -> None:
        """Note a description; `news`: something has changed, `waited_for`: a record waits for a higher limit."""
        self._in_vain = self._in_vain + 1 if self._hinted and not news else 0
        self._failed = 0
        every = DESCRIBE_WAITED_EVERY_NS if waited_for else DESCRIBE_EVERY_NS
        self._next(now, every // 2 + int(self._jitter() * every))

    def failed(self, now: int) -> None:
        """Note that there was no description: what is known must do, and is asked for again after a wait."""
        self._failed += 1
        wait = backoff(self._failed, self._jitter, first=_FAILED_FIRST_NS, last=DESCRIBE_EVERY_NS)
        self._next(now, max(wait, DESCRIBE_HINT_NS))

    def _next(self, now: int, wait: int) -> None:
        self._answered_at = now
        self.sure_until = now + SURE_OF_LIMIT_NS
        self._hinted = False
        self.at = now + wait

    # --- hints ---------------------------------------------------------------------------------------------------

    def hinted(self, now: int) -> None:
        """Note what a change would explain: look soon, but not at once again and again."""
        wait = min(DESCRIBE_HINT_NS << min(self._in_vain, 16), DESCRIBE_EVERY_NS)
        self._look(max(now, self._answered_at + wait))

    def doubted(self, now: int) -> None:
        """Note that a record is put aside, or not, by what the next answer says: look now."""
        self._look(now)

    def _look(self, at: int) -> None:
        if self.at is None or (self._hinted and at >= self._hinted_at):
            return
        self._hinted, self._hinted_at = True, at  # and so many hints draw once
        self.at = min(self.at, at + int(self._jitter() * _SPREAD_NS))

    def throttled(self, now: int) -> None:
        """Note throttled records; where they go on for long there may be fewer shards, or more, than are known."""
        if now - self._throttled_at >= _QUIET_NS:
            self._throttled_since = now
        self._throttled_at = now
        if now - self._throttled_since >= _THROTTLED_FOR_NS:
            self.hinted(now)
