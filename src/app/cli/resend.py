"""`doka letters resend`: sends dead letters once more as the records that they are, by the service's own machine, lanes and sink.

It is a member of a group of its own, whose commits say which letters are done. First it says what it would do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

import typer
from rich.console import Console

from doka.adapters.kafka.group_commits import committed_by
from doka.adapters.kafka.log_ranges import LogRanges
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.source import KafkaSource
from doka.adapters.kafka.topic_writer import TopicWriter
from doka.adapters.system.signals import StopSignals
from doka.adapters.system.watchdog import leave_now
from doka.adapters.telemetry.sentences import many, size, span
from doka.app.cli.letters import Filters
from doka.app.cli.progress import progress_shown
from doka.app.config_options import ConfigOptions
from doka.app.container import Container
from doka.app.letters.plan import AHEAD_RECORDS, Asked, Plan, plan, rules_of
from doka.app.letters.reading import topic_of
from doka.app.letters.receipts import LettersAgain, Receipts, ReceiptSink
from doka.app.letters.source import LetterSource
from doka.app.letters.to_topic import ToTopic
from doka.app.replay.outcome import Outcome, ReplayTelemetry
from doka.app.replay.patience import Patience
from doka.app.replay.plan import NotPlannedError
from doka.app.runtime import Ending
from doka.app.service import build_quiet
from doka.app.settings.load import hostname, read_configuration
from doka.domain.errors import InvariantError, UsageError
from doka.domain.letters.resent import Resent
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.skip import place_shown
from doka.domain.status import Status

PLACES_SHOWN: Final = 10
GIVEN_UP_NS: Final = 60 * NS_PER_SECOND
"""How long nothing may land though something stands in the way: what is left of a resend may be nothing but what the stream
refuses, and no record comes that would land and show it."""


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody typed."""

    filters: Filters
    rate: int | None
    resends_max: int
    to_topic: str | None
    receipts: Path | None
    dry_run: bool
    yes: bool
    as_json: bool


@dataclass(slots=True)
class Run:
    """What became of it."""

    outcome: Outcome
    ending: Ending | None = None
    left: int = 0
    """Letters that were to be sent, and are not done."""
    why_left_unknown: str | None = None
    """Why Kafka does not say how many are left."""


def resend(options: ConfigOptions, words: Words) -> int:
    """Send letters once more; give 0 where all that was asked for has landed (or would be sent, in a dry run), else 1.

    Raises:
        UsageError: the words are wrong, the configuration cannot be used, or nobody can be asked.
    """
    if not (words.yes or words.dry_run) and (words.as_json or not sys.stdin.isatty()):
        raise UsageError(
            "nobody can be asked here whether to send them: add --yes, or --dry-run to see what it would be"
        )
    container = build_quiet(read_configuration(options), hostname())
    console = Console(highlight=False, soft_wrap=True, markup=False)
    topic = topic_of(container)
    if words.to_topic == topic:
        raise UsageError(f"--to-topic {topic} is the topic of letters itself: each would be a letter again")
    asked = Asked(
        words.filters.read(container),
        words.filters.route,
        rate=words.rate,
        resends_max=words.resends_max,
        to_topic=words.to_topic,
    )
    try:
        if words.to_topic is not None:
            LogRanges(container.member(), container.clock(), container.oauth()).whole((words.to_topic,))
        planned = plan(container, asked)
    except (NotPlannedError, NotToldError) as error:
        return _nothing_sent(str(error), as_json=words.as_json)
    _show_plan(console, planned, words)
    run = Run(Outcome(), left=planned.records)
    if planned.records and not words.dry_run:
        if not words.yes and not typer.confirm("\nSend them?"):
            console.print("Nothing was sent.")
            return 1
        try:
            out = None if words.receipts is None else words.receipts.open("a", encoding="utf-8")
        except OSError as error:
            why = f"receipts cannot be written to {words.receipts}: {error.strerror}"
            return _nothing_sent(why, as_json=words.as_json)
        try:
            _run(container, planned, words, run, out)
        except NotToldError as error:
            return _nothing_sent(str(error), as_json=words.as_json)
        finally:
            with suppress(OSError):  # each line was flushed before its letter was committed
                if out is not None:
                    out.close()
    if words.as_json:
        print(json.dumps({"end": _end_data(planned, run)}))  # noqa: T201
    elif not words.dry_run:
        for sentence in _verdict(planned, run):
            console.print(sentence)
    return 0 if words.dry_run or _all_landed(planned, run) else 1


def _all_landed(planned: Plan, run: Run) -> bool:
    return not (run.left or run.outcome.poisoned or planned.against or planned.letters.notes or run.why_left_unknown)


# --- sending -----------------------------------------------------------------------------------------------------------


def _run(container: Container, planned: Plan, words: Words, run: Run, out: TextIO | None) -> None:
    """Send, with receipts to `out`; raises NotToldError where no client can be made, before anything was sent."""
    clock, letters = container.clock(), planned.letters

    def resent_of(partitions: Any) -> dict[TopicPartition, Resent]:
        commits = committed_by(letters.member.group_id, partitions, letters.member, clock, container.oauth())
        return {partition: Resent.parse(each.offset, each.note) for partition, each in commits.items()}

    with ExitStack() as stack:
        receipts = Receipts(out or (sys.stdout if words.as_json else None), clock.wall)
        pace = Pace(planned.records_per_second, clock.now())
        source = LetterSource(
            KafkaSource(letters.member, clock, container.oauth()),
            planned.planned,
            pace,
            clock,
            container.inbox(),
            resent_of=resent_of,
            receipts=receipts,
        )
        stack.enter_context(StopSignals(container.inbox(), lambda: leave_now(lambda: None)))
        said = partial(_said, planned, run.outcome, pace, clock.now)
        show = stack.enter_context(progress_shown(said, clock.now, as_json=words.as_json))
        telemetry = ReplayTelemetry(run.outcome, pace, clock, show, Patience(GIVEN_UP_NS, container.inbox()))
        if words.to_topic is not None:
            run.ending = _to_topic(container, words.to_topic, source, receipts, telemetry)
        else:
            run.ending = _to_stream(container, planned, source, receipts, telemetry)
    try:
        run.left = planned.left(resent_of(planned.planned.keys()))
    except NotToldError as error:
        run.why_left_unknown = str(error)


def _to_stream(
    container: Container, planned: Plan, source: LetterSource, receipts: Receipts, telemetry: ReplayTelemetry
) -> Ending:
    if planned.route is None:
        raise InvariantError("letters were chosen for a stream, and no route")
    rules = rules_of(container.rules(), planned.route, planned.letters.topic)
    for provider, part in (
        (container.rules, rules),
        (container.source, source),
        (container.sink, ReceiptSink(container.sink(), receipts)),
        (container.letters, LettersAgain(container.letters())),
        (container.telemetry, telemetry),
    ):
        provider.override(part)
    return container.runtime().run()


def _to_topic(
    container: Container, topic: str, source: LetterSource, receipts: Receipts, telemetry: ReplayTelemetry
) -> Ending:
    clock, inbox = container.clock(), container.inbox()
    writer = TopicWriter(container.member(), topic, clock, container.oauth())
    outcome, show = telemetry.outcome, telemetry.publish
    return ToTopic(source, writer, clock, inbox, receipts=receipts, outcome=outcome, show=show).run()


def _said(planned: Plan, outcome: Outcome, pace: Pace, now: Callable[[], int], status: Status) -> str:
    """Say in a line how it goes."""
    done = outcome.landed + len(outcome.poisoned)
    waits = None if status.group is None else status.group.reason(now())
    blocked = f"; {reason}" if (reason := status.in_the_way()) else ""
    rate = pace.records_per_second(now())
    return f"{done:,} of {many(planned.records, 'letter')}, {rate:,.0f} records/s at most{f'; {waits}' if waits else ''}{blocked}"


# --- telling -----------------------------------------------------------------------------------------------------------


def _show_plan(console: Console, planned: Plan, words: Words) -> None:
    if words.as_json:
        print(json.dumps({"plan": _plan_data(planned, words)}), flush=True)  # noqa: T201
        return
    for sentence in _plan_sentences(planned, words):
        console.print(sentence)


def _plan_sentences(planned: Plan, words: Words) -> Iterator[str]:
    letters = planned.letters
    if not planned.records:
        yield f"Nothing is to be sent{'.' if planned.against else ': no letter of that kind is left.'}"
    else:
        to = words.to_topic or (None if planned.stream is None else planned.stream.arn)
        by = f", by route {planned.route.name}" if planned.route is not None else ""
        yield f"To be sent again{by}{f', to {to}' if to else ''}:"
        yield f"  letters    {planned.records:,}, {size(planned.payload_bytes)} of keys and values"
        for code, count in planned.codes.most_common():
            yield f"             {count:,} {code}"
    if planned.records and planned.resumed:
        yield f"  goes on    what group {letters.member.group_id} has committed is not sent again"
    for why, count in planned.against.most_common():
        yield f"  stay       {count:,}: {why}"
    if letters.foreign:
        yield f"  no letters {many(letters.foreign, 'record')} of topic {letters.topic}; they are passed over"
    for note in letters.notes:
        yield f"  missing    {note}"
    if not planned.records:
        return
    share = "" if planned.share is None else f", {planned.share:.0%} of what {many(planned.shards or 0, 'shard')} take"
    yield f"  pace       {planned.records_per_second:,.0f} records a second{share}; less where the stream throttles"
    yield f"  time       about {span(round(planned.records / planned.records_per_second * NS_PER_SECOND))}"
    yield (
        f"  group      {letters.member.group_id} keeps what is done: after a kill type the same again; at most "
        f"{AHEAD_RECORDS} letters of a partition land twice"
    )
    receipts = "none are kept: add --receipts FILE" if words.receipts is None else f"are added to {words.receipts}"
    yield f"  receipts   {receipts}"
    if words.to_topic is None:
        yield (
            "Later records of their keys are in the stream already: who reads it sees these behind them. What the stream refuses "
            "becomes a letter again."
        )
    else:
        yield f"Everybody who reads {words.to_topic} sees them once more."


def _plan_data(planned: Plan, words: Words) -> dict[str, Any]:
    return {
        "letters": planned.records,
        "bytes": planned.payload_bytes,
        "codes": dict(planned.codes),
        "resumed": planned.resumed,
        "against": dict(planned.against),
        "foreign": planned.letters.foreign,
        "missing": planned.letters.notes,
        "route": None if planned.route is None else planned.route.name,
        "stream": None if planned.stream is None else planned.stream.arn,
        "to_topic": words.to_topic,
        "records_per_second": planned.records_per_second,
        "share": planned.share,
        "group": planned.letters.member.group_id,
    }


def _end_data(planned: Plan, run: Run) -> dict[str, Any]:
    outcome = run.outcome
    return {
        "told": True,
        "sent": run.ending is not None,
        "landed": outcome.landed,
        "may_repeat": outcome.may_repeat,
        "letters_again": [
            {"letter": {**partition._asdict(), "offset": offset}, "code": code}
            for (partition, offset), code in sorted(outcome.poisoned.items())
        ],
        "left": None if run.why_left_unknown else run.left,
        "all_landed": _all_landed(planned, run),
        "ending": None if run.ending is None else run.ending.reason,
    }


def _verdict(planned: Plan, run: Run) -> Iterator[str]:
    """Say what became of it."""
    outcome, ending = run.outcome, run.ending
    if ending is not None:
        if run.left or ending.code:
            yield f"\nIt ended before all was sent: {ending.reason}."
        for (partition, offset), code in sorted(outcome.poisoned.items())[:PLACES_SHOWN]:
            yield f"  again a letter  {place_shown(partition, offset, offset + 1)}: {code}"
        if len(outcome.poisoned) > PLACES_SHOWN:
            yield f"  and {len(outcome.poisoned) - PLACES_SHOWN} more that are letters again"
        twice = f"; {many(outcome.may_repeat, 'record')} may have landed twice" if outcome.may_repeat else ""
        yield f"{many(outcome.landed, 'record')} landed{twice}."
    if run.why_left_unknown:
        yield f"How many are left is not known: {run.why_left_unknown}."
    elif run.left:
        are = "is" if run.left == 1 else "are"
        yield f"{many(run.left, 'letter')} {are} left: type the same again. Another resend may have them."
    elif _all_landed(planned, run):
        yield "All that was asked for is done."
    else:
        yield "The rest of what was asked for is done."


def _nothing_sent(sentence: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"end": {"told": False, "why": sentence}}))  # noqa: T201
    else:
        typer.echo(f"doka: nothing is sent: {sentence}", err=True)
    return 1
