"""Sessions that share data, and nothing that matters."""

from __future__ import annotations

from botocore.session import Session

from doka.adapters.aws.session import AwsSessions


def test_data_is_read_once_for_all_sessions() -> None:
    """The second session gets the very objects that the first has read."""
    new_session = AwsSessions()
    one, other = (new_session() for _ in range(2))
    assert one.get_service_model("kinesis").metadata is other.get_service_model("kinesis").metadata
    # The tests' own loader is shared by all sessions but these.
    assert one.get_component("data_loader") is other.get_component("data_loader")
    assert one.get_component("data_loader") is not Session().get_component("data_loader")


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
