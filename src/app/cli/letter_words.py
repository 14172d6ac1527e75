"""The commands of `doka letters`, their options, and what their help teaches.

Only words stand here; what a command does is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from doka.app.cli.options import (
    AllowInsecureEndpoints,
    AllowPlaintext,
    AsJson,
    Config,
    LegacyConfig,
    Payload,
    taught,
)
from doka.app.config_options import ConfigOptions

LETTERS_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 all of it could be told; 1 something could not; 2 bad usage or configuration"
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
    short_help="Dead letters: which there are, and what would become of them today.",
    help="Dead letters: which there are, why, and what would become of them today.\n\n"
    "[bold]Example[/bold]  doka letters list --since 2d --config doka.yaml",
    epilog=LETTERS_EXIT_CODES,
)


@letters_cli.command("list", epilog=LETTERS_EXIT_CODES + "\n\n[bold]Next[/bold]  doka letters show LETTER")
@taught
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
    config: Config = None,
    legacy_config: LegacyConfig = None,
    allow_plaintext: AllowPlaintext = False,
    allow_insecure_endpoints: AllowInsecureEndpoints = False,
    as_json: AsJson = False,
) -> int:
    """List dead letters, and count them by code and route.

    It reads dead_letters.topic without a group and changes nothing. With --json each letter is a line. What a letter holds
    is shown only with --payload.

    [bold]Example[/bold]  doka letters list --config doka.yaml

    [bold]Example[/bold]  doka letters list --code RecordTooLarge --since 2d --json --config doka.yaml
    """
    from doka.app.cli.letters import Filters, list_letters

    options = ConfigOptions(config, legacy_config, allow_plaintext, allow_insecure_endpoints)
    filters = Filters(tuple(code or ()), route, since, until, tuple(key or ()), tuple(letter or ()))
    return list_letters(options, filters, limit=limit, payload=payload, as_json=as_json)


@letters_cli.command("show", epilog=LETTERS_EXIT_CODES)
@taught
def letters_show(
    what: Annotated[
        str, typer.Argument(metavar="LETTER", help="TOPIC:PARTITION:OFFSET, where it stands, as the list has it.")
    ],
    *,
    payload: Payload = False,
    config: Config = None,
    legacy_config: LegacyConfig = None,
    allow_plaintext: AllowPlaintext = False,
    allow_insecure_endpoints: AllowInsecureEndpoints = False,
    as_json: AsJson = False,
) -> int:
    """Show one dead letter: which record it is, why it is one, and what would become of it today.

    Today's mapping and the stream's present limit judge it, as doka tail does; nothing is sent.

    [bold]Example[/bold]  doka letters show dead:0:17 --config doka.yaml
    """
    from doka.app.cli.letters import show_letter

    options = ConfigOptions(config, legacy_config, allow_plaintext, allow_insecure_endpoints)
    return show_letter(options, what, payload=payload, as_json=as_json)
