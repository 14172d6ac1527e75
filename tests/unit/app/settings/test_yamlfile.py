from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from doka.app.settings import SettingsError
from doka.app.settings.yamlfile import FILE_BYTES_MAX, parse_scalar, parse_yaml, read_yaml

NOBODY = 65534


def refusal(text: str) -> str:
    """Give the lines that a text is refused with."""
    with pytest.raises(SettingsError) as refused:
        parse_yaml(text, "doka.yaml")
    return str(refused.value)


def test_each_setting_knows_its_line() -> None:
    """Errors that come later can name the line."""
    data, lines = parse_yaml("a: 1\nb:\n  - c: 2\n  - d\n", "doka.yaml")
    assert data == {"a": 1, "b": [{"c": 2}, "d"]}
    assert lines == {
        (): "doka.yaml",
        ("a",): "doka.yaml:1",
        ("b",): "doka.yaml:2",
        ("b", 0): "doka.yaml:3",
        ("b", 0, "c"): "doka.yaml:3",
        ("b", 1): "doka.yaml:4",
    }


def test_a_time_stays_text() -> None:
    """YAML would make a time of it and lose whether it had a zone."""
    assert parse_yaml("start_from: 2026-08-01T00:00:00", "x")[0] == {"start_from": "2026-08-01T00:00:00"}
    assert parse_yaml("start_from: 2026-08-01", "x")[0] == {"start_from": "2026-08-01"}


def test_what_stands_behind_one_anchor_can_be_overridden_in_one_place() -> None:
    """A variable for one route must not change the other."""
    data, _ = parse_yaml("a: &x {n: 1}\nb: *x\nc: {<<: *x, m: 2}", "x")
    data["a"]["n"] = 2
    assert data == {"a": {"n": 2}, "b": {"n": 1}, "c": {"n": 1, "m": 2}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a: [1\nb: 2\n",
            (
                "doka.yaml:2:2: is not YAML: expected ',' or ']', but got ':'; "
                "check its indentation, colons, brackets and quotes"
            ),
        ),
        (
            "a: 1\n  b: 2\n",
            (
                "doka.yaml:2:4: is not YAML: mapping values are not allowed here; "
                "check its indentation, colons, brackets and quotes"
            ),
        ),
        (
            "a:\n\tb: 1\n",
            "doka.yaml:2:1: is indented with a tab; use spaces",
        ),
        ("- a\n- b\n", "doka.yaml: must be lines of `name: value` at its top"),
        ("just words", "doka.yaml: must be lines of `name: value` at its top"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "doka.yaml:4: b.c stands there twice, in line 3 too; keep one"),
        (
            "on: 1\n",
            "doka.yaml:1: a name is not text (YAML reads yes, no, on, off and numbers otherwise); put it in quotes",
        ),
        ("a: &x\n  b: *x\n", "doka.yaml:1: a.b refers to itself; take the anchor (&) or the alias (*) away"),
        ("a: \x07", "doka.yaml: holds a character that YAML forbids (U+0007); remove it"),
        (
            "a: 1\n---\nb: 2\n",
            "doka.yaml:2:1: is a second document; keep one, without a line of three dashes before it",
        ),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(text: str, expected: str) -> None:
    """One line: where it is, what is wrong, what to look at."""
    assert refusal(text) == expected


@pytest.mark.parametrize(
    "password", ["*hunter2", "!hunter2", "&hunter2 &hunter2 x", "@hunter2", "%hunter2", "`hunter2", "{hunter2"]
)
def test_a_password_that_confuses_the_parser_is_never_repeated(password: str) -> None:
    """What stands next to a syntax error is often a secret."""
    told = refusal(f"password: {password}\n")
    assert "hunter2" not in told
    assert told.startswith("doka.yaml:")


def test_anchors_cannot_blow_up_the_work() -> None:
    """A page of nested anchors is refused at once."""
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    assert refusal(text) == "doka.yaml: grows out of all bounds by its anchors; write it out"


DEEP = "doka.yaml: is nested more than 32 deep, as no setting is; check its brackets and indentation"
LARGE = "doka.yaml:1:4: cannot be used: a number is larger than any setting takes; correct it"
MISFIT = "doka.yaml:1:4: cannot be used: a value does not fit its tag; correct it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: " + "[" * 5_000, DEEP),
        ("a: " + "[" * 34 + "]" * 34, DEEP),
        ("- " * 2_000 + "x", DEEP),
        ("\n".join(" " * depth + "a:" for depth in range(1_200)), DEEP),
        ("a: " + "9" * 5_000, LARGE),
        ("a: -" + "9" * 5_000, LARGE),
        ("a: 0x" + "f" * 50_000, LARGE),
        ("a: 9" + ":59" * 500, LARGE),
        ("a: 9223372036854775808", LARGE),
        ("a: !!int abc", MISFIT),
        ("a: !!float abc", MISFIT),
        ("a: !!bool maybe", MISFIT),
        ("a: !!timestamp soon", MISFIT),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_what_no_configuration_needs_is_one_line(text: str, expected: str) -> None:
    """Nesting without end, numbers beyond measure and tags that lie are told like any other mistake."""
    assert expected == refusal(text)
    variable = text.removeprefix("a: ")
    with pytest.raises(ValueError, match=r"is nested more than 32 deep|larger than any setting|does not fit its tag"):
        parse_scalar(variable)


def test_what_is_deep_enough_for_any_setting_is_taken() -> None:
    """The limits are far from what a configuration holds."""
    data, _lines = parse_yaml("a: " + "[" * 31 + "]" * 31 + "\nb: 9223372036854775807\n", "doka.yaml")
    assert 2**63 - 1 == data["b"]


def test_merge_keys_cannot_blow_up_the_work() -> None:
    """Merge keys copy what they name, a page of them without end; that is counted before it is copied."""
    text = "a0: &a0 {x: 1, y: 2, z: 3}\n"
    text += "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30))
    assert refusal(text) == "doka.yaml: grows out of all bounds by its anchors; write it out"


@pytest.mark.parametrize("text", ["&a [*a]", "{b: &a {<<: *a}}", "&a {b: *a}"])
def test_a_variable_that_refers_to_itself_is_one_line(text: str) -> None:
    """No line numbers are noted there, and what would go round for ever is refused all the same."""
    with pytest.raises(ValueError, match="is nested more than 32 deep"):
        parse_scalar(text)


def test_an_empty_file_is_an_empty_configuration(tmp_path: Path) -> None:
    """Variables may bring everything."""
    file = tmp_path / "doka.yaml"
    file.write_text("# nothing\n")
    assert read_yaml(file) == ({}, {(): str(file)})


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    """Some editors write one."""
    file = tmp_path / "doka.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(file)[0] == {"a": 1}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Missing, a directory, not text, not a page: one line each, and the cure."""
    binary, large, pipe_end = tmp_path / "binary", tmp_path / "large", tmp_path / "a\0b"
    binary.write_bytes(b"a: 1\nb: \xff\n")
    large.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    expected = {
        tmp_path / "none": "there is no such file; check the path",
        tmp_path: "is a directory; name the file in it",
        binary: "is not UTF-8 text (line 2); save it as UTF-8",
        large: "is larger than 1 MiB, so it is no configuration; check the path",
        pipe_end: "cannot be read; check the path",
    }
    for file, told in expected.items():
        with pytest.raises(SettingsError) as refused:
            read_yaml(file)
        assert str(refused.value) == f"{file}: {told}"


@contextlib.contextmanager
def anybody() -> Iterator[None]:
    """Be no root: root may read everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    """The cure is a permission, not a path."""
    file = tmp_path / "doka.yaml"
    file.touch(mode=0)
    with anybody(), pytest.raises(SettingsError, match="may not be read by this user; check its permissions"):
        read_yaml(file)


def test_an_endless_file_is_refused() -> None:
    """A device is not read to its end."""
    with pytest.raises(SettingsError, match="is larger than 1 MiB"):
        read_yaml(Path("/dev/zero"))


def test_a_scalar_is_read_as_in_a_file() -> None:
    """A variable means what the same words in the file mean."""
    assert [parse_scalar(text) for text in ("1", "1.5", "true", "[a, b]", "{a: 1}", "a", "")] == [
        1,
        1.5,
        True,
        ["a", "b"],
        {"a": 1},
        "a",
        None,
    ]
    with pytest.raises(ValueError, match="cannot be read as YAML") as refused:
        parse_scalar("[hunter2")
    assert "hunter2" not in str(refused.value)
