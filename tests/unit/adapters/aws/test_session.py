"""Sessions that share data, and nothing that matters."""

from __future__ import annotations

from botocore.session import Session

from doka.adapters.aws.session import AwsSessions


def test_data_is_read_once_for_all_sessions() -> None:
    """The second session gets the very objects that the first has read."""
    new_session = AwsSessions()
    one, other = (new_session().get_service_model("kinesis") for _ in range(2))
    assert one.service_name == other.service_name
    assert one.metadata is other.metadata
    assert one.metadata is not Session().get_service_model("kinesis").metadata  # the tests' own, which all others share


def test_sessions_share_no_credentials_and_no_handlers() -> None:
    """What is set or registered on one is unknown to the other."""
    new_session = AwsSessions()
    one, other = new_session(), new_session()
    one.set_credentials("AKIAEXAMPLE", "secret", "token")
    heard: list[str] = []
    one.register("doka.test", lambda **_: heard.append("one"))
    other.emit("doka.test")
    assert ([], False) == (
        heard,
        one.get_component("credential_provider") is other.get_component("credential_provider"),
    )
    one.emit("doka.test")
    assert ["one"] == heard
