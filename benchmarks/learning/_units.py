"""Keep the figures of a long benchmark unit by unit, so that a run resumes where another ended.

A unit is what is measured at once, such as one model with one seed. Its figures are written when it is
finished. A unit with figures is not measured again; delete the file to measure all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from statewright import files

Figures = Mapping[str, float]
"""Figures of a unit by name."""


@dataclass(frozen=True)
class Units:
    """File with the figures of the finished units."""

    path: Path

    def finished(self) -> dict[str, dict[str, float]]:
        """Return the figures of all finished units by name."""
        units: dict[str, dict[str, float]] = files.load(self.path) if self.path.exists() else {}
        return units

    def measure(self, name: str, measure: Callable[[], Figures]) -> Figures:
        """Return the figures of a unit, measured now if it is not finished."""
        finished = self.finished()
        if name not in finished:
            began = time.perf_counter()
            finished[name] = {key: round(float(value), 6) for key, value in measure().items()}
            files.save(finished, self.path)
            print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        return finished[name]
