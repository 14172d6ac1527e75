"""The rows of docs/failure-modes.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.failure_modes.clauses import Clause, clause_of
from tests.failure_modes.words import ANY

PAGE = Path(__file__).parents[2] / "docs" / "failure-modes.md"
COLUMNS = 4

_ROW = re.compile(r"^\| (.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A row of the page."""

    title: str
    does: str
    sees: str
    cure: str
    room: str
    """The part of the table in which it stands."""

    def clauses(self, **words: str) -> list[Clause]:
        """Give what is seen, with these words in the place of the capitals that stand for any word.

        Raises ValueError where an entry has nothing that could be looked for.
        """
        told = re.sub(ANY, lambda match: words.get(match[0], match[0]), self.sees)
        return [clause_of(text.strip()) for text in told.split(";")]


def rows(page: str | None = None) -> list[Row]:
    """Read the rows of the page; those that only name a part of the table are no rows."""
    text = PAGE.read_text(encoding="utf-8") if page is None else page
    cells = [line.split(" | ") for line in _ROW.findall(text) if not line.startswith("---")]
    found: list[Row] = []
    room = ""
    for row in cells[1:]:
        if row[0].startswith("**"):
            room = row[0].strip("* |")
            continue
        if len(row) != COLUMNS:
            raise ValueError(f"a row of {len(row)} columns: {row[0]}")
        title, does, seen, cure = map(str.strip, row)
        found.append(Row(title, does, seen, cure, room))
    return found
