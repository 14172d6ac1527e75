"""The code of docs/consumer.md is run as it stands there."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from doka.consumer import Place, Repeats
from doka.domain.sending.aggregate import encode
from tests.architecture.source_tree import ROOT
from tests.architecture.test_docs import fenced

PAGE = ROOT / "docs" / "consumer.md"
WINDOW = 64
ASKS = """
final class Asks {
    public static void main(String[] arguments) {
        Repeats repeats = new Repeats(%d);
        java.util.Scanner asked = new java.util.Scanner(System.in);
        while (asked.hasNext()) {
            System.out.println(repeats.judge(asked.next(), asked.nextInt(), asked.nextLong()).name().toLowerCase());
        }
    }
}
"""


def enveloped(offset: int) -> bytes:
    """Give an envelope as a route writes it."""
    return (
        f'{{"topic":"t","partition":0,"offset":{offset},"timestamp":null,"key":"k","headers":[],"value":"{offset}"}}'
    ).encode()


def stored(number: int, *offsets: int) -> dict[str, Any]:
    """Give a record of the stream as GetRecords does: an aggregate where it is of several records."""
    data = [enveloped(offset) for offset in offsets]
    whole = data[0] if len(data) == 1 else encode(["k"] * len(data), data, "1")
    return {"PartitionKey": "k", "Data": whole, "SequenceNumber": str(number)}


def test_the_python_recipe_takes_each_record_once() -> None:
    """Repeats are passed over across calls, after a call that failed, and in a child of the shard."""
    (code,) = fenced(PAGE, "python")
    recipe: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), recipe)  # noqa: S102 - the page's own code
    db = sqlite3.connect(":memory:")
    db.executescript("CREATE TABLE results (k, v); CREATE TABLE shards (shard PRIMARY KEY, position, memory)")
    recipe["consume"](db, "s0", [], [stored(1, 0, 1), stored(2, 1), stored(3, 2)])
    with pytest.raises(ValueError, match="JSON"):
        recipe["consume"](db, "s0", [], [stored(4, 3), stored(5, 4) | {"Data": b"a stranger's"}])
    recipe["consume"](db, "s0", [], [stored(4, 3), stored(5, 0, 4)])
    recipe["consume"](db, "s0", [], [])
    recipe["consume"](db, "s1", ["s0", "s9"], [stored(6, 4), stored(7, 5)])
    assert [b"0", b"1", b"2", b"3", b"4", b"5"] == [value for (value,) in db.execute("SELECT v FROM results")]
    assert [("s0", "5"), ("s1", "7")] == db.execute("SELECT shard, position FROM shards ORDER BY shard").fetchall()
    db.close()


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no javac here")
def test_the_java_recipe_says_what_the_python_module_says(tmp_path: Path) -> None:
    """It compiles without a warning, and gives the same verdicts for the same places, far jumps and old ones among them."""
    (code,) = fenced(PAGE, "java")
    (tmp_path / "Repeats.java").write_text(code, encoding="utf-8")
    (tmp_path / "Asks.java").write_text(ASKS % WINDOW, encoding="utf-8")
    compiled = subprocess.run(
        ["javac", "-Xlint:all", "-Werror", "--release", "17", "Repeats.java", "Asks.java"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (compiled.returncode, compiled.stderr)
    chance = random.Random(7)
    at = {("a", 0): 0, ("a", 1): 1 << 40, ("b", 0): 5}
    places = []
    for _ in range(3_000):
        partition = chance.choice(list(at))
        at[partition] += chance.choice((0, 1, 1, 2, 5, WINDOW - 1, WINDOW, 10 * WINDOW)) if chance.random() < 0.3 else 0
        places.append(Place(*partition, max(0, at[partition] - chance.randrange(2 * WINDOW))))
    asked = "".join(f"{place.topic} {place.partition} {place.offset}\n" for place in places)
    ran = subprocess.run(
        ["java", "-cp", ".", "Asks"], cwd=tmp_path, input=asked, capture_output=True, text=True, check=True
    )
    repeats = Repeats(WINDOW)
    expected = [repeats.judge(place).value for place in places]
    assert {"first", "repeat", "unknown"} == set(expected)
    assert expected == ran.stdout.split()
