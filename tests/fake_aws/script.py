"""Faults on demand: rules that a test adds and withdraws while the server runs.

A rule says which requests it meets and what befalls them; every rule that meets a request adds to its fate, in the
order in which the rules were added, so that «20 ms of latency for ever» and «reset the third put» live side by side.
All chance comes from one seeded source.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Moment = Literal["acceptance", "answer"]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse the whole request; nothing of it is accepted. The protocol's own form is used (JSON or XML)."""

    code: str
    message: str = ""
    status: int = 400


@dataclass(frozen=True, slots=True)
class FailEntries:
    """Refuse entries of a PutRecords with HTTP 200: of those that fit all conditions, a share drawn by chance.

    `landed` makes them land all the same: the entry's error was a lie, as an InternalFailure can be.
    `where` gets (partition key, data) and exists only in process.
    """

    code: str = "ProvisionedThroughputExceededException"
    message: str = "Rate exceeded."
    fraction: float = 1.0
    indexes: Sequence[int] | None = None
    keys: Sequence[str] | None = None
    where: Callable[[str | None, bytes], bool] | None = None
    landed: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """Tear the connection down: at the `head`, `during` the body, `before` the request is handled, `after` it was accepted.

    `head` and `during` are decided from the head alone: a rule's `stream` and `where` are not looked at, and it cannot
    name an operation of STS, whose name stands in the body.
    """

    moment: Literal["head", "during", "before", "after"] = "after"


@dataclass(frozen=True, slots=True)
class Close:
    """Accept, then close in good order: `instead` of the answer, or `behind` it without having announced that."""

    moment: Literal["instead", "behind"] = "instead"


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait `seconds` and up to `jitter` more, before the request is accepted or only before it is answered.

    A request that waits for its acceptance is accepted even when its client has gone meanwhile.
    """

    seconds: float
    jitter: float = 0.0
    at: Moment = "answer"


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop until the test releases `label`; before acceptance or before the answer."""

    label: str = "held"
    at: Moment = "answer"


@dataclass(frozen=True, slots=True)
class Garble:
    """Accept, then answer something that cannot be trusted.

    `cut`: half of the body, then the end of the connection; `not_json`: a proxy's page with status 200;
    `empty`: no body; `one_entry_less`, `one_entry_more`: the wrong number of entries; `no_sequence_number`: the last
    entry has neither a sequence number nor an error; `no_records`: an object without entries; `flipped`: broken JSON.
    """

    how: Literal[
        "cut", "not_json", "empty", "one_entry_less", "one_entry_more", "no_sequence_number", "no_records", "flipped"
    ]


@dataclass(frozen=True, slots=True)
class Answer:
    """Accept, then answer this instead: bytes, text, or an object as JSON.

    A function makes it of the call and of the body that the answer would have had; it exists only in process.
    """

    body: object
    status: int = 200


@dataclass(frozen=True, slots=True)
class Headers:
    """Have the answer carry these in place of its own headers of these names; one that is given as empty is left out."""

    lines: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Say:
    """Send these bytes ahead of the answer, whatever they are: at the `head`, before the body is read, or at the `answer`.

    With `Hold` or `Close` they are all that is said. At the head only for what `Script.then` was given.
    """

    data: bytes
    at: Literal["head", "answer"] = "answer"


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Land the entries of a PutRecords in another order than they stand in; each keeps its place in the answer."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Say an answer twice, as a box does that keeps connections for others and loses count.

    `after`: this answer comes, and at once comes again, in a packet of its own; `before`: what was answered before on
    this connection comes again first, if there was anything, and then this one.
    """

    moment: Literal["after", "before"] = "after"


Action = Refuse | FailEntries | Reset | Close | Delay | Hold | Garble | Answer | Headers | Say | Shuffle | Repeat
Step = Action | Sequence[Action] | None
"""What befalls one request of those that come next: an action, several, or None for one that is left to the rules."""
ACTIONS: Mapping[str, type[Action]] = {  # what can be asked of another process
    "refuse": Refuse,
    "fail_entries": FailEntries,
    "reset": Reset,
    "delay": Delay,
    "hold": Hold,
    "garble": Garble,
    "shuffle": Shuffle,
    "repeat": Repeat,
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a rule sees it: its operation, its stream's name (empty where it has none) and its parsed body.

    `start` is its method and path; the names of its headers are in lower case.
    """

    operation: str
    stream: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    start: str = ""

    @property
    def access_key(self) -> str:
        """The key that it says it was signed with."""
        return self.headers["authorization"].partition("Credential=")[2].partition("/")[0]


@dataclass(slots=True)
class Rule:
    """One entry of the script; `fired` counts the requests that it met."""

    id: int
    actions: tuple[Action, ...]
    on: frozenset[str]
    times: int | None
    skip: int
    fraction: float
    stream: str | None
    where: Callable[[Call], bool] | None
    fired: int = 0


@dataclass(slots=True)
class Fate:
    """All that befalls one request, gathered from the rules that met it."""

    refuse: Refuse | None = None
    entries: list[FailEntries] = field(default_factory=list)
    reset: Reset | None = None
    close: Close | None = None
    garble: Garble | None = None
    answer: Answer | None = None
    headers: dict[str, str] = field(default_factory=dict)
    say: bytes = b""
    shuffle: bool = False
    repeat: Repeat | None = None
    delay_acceptance: float = 0.0
    delay_answer: float = 0.0
    hold_acceptance: list[str] = field(default_factory=list)
    hold_answer: list[str] = field(default_factory=list)


NO_FATE = Fate()
_TORN_AT = {"head": 0.0, "during": 0.5}
"""Resets that are decided from the head: which share of the body is read before."""


class Script:
    """The rules in force; called from the server's thread under its lock, changed by tests under the same lock."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._rules: list[Rule] = []
        self._all: dict[int, Rule] = {}
        self._next: deque[tuple[Action, ...]] = deque()
        self._ids = itertools.count(1)

    def add(
        self,
        *actions: Action,
        on: str | Sequence[str] = "PutRecords",
        times: int | None = 1,
        skip: int = 0,
        fraction: float = 1.0,
        stream: str | None = None,
        where: Callable[[Call], bool] | None = None,
    ) -> Rule:
        """Add a rule: on which operations (`*` for all), how often (None: for ever), after how many it lets pass."""
        names = frozenset((on,) if isinstance(on, str) else on)
        if not actions:
            raise ValueError("a rule without an action would be a test that tests nothing")
        rule = Rule(next(self._ids), actions, names, times, skip, fraction, stream, where)
        self._rules.append(rule)
        self._all[rule.id] = rule
        return rule

    def then(self, *steps: Step) -> None:
        """Say what befalls each of the next requests, of whatever operation; no rule meets one with an action here."""
        for step in steps:
            self._next.append(() if step is None else tuple(step) if isinstance(step, Sequence) else (step,))

    def take(self) -> tuple[Action, ...]:
        """Take what was said of the next request, once its head was read."""
        return self._next.popleft() if self._next else ()

    def withdraw(self, rule_id: int | None = None) -> None:
        """Take one rule out of force, or all and what was said of the next; what already befell a request goes on."""
        if rule_id is None:
            self._next.clear()
        self._rules = [] if rule_id is None else [rule for rule in self._rules if rule.id != rule_id]

    def fired(self, rule_id: int) -> int:
        """Say how many requests a rule has met, whether it is still in force or not."""
        return self._all[rule_id].fired

    def torn_at(self, operation: str, taken: Sequence[Action] = ()) -> float | None:
        """Decide from its head alone at which share of its body a request is torn down; None: at none."""
        if taken:
            return _torn_at(taken)
        for rule in list(self._rules):
            share = _torn_at(rule.actions)
            if share is not None and self._meets(rule, operation):
                return share
        return None

    def fate_of(self, call: Call, taken: Sequence[Action] = ()) -> Fate:
        """Gather what befalls a request: from what was taken for it, else from every rule that meets it."""
        if not self._rules and not taken:
            return NO_FATE
        fate = Fate()
        for action in taken:
            self._apply(action, fate)
        if taken:
            return fate
        for rule in list(self._rules):
            if rule.stream not in (None, call.stream) or (rule.where is not None and not rule.where(call)):
                continue
            actions = [a for a in rule.actions if not (isinstance(a, Reset) and a.moment in _TORN_AT)]
            if actions and self._meets(rule, call.operation):
                for action in actions:
                    self._apply(action, fate)
        return fate

    def _meets(self, rule: Rule, operation: str) -> bool:
        if operation not in rule.on and "*" not in rule.on:
            return False
        if rule.fraction < 1.0 and self.chance.random() >= rule.fraction:
            return False
        if rule.skip > 0:
            rule.skip -= 1
            return False
        rule.fired += 1
        if rule.times is not None and rule.fired >= rule.times:
            self._rules.remove(rule)
        return True

    def _apply(self, action: Action, fate: Fate) -> None:
        match action:
            case Refuse():
                fate.refuse = fate.refuse or action
            case FailEntries():
                fate.entries.append(action)
            case Reset():
                fate.reset = fate.reset or action
            case Close():
                fate.close = fate.close or action
            case Garble():
                fate.garble = fate.garble or action
            case Answer():
                fate.answer = fate.answer or action
            case Headers(lines=lines):
                fate.headers |= lines
            case Say(data=data, at=at):
                fate.say += data if at == "answer" else b""
            case Shuffle():
                fate.shuffle = True
            case Repeat():
                fate.repeat = fate.repeat or action
            case Hold(label=label, at="acceptance"):
                fate.hold_acceptance.append(label)
            case Hold(label=label):
                fate.hold_answer.append(label)
            case Delay(seconds=seconds, jitter=jitter, at=at):
                wait = seconds + jitter * self.chance.random()
                if at == "acceptance":
                    fate.delay_acceptance += wait
                else:
                    fate.delay_answer += wait


def _torn_at(actions: Sequence[Action]) -> float | None:
    return next((_TORN_AT[a.moment] for a in actions if isinstance(a, Reset) and a.moment in _TORN_AT), None)
