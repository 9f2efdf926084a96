"""One catcher for all, emptied before each test; and others with settings of their own."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tocsin.catcher.testing import RunningCatcher, running_catcher


@pytest.fixture(scope="session")
def start_catcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningCatcher]]:
    """Starts catchers with further settings; all end with the session."""
    with contextlib.ExitStack() as started:
        yield lambda **settings: started.enter_context(
            running_catcher(tmp_path_factory.mktemp("catcher"), **settings)
        )


@pytest.fixture(scope="session")
def shared_catcher(start_catcher: Callable[..., RunningCatcher]) -> RunningCatcher:
    return start_catcher()


@pytest.fixture
def catcher(shared_catcher: RunningCatcher) -> RunningCatcher:
    """Empty, and without a service account."""
    shared_catcher.clear()
    shared_catcher.account_file.unlink(missing_ok=True)
    return shared_catcher
