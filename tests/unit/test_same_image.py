from __future__ import annotations

import io
import tarfile

from scripts.same_image import differences, digest, tree


def export(*members: tuple[str, str, int, int]) -> io.BytesIO:
    """Give an export with these files: path, content, mode, time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content, mode, time in members:
            told = tarfile.TarInfo(name)
            told.size, told.mode, told.mtime = len(content), mode, time
            archive.addfile(told, io.BytesIO(content.encode()))
        link = tarfile.TarInfo("bin")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
        archive.addfile(link)
    buffer.seek(0)
    return buffer


ONE = (("etc/passwd", "root", 0o644, 1), ("opt/doka/a.pyc", "code", 0o644, 7))


def test_the_same_tree_is_the_same() -> None:
    """Two exports of the same files differ nowhere, whatever time the engine gave to what is not doka's."""
    first, second = tree(export(*ONE)), tree(export(("etc/passwd", "root", 0o644, 99), ONE[1]))
    assert [] == list(differences(first, second))
    assert digest(first) == digest(second)


def test_each_difference_is_told() -> None:
    """Content, mode, time in doka's environment, and what only one of them has."""
    second = tree(
        export(("etc/passwd", "toor", 0o644, 1), ("opt/doka/a.pyc", "code", 0o600, 8), ("opt/doka/b.pyc", "", 0o644, 7))
    )
    first = tree(export(*ONE))
    assert [
        "etc/passwd: content",
        "opt/doka/a.pyc: mode, time",
        "opt/doka/b.pyc: only in the second",
    ] == list(differences(first, second))
    assert digest(first) != digest(second)
