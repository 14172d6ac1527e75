import io
from dataclasses import replace

from rich.console import Console

from doka.app.demo.screen import Moment, Screen

SCENE = Moment(
    records=100,
    fed=60,
    landed=50,
    committed=40,
    lease_left=2.5,
    token_seconds=5.0,
    leases_used=2,
    refused=1,
    blocked=None,
    lines=["role writer: lease 2 issued, it lives 5 s"],
    elapsed=4.0,
)


def _shown(*scenes: Moment, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=110, color_system=None)
    with Screen(console, "a title") as screen:
        for moment in scenes:
            screen.show(moment)
        screen.show(scenes[-1], last=True)
    return out.getvalue()


def test_a_terminal_sees_all_figures() -> None:
    """The picture holds the counts, the lease, the title and the last outcomes."""
    shown = _shown(SCENE, terminal=True)

    for expected in ("a title", "60", "50", "40", "2.5 s", "leases used 2", "puts refused 1", "lease 2 issued"):
        assert expected in shown


def test_a_terminal_sees_why_a_route_is_blocked() -> None:
    """A blocked route cannot be overlooked."""
    assert "blocked: lease_ended" in _shown(replace(SCENE, blocked="lease_ended"), terminal=True)


def test_elsewhere_a_plain_line_comes_now_and_then() -> None:
    """Without a terminal there is a line each three seconds and one at the end, without control characters."""
    scenes = [replace(SCENE, elapsed=tenth / 10) for tenth in range(70)]

    lines = _shown(*scenes, terminal=False).splitlines()

    assert [line.split(" s ")[0].strip() for line in lines] == ["0.0", "3.0", "6.0", "6.9"]
    assert all("\x1b" not in line for line in lines)
