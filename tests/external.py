"""Paths of data outside the repository, which docs/external-data.md lists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = "docs/external-data.md"
PREFIX = "external data: "
"""Start of the reason of each test that is skipped because such data is missing."""


def external_path(*parts: str) -> Path:
    """Return a path in the folder of external data, which may not exist.

    The folder is the value of the environment variable STATEWRIGHT_DATA, by default
    ``../shared/data`` beside the repository.
    """
    folder = os.environ.get("STATEWRIGHT_DATA") or ROOT.parent / "shared" / "data"
    return Path(folder).joinpath(*parts)


def external_data(*parts: str) -> Path:
    """Return an existing path in the folder of external data, or skip the test.

    At the top level of a module, missing data skips all tests of the module.
    """
    path = external_path(*parts)
    if not path.exists():
        pytest.skip(f"{PREFIX}{path} is missing; see {PAGE}", allow_module_level=True)
    return path
