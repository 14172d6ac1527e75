from __future__ import annotations

import pytest

from doka.app.settings.problems import SettingPath
from doka.app.settings.session import fill_session_name
from tests.unit.app.settings.given import settings, told

ROLE: SettingPath = ("roles", "analytics")


@pytest.mark.parametrize(
    ("template", "hostname", "expected"),
    [
        (
            "d" * 50 + "-{hostname}",
            "h" * 20,
            "has 71 characters once {hostname} is filled in; STS takes 2 to 64, so shorten it or leave {hostname} out",
        ),
        ("d" * 65, "pod-1", "has 65 characters; STS takes 2 to 64, so shorten it or leave {hostname} out"),
        (
            "doka {hostname}",
            "pod-1",
            "holds a character that STS refuses; use 2 to 64 letters, digits or any of _ + = , . @ -",
        ),
        (
            "doka-{hostname}",
            "my_host:1",
            (
                "holds a character that STS refuses once {hostname} is filled in; "
                "use 2 to 64 letters, digits or any of _ + = , . @ -"
            ),
        ),
        ("doka\n", "pod-1", "holds a character that STS refuses; use 2 to 64 letters, digits or any of _ + = , . @ -"),
        ("doka-{pod}", "pod-1", "knows {hostname} as its only placeholder; write the rest out"),
    ],
)
def test_a_session_name_is_one_that_sts_takes(template: str, hostname: str, expected: str) -> None:
    """Only its length is checked by botocore, so an alphabet error would show only at the first AssumeRole."""
    assert told({(*ROLE, "session_name"): template}, hostname) == [f"roles.analytics.session_name {expected}"]


@pytest.mark.parametrize("template", ["doka-{hostname}", "doka-{hostname}-eu", "{hostname}.{hostname}"])
@pytest.mark.parametrize("length", [59, 60, 62, 63, 253])
def test_a_long_host_name_is_cut_and_stays_apart(template: str, length: int) -> None:
    """A pod's name may have 63 characters and more: the session name fits, names its beginning, and is its own."""
    hosts = ["h" * (length - 1) + last for last in "ab"]
    names = [fill_session_name(template, host) for host in hosts]
    assert 2 == len(set(names))
    assert {True} == {16 <= len(name) <= 64 and "h" * 15 in name for name in names}
    assert [] == told({(*ROLE, "session_name"): template}, hosts[0])


def test_a_host_name_that_fits_is_not_touched() -> None:
    """The longest that fits is told whole."""
    assert f"doka-{'h' * 59}" == fill_session_name("doka-{hostname}", "h" * 59)


def test_a_session_policy_must_be_a_policy() -> None:
    """A text that STS would call malformed is refused before it is sent."""
    policy: SettingPath = (*ROLE, "session_policy")
    expected = "roles.analytics.session_policy must be a policy document as JSON text with a Statement"
    assert [told({policy: text}) for text in ("{", "[]", "{}", '"Statement"')] == [[expected]] * 4
    good = '{"Version": "2012-10-17", "Statement": []}'
    assert settings({policy: good}).roles["analytics"].session_policy == good
