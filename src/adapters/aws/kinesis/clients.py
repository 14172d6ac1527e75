"""How this adapter makes botocore's clients: one attempt, our own credentials, no endpoint from the environment.

It must never look up credentials by itself (a lease is always given), never let botocore repeat a request, and never
let botocore's loggers speak at DEBUG, where they write tokens and payloads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, cast

from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session

from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import GivenCredentials, NewSession
from doka.adapters.aws.words import words_of
from doka.adapters.talkative import pin_loggers
from doka.domain.errors import UsageError

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 10.0


Service = Literal["kinesis", "kms"]
Place = tuple[str, str | None]
"""What a client is made for: a region, and the endpoint URL that overrides it."""


def place_of(target: StreamTarget) -> Place:
    """Give the place of a target's client."""
    return target.region, target.endpoint_url


def open_clients(
    credentials: Credentials,
    targets: Iterable[StreamTarget],
    new_session: NewSession = Session,
    service: Service = "kinesis",
) -> dict[Place, KinesisClient]:
    """Make one client for each place, all signing with this object; the environment's proxies and CA still hold.

    Raises UsageError for an AWS profile, a region or a URL that cannot be.
    """
    pin_loggers()
    session: Session | None = None
    clients: dict[Place, KinesisClient] = {}
    for target in targets:
        place = place_of(target)
        if place not in clients:
            try:
                session = session or _open_session(credentials, new_session)
                clients[place] = _open_client(session, service, *place)
            except (BotoCoreError, ValueError) as error:
                raise UsageError(
                    f"route {target.route}: no client of {service} can be made: {words_of(error)}"
                ) from error
    return clients


def _open_session(credentials: Credentials, new_session: NewSession) -> Session:
    session = new_session()
    session.get_component("credential_provider").insert_before("env", GivenCredentials(credentials))
    return session


def _open_client(session: Session, service: Service, region: str, endpoint_url: str | None) -> KinesisClient:
    # Not by boto3, which would make the same client: it imports what moves files to S3, a twentieth of a start.
    config = Config(
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # newer than the stubs
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        user_agent_extra="doka",
    )
    client = session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)
    return cast("KinesisClient", client)
