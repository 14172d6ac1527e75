"""Words of the page that stand for others, and how they are found in a text."""

from __future__ import annotations

import re

WORD = r"[\w.:-]+"
ANY = re.compile(r"\b(?:CODE|NAME|N)\b")
"""What stands for any word, where a test does not say for which."""


def pattern(word: str) -> str:
    """Give the expression of a word of the page."""
    pieces = re.split(rf"({ANY.pattern}|\.\.\.)", word)
    return "".join(WORD if piece == "..." or ANY.fullmatch(piece) else re.escape(piece) for piece in pieces)


def holds(text: str, word: str) -> bool:
    """Say whether a text has this word of the page, whole."""
    return re.search(rf"(?<!\w){pattern(word)}(?!\w)", text) is not None
