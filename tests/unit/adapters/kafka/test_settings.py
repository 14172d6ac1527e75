from __future__ import annotations

from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings


def test_no_secret_is_printed() -> None:
    """A settings object in a log or a traceback shows neither password."""
    security = KafkaSecurity("sasl_ssl", "PLAIN", username="u", password="hunter2", key_password="hunter3")
    settings = MemberSettings(("b:9092",), "g", frozenset({"t"}), security=security)

    assert "hunter" not in repr(settings)
