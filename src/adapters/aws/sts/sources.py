"""boto3's own search for credentials, under the rules that hold for every question to STS, and with nobody at a keyboard.

By itself it asks STS in AWS_DEFAULT_REGION, else at the global endpoint, and wherever AWS_ENDPOINT_URL_STS leads: a pod's
first credentials would come from another region than its roles, over a line that nobody has permitted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from botocore.credentials import ContainerProvider, Credentials
from botocore.session import Session

from doka.adapters.aws.session import NewSession
from doka.adapters.aws.sts.grant import RefusedError
from doka.adapters.talkative import pin_loggers

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 5
_CONFIG = Config(  # type: ignore[call-arg]  # its stub does not know ignore_configured_endpoint_urls
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    ignore_configured_endpoint_urls=True,
)


class AmbientSession(Session):
    """A session of botocore that finds what this process was given; it asks STS in one region, at one endpoint."""

    def __init__(self, region: str, sts_endpoint_url: str | None, new_session: NewSession = Session) -> None:
        """Take where STS is (None: the regional endpoint of AWS), and what makes the sessions of this process."""
        super().__init__()
        pin_loggers()
        self._region = region
        self._sts_endpoint_url = sts_endpoint_url
        self.register_component("data_loader", new_session().get_component("data_loader"))
        self.set_config_variable("sts_regional_endpoints", "regional")

    def get_credentials(self) -> Credentials | None:
        """Walk the chain; None where it finds nothing."""
        sources = self.get_component("credential_provider")
        # botocore takes neither from outside; a test holds each to what it is for.
        vars(sources.get_provider("assume-role"))["_prompter"] = _refuse_to_ask
        vars(sources.get_provider("container-role"))["_environ"] = _ContainerEnvironment()
        return super().get_credentials()

    def create_client(self, service_name: str, *arguments: Any, **named: Any) -> Any:
        """Make the client that a source of credentials asks with."""
        if service_name == "sts":
            config = named.get("config")
            named["config"] = _CONFIG if config is None else config.merge(_CONFIG)
            named |= {"region_name": self._region, "endpoint_url": self._sts_endpoint_url}
        client = super().create_client(service_name, *arguments, **named)
        if service_name == "sts":
            client.meta.events.register("provide-client-params.sts.AssumeRoleWithWebIdentity", _without_line_break)
        return client


def _without_line_break(params: dict[str, Any], **_: object) -> None:
    """Ask with the token of a file as it was issued, without what an editor or `echo` puts at its end."""
    params["WebIdentityToken"] = params["WebIdentityToken"].strip()


class _ContainerEnvironment(Mapping[str, str]):
    """The environment as the container's source reads it: the token without what an editor puts at its end.

    The token of a file is given as the variable would hold it, read anew each time: it is rotated on disk.
    """

    def __getitem__(self, name: str) -> str:
        if name == ContainerProvider.ENV_VAR_AUTH_TOKEN_FILE:
            raise KeyError(name)
        if name == ContainerProvider.ENV_VAR_AUTH_TOKEN:
            file = os.environ.get(ContainerProvider.ENV_VAR_AUTH_TOKEN_FILE)
            return (os.environ[name] if file is None else Path(file).read_text(encoding="utf-8")).strip()
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


def _refuse_to_ask(_prompt: str) -> str:
    raise RefusedError(
        "MfaCodeNeeded", "the profile asks for a code of a device (mfa_serial), and a service has nobody to type it"
    )
