"""Which commands and options there are, and what their help teaches.

Only words stand here; what a command does is imported when it runs, so that `doka --help` starts quickly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from doka.app.cli.conformance_words import CONFORMANCE_EPILOG, conformance
from doka.app.cli.letter_words import letters_cli
from doka.app.cli.options import AllowPlaintext, AsJson, Payload, configured, taught
from doka.app.cli.rehearse_words import REHEARSE_EPILOG, rehearse
from doka.app.cli.run_words import run
from doka.app.cli.simulate_words import simulate_cli
from doka.app.config_options import ConfigOptions

EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 clean; 1 halted or found something wrong, and says what; 2 bad usage or configuration"
)
LAG_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 everything could be told, however far behind; 1 something could not, the group has committed "
    "nothing, or a commit lies outside its log; 2 bad usage or configuration; 130 --watch was ended by Ctrl-C"
)
TOP_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 it is ready; 1 it is not, or nobody answers; 2 bad usage; 130 Ctrl-C ended it"
)
TAIL_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 all of it could be told, also of records that can never land; 1 something could not; "
    "2 bad usage or configuration"
)
PLAN_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 all of it could be told; 1 something could not, or no record came; "
    "2 bad usage or configuration"
)
REPLAY_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 all of it landed, or --dry-run; 1 some did not, or it ended before, and says what; "
    "2 bad usage or configuration; 130 Ctrl-C at the question"
)
AUDIT_EXIT_CODES = (
    "[bold]Exit codes[/bold]  0 complete; 1 something is lost; 2 bad usage or configuration, or nothing could be audited; "
    "3 no loss is known, but a part could not be judged. With --every: 0 stopped, 1 stopped while something is lost"
)

cli = typer.Typer(
    name="doka",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="[bold]See it work[/bold]  doka demo, then doka simulate incident\n\n"
    "[bold]Permissions[/bold]  doka policy --config doka.yaml\n\n"
    "[bold]Try it out[/bold]   doka check --config doka.yaml\n\n"
    "[bold]Run it[/bold]       doka run --config doka.yaml\n\n"
    "[bold]Move over[/bold]    doka config convert configs/dev.yaml > doka.yaml\n\n" + EXIT_CODES,
)
config_cli = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
cli.add_typer(
    config_cli,
    name="config",
    short_help="What can be set, what is set, and how to move over.",
    help="What can be set, what is set, and the way over from the old service's file.\n\n"
    "[bold]Example[/bold]  doka config show --config doka.yaml",
    epilog="Each setting can also come from a variable: limits.held_mib is DOKA_LIMITS__HELD_MIB, "
    "routes\\[0].stream.name is DOKA_ROUTES__0__STREAM__NAME. Options go before variables, variables before the file.",
)

cli.add_typer(letters_cli, name="letters")

cli.add_typer(simulate_cli)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from doka.app.version import version

        typer.echo(f"doka {version()}")
        raise typer.Exit


@cli.callback()
@taught
def doka(
    *,
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Forwards records from Apache Kafka (Amazon MSK) to an Amazon Kinesis data stream, also in another AWS account.

    Every record lands at least once and in the order of its key: a Kafka offset is committed only when all records
    below it have landed, and credentials are renewed before they end.
    """
    del version


cli.command("run", epilog=EXIT_CODES + "\n\n[bold]Next[/bold]  curl localhost:9400/readyz")(run)


@cli.command(epilog=EXIT_CODES + "\n\n[bold]Next[/bold]  doka run --config doka.yaml")
@taught
@configured
def check(
    *,
    options: ConfigOptions,
    probe_writes: Annotated[
        bool,
        typer.Option(
            "--probe-writes",
            metavar="",
            help="Try a put by dry run where aws.endpoint_urls.kinesis is not AWS, too; what knows no DryRun stores it.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Try out everything the service will need, and change nothing.

    The configuration, the Kafka topics, each role, each stream with its limits, a put and the stream's key by dry run:
    one line each, and what to do about each failure. A dry run stores nothing, and is billed as a put of one record.

    [bold]Example[/bold]  doka check --config doka.yaml
    """
    from doka.app.cli.check import check as try_out

    return try_out(options, probe_writes=probe_writes, as_json=as_json)


@cli.command(epilog=EXIT_CODES + "\n\n[bold]Next[/bold]  doka check --config doka.yaml")
@taught
@configured
def policy(
    *,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="KIND",
            help="Only these, needed or not: writer, trust, workload, msk, glue, kms, stream, endpoints, reader, keda, operator, conformance.",
        ),
    ] = None,
    workload: Annotated[
        Literal["irsa", "pod-identity", "ecs", "ec2"] | None,
        typer.Option("--workload", help="How the workload gets its role; adds that role's trust policy."),
    ] = None,
    workload_role_arn: Annotated[
        str | None, typer.Option("--workload-role-arn", metavar="ARN", help="The role of the pod, task or instance.")
    ] = None,
    oidc_provider: Annotated[
        str | None, typer.Option("--oidc-provider", metavar="URL", help="Of the cluster, for irsa.")
    ] = None,
    service_account: Annotated[
        str | None, typer.Option("--service-account", metavar="NAMESPACE:NAME", help="Of the pod, for irsa.")
    ] = None,
    msk_cluster_arn: Annotated[
        str | None, typer.Option("--msk-cluster-arn", metavar="ARN", help="The cluster, for MSK with IAM.")
    ] = None,
    kms_key_arn: Annotated[
        list[str] | None,
        typer.Option("--kms-key-arn", metavar="ARN", help="A key of the streams of its region; may be given again."),
    ] = None,
    operator_arn: Annotated[
        str | None,
        typer.Option("--operator-arn", metavar="ARN", help="The role of who types replay, letters resend or skip."),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="Only what belongs to this account.")
    ] = None,
    form: Annotated[
        Literal["text", "json", "terraform", "cloudformation"],
        typer.Option("--format", help="Templates are for one account each."),
    ] = "text",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write a file for each document, or each account.")
    ] = None,
    options: ConfigOptions,
) -> int:
    """Print every IAM document that this configuration needs, and whose account each belongs to.

    The roles that sign, their trust policies with external id, session name, source identity and tags, the way to them,
    MSK, resource policies and keys. It asks nothing of AWS; what the configuration does not know is an option, and stands
    there in capitals until it is given.

    [bold]Example[/bold]  doka policy --config doka.yaml

    [bold]Example[/bold]  doka policy --workload irsa --out policies --config doka.yaml

    [bold]Example[/bold]  doka policy --format terraform --account 210987654321 --config doka.yaml
    """
    from doka.app.cli.policy import Wanted, kinds_named
    from doka.app.cli.policy import policy as tell
    from doka.app.iam.names import Given

    given = Given(
        workload,
        workload_role_arn,
        oidc_provider,
        service_account,
        msk_cluster_arn,
        kms_key_arns=tuple(kms_key_arn or ()),
        operator_arn=operator_arn,
    )
    return tell(options, given, Wanted(kinds_named(kinds or ()), account, form, out))


@cli.command(epilog=EXIT_CODES + "\n\n[bold]Next[/bold]  curl localhost:9400/readyz")
@taught
@configured
def skip(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TOPIC:PARTITION:OFFSET",
            help="The record; TOPIC:PARTITION:FIRST-LAST for a batch that cannot be read.",
        ),
    ],
    *,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the log and in Kafka.")],
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who orders it; the user and the host, if not given.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask; needed where nobody can be.")] = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Pass one record that stops its key, or one batch that cannot be read, and nothing else.

    The service, running or not, never sends what stands there, and goes on behind it when all before it has settled. Who
    ordered it, when and why stands in its log, in a counter, and beside a commit in Kafka. First it shows what it is.

    [bold]Example[/bold]  doka skip orders:3:200 --reason "cancelled, ticket 4711" --config doka.yaml
    """
    from doka.app.cli.skip import skip as order

    return order(options, what, reason=reason, by=by, yes=yes, as_json=as_json)


@cli.command(epilog=LAG_EXIT_CODES + "\n\n[bold]Next[/bold]  doka check --config doka.yaml")
@taught
@configured
def lag(
    *,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="NAME", help="Another group than kafka.group_id, of whatever program."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", metavar="", help="Look again each two seconds, until Ctrl-C.")
    ] = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Say how far the group is behind, in records and in time, also while no service runs.

    For each partition of the routes' topics: the committed offset, the end of the log, what lies between them, for how long
    the oldest record has waited, and who reads it. It joins no group and changes nothing.

    [bold]Example[/bold]  doka lag --config doka.yaml

    [bold]Example[/bold]  doka lag --config doka.yaml --watch
    """
    from doka.app.cli.lag import lag as tell

    return tell(options, group=group, watch=watch, as_json=as_json)


@cli.command(epilog=TOP_EXIT_CODES + "\n\n[bold]Next[/bold]  doka lag --config doka.yaml")
@taught
def top(
    address: Annotated[
        str, typer.Argument(metavar="[HOST:PORT]", help="Where it serves its pages: http.host and http.port.")
    ] = "127.0.0.1:9400",
    *,
    as_json: AsJson = False,
) -> int:
    """Watch a running service: what /readyz says, routes, leases, and the partitions that wait.

    At a terminal it looks each two seconds until Ctrl-C, elsewhere once. The same stands in a browser at http://HOST:PORT/.

    [bold]Example[/bold]  doka top

    [bold]Example[/bold]  doka top 127.0.0.1:9400 --json
    """
    from doka.app.cli.top import top as show

    return show(address, as_json=as_json)


@cli.command(epilog=TAIL_EXIT_CODES + "\n\n[bold]Next[/bold]  doka lag --config doka.yaml")
@taught
@configured
def tail(
    *,
    route: Annotated[
        str | None, typer.Option("--route", metavar="NAME", help="Which route; needed where there are several.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="The first records from then on: a time with its zone, or 63h for so long ago.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many records.")] = 10,
    payload: Payload = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Show what records of a route would become, and send nothing.

    The newest ones, or the first from a time on: the partition key, the shard that takes it, the bytes, and whether
    something speaks against it. Read beside the group, with the rights of whoever types it; data only with --payload.

    [bold]Example[/bold]  doka tail --config doka.yaml

    [bold]Example[/bold]  doka tail --config doka.yaml --route orders --from 2h --limit 100 --json
    """
    from doka.app.cli.tail import Wanted
    from doka.app.cli.tail import tail as show

    return show(options, Wanted(route, since, limit, payload, as_json))


@cli.command(epilog=PLAN_EXIT_CODES + "\n\n[bold]Next[/bold]  doka check --config doka.yaml")
@taught
@configured
def plan(
    *,
    last: Annotated[
        str | None, typer.Option("--last", metavar="SPAN", help="What came in the last 10m, the default; or 1d.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="From then on: a time with its zone, or 63h for so long ago."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Up to then, as --since has it; now, if not given.")
    ] = None,
    seconds: Annotated[
        int | None,
        typer.Option("--seconds", min=1, max=86_400, help="Watch for so long from now on, instead of looking back."),
    ] = None,
    route: Annotated[str | None, typer.Option("--route", metavar="NAME", help="Just this route.")] = None,
    no_aggregation: Annotated[
        bool, typer.Option("--no-aggregation", metavar="", help="Consumers cannot take aggregates apart.")
    ] = False,
    round_trip_ms: Annotated[
        float,
        typer.Option("--round-trip-ms", min=0.1, max=10_000.0, help="How long Kinesis takes to answer a put."),
    ] = 15.0,
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="Another table of prices, a YAML file.")
    ] = None,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Say what the routes' records would need in Kinesis and cost a month, and which setting fits them.

    It reads what came in a time, beside the group, and says how much that is, how it is shared among keys, and for each
    ordering and for aggregation: how many shards, which latency, and a month's price in both modes. Then the choice, why,
    and the settings for it. It asks nothing of AWS, and changes nothing.

    [bold]Example[/bold]  doka plan --config doka.yaml

    [bold]Example[/bold]  doka plan --last 1d --prices prices.yaml --config doka.yaml
    """
    from doka.app.cli.plan import Wanted
    from doka.app.cli.plan import plan as tell

    wanted = Wanted(
        route=route, since=since, until=until, last=last, seconds=seconds, round_trip_ms=round_trip_ms,
        aggregates=not no_aggregation, prices=prices, as_json=as_json,
    )  # fmt: skip
    return tell(options, wanted)


cli.command("conformance", epilog=CONFORMANCE_EPILOG)(conformance)
cli.command("test", epilog=REHEARSE_EPILOG)(rehearse)


@cli.command(epilog=AUDIT_EXIT_CODES + "\n\n[bold]Next[/bold]  doka replay --audit FILE --config doka.yaml")
@taught
@configured
def audit(
    *,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="T", help="From when on: 2026-08-01T00:00:00Z, or 63h for 63 hours ago."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="T", help="Up to when, as --since has it; now, if not given.")
    ] = None,
    last: Annotated[
        str | None,
        typer.Option("--last", metavar="SPAN", help="The last 1h; or what came since the file that is there ended."),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="SPAN", help="Go on until SIGTERM, and audit each 1h what came since."),
    ] = None,
    route: Annotated[
        str | None, typer.Option("--route", metavar="R", help="The route, where there are several.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="G", help="Whose commits count; kafka.group_id, if not given."),
    ] = None,
    match: Annotated[
        Literal["envelope", "key", "data"] | None,
        typer.Option(
            "--match", help="What makes a record the same; data: where another forwarder chose its own partition keys."
        ),
    ] = None,
    read_share: Annotated[
        float,
        typer.Option("--read-share", min=0.01, max=1.0, help="Of what each shard gives all its readers, what to take."),
    ] = 0.5,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="PATH", help="The audit file; one that is there already is read on."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="PATH", help="Write one HTML page with plots, too, which needs no network."),
    ] = None,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Find out, record by record, whether what the group has committed is in the stream.

    It reads the topics of a route and its stream from outside, also for a pipeline that another forwarder runs, and says
    what is there, what twice, what out of order, and what is lost. It changes nothing, and reads at half of what the
    shards give their readers. What it has read stays in a file, which it goes on from after a stop.

    [bold]Example[/bold]  doka audit --since 63h --config doka.yaml

    With --every it goes on beside the service: window by window without a hole between them, with /metrics, /healthz and
    /readyz at http.port, and a line in the log for each.

    [bold]Example[/bold]  doka audit --last 1h --every 1h --config doka.yaml
    """
    from doka.app.cli.audit import AuditOptions
    from doka.app.cli.audit import audit as compare

    asked = AuditOptions(
        since=since, until=until, last=last, every=every, route=route, group=group, match=match, read_share=read_share,
        file=file, html=html,
    )  # fmt: skip
    return compare(options, asked, as_data=as_json)


@cli.command(epilog=REPLAY_EXIT_CODES + "\n\n[bold]Next[/bold]  doka lag --config doka.yaml")
@taught
@configured
def replay(
    *,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="From then on: a time with its zone, or 63h for so long ago."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Up to then; where the logs end now, if not given.")
    ] = None,
    offsets: Annotated[
        list[str] | None,
        typer.Option("--offsets", metavar="TOPIC:PARTITION:FIRST-LAST", help="Just these; may be given again."),
    ] = None,
    route: Annotated[
        str | None, typer.Option("--route", metavar="NAME", help="Which route; needed where there are several.")
    ] = None,
    audit: Annotated[
        Path | None, typer.Option("--audit", metavar="FILE", help="Just what an audit has found to be lost.")
    ] = None,
    stream: Annotated[
        str | None, typer.Option("--stream", metavar="NAME", help="Another stream than the route's; or its ARN.")
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=1, help="Records a second; a quarter of what the open shards take, if not given."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="FILE", help="Keeps how far it has come; a killed one goes on.")
    ] = None,
    give_up_after: Annotated[str, typer.Option("--give-up-after", metavar="SPAN", help="When nothing lands.")] = "30m",
    dry_run: Annotated[bool, typer.Option("--dry-run", metavar="", help="Only say what it would be.")] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar="", help="Do not ask; needed where nobody can be.")] = False,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Send what Kafka still has once more: a window of time, offsets, or what an audit has found to be lost.

    By the service's own mapping, lanes and puts, at a pace that leaves the service its share, and beside it: it joins no
    group and commits nothing. First it says what it would do, then it asks.

    [bold]Example[/bold]  doka replay --since 63h --until 1h --state weekend.state --config doka.yaml

    [bold]Example[/bold]  doka replay --offsets orders:3:200-229 --dry-run --config doka.yaml
    """
    from doka.app.cli.replay import Words
    from doka.app.cli.replay import replay as send

    words = Words(
        since=since,
        until=until,
        offsets=tuple(offsets or ()),
        audit=audit,
        route=route,
        stream=stream,
        rate=rate,
        state=state,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        give_up_after=give_up_after,
    )
    return send(options, words)


@cli.command(epilog=EXIT_CODES + "\n\n[bold]Next[/bold]  doka config schema, then doka check --config doka.yaml")
@taught
def demo(
    *,
    policy: Annotated[
        Literal["before_expiry", "interval", "on_demand", "never"],
        typer.Option("--policy", help="When leases are renewed."),
    ] = "before_expiry",
    original: Annotated[
        bool,
        typer.Option(
            "--original", metavar="", help="Run the service of the incident instead: errors swallowed, offsets move."
        ),
    ] = False,
    records: Annotated[int, typer.Option("--records", min=1, max=200_000, help="How many records to feed.")] = 20_000,
    token_seconds: Annotated[
        float, typer.Option("--token-seconds", min=1.0, max=60.0, help="How long a token lives.")
    ] = 5.0,
    recover: Annotated[bool, typer.Option("--recover", metavar="", help="Run the incident, and mend it.")] = False,
) -> int:
    """Show the whole path at work, on embedded parts.

    Records go from an embedded Kafka through the real service to an embedded Kinesis while tokens die every five
    seconds; then the stream is read back, and it says what was lost, doubled or out of order. Nothing outside this
    machine is touched.

    [bold]Example[/bold]  doka demo

    [bold]Example[/bold]  doka demo --policy never --original   [dim]the incident itself[/dim]

    [bold]Example[/bold]  doka demo --recover   [dim]the incident, and the Monday after it[/dim]
    """
    from doka.app.cli import demo as plays

    if not recover:
        return plays.demo(policy=policy, original=original, records=records, token_seconds=token_seconds)
    plays.check_recovery(policy=policy, original=original)
    return plays.recover(records, token_seconds, lambda line: cli(args=list(line), standalone_mode=False))


@config_cli.command("schema")
@taught
def config_schema() -> int:
    """Print the JSON Schema: every setting, its default and what it does.

    [bold]Example[/bold]  doka config schema > doka.schema.json
    """
    from doka.app.cli.config import print_schema

    return print_schema()


@config_cli.command("show")
@taught
@configured
def config_show(
    *,
    options: ConfigOptions,
    as_json: AsJson = False,
) -> int:
    """Print the effective configuration.

    File, variables, options and defaults together, as a service would use them; secrets are stars.

    [bold]Example[/bold]  DOKA_LIMITS__HELD_MIB=128 doka config show --config doka.yaml
    """
    from doka.app.cli.config import print_effective

    return print_effective(options, as_json=as_json)


@config_cli.command("convert")
@taught
def config_convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A configuration of the old service.")],
    *,
    allow_plaintext: AllowPlaintext = False,
) -> int:
    """Write the old service's configuration in the new form.

    The reason of each choice stands beside it as a comment.

    [bold]Example[/bold]  doka config convert configs/dev.yaml > doka.yaml
    """
    from doka.app.cli.config import print_converted

    return print_converted(file, allow_plaintext=allow_plaintext)


@cli.command("version")
@taught
def print_version() -> int:
    """Print the version."""
    _print_version(wanted=True)
    return 0
