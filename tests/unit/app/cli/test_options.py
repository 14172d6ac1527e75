"""How help is made of docstrings."""

from __future__ import annotations

from doka.app.cli.options import taught


def test_each_paragraph_becomes_a_line() -> None:
    """So that the terminal's width wraps it, and not the width of the source."""

    @taught
    def command() -> None:
        """Do a thing.

        Then another,
        in two lines.
        """

    assert "Do a thing.\n\nThen another, in two lines." == command.__doc__
