"""A process that runs generated programs, for all tests of the generator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from program_worker import Worker


@pytest.fixture(scope="session")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Start the process once."""
    started = Worker(tmp_path_factory.mktemp("worker"))
    yield started
    started.close()
