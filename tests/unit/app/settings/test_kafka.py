from __future__ import annotations

from tests.unit.app.settings.given import settings


def test_mechanism_is_only_filled_in_where_there_is_a_log_in() -> None:
    """TLS alone logs nobody in."""
    assert settings({("kafka", "security"): {"protocol": "ssl"}}).kafka.security.mechanism is None


def test_secrets_are_never_printed() -> None:
    """Neither repr nor str of settings holds a password."""
    given = settings(
        {("kafka", "security"): {"mechanism": "scram_sha_512", "username": "me", "password": "hunter2-secret"}}
    )
    assert "hunter2" not in repr(given)
    assert "hunter2" not in str(given)
    password = given.kafka.security.password
    assert password is not None
    assert password.get_secret_value() == "hunter2-secret"
