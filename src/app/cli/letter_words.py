"""The commands of `doka letters`, their options, and what their help teaches.

Only words stand here; what a command does is imported when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from doka.app.cli.options import (
    AsJson,
    Payload,
    configured,
    taught,
)
from doka.app.config_options import ConfigOptions

LETTERS_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 all of it could be told; 1 something could not; 2 bad usage or configuration"
)
RESEND_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 all that was asked for is done, or --dry-run; 1 some is not, and says what; "
    "2 bad usage or configuration; 130 Ctrl-C at the question"
)

LetterCode = Annotated[
    list[str] | None,
    typer.Option("--code", metavar="CODE", help="Only letters with this code; may be given again."),
]
LetterRoute = Annotated[
    str | None, typer.Option("--route", metavar="NAME", help="Only letters of records that this route reads.")
]
LetterSince = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="Only what became a letter from then on: a time, or 63h for so long ago."
    ),
]
LetterUntil = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="Only what became a letter before then, as --since has it."),
]
LetterKey = Annotated[
    list[str] | None, typer.Option("--key", metavar="KEY", help="Only letters with this key; may be given again.")
]
LetterPlace = Annotated[
    list[str] | None,
    typer.Option(
        "--letter", metavar="LETTER", help="Only these: TOPIC:PARTITION:OFFSET, or FIRST-LAST; may be given again."
    ),
]

letters_cli = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    short_help="Dead letters: which there are, what would become of them today, and the way back.",
    help="Dead letters: which there are, why, what would become of them today, and the way back to the stream.\n\n"
    "[bold]Example[/bold]  doka letters list --since 2d --config doka.yaml",
    epilog=LETTERS_EXIT_CODES,
)


@letters_cli.command("list", epilog=LETTERS_EXIT_CODES + "\n\n[bold]Next[/bold]  doka letters show LETTER")
@taught
@configured
def letters_list(
    *,
    code: LetterCode = None,
    route: LetterRoute = None,
    since: LetterSince = None,
    until: LetterUntil = None,
    key: LetterKey = None,
    letter: LetterPlace = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, max=100_000, help="How many: of a table the newest, 20 if not given; of JSON the first."
        ),
    ] = None,
    payload: Payload = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """List dead letters, and count them by code and route.

    It reads dead_letters.topic without a group and changes nothing. With --json each letter is a line. What a letter holds
    is shown only with --payload.

    [bold]Example[/bold]  doka letters list --config doka.yaml

    [bold]Example[/bold]  doka letters list --code RecordTooLarge --since 2d --json --config doka.yaml
    """
    from doka.app.cli.letters import Filters, list_letters

    filters = Filters(tuple(code or ()), route, since, until, tuple(key or ()), tuple(letter or ()))
    return list_letters(options, filters, limit=limit, payload=payload, as_json=as_json)


@letters_cli.command("show", epilog=LETTERS_EXIT_CODES + "\n\n[bold]Next[/bold]  doka letters resend --dry-run")
@taught
@configured
def letters_show(
    what: Annotated[
        str, typer.Argument(metavar="LETTER", help="TOPIC:PARTITION:OFFSET, where it stands, as the list has it.")
    ],
    *,
    payload: Payload = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Show one dead letter: which record it is, why it is one, and what would become of it today.

    Today's mapping and the stream's present limit judge it, as doka tail does; nothing is sent.

    [bold]Example[/bold]  doka letters show dead:0:17 --config doka.yaml
    """
    from doka.app.cli.letters import show_letter

    return show_letter(options, what, payload=payload, as_json=as_json)


@letters_cli.command("resend", epilog=RESEND_EXIT_CODES)
@taught
@configured
def letters_resend(
    *,
    code: LetterCode = None,
    route: LetterRoute = None,
    since: LetterSince = None,
    until: LetterUntil = None,
    key: LetterKey = None,
    letter: LetterPlace = None,
    to_topic: Annotated[
        str | None,
        typer.Option(
            "--to-topic", metavar="TOPIC", help="Send them to this Kafka topic, and not to their route's stream."
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=1, help="Records a second; a quarter of what the open shards take, if not given."),
    ] = None,
    resends_max: Annotated[
        int,
        typer.Option("--max-resends", min=1, help="Leave what came back so often where it is; against loops."),
    ] = 3,
    receipts: Annotated[
        Path | None,
        typer.Option("--receipts", metavar="FILE", help="Add a line of JSON for each letter: where its record landed."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Say what it would be, and send nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask; needed where nobody can be.")] = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Send dead letters once more, as the records that they are, through their route to its stream.

    First it says what it would do: which letters, which stay and why, how fast. What is done stands in the commits of a group
    of its own, so a second resend sends the rest, and a killed one goes on. With --json the plan, each receipt and the end
    are lines.

    [bold]Example[/bold]  doka letters resend --code RecordTooLarge --dry-run --config doka.yaml

    [bold]Example[/bold]  doka letters resend --route orders --receipts sent.jsonl --config doka.yaml
    """
    from doka.app.cli.letters import Filters
    from doka.app.cli.resend import Words, resend

    filters = Filters(tuple(code or ()), route, since, until, tuple(key or ()), tuple(letter or ()))
    words = Words(
        filters,
        rate=rate,
        resends_max=resends_max,
        to_topic=to_topic,
        receipts=receipts,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )
    return resend(options, words)
