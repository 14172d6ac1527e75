"""Lines, areas and bars in their places."""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree import ElementTree as ET

from doka.app.simulate.history import ISSUED, REFUSED, RENEWED, Fault, LeaseWindow, Refusals
from doka.app.simulate.report.plots import Canvas, Mark, Plot, fault_bands, lease_bars, render
from doka.app.simulate.report.scales import TimeAxis, ValueAxis

TIMES = TimeAxis(datetime.fromisoformat("2026-01-09T18:00"), 100.0)
VALUES = ValueAxis(10.0, step=5.0)


def rects(drawn: str) -> list[dict[str, str]]:
    """Give the attributes of each rectangle."""
    return [dict(each.attrib) for each in ET.fromstring(f"<g>{drawn}</g>").iter("rect")]  # noqa: S314 - our own


def test_a_line_goes_through_its_values() -> None:
    """0 is below, the top above, the end right."""
    assert '<path class="line lag" d="M0.0,100.00 500.0,50.00 1000.0,0.00"/>' == Canvas(
        (0, 50, 100), TIMES, VALUES
    ).line((0, 5, 10), "lag")


def test_an_area_lies_between_two_lines() -> None:
    """It goes there by the upper and back by the lower."""
    canvas = Canvas((0, 100), TIMES, VALUES)
    there_and_back = '<path class="area gone" d="M0.0,0.00 1000.0,0.00 1000.0,50.00 0.0,100.00Z"/>'
    assert there_and_back == canvas.area((10, 10), (0, 5), "gone")
    assert canvas.area((10, 10), (0, 0), "x") == canvas.area((10, 10), None, "x")


def test_bars_of_several_codes_stand_on_each_other() -> None:
    """Each step has one bar a code, as wide as the step, none where nothing was counted."""
    canvas = Canvas((0, 50), TIMES, VALUES)
    lower = '<path class="code-0" d="M0.0,100.00V80.00H500.0V100.00Z"/>'
    upper = '<path class="code-1" d="M0.0,80.00V50.00H500.0V80.00Z"/>'
    assert lower + upper == canvas.bars([Refusals("A", (0, 2)), Refusals("B", (0, 3))])
    assert upper.replace("80.00", "100.00").replace("50.00", "70.00") == canvas.bars(
        [Refusals("A", (0, 0)), Refusals("B", (0, 3))]
    )


def test_bars_of_one_code_touch_without_a_seam() -> None:
    """They are one path, and each begins where the one before it ends, to the digit that is written."""
    canvas = Canvas((0, 33.333, 66.667), TIMES, VALUES)
    (path,) = re.findall('d="([^"]+)"', canvas.bars([Refusals("A", (0, 5, 5))]))
    assert "M0.0,100.00V50.00H333.3V100.00ZM333.3,100.00V50.00H666.7V100.00Z" == path


def test_overlapping_leases_have_rows_of_their_own() -> None:
    """A lease that begins before the one before it ends is drawn below it; the next may use the first row again."""
    leases = [
        LeaseWindow("r", ISSUED, 0, 40, serial=1),
        LeaseWindow("r", RENEWED, 30, 70, serial=2),
        LeaseWindow("r", RENEWED, 60, 900, serial=3),
    ]
    drawn, rows = lease_bars(leases, TIMES)
    assert 2 == rows
    assert [("0.0", "0.00"), ("300.0", "50.00"), ("600.0", "0.00")] == [(r["x"], r["y"]) for r in rects(drawn)]
    assert "399.0" == rects(drawn)[2]["width"]  # to the end of the run, not of the lease


def test_a_refusal_is_a_mark_over_all_rows_that_says_why() -> None:
    """What lasts no time is seen all the same."""
    drawn, rows = lease_bars([LeaseWindow("r", REFUSED, 50, 50, "STS is <down>")], TIMES)
    (mark,) = rects(drawn)
    assert (1, "100.00", "1.5", "lease refused") == (rows, mark["height"], mark["width"], mark["class"])
    assert "r: refused, STS is &lt;down&gt;" in drawn


def test_faults_are_shaded_and_named() -> None:
    """Over the whole height, and one that is over at once is a line."""
    long, short = rects(fault_bands([Fault("a", 10, 20, "A"), Fault("b", 50, 50, "B")], TIMES))
    assert ("100.0", "100.0", "100.00") == (long["x"], long["width"], long["height"])
    assert ("500.0", "1.5") == (short["x"], short["width"])


def test_a_figure_has_its_title_legend_and_marks_of_the_axes() -> None:
    """Whatever is read is text, and escaped."""
    figure = render(Plot("A & B", "", TIMES, VALUES, [Mark("lag", "<lag>")], note="none"))
    assert "<b>A &amp; B</b>" in figure
    assert '<i class="lag"></i>&lt;lag&gt;' in figure
    assert ["0", "5", "10"] == re.findall(r'style="bottom:[^"]*">([^<]*)<', figure)
    assert "none</span></figcaption>" in figure
