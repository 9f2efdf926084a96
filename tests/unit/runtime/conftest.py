"""What tests of a service's life share."""

from collections.abc import Iterator

import pytest
from tests.unit.runtime.small_process import SmallProcess


@pytest.fixture
def small(request: pytest.FixtureRequest) -> Iterator[SmallProcess]:
    """A running small service; the parameter is how its component misbehaves."""
    environment = {
        "SMALL_COLOUR": "red",
        "SMALL_ENDING": getattr(request, "param", ""),
        "SHUTDOWN_TIMEOUT": "30",
    }
    process = SmallProcess(**environment)
    yield process
    process.close()
