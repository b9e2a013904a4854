"""Fixtures for all tests of the engine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from toys import HERE

pytest.register_assert_rewrite("faults")


@pytest.fixture(autouse=True)
def same_folder() -> Iterator[None]:
    """Restore the working directory, which opening a repository changes."""
    os.chdir(HERE)
    yield
    os.chdir(HERE)
