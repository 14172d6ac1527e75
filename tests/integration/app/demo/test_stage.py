import pytest

from doka.app.demo.figures import Figures
from doka.app.demo.stage import ROLE, STREAM, TOPIC, Stage, service_for, settings_for, workload_session
from doka.domain.events import LeaseIssued
from doka.domain.limits import NS_PER_SECOND

pytestmark = pytest.mark.xdist_group("demo")


def test_the_stage_begins_empty(stage: Stage) -> None:
    """Both worlds are there, with a stream that holds nothing and no lease given out by the gate."""
    assert stage.read_back() == []
    assert stage.gate.counts().puts_passed == 0


def test_the_settings_are_what_an_operator_would_write(stage: Stage) -> None:
    """The demo's service is configured like any other: a topic, a stream, a role, and permissions for stand-ins."""
    settings = settings_for(stage, "interval")

    assert [(route.topics, route.stream.name) for route in settings.routes] == [((TOPIC,), STREAM)]
    assert settings.roles[ROLE].rotation.policy == "interval"
    assert settings.aws.allow_insecure_endpoints


def test_the_service_gets_leases_that_really_end(stage: Stage) -> None:
    """STS, as the service sees it, says that a token lives for the stage's seconds."""
    authority = service_for(settings_for(stage, "before_expiry"), Figures()).authority()

    issued = authority.issue(ROLE)

    assert isinstance(issued, LeaseIssued)
    assert issued.lease.life is not None
    assert 1.5 * NS_PER_SECOND < issued.lease.life < 4.5 * NS_PER_SECOND


def test_the_workload_has_keys_of_its_own() -> None:
    """The demo never touches the credentials of whoever runs it."""
    credentials = workload_session().get_credentials()

    assert credentials is not None
    assert credentials.access_key == "AKIAIOSFODNN7EXAMPLE"
