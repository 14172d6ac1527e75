"""A trial: streams are made, the cases are played on them, and the streams are taken away, however it ends.

It must never leave a stream behind in silence: from the moment when one may be there until AWS has taken its end it is
named in `left`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from doka.adapters.aws.codes import UNREADABLE
from doka.adapters.aws.held_lease import Pause
from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.kinesis.trial_stream import Mode, TrialStream
from doka.app.conformance.bench import Amounts, Bench, LeftOutError, NotJudgedError, Parts, RefusedError, coded
from doka.app.conformance.case import Case, Need, Outcome, Seen
from doka.app.conformance.table import CASES
from doka.app.iam.names import TRIALS
from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.commands import DescribeStream
from doka.domain.events import LeaseRefused, StreamDescribed, StreamRefused
from doka.domain.limits import NS_PER_SECOND
from doka.domain.verdicts import Verdict, of_request

TAGS: Final = {"created-by": "doka conformance", "safe-to-delete": "yes"}
LOOK_EVERY_NS: Final = NS_PER_SECOND
MADE_WITHIN_NS: Final = 180 * NS_PER_SECOND
REMOVED_WITHIN_NS: Final = 60 * NS_PER_SECOND
GONE: Final = "ResourceNotFoundException"
_PERHAPS_MADE: Final = {"timeout", "no_answer", UNREADABLE}
_PASSES: Final = {Verdict.RETRY, Verdict.THROTTLED, Verdict.AMBIGUOUS, Verdict.LEASE}


class NotMadeError(Exception):
    """There is no stream to play on, and why: the role gave no lease, or the stream was refused."""

    def __init__(self, refusal: LeaseRefused | StreamRefused, what: str = "it was not made") -> None:
        super().__init__(f"{what}: {coded(refusal.code, refusal.message)}")
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Result:
    """One case, and what came of it."""

    case: Case
    seen: Seen


class Trial:
    """Plays cases in the place of `target` (route, region, endpoint).

    `rest` waits while something is taken away, when nobody can stop it any more.
    """

    def __init__(self, target: StreamTarget, parts: Parts, amounts: Amounts, rest: Pause) -> None:
        self._target = target
        self._parts = parts
        self._amounts = amounts
        self._rest = rest
        self.left: list[str] = []
        """The streams that may be there."""

    def play(self, cases: Collection[str], offered: Collection[Need], tell: Callable[[str], None]) -> Iterator[Result]:
        """Play the cases of these names, each as it comes; `tell` hears what is done meanwhile.

        Raises NotMadeError where the stream of one shard could not be made.
        """
        for mode, all_cases in CASES.items():
            wanted = [case for case in all_cases if case.name in cases]
            playing = [case for case in wanted if case.needs is None or case.needs in offered]
            if playing:
                yield from self._play_on(mode, wanted, offered, tell)
            else:
                yield from (_left_out(case) for case in wanted)

    def _play_on(
        self, mode: Mode, wanted: list[Case], offered: Collection[Need], tell: Callable[[str], None]
    ) -> Iterator[Result]:
        try:
            with self._stream(mode, tell) as bench:
                for case in wanted:
                    if case.needs is not None and case.needs not in offered:
                        yield _left_out(case)
                        continue
                    tell(f"{case.name}: {case.asked}")
                    yield Result(case, _played(case, bench))
        except NotMadeError as error:
            if mode is Mode.ONE_SHARD:
                raise
            for case in wanted:
                yield Result(case, Seen(Outcome.OPEN, f"there was no stream: {error}", "nothing is known of it"))

    @contextmanager
    def _stream(self, mode: Mode, tell: Callable[[str], None]) -> Iterator[Bench]:
        """Make a stream, and take it away whatever comes."""
        name = f"{TRIALS}{secrets.token_hex(4)}"
        stream = TrialStream(
            replace(self._target, stream_name=name, stream_arn=None), self._parts.clock, self._parts.sessions
        )
        tell(f"making the stream {name}")
        self.left.append(name)
        bench: Bench | None = None
        try:
            self._create(stream, mode)
            bench = Bench(stream, self._active(stream), self._parts, self._amounts)
            yield bench
        finally:
            if bench is not None:
                bench.close()
            if name in self.left:
                tell(f"removing the stream {name}")
                self._remove(stream, name)

    def _create(self, stream: TrialStream, mode: Mode) -> None:
        name = str(stream.target.stream_name)
        try:
            refusal = stream.create(self._parts.leases.get(), TAGS, mode=mode)
        except StreamUnreadableError as error:
            self.left.remove(name)
            raise NotMadeError(error.refusal, "the role gave no credentials") from None
        if refusal is None:
            return
        if not _is_perhaps_made(refusal.code):
            self.left.remove(name)
        raise NotMadeError(StreamRefused(stream.target.route, refusal.code, refusal.message))

    def _active(self, stream: TrialStream) -> StreamDescribed:
        """Wait until it takes records. Raises NotMadeError."""
        route, clock = stream.target.route, self._parts.clock
        describer = KinesisDescriber({route: stream.target}, clock, self._parts.sessions)
        gives_up_at = clock.now() + MADE_WITHIN_NS
        while True:
            found = describer.describe(DescribeStream(route, self._parts.leases.get()))
            if isinstance(found, StreamDescribed) and found.status == "ACTIVE":
                return found
            if isinstance(found, StreamRefused) and found.code != GONE and of_request(found.code) not in _PASSES:
                raise NotMadeError(found, "it was made, and could not be described")
            if clock.now() >= gives_up_at:
                raise NotMadeError(StreamRefused(route, f"not_active_within_{MADE_WITHIN_NS // NS_PER_SECOND}_s"))
            self._parts.pause(LOOK_EVERY_NS)

    def _remove(self, stream: TrialStream, name: str) -> None:
        gives_up_at = self._parts.clock.now() + REMOVED_WITHIN_NS
        while True:
            try:
                refusal = stream.delete(self._parts.leases.get())
            except StreamUnreadableError:
                return
            if refusal is None or refusal.code == GONE:
                self.left.remove(name)
                return
            passes = of_request(refusal.code) in _PASSES or refusal.code == "ResourceInUseException"
            if not (passes or _is_perhaps_made(refusal.code)) or self._parts.clock.now() >= gives_up_at:
                return
            self._rest(LOOK_EVERY_NS)


def _played(case: Case, bench: Bench) -> Seen:
    try:
        return case.play(bench)
    except LeftOutError as error:
        return Seen(Outcome.LEFT_OUT, "-", str(error))
    except NotJudgedError as error:
        return Seen(Outcome.OPEN, str(error), "nothing is known of it")
    except RefusedError as error:
        return Seen(Outcome.OPEN, f"what was to land did not: {error}", "nothing is known of it")
    except StreamUnreadableError as error:
        return Seen(
            Outcome.OPEN,
            f"it could not be read back: {coded(error.refusal.code, error.refusal.message)}",
            "nothing is known of it",
        )


def _left_out(case: Case) -> Result:
    return Result(case, Seen(Outcome.LEFT_OUT, "-", "" if case.needs is None else case.needs.value))


def _is_perhaps_made(code: str) -> bool:
    return code in _PERHAPS_MADE or code.startswith("http_5") or of_request(code) is Verdict.AMBIGUOUS
