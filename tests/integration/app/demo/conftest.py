from collections.abc import Iterator

import pytest

from doka.app.demo.stage import Stage, set_stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Raise both worlds of the demo, with tokens that live for 3 s."""
    with set_stage(3.0) as raised:
        yield raised
