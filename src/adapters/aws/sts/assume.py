"""One AssumeRole against STS: a signed question, one attempt, and when the answer ends.

Retrying is the domain's business, so nothing here repeats a question, with one exception: when STS refused it by its
date and that very answer taught the right date, it is asked again at once.
It must never sign with a host clock that is known to be wrong, and never judge an expiry by it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from doka.adapters.aws.clock import ServiceClock, read_date
from doka.adapters.aws.codes import code_of
from doka.adapters.aws.session import NewSession
from doka.adapters.aws.signing import sign_request
from doka.adapters.aws.sts.grant import Grant, RefusedError, check_secrets, showable
from doka.adapters.aws.sts.settings import RoleChain
from doka.adapters.aws.words import words_of
from doka.adapters.talkative import pin_loggers
from doka.domain.lease import Secrets
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Clock

logger = logging.getLogger("doka.sts")

CONNECT_SECONDS = 5
READ_SECONDS = 5
WALL_CLOCK_ALLOWANCE_SECONDS = 60.0
"""How much sooner credentials are taken to end where only a wall clock can tell their age."""
WORTH_ASKING_AGAIN_SECONDS = 30.0
"""STS allows five minutes; a date that has moved by less than this would be refused again."""

_CONFIG = Config(  # type: ignore[call-arg]  # its stub does not know ignore_configured_endpoint_urls
    signature_version=UNSIGNED,  # signed by `_sign` with the service's own time
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": 1},
    ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL may not send our credentials anywhere
    max_pool_connections=1,
)
_SKEW_CODES = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
_SKEW_WORDS = ("Signature expired", "Signature not yet current")


class RoleAssumer:
    """Asks STS for roles; safe from several threads, each question on a connection of its own.

    A renewal comes about once an hour: a kept connection would long be dead, and found to be so only by a time-out.
    """

    def __init__(
        self, clock: Clock, service_clock: ServiceClock, new_session: NewSession = botocore.session.Session
    ) -> None:
        self._clock = clock
        self._service_clock = service_clock
        self._new_session = new_session
        self._lock = threading.Lock()  # botocore's sessions do not let several threads make clients
        self._session: botocore.session.Session | None = None

    def assume(self, chain: RoleChain, index: int, secrets: Secrets) -> Grant:
        """Assume hop `index` of a chain with these credentials.

        Raises:
            RefusedError: STS refused, did not answer, or answered what cannot be read.
        """
        client = None
        try:
            client = self._client(chain)
            client.meta.events.register("request-created.sts.AssumeRole", partial(self._sign, chain.region, secrets))
            ask = partial(self._ask, client, _parameters(chain, index), secrets)
            try:
                return ask()
            except RefusedError as refused:
                if not refused.worth_asking_again:
                    raise
                return ask()
        except BotoCoreError as error:
            raise RefusedError(type(error).__name__, showable(words_of(error), [secrets])) from None
        finally:
            if client is not None:
                client.close()

    def _client(self, chain: RoleChain) -> Any:
        with self._lock:
            if self._session is None:
                pin_loggers()
                self._session = self._new_session()
                self._session.set_config_variable("sts_regional_endpoints", "regional")
            return self._session.create_client(
                "sts", region_name=chain.region, endpoint_url=chain.sts_endpoint_url, config=_CONFIG
            )

    def _sign(self, region: str, secrets: Secrets, request: AWSRequest, **_: object) -> None:
        sign_request(request, region, "sts", secrets, self._service_clock.wall())

    def _ask(self, client: Any, parameters: Mapping[str, Any], secrets: Secrets) -> Grant:
        asked_at, asked_wall = self._clock.now(), self._service_clock.wall()
        try:
            answer = client.assume_role(**parameters)
        except ClientError as error:
            raise self._refused(error, secrets, asked_at, asked_wall) from None
        except BotoCoreError:
            raise
        except (ResponseParserError, ValueError, LookupError):  # their texts repeat the answer
            # LookupError: botocore's own, at XML that is well-formed and not of STS.
            raise RefusedError("UnreadableAnswer", "STS, or something in front of it, gave no answer of STS") from None
        return self._grant(answer, asked_at)

    def _refused(self, error: ClientError, secrets: Secrets, asked_at: int, asked_wall: float) -> RefusedError:
        said, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        code, message = code_of(error.response), str(said.get("Message", ""))
        date = read_date(metadata.get("HTTPHeaders", {}).get("date"))
        if date is not None:
            self._service_clock.learn(date, asked_at)
        by_date = code in _SKEW_CODES or any(words in message for words in _SKEW_WORDS)
        return RefusedError(
            code,
            showable(message, [secrets]),
            skew_seconds=self._service_clock.host_ahead_seconds() if by_date else None,
            identity_refused=metadata.get("HTTPStatusCode") in {400, 401, 403} and "Throttl" not in code,
            worth_asking_again=by_date and abs(self._service_clock.wall() - asked_wall) > WORTH_ASKING_AGAIN_SECONDS,
        )

    def _grant(self, answer: Mapping[str, Any], asked_at: int) -> Grant:
        date = read_date(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))
        if date is not None:
            self._service_clock.learn(date, asked_at)
        try:
            credentials = answer["Credentials"]
            secrets = Secrets(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
            expiration: datetime = credentials["Expiration"]
            account_id = answer["AssumedRoleUser"]["Arn"].split(":")[4]
        except (LookupError, TypeError, AttributeError):
            raise RefusedError("UnreadableAnswer", "STS answered without credentials, or not all of them") from None
        check_secrets(secrets, "what STS issued")
        life = life_ns(expiration, date, self._service_clock)
        logger.debug(
            "STS: a session in account %s that lives %.0f s, asked for within %.0f ms, request id %s",
            account_id,
            life / NS_PER_SECOND,
            (self._clock.now() - asked_at) / NS_PER_MS,
            answer.get("ResponseMetadata", {}).get("RequestId"),
        )
        return Grant(secrets, asked_at, asked_at + life, account_id)


def life_ns(expiration: datetime, date: datetime | None, service_clock: ServiceClock) -> int:
    """Give how long credentials live, in ns: `Expiration` minus the `Date` of the answer that brought them.

    Both are cut off to whole seconds: the error is below one second, and the reserve before a lease's end covers it.
    Without a `Date` the wall clock has to do, less an allowance of 60 s.

    Raises:
        RefusedError: the credentials are over already, or will be within the allowance.
    """
    if date is not None:
        left, allowance = (expiration.replace(microsecond=0) - date).total_seconds(), 0.0
    else:
        left, allowance = expiration.timestamp() - service_clock.wall(), WALL_CLOCK_ALLOWANCE_SECONDS
    if left <= 0:
        raise RefusedError(
            "ExpiredAtIssue",
            f"the credentials that were issued ended {-left:.0f} s ago; "
            "compare this host's clock with the clock of what issued them",
        )
    if left <= allowance:
        raise RefusedError(
            "EndsTooSoon",
            f"the credentials end in {left:.0f} s by this host's clock, which may be {allowance:.0f} s off, "
            "so they are not used",
        )
    return round((left - allowance) * NS_PER_SECOND)


def _parameters(chain: RoleChain, index: int) -> dict[str, Any]:
    hop = chain.hops[index]
    parameters: dict[str, Any] = {
        "RoleArn": hop.role_arn,
        "RoleSessionName": chain.session_name,
        "DurationSeconds": hop.duration_seconds,
    }
    if hop.external_id is not None:
        parameters["ExternalId"] = hop.external_id
    if index == 0 and chain.source_identity is not None:
        parameters["SourceIdentity"] = chain.source_identity
    if index == len(chain.hops) - 1:
        if chain.tags:
            parameters["Tags"] = [{"Key": key, "Value": value} for key, value in chain.tags]
        if chain.session_policy is not None:
            parameters["Policy"] = chain.session_policy
    return parameters
