"""Results of long parts that are kept on disk, so that a stopped command resumes."""

from __future__ import annotations

import ast
import json
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks.parts import ROOT
from statewright import files


def kept(part: str, key: str, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a cell, measured now if it is not on disk.

    Parameters
    ----------
    part : str
        Name of the part of the benchmark.
    key : str
        Hash of what the result depends on, such as `code_key`. Another key measures again.
    name : str
        Name of the cell.
    measure : callable
        Returns a document of JSON.
    """
    path = ROOT / ".statewright" / "benchmarks" / "sifa" / part / key / f"{name}.json"
    if path.is_file():
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return before
    began = time.process_time()
    result = measure()
    path.parent.mkdir(parents=True, exist_ok=True)
    files.save(result, path)
    print(f"{part} {name}: {time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
    return result


@cache
def sources_of(function: str) -> tuple[str, ...]:
    """Return the code that a function reaches, such as tasks.sifa.cell.run_cell.

    Raises
    ------
    LookupError
        If there is no such function.
    """
    from statewright.fingerprint import Sources, closure

    sources = Sources(ROOT)
    start = sources.find(function)
    if start is None:
        raise LookupError(f"there is no function {function}")
    return tuple(
        sorted(definition.label + ast.unparse(definition.node) for definition in closure(sources, start))
    )


def code_key(function: str, values: Any) -> str:
    """Return a hash of values and of the code that a function reaches."""
    from statewright.workflow import digest

    return digest([values, list(sources_of(function))])[:16]
