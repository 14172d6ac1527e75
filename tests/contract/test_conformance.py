"""What `doka conformance` asks of AWS is asked of the stand-ins: a test against one may be believed as far as this says.

The fake AWS plays them in tests/integration/app/cli/test_conformance.py, where all hold; this is moto, which differs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from moto.server import ThreadedMotoServer

from doka.app.cli.conformance import Wanted, conformance
from doka.app.config_options import ConfigOptions
from tests.containers.service import settings
from tests.fake_aws import SOURCE_KEYS
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture

HOLDS, FAILS, OPEN, LEFT_OUT = "holds", "fails", "not known", "left out"
OF_MOTO = {
    "by_arn": HOLDS,
    "dry_run": "differs",  # it knows no DryRun, and stores the record
    "across_accounts": LEFT_OUT,
    "no_such_stream": HOLDS,
    "within_a_request": HOLDS,
    "wrong_key_id": FAILS,  # the key names the account, so a wrong one finds no stream
    "wrong_secret": OPEN,  # it looks at no signature
    "wrong_token": OPEN,
    "skewed_clock": OPEN,
    "session": HOLDS,
    "expired": LEFT_OUT,
    "revoked": LEFT_OUT,
    "record_at_limit": HOLDS,
    "record_above_limit": HOLDS,
    "key_at_limit": HOLDS,
    "key_of_wide_characters": HOLDS,
    "key_above_limit": HOLDS,
    "empty_data": HOLDS,
    "entries_at_limit": HOLDS,
    "entries_above_limit": HOLDS,
    "hash_keys": FAILS,  # HTTP 500 at the end of the hash space
    "request_at_limit": FAILS,  # it takes 5 MiB
    "request_above_limit": HOLDS,
    "keys_by_md5": HOLDS,
    "auto_is_told": OPEN,  # it makes a stream that honours keys
}
"""Without the cases of several requests at once: moto then gives a number twice, or does not, as its threads run."""


def test_moto_answers_as_the_page_of_stand_ins_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each difference is one that a test against it must know of."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        file = tmp_path / "doka.yaml"
        file.write_text(yaml.safe_dump(settings("b-1.example:9098", url, {"orders": "orders"}, group_id="doka")))
        page = tmp_path / "evidence.md"
        wanted = Wanted(None, tuple(OF_MOTO), on_demand=True, page=page, yes=True)
        assert 1 == conformance(ConfigOptions(file), wanted)
        cases = json.loads(page.with_suffix(".json").read_text())["cases"]
        assert OF_MOTO == {case["name"]: case["outcome"] for case in cases}
    finally:
        server.stop()
