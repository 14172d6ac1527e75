"""A small but whole configuration, whose brokers and AWS answer nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONELY: Mapping[str, Any] = {
    "kafka": {
        "bootstrap_servers": ["127.0.0.1:1"],
        "group_id": "doka",
        "security": {"protocol": "plaintext", "allow_plaintext": True},
    },
    "aws": {"region": "eu-west-1"},
    "roles": {"writer": {"hops": [{"role_arn": "arn:aws:iam::210987654321:role/doka-writer"}]}},
    "routes": [{"topics": ["orders"], "stream": {"name": "orders", "role": "writer"}}],
    "http": {"port": 0},
}
