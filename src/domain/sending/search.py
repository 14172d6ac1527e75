"""Finding the record that makes Kinesis refuse a whole request: bisection, with a control.

Theory of operation. A request that is refused because of something in it is cut into halves, and each half is sent by
itself, one at a time, until the refused ones are single records.

    refused [a b c d] -> refused [a b], landed [c d] -> refused [a], landed [b] -> a is the culprit

A single record that is refused is poison only if another record of the same search landed (the control):
a wrong ARN, or a policy, refuses every record alike, and would otherwise send a whole topic to the dead letters.
Without a control among its own records the search asks for others that wait; without any, nothing is poison,
and the route blocks.
Who was refused before the first control landed is asked once more: what refused everything may have been cured meanwhile.

A search is a sender in front of the outbox: while it lasts its requests are the only ones of its route that leave.
It ends by becoming the outbox again: culprits go to the quarantine, and what is not poison goes back to where it came from.
Nothing here is ever dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from doka.domain.held.ledger import OffsetLedger, Part, split, without_unsent
from doka.domain.sending.outgoing import Outgoing
from doka.domain.sending.put import LaneOf, Put

_REFUSALS_WITHOUT_CONTROL_MAX = 32
_CONTROLS = 10  # records that are asked for as a control: some of them may be poison too

Group = Sequence[Part]


class Search:
    """One search, from the refused request to its end; every record of it is in a group, suspected, or in its request."""

    def __init__(
        self,
        outbox: Outgoing,
        parts: Group,
        code: str,
        *,
        entries: int | None = None,
        control: bool = False,
        in_order: bool = False,
    ) -> None:
        """Search among these records of `outbox`, which were refused together, `entries` in all, with `code`.

        `control`: others of the same request landed. `in_order`: records of one key are, and stay, in order.
        """
        self.code = code
        self.suspects: list[Part] = []
        self._outbox = outbox
        self._put: int | None = None  # the request that is out for it
        self._not_before = 0
        self._next: Group = ()  # what it asks next
        self._groups: deque[Group] = deque()  # what it asks after that
        self._behind: list[Part] = []  # later records of a suspect's key
        self._suspected: set[LaneOf] = set()
        self._in_order = in_order
        self._control = control
        self._refusals = 0
        self.refused(parts, entries=entries)

    # --- out -----------------------------------------------------------------------------------------------------

    def leaves_at(self, now: int, *, idle: bool, probe: bool = False) -> int:
        """Give the moment from which its next request may leave; what is ready in the outbox waits, and may be a control."""
        self._outbox.leaves_at(now, idle=idle, probe=probe)
        return self._not_before

    def pack(self, number: int, lease: int, now: int) -> Put | None:
        """Make the next request; None when all that it was to hold is gone."""
        group = [part for part in self._next if not part.chunk.owner.gone]
        self._next = ()
        if not group:
            return None
        self._put = number
        put, rest = self._outbox.pack_parts(group, number, lease, now)
        if rest:
            self._groups.appendleft(rest)
        return put

    def carries(self, put: Put) -> bool:
        """Say whether a request is the one that is out for this search."""
        return self._put == put.number

    # --- answers to its own request ------------------------------------------------------------------------------

    def delay(self, parts: Iterable[Part], until: int) -> None:
        """Take back a group whose request failed for a reason of its own; it is sent again at `until`."""
        self._put = None
        self._not_before = until
        group = list(parts)
        if group:
            self._groups.appendleft(group)

    def put_back(self, parts: Iterable[Part], now: int) -> None:
        """Take back a group whose request failed for a reason of its own; it is sent again at once."""
        self.delay(parts, now)

    def answered(self, *, landed: bool) -> None:
        """Note that its request was answered.

        Where it landed records, these are the control; who was refused before the first of them is asked again.
        """
        self._put = None
        if landed and not self._control:
            self._control = True
            again: list[Group] = [[part] for part in self.suspects]  # first: later ones of their keys wait
            self._groups.extendleft(reversed([*again, self._behind]))  # and of those the ones that were met, already
            self.suspects, self._behind = [], []
            self._suspected.clear()

    def refused(self, parts: Group, *, entries: int | None = None) -> None:
        """Take a refused group: two halves, or one suspect.

        `entries` is how many records there were in the request, where some went with their partition: the one that is left of
        many was not refused by itself, and is asked about alone.
        """
        self._put = None
        self._refusals += 1
        left = sum(len(part.places) for part in parts)
        if left == 1 and entries in {None, 1}:
            self.suspects += parts
            self._suspected.update((part.chunk.owner, part.chunk.keys[part.places[0]]) for part in parts)
        elif left == 1:
            self._groups.appendleft(parts)
        elif left:
            head, tail = split(parts, left // 2)
            self._groups.extendleft((tail, head))

    def let_go(self, parts: Group) -> Group:
        """Let records leave the search; gives what is behind them of their keys, which leaves with them."""
        if not self._in_order:
            return ()
        keys = {(part.chunk.owner, part.chunk.keys[place]) for part in parts for place in part.places}
        self._behind, leaving = _by_key(self._behind, keys)
        groups = self._groups
        self._groups = deque()
        for group in groups:
            staying, behind = _by_key(group, keys)
            leaving += behind
            if staying:
                self._groups.append(staying)
        return leaving

    # --- how it goes on ------------------------------------------------------------------------------------------

    def ends(self, now: int) -> bool:
        """Choose what is asked next; say whether the search is over, and all that it held has left it."""
        if self._put is not None or self._next:
            return False
        group = self.next_group()
        if group is not None:
            self._next = group
            return False
        culprits = self.culprits()
        self._outbox.put_back(self.rest(), now)
        self._outbox.poisoned(culprits, self.code)
        return True

    def next_group(self) -> Group | None:
        """Take the records to send next, by themselves; None when the search is over."""
        self._forget_gone()
        while self._groups:
            group = self._passing(self._groups.popleft())
            if group:
                return group
        while self.suspects and not self._control and not self.hopeless:
            asked = self._outbox.take_for_control(_CONTROLS)
            group = self._passing(asked)
            if group or not asked:
                return group or None
        return None

    def _passing(self, group: Group) -> Group:
        """Keep out what waits behind a suspect of its key."""
        if not self._in_order or not self._suspected:
            return group
        passing, behind = _by_key(group, self._suspected)
        self._behind += behind
        return passing

    @property
    def hopeless(self) -> bool:
        """Whether so much was refused, and nothing landed, that it is not the records that are wrong."""
        return not self._control and self._refusals >= _REFUSALS_WITHOUT_CONTROL_MAX

    @property
    def unproven(self) -> bool:
        """Whether a record is suspected, and nothing landed to show that it is the record that is wrong."""
        return bool(self.suspects) and not self._control

    def culprits(self) -> list[Part]:
        """Give the records that were refused while others landed; empty while there was no control."""
        return self.suspects if self._control else []

    def rest(self) -> list[Part]:
        """Give every record that is not told to be poison, to be put back."""
        found = [part for group in self._groups for part in group]
        return [*self._behind, *found] if self._control else [*self.suspects, *self._behind, *found]

    # --- besides -------------------------------------------------------------------------------------------------

    def parts(self) -> Iterator[Part]:
        """Walk over all records that are searched or suspected, but for those in its request."""
        yield from self.suspects
        yield from self._behind
        yield from self._next
        for group in self._groups:
            yield from group

    def forget_unsent(self, ledger: OffsetLedger) -> None:
        """Forget the records of a partition that were taken for a control and never sent."""
        self._next = without_unsent(self._next, ledger)
        self._behind = without_unsent(self._behind, ledger)
        self._groups = deque(kept for group in self._groups if (kept := without_unsent(group, ledger)))

    def _forget_gone(self) -> None:
        self.suspects = [part for part in self.suspects if not part.chunk.owner.gone]
        self._behind = [part for part in self._behind if not part.chunk.owner.gone]
        kept = ([part for part in group if not part.chunk.owner.gone] for group in self._groups)
        self._groups = deque(group for group in kept if group)


def _by_key(group: Group, keys: set[LaneOf]) -> tuple[list[Part], list[Part]]:
    """Part a group into the records of other keys and those of these."""
    others: list[Part] = []
    these: list[Part] = []
    for part in group:
        chunk = part.chunk
        found = [place for place in part.places if (chunk.owner, chunk.keys[place]) in keys]
        if not found:
            others.append(part)
            continue
        these.append(part._replace(places=found))
        rest = [place for place in part.places if (chunk.owner, chunk.keys[place]) not in keys]
        if rest:
            others.append(part._replace(places=rest))
    return others, these
