"""Functions compiled by numba, with a cache that follows calls across files.

numba rebuilds a cached function when its own file changes, but not when a function that it calls
from another file changes: it would run the old code. Here the name under which a function is cached
contains a digest of every source file of its package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, overload

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def compiled(function: Function, **options: Any) -> Function: ...


@overload
def compiled(function: None = None, **options: Any) -> Callable[[Function], Function]: ...


def compiled(function: Function | None = None, **options: Any) -> Function | Callable[[Function], Function]:
    """Compile a function by numba at its first call and cache the result on disk.

    Later processes use the cached result until a source file of the package changes. Type checkers
    see the function's own signature; numba ignores the annotations.

    Parameters
    ----------
    function : callable
        Calls compiled functions of its own package (folder) only.
    options
        Arguments of `numba.njit`, such as ``inline`` and ``fastmath``; ``cache`` and ``nogil`` are on
        unless given.
    """
    if function is None:
        return lambda later: compiled(later, **options)
    digest = _digest(Path(function.__code__.co_filename).parent)
    function.__qualname__ = f"{function.__qualname__}_{digest}"
    dispatcher: Any = njit(**{"cache": True, "nogil": True} | options)(function)
    return dispatcher


@cache
def _digest(folder: Path) -> str:
    sources = sorted(folder.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
