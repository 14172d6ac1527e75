"""The report as a real browser shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.simulate.report import render
from tests.integration.app.simulate.browser import show
from tests.unit.app.simulate.report.made_up import STEPS, incident

POINT = """<script>
const box = document.querySelector(".area-box");
const edge = box.getBoundingClientRect().right;
box.dispatchEvent(new PointerEvent("pointermove", { clientX: edge }));
</script>"""
MEASURE = """<script>
const { scrollWidth, clientWidth } = document.documentElement;
document.title = `${scrollWidth - clientWidth} too wide at ${window.innerWidth}`;
</script>"""


@pytest.mark.parametrize("width", [500, 1280])
def test_it_renders_without_a_word_in_the_console_and_fits(tmp_path: Path, width: int) -> None:
    """Narrow and wide: no error, no warning, nothing to scroll sideways."""
    shown = show(render(incident()).replace("</body>", f"{MEASURE}</body>"), tmp_path, width=width)
    assert [] == shown.console
    assert f"<title>0 too wide at {width}</title>" in shown.dom


def test_the_pointer_tells_all_plots_of_one_moment(tmp_path: Path) -> None:
    """At the right edge of one plot, each plot says what its last entry is."""
    shown = show(render(incident()).replace("</body>", f"{POINT}</body>"), tmp_path)
    assert [] == shown.console
    assert 10 == shown.dom.count("<span>Mon 09:00\n") + shown.dom.count("<span>Mon 09:00</span>")
    assert f"{(STEPS - 1) * 360_000:,} written to Kafka" in shown.dom
    assert "22,320,000 not in the stream" in shown.dom


def test_an_error_would_be_seen(tmp_path: Path) -> None:
    """A page whose script breaks, or that asks the network for something, does not pass for a good one."""
    broken = show(render(incident()).replace("</body>", "<script>nobody.knows();</script></body>"), tmp_path)
    assert ["nobody is not defined"] == [line[line.index("nobody") :].split('"')[0] for line in broken.console]
    curious = show(render(incident()).replace("</body>", '<img src="https://example.com/x.png"></body>'), tmp_path)
    assert "Content Security Policy" in " ".join(curious.console)
