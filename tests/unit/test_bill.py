from __future__ import annotations

import json

import pytest

from scripts.bill import of_wheel, pins, written

ONE, OTHER = "a" * 64, "b" * 64
LOCK = f"""\
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{ONE}
typing-extensions==4.16.0 \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{OTHER}
"""


def test_a_lock_is_read_whole() -> None:
    """Each pin has its version, its marker and all hashes that the lock allows."""
    colorama, extensions = pins(LOCK)
    assert ("colorama", "0.4.6", "sys_platform == 'win32'", (ONE,)) == (
        colorama.name,
        colorama.version,
        colorama.marker,
        colorama.hashes,
    )
    assert ("typing-extensions", "4.16.0", None, (ONE, OTHER)) == (
        extensions.name,
        extensions.version,
        extensions.marker,
        extensions.hashes,
    )


@pytest.mark.parametrize("line", ["six>=1.17 \\", "-r other.txt", f"    --hash=md5:{ONE}"])
def test_a_line_that_pins_nothing_is_refused(line: str) -> None:
    """What is no exact version with a SHA-256 hash would be left out of the bill, so it is an error."""
    with pytest.raises(ValueError, match="neither a pin nor its hash"):
        pins(LOCK + line)


def test_a_pin_without_a_hash_is_refused() -> None:
    """A version alone does not say which bytes were meant."""
    with pytest.raises(ValueError, match="pinned without a hash: six"):
        pins(LOCK + "six==1.17.0 \\\n")


def test_the_bill_names_each_pin_and_what_is_asked_for() -> None:
    """Each pin is a component with its hashes; the wheel depends on what it asks for, in whatever spelling."""
    bill = of_wheel("1.0", ["Typing_Extensions"], LOCK)
    assert "pkg:pypi/doka-connector@1.0" == bill["metadata"]["component"]["purl"]
    assert [("colorama", "optional"), ("typing-extensions", "required")] == [
        (part["name"], part["scope"]) for part in bill["components"]
    ]
    (files,) = bill["components"][1]["externalReferences"]
    assert [ONE, OTHER] == [entry["content"] for entry in files["hashes"]]
    assert [{"ref": "pkg:pypi/doka-connector@1.0", "dependsOn": ["pkg:pypi/typing-extensions@4.16.0"]}] == bill[
        "dependencies"
    ]


def test_what_is_asked_for_and_not_locked_is_an_error() -> None:
    """A wheel whose requirement has no pin gets no bill that is silent about it."""
    with pytest.raises(KeyError, match="boto3"):
        of_wheel("1.0", ["boto3"], LOCK)


def test_the_serial_number_is_of_what_the_bill_says() -> None:
    """The same contents give the same bytes, others another serial number; there is no time in it."""
    once, again = (written(of_wheel("1.0", [], LOCK)) for _ in range(2))
    assert once == again
    assert json.loads(once)["serialNumber"] != of_wheel("1.1", [], LOCK)["serialNumber"]
    assert "timestamp" not in once
