"""Where pages are served and whether a person is shown one, as the settings say."""

from __future__ import annotations

from doka.adapters.telemetry.page.data import RouteTotals
from doka.app.settings.pages import to_server, to_status_page
from tests.manual_clock import ManualClock
from tests.unit.app.settings.given import settings


def test_a_person_is_shown_streams_by_their_names_and_never_their_arns() -> None:
    """The page has the group, and of each route the stream's name."""
    page = to_status_page(settings(), ManualClock(), "1.2.3", lambda: {"orders": RouteTotals()})
    assert page is not None
    told = page.told(None, ["starting"])
    assert ("1.2.3", settings().kafka.group_id, False) == (told["version"], told["group"], told["ready"])


def test_who_wants_no_page_has_none() -> None:
    """`http.page: false` leaves what machines ask."""
    assert to_status_page(settings({("http", "page"): False}), ManualClock(), "1.2.3", dict) is None


def test_it_listens_where_the_settings_say() -> None:
    """Nothing listens before it is opened."""
    assert 1234 == to_server(settings({("http", "port"): 1234}), ManualClock()).port
