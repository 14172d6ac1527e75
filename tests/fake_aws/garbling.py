"""Answers that cannot be trusted: what a proxy, a cut line or a broken server makes of a good one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from tests.fake_aws.script import Answer, Call
from tests.fake_aws.wire import Reply


def answered(reply: Reply, instead: Answer, call: Call) -> Reply:
    """Give the answer to `call` that a test wants instead of `reply`."""
    told = instead.body(call, reply.body) if callable(instead.body) else instead.body
    raw = told if isinstance(told, bytes) else told.encode() if isinstance(told, str) else orjson.dumps(told)
    return replace(reply, body=raw, status=instead.status)


def garbled(reply: Reply, how: str) -> Reply:
    """Give a good answer spoilt in the way that is named; see `script.Garble` for the ways.

    Raises ValueError for an unknown way, and for one that needs the entries of a PutRecords where there are none.
    """
    match how:
        case "cut":
            return replace(reply, cut_at=len(reply.body) // 2)
        case "not_json":
            return replace(reply, body=b"<html><body>502 Bad Gateway</body></html>", content_type=b"text/html")
        case "empty":
            return replace(reply, body=b"")
        case "flipped":
            return replace(reply, body=b"}" + reply.body[1:])
        case _:
            return replace(reply, body=_with_wrong_entries(reply.body, how))


def _with_wrong_entries(body: bytes, how: str) -> bytes:
    answer: dict[str, Any] = orjson.loads(body)
    entries: list[dict[str, Any]] = answer["Records"]
    match how:
        case "one_entry_less":
            entries.pop()
        case "one_entry_more":
            entries.append(entries[-1])
        case "no_sequence_number":
            entries[-1].pop("SequenceNumber", None)
        case "no_records":
            del answer["Records"]
        case _:
            raise ValueError(f"no such way of garbling: {how}")
    return orjson.dumps(answer)
