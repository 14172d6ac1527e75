"""The cases of how a stream is named: by its ARN, across accounts, where it is not, and by a put that is a dry run."""

from __future__ import annotations

from doka.adapters.aws.kinesis.dry_run import STORED, DryRuns
from doka.app.check.cures import THROTTLED
from doka.app.conformance.bench import TAKEN, Bench, LeftOutError, NotJudgedError, coded, told
from doka.app.conformance.case import EVERY_CODE, LANDED_IS_TOLD, REFUSED_IS_NOT_LANDED, Case, Outcome, Seen
from doka.domain.events import PutAnswered, PutRefused
from doka.domain.verdicts import Verdict, of_request


def by_arn(bench: Bench) -> Seen:
    """Put by the stream's ARN, as the service does where it knows it; where that is refused the bench goes on by its name."""
    if bench.arn is None:
        return Seen(Outcome.DIFFERS, "the description holds no ARN", "puts name the stream by its name")
    answer = bench.put([("by-arn", b"0")])
    if isinstance(answer, PutAnswered):
        return Seen(Outcome.HOLDS, TAKEN, "puts name the stream by the ARN that its description tells")
    bench.arn = None
    if isinstance(bench.put([("by-name", b"0")]), PutAnswered):
        return Seen(
            Outcome.FAILS,
            f"by its ARN {told(answer)}, by its name {TAKEN}",
            "doka would put by the ARN: the route would block; what answers is a stand-in",
        )
    raise NotJudgedError(f"neither by its ARN nor by its name: {told(answer)}")


def no_such_stream(bench: Bench) -> Seen:
    """Put to a stream that is not there, beside the one that is."""
    if bench.arn is None:
        raise LeftOutError("puts by ARN are not taken here")
    arn, bench.arn = bench.arn, f"{bench.arn}-gone"
    try:
        answer = bench.put([("gone", b"0")])
    finally:
        bench.arn = arn
    if not isinstance(answer, PutRefused):
        return Seen(Outcome.FAILS, told(answer), "doka would not see that the stream is gone")
    if of_request(answer.code) in {Verdict.BLOCKED, Verdict.DENIED}:
        return Seen(Outcome.HOLDS, told(answer), "the route blocks, loudly, and is probed until the stream is there")
    return Seen(Outcome.FAILS, told(answer), "doka would not block the route: report it")


def dry_run(bench: Bench) -> Seen:
    """Put one byte by dry run, and look whether it is in the stream."""
    target = bench.stream.target
    tries = DryRuns({target.route: target}, bench.clock, bench.parts.pause, bench.parts.sessions)
    refusal = tries.put(target.route, bench.lease())
    stored = [record for record in bench.landed("0") if record.key == "0"]
    if stored or (refusal is not None and refusal.code == STORED):
        there = "and it is in the stream" if stored else "and it is not in the stream"
        return Seen(
            Outcome.DIFFERS,
            f"{TAKEN} as a put, {there}",
            "`doka check` sends a dry run to AWS alone, unless told otherwise by --probe-writes",
        )
    if refusal is None:
        return Seen(Outcome.HOLDS, "would have been taken; it is not in the stream", "`doka check` may try puts by it")
    said = coded(refusal.code, refusal.message)
    if refusal.code in THROTTLED:
        raise NotJudgedError(said)
    return Seen(Outcome.DIFFERS, said, "`doka check` would call a good route bad: check without it, and report this")


def across_accounts(bench: Bench) -> Seen:
    """Ask the route's own stream by dry run, where it is in another account than what signs: by its resource policy."""
    lease = bench.lease()
    if bench.parts.own is None:
        raise LeftOutError("what answers is not AWS, and could store a dry run in the route's own stream")
    target, tries = bench.parts.own
    account = (target.stream_arn or "").split(":")[4:5]
    if not account or lease.account_id in {None, account[0]}:
        raise LeftOutError("the route's role is in the account of its stream: nothing crosses accounts by ARN alone")
    refusal = tries.put(target.route, lease)
    if refusal is None:
        return Seen(Outcome.HOLDS, "would have been taken", "a put by StreamARN reaches a stream of another account")
    said = coded(refusal.code, refusal.message)
    if refusal.code in THROTTLED:
        raise NotJudgedError(said)
    return Seen(
        Outcome.FAILS, said, "the route would block; doka policy --for stream prints what the stream's policy needs"
    )


CASES = (
    Case("by_arn", "a put that names the stream by its ARN", (LANDED_IS_TOLD,), by_arn),
    Case("dry_run", "a put with DryRun: is it stored?", (EVERY_CODE,), dry_run),
    Case(
        "across_accounts",
        "a dry run at the route's own stream by its ARN, from the role's account",
        (EVERY_CODE,),
        across_accounts,
    ),
    Case("no_such_stream", "a put to a stream that is not there", (EVERY_CODE, REFUSED_IS_NOT_LANDED), no_such_stream),
)
