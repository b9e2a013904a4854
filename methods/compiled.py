"""Compiled functions that call one another across files, kept on disk without going stale.

numba drops a kept function when its own file changes, and not when a function that it calls from
another file does: it would go on running the old one. Here the name under which a function is kept
holds a digest of every source of its package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile by numba at the first call; kept for later processes until a source of the package changes.

    Parameters
    ----------
    function : one that calls compiled functions of its own package (folder) only.
    options : of `numba.njit`, such as ``inline`` and ``fastmath``.
    """
    if function is None:
        return lambda late: compiled(late, **options)
    digest = _digest(Path(function.__code__.co_filename).parent)
    function.__qualname__ = f"{function.__qualname__}_{digest}"
    return njit(**{"cache": True, "nogil": True} | options)(function)


@cache
def _digest(folder: Path) -> str:
    sources = sorted(folder.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
