from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doka.app.settings.endpoints import PERMISSION
from doka.app.settings.mapping import to_registries, to_rules
from doka.app.settings.problems import SettingPath, SettingsError
from doka.app.settings.show import as_data
from doka.domain.schemas import Framing
from tests.unit.app.settings.given import settings, told

DECODE: SettingPath = ("routes", 0, "decode")
URL = "https://registry:8081/api"


def test_a_route_decodes_where_it_names_a_registry() -> None:
    """As the domain has it; whole records are fetched only where a header names the schema."""
    assert to_rules(settings()).routes[0].decode is None
    assert () == to_registries(settings()).routes
    given = settings({DECODE: {"registry": URL}})
    rules = to_rules(given).routes[0]
    assert rules.decode is not None
    assert (Framing.CONFLUENT, URL, False) == (rules.decode.framing, rules.decode.registry, rules.needs_originals)
    assert ("orders",) == to_registries(given).routes
    by_header = to_rules(settings({DECODE: {"registry": URL, "framing": "confluent_header"}})).routes[0]
    assert by_header.needs_originals


def test_a_registry_of_glue_is_in_a_region() -> None:
    """That of aws, unless it is said; nothing is asked by being told of it."""
    here = to_rules(settings({DECODE: {"framing": "glue"}})).routes[0].decode
    there = to_rules(settings({DECODE: {"framing": "glue", "region": "eu-central-1", "bytes": "hex"}})).routes[0].decode
    assert here is not None
    assert there is not None
    assert (Framing.GLUE, "AWS Glue in eu-west-1", "plain base64 text iso") == (here.framing, here.registry, here.form)
    assert ("AWS Glue in eu-central-1", "plain hex text iso") == (there.registry, there.form)


@pytest.mark.parametrize(
    ("decode", "expected"),
    [
        ({"unions": "tagged"}, " has no registry; name its URL in registry, or leave decode out"),
        ({"registry": "registry:8081"}, ".registry must be a URL like https://registry.example:8081"),
        ({"registry": "https://[::1"}, ".registry must be a URL like https://registry.example:8081"),
        ({"registry": f"{URL}?a=b"}, ".registry must end with the path"),
        (
            {"registry": "https://ada:word@registry"},
            ".registry must not hold a user name or password; write them into username and password_file beside it",
        ),
        ({"registry": URL, "password_file": "/f"}, " has a password and no username; add it"),
        (
            {"registry": URL, "username": "a", "password": "b", "password_file": "/f"},
            " has password beside password_file; keep the file",
        ),
        ({"framing": "glue", "registry": URL}, " has registry, which has no use with framing: glue; leave it out"),
        ({"framing": "glue", "ca_file": "/f"}, " has ca_file, which has no use with framing: glue; leave it out"),
        ({"registry": URL, "region": "eu-west-1"}, " has a region, which is for framing: glue; leave it out"),
        ({"registry": URL, "key_file": "/f"}, " needs certificate_file and key_file together; add the other"),
        (
            {"registry": "http://registry", "username": "a", "password": "b"},
            f".registry sends the password unencrypted; use https, or permit it with {PERMISSION}",
        ),
        (
            {"registry": "http://registry", "ca_file": "/f"},
            ".ca_file has no use with a registry over http; take https, or leave it out",
        ),
    ],
)
def test_what_does_not_fit_is_told(decode: dict[str, Any], expected: str) -> None:
    """By the setting, and with the cure."""
    assert [f"routes[0].decode{expected}"] == told({DECODE: decode})


def test_a_password_is_shown_to_nobody(tmp_path: Path) -> None:
    """Neither as a setting nor in what is made of it; one from a file is read when a question is asked."""
    login = {"registry": URL, "username": "ada", "password": "a secret"}
    given = settings({DECODE: login})
    assert "a secret" not in repr((given, as_data(given), to_rules(given)))
    assert "**********" == as_data(given)["routes"][0]["decode"]["password"]
    file = tmp_path / "password"
    by_file = settings({DECODE: {"registry": URL, "username": "ada", "password_file": str(file)}})
    with pytest.raises(SettingsError) as missing:
        to_registries(by_file)
    told = "routes[0].decode.password_file names a file that cannot be read; check the path and its permissions"
    assert told in str(missing.value)
    file.write_text("a secret\n")
    assert ("orders",) == to_registries(by_file).routes
    with pytest.raises(SettingsError) as no_set:
        to_registries(settings({DECODE: {"registry": URL, "descriptor_file": str(file)}}))
    assert "routes[0].decode.descriptor_file names no set of descriptors" in str(no_set.value)
    with pytest.raises(SettingsError) as no_ca:
        to_rules(settings({DECODE: {"registry": URL, "ca_file": str(tmp_path / "ca.pem")}}))
    assert "routes[0].decode.ca_file names a file that cannot be read" in str(no_ca.value)
