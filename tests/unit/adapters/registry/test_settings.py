from __future__ import annotations

from doka.adapters.registry.settings import RegistrySettings


def test_a_password_is_not_in_what_is_shown() -> None:
    """Whoever logs the settings logs no secret."""
    settings = RegistrySettings("https://registry", "ada", lambda: "a secret")
    assert "a secret" == settings.password()
    assert "password" not in repr(settings)
