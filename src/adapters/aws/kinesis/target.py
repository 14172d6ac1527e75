"""Which stream a route writes to, as the operator named it: the adapter's own view of one route's settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """One route's stream, by name, by ARN, or both; at least one of the two is there.

    `endpoint_url` replaces the address that AWS's own rules give (stand-ins, VPC endpoints); None: by the rules.
    """

    route: str
    stream_name: str | None
    stream_arn: str | None
    region: str
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        if not (self.stream_name or self.stream_arn):
            raise ValueError(f"route {self.route} has neither a stream name nor a stream ARN")
