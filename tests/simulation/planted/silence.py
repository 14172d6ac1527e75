"""Bugs of silence: records wait in Kafka, and nothing that a person or a rule looks at says so."""

from __future__ import annotations

from dataclasses import replace

from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.faults import draw_plan, silent
from doka.adapters.simulated.plan import Incident, Kind, Plan
from doka.domain.forwarder import Forwarder
from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.log_watch import LogWatch
from doka.domain.partitions.partition import Leg, Partition
from doka.domain.status import GroupStatus, LogStatus, PartitionStatus, SourceStatus, Status, Stuck
from tests.simulation.planted.bug import Patch, bug

MINUTE_NS = 60 * NS_PER_SECOND


def long_and_silent(seed: int) -> Plan:
    """Give a calm run of minutes, with faults that let records wait in Kafka without an error."""
    return silent(draw_plan(seed))


def killed_while_the_group_refuses(seed: int) -> Plan:
    """Give a run in which the process is killed, and started again, while the group takes nobody in."""
    plan, chance = long_and_silent(seed), Chance(seed).of("killed")
    at = int(chance.uniform(5, 20) * NS_PER_SECOND)
    refused = Incident(Kind.GROUP_REFUSED, at, at + 100 * NS_PER_SECOND)
    return replace(plan, incidents=(refused, Incident(Kind.CRASH, at + NS_PER_SECOND, at + NS_PER_SECOND)))


def expelled_again_and_again(seed: int) -> Plan:
    """Give a run in which the group throws the process out each twenty seconds, while brokers are out of reach."""
    plan, chance = long_and_silent(seed), Chance(seed).of("expelled")
    unreachable = Incident(Kind.BROKER_UNREACHABLE, 0, 150 * NS_PER_SECOND, chance.getrandbits(30))
    thrown_out = [Incident(Kind.EXPELLED, at * NS_PER_SECOND, at * NS_PER_SECOND) for at in range(20, 160, 20)]
    return replace(plan, incidents=(unreachable, *thrown_out))


# --- of logs -------------------------------------------------------------------------------------------------------


def believe_an_end_for_ever(patch: Patch) -> None:
    """Take the end that a broker told last for the end of the log, however long ago that was."""
    honest = LogWatch.look

    def planted(self: LogWatch, now: int, watermark: int, log: LogStatus | None) -> None:
        honest(self, now, watermark, log and replace(log, told_at=now))

    patch.replace(LogWatch, "look", planted)


def take_what_was_read_for_the_end(patch: Patch) -> None:
    """Measure the lag to what was read, not to what is there."""
    honest = LogWatch.look

    def planted(self: LogWatch, now: int, watermark: int, log: LogStatus | None) -> None:
        honest(self, now, watermark, log and replace(log, end=watermark, told_at=now))

    patch.replace(LogWatch, "look", planted)


def begin_the_wait_anew_at_each_look(patch: Patch) -> None:
    """Count a wait from the last look, as if the partition had just been taken over."""
    honest = LogWatch.look

    def planted(self: LogWatch, now: int, watermark: int, log: LogStatus | None) -> None:
        self._since = self._looked_at = None
        honest(self, now, watermark, log)

    patch.replace(LogWatch, "look", planted)


def begin_the_wait_anew_with_each_record(patch: Patch) -> None:
    """Count a wait from the record that was written last, not from the one that waits longest."""
    honest = LogWatch._mark

    def planted(self: LogWatch, told_at: int, end: int) -> None:
        if self._marks and end != self._marks[-1][1]:
            self._caught_up_at = told_at
        honest(self, told_at, end)

    patch.replace(LogWatch, "_mark", planted)


def take_an_answer_for_progress(patch: Patch) -> None:
    """Count a wait from the last answer of the broker, whatever it said."""
    honest = LogWatch._mark

    def planted(self: LogWatch, told_at: int, end: int) -> None:
        honest(self, told_at, end)
        self._caught_up_at = max(self._caught_up_at, told_at)

    patch.replace(LogWatch, "_mark", planted)


def pass_ends_that_were_not_reached(patch: Patch) -> None:
    """Take an end for passed when the watermark is below it."""
    honest = LogWatch.look

    def planted(self: LogWatch, now: int, watermark: int, log: LogStatus | None) -> None:
        honest(self, now, watermark, log)
        while self._marks and self._marks[0][1] >= watermark:
            self._caught_up_at = max(self._caught_up_at, self._marks.popleft()[0])

    patch.replace(LogWatch, "look", planted)


def forget_the_wait_in_a_rebalance(patch: Patch) -> None:
    """Begin with a wait of nothing at each assignment, though the partition had been here a moment ago."""

    def planted(self: LogWatch, start: int) -> LogWatch:
        return LogWatch()

    patch.replace(LogWatch, "taken_over", planted)


def count_only_what_is_held(patch: Patch) -> None:
    """Know no wait but that of records that were fetched."""

    def planted(self: LogWatch, now: int, held: int | None) -> int | None:
        return held or 0

    patch.replace(LogWatch, "waiting", planted)


def count_waits_in_minutes(patch: Patch) -> None:
    """Tell a wait when a minute of it is full."""
    honest = LogWatch.waiting

    def planted(self: LogWatch, now: int, held: int | None) -> int | None:
        waits = honest(self, now, held)
        return waits and waits // MINUTE_NS * MINUTE_NS

    patch.replace(LogWatch, "waiting", planted)


def leave_out_what_is_not_held(patch: Patch) -> None:
    """Show no age where nothing was fetched, and no reason: the figures as they once were."""
    honest = Leg.status

    def planted(self: Leg, now: int, log: LogStatus | None, partition: Partition) -> PartitionStatus:
        return replace(honest(self, now, log, partition), waiting=None)

    def never(self: LogWatch, now: int, *, brings_nothing: bool) -> Stuck | None:
        return None

    patch.replace(Leg, "status", planted)
    patch.replace(LogWatch, "stuck", never)


# --- of the group --------------------------------------------------------------------------------------------------


def be_ready_without_a_group(patch: Patch) -> None:
    """Say that all is well when the group is lost."""

    def planted(self: GroupStatus, now: int) -> str | None:
        return None

    patch.replace(GroupStatus, "reason", planted)


def be_ready_before_an_assignment(patch: Patch) -> None:
    """Take a member that was never given an assignment for one that has an empty one."""
    honest = GroupStatus.reason

    def planted(self: GroupStatus, now: int) -> str | None:
        return honest(self, now) if self.joined else None

    patch.replace(GroupStatus, "reason", planted)


def be_ready_once_it_was_a_member(patch: Patch) -> None:
    """Take a member that the group has declared dead for one that it has."""
    honest = Forwarder.status
    members: set[int] = set()

    def planted(self: Forwarder, now: int, source: SourceStatus | None = None) -> Status:
        status = honest(self, now, source)
        if status.group is not None and status.group.joined:
            members.add(id(self))
        was = id(self) in members
        return replace(status, group=GroupStatus(joined=True)) if was else status

    patch.replace(Forwarder, "status", planted)


# --- of the status -------------------------------------------------------------------------------------------------


def ask_the_source_for_nothing(patch: Patch) -> None:
    """Publish what the machine knows by itself, without a word of Kafka."""
    honest = Forwarder.status

    def planted(self: Forwarder, now: int, source: SourceStatus | None = None) -> Status:
        return honest(self, now, None)

    patch.replace(Forwarder, "status", planted)


def ask_the_source_once(patch: Patch) -> None:
    """Publish for ever what the source said of each log when it was asked first."""
    honest = Forwarder.status
    first: dict[int, SourceStatus] = {}

    def planted(self: Forwarder, now: int, source: SourceStatus | None = None) -> Status:
        if source is None or not source.logs:
            return honest(self, now, source)
        kept = first.setdefault(id(self), source)
        logs = {tp: replace(kept.logs.get(tp, log), told_at=now) for tp, log in source.logs.items()}
        return honest(self, now, replace(source, logs=logs))

    patch.replace(Forwarder, "status", planted)


BUGS = (
    bug(believe_an_end_for_ever, "I21", plan=long_and_silent),
    bug(take_what_was_read_for_the_end, "I21", plan=long_and_silent),
    bug(begin_the_wait_anew_at_each_look, "I21", plan=long_and_silent),
    bug(begin_the_wait_anew_with_each_record, "I21", plan=long_and_silent),
    bug(take_an_answer_for_progress, "I21", plan=long_and_silent),
    bug(pass_ends_that_were_not_reached, "I21", plan=long_and_silent),
    bug(forget_the_wait_in_a_rebalance, "I21", plan=expelled_again_and_again),
    bug(count_only_what_is_held, "I21", plan=long_and_silent),
    bug(count_waits_in_minutes, "I21", plan=long_and_silent),
    bug(leave_out_what_is_not_held, "I21", plan=long_and_silent),
    bug(be_ready_without_a_group, "I21", plan=long_and_silent),
    bug(be_ready_before_an_assignment, "I21", plan=killed_while_the_group_refuses),
    bug(be_ready_once_it_was_a_member, "I14", "I21", plan=long_and_silent),
    bug(ask_the_source_for_nothing, "I14", "I21", plan=long_and_silent),
    bug(ask_the_source_once, "I21", plan=long_and_silent),
)
