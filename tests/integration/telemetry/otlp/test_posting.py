from __future__ import annotations

import gzip
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from doka.adapters.telemetry.otlp.posting import Answer, Poster, Target
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.certificates import make_authority
from tests.collector import Reply, collector
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import NEW_YEAR, hand_clock

WITHIN = 10 * NS_PER_SECOND
SECRET = "Bearer k7Qzcanary"


def post(target: Target, body: bytes = b'{"resourceMetrics":[]}', clock: ManualClock | None = None) -> Answer:
    """Send one request on a connection of its own."""
    poster = Poster(target, clock or hand_clock())
    try:
        return poster.post(body, WITHIN)
    finally:
        poster.close()


def test_a_request_is_json_with_our_headers() -> None:
    """The body as it is, its kind, and what the settings ask for; no question beforehand whether it may be sent."""
    with collector() as far:
        target = Target(f"{far.url}/v1/metrics", {"Authorization": SECRET, "X-Tenant": "a"})
        assert Answer(taken=True) == post(target)
        (request,) = far.requests
    assert ("/v1/metrics", {"resourceMetrics": []}) == (request.path, request.data)
    told = {name: request.headers.get(name) for name in ("content-type", "authorization", "x-tenant", "expect")}
    assert {"content-type": "application/json", "authorization": SECRET, "x-tenant": "a", "expect": None} == told


def test_a_connection_is_kept() -> None:
    """One handshake for as long as the collector likes it."""
    ports: set[str] = set()
    with collector() as far:
        poster = Poster(Target(far.url), hand_clock())
        poster.post(b"{}", WITHIN)
        ports.add(poster._curl.getinfo(poster_port()))
        poster.post(b"{}", WITHIN)
        ports.add(poster._curl.getinfo(poster_port()))
        poster.close()
    assert 1 == len(ports)


def poster_port() -> int:
    """Give libcurl's name for the near port of a connection."""
    import pycurl

    return pycurl.LOCAL_PORT


def test_a_request_can_be_compressed() -> None:
    """By gzip, which every collector must take."""
    with collector() as far:
        assert post(Target(far.url, compressed=True)).taken
        (request,) = far.requests
    assert ("gzip", b'{"resourceMetrics":[]}') == (
        request.headers["content-encoding"],
        gzip.decompress(request.body),
    )


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_sent_again(status: int) -> None:
    """The four codes of the specification; a wait is the collector's, in seconds."""
    with collector() as far:
        far.will(Reply(status), Reply(status, headers={"retry-after": "7"}))
        assert Answer(taken=False, why=f"HTTP {status}", again=True) == post(Target(far.url))
        assert 7 * NS_PER_SECOND == post(Target(far.url)).after


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500])
def test_what_is_final(status: int) -> None:
    """All other codes, and a redirect, which would lead our headers elsewhere."""
    with collector() as far:
        far.will(Reply(status, headers={"Location": far.url}))
        assert Answer(taken=False, why=f"HTTP {status}") == post(Target(far.url))
        assert 1 == len(far.requests)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (format_datetime(datetime.fromtimestamp(NEW_YEAR, UTC) + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(datetime.fromtimestamp(NEW_YEAR, UTC) - timedelta(seconds=90), usegmt=True), 0),
        ("0", 0),
        ("999999999999999999", 999_999_999),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_a_wait_may_be_a_date(told: str, expected: int | None) -> None:
    """RFC 9110 has both forms; what is neither is as good as none, and what is over is no wait."""
    with collector() as far:
        far.will(Reply(503, headers={"Retry-After": told}))
        after = post(Target(far.url)).after
    assert expected == (None if after is None else after // NS_PER_SECOND)


def test_a_refusal_in_part_is_told() -> None:
    """A collector that took the request says what of it it did not; a hint without a number is none."""
    with collector() as far:
        far.will(
            Reply(body=b'{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}'),
            Reply(body=b'{"partialSuccess":{"rejectedSpans":2}}'),
            Reply(body=b'{"partialSuccess":{"errorMessage":"you may want to"}}'),
            Reply(body=b"\x0a\x00 no JSON"),
        )
        answers = [post(Target(far.url)) for _ in range(4)]
    assert [Answer(taken=True, why=why) for why in ("3 refused: too old", "2 refused: ", "", "")] == answers


def test_what_the_collector_says_does_not_tell_our_secrets() -> None:
    """A collector may repeat what it was sent, into a line of our log."""
    with collector() as far:
        far.will(Reply(401, b'{"code":16,"message":"bad credentials \\"%s\\""}' % SECRET.encode()))
        answer = post(Target(far.url, {"Authorization": SECRET}))
    assert Answer(taken=False, why='HTTP 401 (bad credentials "[hidden]")') == answer
    assert SECRET not in repr(Target(far.url, {"Authorization": SECRET}))


def test_nobody_there_is_tried_again() -> None:
    """A refused connection, and an answer that does not come in time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        late = post(Target(f"http://127.0.0.1:{port}", timeout=50 * NS_PER_MS))
    gone = post(Target(f"http://127.0.0.1:{port}"))
    assert [(False, True), (False, True)] == [(late.taken, late.again), (gone.taken, gone.again)]
    assert "timed out" in late.why.lower()


def test_one_attempt_takes_no_longer_than_it_may() -> None:
    """Whatever the target allows, the caller's time is less."""
    with collector() as far:
        far.will(Reply(hold=threading.Event()))
        poster = Poster(Target(far.url), hand_clock())
        assert not poster.post(b"{}", 50 * NS_PER_MS).taken
        poster.close()


def test_a_server_is_verified(tmp_path: Path) -> None:
    """By the authorities that are named, or else the system's, which do not know this one."""
    authority = make_authority(tmp_path)
    with collector(authority.server) as far:
        unknown = post(Target(far.url))
        assert post(Target(far.url, ca_file=str(authority.ca_file))).taken
        assert 1 == len(far.requests)
    assert (False, True) == (unknown.taken, "certificate" in unknown.why.lower())


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for everything that doka sends to AWS; `no_proxy` goes before it."""
    for name in ("HTTP_PROXY", "no_proxy", "NO_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with collector() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert post(Target("http://collector.invalid:4318/v1/metrics")).taken
        assert ["http://collector.invalid:4318/v1/metrics"] == [request.path for request in proxy.requests]
        monkeypatch.setenv("no_proxy", "collector.invalid")
        assert not post(Target("http://collector.invalid:4318/v1/metrics")).taken
        assert 1 == len(proxy.requests)


def test_an_answer_without_end_is_not_kept() -> None:
    """A stranger's answer is read to its end, and no more of it held than is looked at."""
    with collector() as far:
        far.will(Reply(500, b"x" * 1_000_000))
        poster = Poster(Target(far.url), hand_clock())
        poster.post(b"{}", WITHIN)
        assert len(poster._body) <= 128 * 1024
        poster.close()
