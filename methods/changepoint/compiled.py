"""Compiled functions that call one another across modules, kept on disk without going stale.

numba drops a kept function when its own file changes, and not when a function that it calls from
another file does: it would go on running the old one. Here the name under which a function is kept
holds a digest of every source of this package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

_SOURCES = sorted(Path(__file__).parent.glob("*.py"))
_DIGEST = hashlib.sha256(b"".join(source.read_bytes() for source in _SOURCES)).hexdigest()[:12]


def compiled(function: Callable[..., Any]) -> Any:
    """Compile by numba at the first call; kept for later processes until a source of the package changes."""
    function.__qualname__ = f"{function.__qualname__}_{_DIGEST}"
    return njit(cache=True, nogil=True)(function)
