"""`doka demo`: the whole path at work on embedded parts while tokens die, then the verdict from the stream itself."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from doka.adapters.system.clock import SystemClock
from doka.app.demo.actors import Actor, DokaActor, OriginalActor
from doka.app.demo.orders import Tally, judge
from doka.app.demo.play import FEED_RATE, Play, perform
from doka.app.demo.recovery import LOST_AT_LEAST, Recovery, TypeIn, recover_on
from doka.app.demo.screen import Moment, Screen
from doka.app.demo.stage import set_stage
from doka.domain.errors import UsageError


def check_recovery(*, policy: str, original: bool) -> None:
    """Refuse what would make a recovery another play; raises UsageError."""
    if original or policy != "before_expiry":
        raise UsageError("--recover plays the incident by itself: leave out --policy and --original")


def recover(records: int, token_seconds: float, type_in: TypeIn) -> int:
    """Play the incident and the Monday after it; give 0 when what was lost is in the stream, each once, else 1.

    Raises:
        UsageError: too little would be lost, or moto is not installed.
    """
    play = Play(records, token_seconds, "never", original=True)
    enough = LOST_AT_LEAST + round(FEED_RATE * token_seconds)  # what is fed before the token ends may land
    if records <= enough:
        raise UsageError(
            f"--recover needs more than {LOST_AT_LEAST:,} records to be lost: beside --token-seconds {token_seconds:g} "
            f"take --records {enough + 1} or more"
        )
    console = Console()
    console.print("Raising a Kafka cluster and an AWS whose tokens die...", style="dim", highlight=False)
    with set_stage(token_seconds) as stage:
        last = perform(play, stage, OriginalActor(stage), Screen(console, play.title), SystemClock())
        if last.fed < records:
            console.print("The incident was stopped before its end, so there is nothing to recover from.")
            return 1
        recovery = recover_on(stage, last.fed, type_in, console)
    _tell_recovery(console, recovery)
    return 0 if recovery.whole else 1


def _tell_recovery(console: Console, recovery: Recovery) -> None:
    after = "not known" if recovery.lost_after is None else f"{recovery.lost_after:,}"
    console.print(
        f"\nlost {recovery.lost:,}, replayed {recovery.replayed:,}, lost {after}, sent twice {recovery.tally.duplicates:,}",
        style="bold green" if recovery.whole else "bold red",
        highlight=False,
    )
    console.print(_moral_of_recovery(recovery), highlight=False, markup=False, soft_wrap=True)


def _moral_of_recovery(recovery: Recovery) -> str:
    if recovery.ended_at is not None:
        return f"It did not come to its end: {recovery.ended_at}"
    if recovery.whole:
        return (
            f"The stream itself, read back by none of these commands, has all {recovery.tally.fed:,} records, each once.\n"
            "Your own pipeline, whoever forwards there: doka audit --help"
        )
    if recovery.tally.duplicates and not recovery.tally.lost:
        return (
            "A put whose answer did not come in time was sent again, and had landed: a replay is at least once, as the service is.\n"
            "It takes a machine with less to do, or more --token-seconds, to see none."
        )
    return "This must not happen; please report it."


def demo(*, policy: str, original: bool, records: int, token_seconds: float) -> int:
    """Play the demo at this terminal; give 0 when every record landed exactly once and in order, else 1.

    Raises:
        UsageError: the play cannot be (the original service never renewed its token), or moto is not installed.
    """
    if original and policy != "never":
        raise UsageError("--original is the service of the incident, which never renewed its token: add --policy never")
    play = Play(records, token_seconds, policy, original)
    console = Console()
    console.print("Raising a Kafka cluster and an AWS whose tokens die...", style="dim", highlight=False)
    with set_stage(token_seconds) as stage:
        actor: Actor = OriginalActor(stage) if original else DokaActor(stage, policy)
        last = perform(play, stage, actor, Screen(console, play.title), SystemClock())
        tally = judge(last.fed, stage.read_back())
    _tell(console, play, last, tally)
    return 0 if tally.clean else 1


def _tell(console: Console, play: Play, last: Moment, tally: Tally) -> None:
    waiting = 0 if play.original else tally.lost  # not committed, so not lost: Kafka still has them
    lost = tally.lost - waiting
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("in", f"{tally.fed:,}", "records acknowledged by Kafka")
    table.add_row("out", f"{tally.landed:,}", "records read back from the Kinesis stream")
    table.add_row(
        "leases used", str(last.leases_used), f"AWS refuses each of them {play.token_seconds:g} s after it was issued"
    )
    table.add_row("puts refused", str(last.refused), "by the gate, with AWS's own errors")
    if waiting:
        table.add_row("waiting", f"{waiting:,}", "records still in Kafka; their offsets were never committed")
    console.print(table)
    style = "bold green" if tally.clean else "bold red" if lost or tally.keys_out_of_order else "bold yellow"
    console.print(
        f"lost {lost}, duplicates {tally.duplicates}, out of order {tally.keys_out_of_order}",
        style=style,
        highlight=False,
    )
    console.print(_moral(play, last, tally, lost, waiting), highlight=False)


def _moral(play: Play, last: Moment, tally: Tally, lost: int, waiting: int) -> str:
    if play.original:
        return (
            f"This is the incident: the offsets moved over {last.committed:,} records, {lost:,} of them are gone, and "
            "lag looked healthy all along.\nThe same with doka: doka demo"
        )
    if waiting:
        return (
            f"The route is blocked ({last.blocked}), loudly, and nothing was committed past it: no record is lost.\n"
            "With renewal: doka demo. The incident itself: doka demo --policy never --original"
        )
    if tally.clean:
        return "The incident itself: doka demo --policy never --original. Your own service: doka run --help"
    return "This must not happen; please report it."
