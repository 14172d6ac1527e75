"""What becomes of the records of a replay, as its loop tells it: counts, and by name whatever did not land."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doka.app.replay.patience import Patience
from doka.domain.events import Landings
from doka.domain.facts import (
    Fact,
    GapSeen,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
    RecordsSkipped,
    UnreadableSeen,
)
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.replay.progress import ReplayRange
from doka.domain.status import Status
from doka.domain.verdicts import Verdict, of_entry, of_request


@dataclass(slots=True)
class Outcome:
    """Of all runs of one replay together; what is read again after a kill is told again, and counts once where it is named."""

    landed: int = 0
    """Records that landed, those that landed again after a kill among them."""
    may_repeat: int = 0
    """Records of puts of which nobody knows whether they landed: they were sent again."""
    filtered: int = 0
    """Records that the route leaves out, those that were read again after a kill among them."""
    poisoned: dict[tuple[TopicPartition, int], str] = field(default_factory=dict)
    """The code of each record that can never land, by its place."""
    gone: set[ReplayRange] = field(default_factory=set)
    """What left the log before it was read."""
    unreadable: set[ReplayRange] = field(default_factory=set)
    skipped: set[ReplayRange] = field(default_factory=set)
    """What a person has ordered not to be sent."""
    written: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The lowest and the highest sequence number that the stream gave for records of this replay, by shard."""

    def note_landings(self, landings: Landings) -> None:
        """Note where records landed."""
        for shard, digits in zip(landings.shards, landings.numbers, strict=True):
            if not digits:
                continue  # it was refused
            number = int(digits)
            first, last = self.written.get(shard, (number, number))
            self.written[shard] = min(first, number), max(last, number)

    @property
    def whole(self) -> bool:
        """Whether nothing of what was read, or should have been, stayed behind but by order."""
        return not (self.poisoned or self.gone or self.unreadable)

    def as_data(self) -> dict[str, Any]:
        """Give it by name, as the state file and a machine have it."""
        return {
            "landed": self.landed,
            "may_repeat": self.may_repeat,
            "filtered": self.filtered,
            "poisoned": [
                {**partition._asdict(), "offset": offset, "code": code}
                for (partition, offset), code in sorted(self.poisoned.items())
            ],
            "gone": ranges_as_data(self.gone),
            "unreadable": ranges_as_data(self.unreadable),
            "skipped": ranges_as_data(self.skipped),
            "written": [
                {"shard": shard, "first": str(first), "last": str(last)}  # no JSON number holds 56 digits everywhere
                for shard, (first, last) in sorted(self.written.items())
            ],
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Outcome:
        """Read what `as_data` gave; raises KeyError or TypeError where it is something else."""
        return cls(
            data["landed"],
            data["may_repeat"],
            data.get("filtered", 0),  # not in what was written before there were filters
            {(TopicPartition(p["topic"], p["partition"]), p["offset"]): p["code"] for p in data["poisoned"]},
            written={each["shard"]: (int(each["first"]), int(each["last"])) for each in data["written"]},
            **{name: set(map(range_of_data, data[name])) for name in ("gone", "unreadable", "skipped")},
        )


def ranges_as_data(ranges: Any) -> list[dict[str, Any]]:
    """Give ranges by name, in their order."""
    return [{**partition._asdict(), "first": first, "end": end} for partition, first, end in sorted(ranges)]


def range_of_data(data: Mapping[str, Any]) -> ReplayRange:
    """Read one range; raises KeyError or TypeError where it is something else."""
    return ReplayRange(TopicPartition(data["topic"], data["partition"]), data["first"], data["end"])


class ReplayTelemetry:
    """What the loop tells, turned into the outcome; and the pace, slowed where the stream throttles."""

    def __init__(
        self,
        outcome: Outcome,
        pace: Pace,
        clock: Clock,
        show: Callable[[Status], None],
        patience: Patience | None = None,
    ) -> None:
        """Take where it is noted, and what gives up; `show` is called about once a second with the present state."""
        self.outcome = outcome
        self._patience = patience
        self._pace = pace
        self._clock = clock
        self._show = show
        self._filtered_before = outcome.filtered

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Leave out: what settles counts."""

    def tell(self, fact: Fact) -> None:
        """Note one outcome."""
        outcome = self.outcome
        match fact:
            case RecordsSettled(records=records):
                outcome.landed += records
            case RecordsFailed(code=code, records=records, ambiguous=ambiguous):
                outcome.may_repeat += records if ambiguous else 0
                if Verdict.THROTTLED in {of_entry(code), of_request(code)}:
                    self._pace.throttled(self._clock.now())
            case RecordsPoisoned(partition=partition, offset=offset, code=code):
                outcome.poisoned[partition, offset] = code
            case GapSeen(partition, expected, log_start):
                outcome.gone.add(ReplayRange(partition, expected, log_start))
            case UnreadableSeen(partition, first, far):
                outcome.unreadable.add(ReplayRange(partition, first, far))
            case RecordsSkipped(partition, first, far):
                outcome.skipped.add(ReplayRange(partition, first, far))
            case _:
                pass

    def publish(self, status: Status) -> None:
        """Show how it goes, and see whether it still does."""
        of_routes = (sum(route.filtered.values()) for route in status.routes.values())
        self.outcome.filtered = self._filtered_before + sum(of_routes)
        if self._patience is not None:
            self._patience.look(status, self.outcome.landed)
        self._show(status)

    def turned(self, now: int) -> None:
        """Leave out: nobody asks whether it is alive but who watches it."""

    def ended(self, code: int, reason: str) -> None:
        """Leave out: the loop's ending says it."""
