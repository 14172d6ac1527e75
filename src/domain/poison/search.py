"""Finding the record that makes Kinesis refuse a whole request: bisection, with a control.

Theory of operation. A request that is refused because of something in it is cut into halves, and each half is sent by
itself, one at a time, until the refused ones are single records.

    refused [a b c d] -> refused [a b], landed [c d] -> refused [a], landed [b] -> a is the culprit

A single record that is refused is poison only if another record of the same isolation landed (the control):
a wrong ARN, or a policy, refuses every record alike, and would otherwise send a whole topic to the dead letters.
Without a control among its own records the isolation asks for others that wait; without any, nothing is poison,
and the route blocks.
Who was refused before the first control landed is asked once more: what refused everything may have been cured meanwhile.

Nothing here is ever dropped: what is not poison goes back to where it came from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from doka.domain.held.parts import Part, split, without_unsent
from doka.domain.partitions.partition import Partition

_REFUSALS_WITHOUT_CONTROL_MAX = 32
_CONTROLS = 10  # records that are asked for as a control: some of them may be poison too

Group = Sequence[Part]


class Isolation:
    """One search, from the refused request to its end; every record of it is in a group, or suspected."""

    def __init__(
        self, parts: Group, code: str, *, entries: int | None = None, control: bool = False, in_order: bool = False
    ) -> None:
        """Search among these records, which were refused together, `entries` in all, with `code`.

        `control`: others of the same request landed. `in_order`: there may be several records of one key.
        """
        self.code = code
        self.put: int | None = None  # the request that is out for it
        self.not_before = 0
        self.suspects: list[Part] = []
        self._groups: deque[Group] = deque()
        self._behind: list[Part] = []  # later records of a suspect's key
        self._suspected: set[tuple[Partition, str]] = set()
        self._in_order = in_order
        self._control = control
        self._refusals = 0
        self.refused(parts, entries=entries)

    def next_group(self, more: Callable[[int], Group]) -> Group | None:
        """Give the records to send next, by themselves; None when the search is over.

        `more` takes so many records out of those that wait, for a control.
        """
        self._forget_gone()
        while self._groups:
            group = self._passing(self._groups.popleft())
            if group:
                return group
        while self.suspects and not self._control and not self.hopeless:
            asked = more(_CONTROLS)
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

    def answered(self, *, landed: bool, now: int) -> None:
        """Note that a request of this search was answered.

        Where it landed records, these are the control; who was refused before the first of them is asked again.
        """
        self.put = None
        if not landed:
            self.not_before = now
        elif not self._control:
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
        self.put = None
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

    def put_off(self, parts: Group) -> None:
        """Take what did not fit into the request that just left; it goes next."""
        if parts:
            self._groups.appendleft(parts)

    def unknown(self, parts: Group, retry_at: int) -> None:
        """Take a group back whose request failed for a reason of its own; it is sent again at `retry_at`."""
        self.put = None
        self.not_before = retry_at
        if parts:
            self._groups.appendleft(parts)

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

    def culprits(self) -> list[Part]:
        """Give the records that were refused while others landed; empty while there was no control."""
        return self.suspects if self._control else []

    def rest(self) -> list[Part]:
        """Give every record that is not told to be poison, to be put back."""
        self._forget_gone()
        found = [part for group in self._groups for part in group]
        return [*self._behind, *found] if self._control else [*self.suspects, *self._behind, *found]

    def holds(self, owner: object) -> bool:
        """Say whether a record of this partition is searched or suspected."""
        return any(part.chunk.owner is owner for part in (*self.suspects, *self._behind)) or any(
            part.chunk.owner is owner for group in self._groups for part in group
        )

    def forget_unsent(self, partition: Partition) -> None:
        """Forget the records of a partition that were taken for a control and never sent."""
        self._groups = deque(kept for group in self._groups if (kept := without_unsent(group, partition)))
        self._behind = without_unsent(self._behind, partition)

    def _forget_gone(self) -> None:
        self.suspects = [part for part in self.suspects if not part.chunk.owner.gone]
        self._behind = [part for part in self._behind if not part.chunk.owner.gone]
        kept = ([part for part in group if not part.chunk.owner.gone] for group in self._groups)
        self._groups = deque(group for group in kept if group)


def _by_key(group: Group, keys: set[tuple[Partition, str]]) -> tuple[list[Part], list[Part]]:
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
