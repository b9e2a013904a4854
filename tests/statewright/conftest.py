"""What the tests of the engine share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from toys import HERE

pytest.register_assert_rewrite("faults")


@pytest.fixture(autouse=True)
def same_folder() -> Iterator[None]:
    """Work in the checkout: opening a repository changes the working directory."""
    os.chdir(HERE)
    yield
    os.chdir(HERE)
