"""The fake by remote: POST /control calls a method of `FakeAws` by its name, for a server of another process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from pybase64 import b64encode_as_string

from tests.fake_aws.connection import Exchange
from tests.fake_aws.script import ACTIONS
from tests.fake_aws.server import FakeAws
from tests.fake_aws.wire import Reply, Request

PLAIN = frozenset(
    {
        "add_role", "advance", "change_stream", "counts", "create_stream", "delete_stream", "drop_connections", "fired",
        "forget", "held", "issue", "issues", "landed_count", "merge_shards", "most_in_flight",
        "rearrange", "refused", "release", "remove_role", "revoke", "set_skew", "shape_leases", "split_shard", "verify_signatures",
        "violations", "withdraw",
    }
)  # fmt: skip


class Control:
    """Answers /control for one fake; every mistake of a test comes back as status 400 with its reason."""

    def __init__(self, fake: FakeAws) -> None:
        self._fake = fake

    def __call__(self, request: Request, exchange: Exchange) -> None:
        """Do what a request asks for."""
        try:
            asked: Mapping[str, Any] = orjson.loads(request.body)
            result = self._do(asked["do"], asked["with"])
        except Exception as error:  # noqa: BLE001 - the test on the other side must see any mistake of its own
            exchange.answer(Reply(f"{type(error).__name__}: {error}".encode(), 400, b"text/plain"))
            return
        exchange.answer(Reply(orjson.dumps(result, default=_plain)))

    def _do(self, name: str, given: dict[str, Any]) -> object:
        match name:
            case "inject":
                actions = [ACTIONS[action.pop("kind")](**action) for action in given.pop("actions")]
                return self._fake.inject(*actions, **given)
            case "landed":
                columns = list(zip(*self._fake.landed(**given), strict=True))  # a fifth of the work that rows are
                return [*columns[:4], _encoded(columns[4]), *columns[5:]] if columns else []
            case "payloads":
                return _encoded(self._fake.payloads(**given))
            case "shard_ranges":  # hash keys are too large for numbers of JSON
                return {shard: list(map(str, ends)) for shard, ends in self._fake.shard_ranges(**given).items()}
            case _ if name in PLAIN:
                method: Callable[..., object] = getattr(self._fake, name)
                return method(**given)
            case _:
                raise LookupError(f"no such control: {name}")


def _encoded(datas: Iterable[bytes]) -> list[str]:
    return list(map(b64encode_as_string, datas))


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"cannot be sent: {type(value).__name__}")
