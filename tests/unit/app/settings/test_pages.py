"""Where pages are served and whether a person is shown one, as the settings say."""

from __future__ import annotations

import pytest

from doka.adapters.telemetry.page.data import Totals
from doka.app.settings.pages import to_server, to_service, to_status_page
from doka.domain.errors import UsageError
from tests.manual_clock import ManualClock
from tests.unit.app.settings.given import settings


def test_a_person_is_shown_streams_by_their_names_and_never_their_arns() -> None:
    """The page has the group, and of each route the stream's name."""
    page = to_status_page(settings(), ManualClock(), "1.2.3", Totals)
    assert page is not None
    told = page.told(None, ["starting"])
    assert ("1.2.3", settings().kafka.group_id, False) == (told["version"], told["group"], told["ready"])


@pytest.mark.parametrize("given", ["https://git.example/doka/", "https://git.example/doka"])
def test_reasons_lead_to_where_the_documents_are(given: str) -> None:
    """To the folder that is named, whether it ends with a slash or not; without a name they lead nowhere."""
    assert "https://git.example/doka/" == to_service(settings({("http", "runbook"): given}), "1.2.3").runbook
    assert to_service(settings(), "1.2.3").runbook is None


@pytest.mark.parametrize("given", ["javascript:alert(1)", "git.example/doka", "https://", "https://a b/"])
def test_what_no_browser_should_open_is_refused(given: str) -> None:
    """It becomes a link of the page, so it is a web address or nothing."""
    with pytest.raises(UsageError, match=r"http\.runbook"):
        settings({("http", "runbook"): given})


def test_who_wants_no_page_has_none() -> None:
    """`http.page: false` leaves what machines ask."""
    assert to_status_page(settings({("http", "page"): False}), ManualClock(), "1.2.3", Totals) is None


def test_it_listens_where_the_settings_say() -> None:
    """Nothing listens before it is opened."""
    assert 1234 == to_server(settings({("http", "port"): 1234}), ManualClock()).port
