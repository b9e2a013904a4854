"""Bytes a second that the remote of a repository has delivered, for predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from statewright.files import replacing
from statewright.workspace import control_folder

FILE = "remote.json"
"""File below `.statewright`: bytes and seconds of past transfers from each remote."""
ASSUMED = 10e6
"""Bytes a second that are assumed of a remote before the first transfer."""
LEAST = 1_000_000
"""Bytes below which a transfer says more about the latency than about the rate."""
KEPT = 0.5
"""Weight of earlier transfers against a new one of equal size."""


@dataclass(frozen=True)
class Rate:
    """Bytes a second, and whether they were measured here."""

    value: float
    measured: bool

    @property
    def source(self) -> str:
        """``measured`` or ``assumed``."""
        return "measured" if self.measured else "assumed"


def read_rate(root: Path, remote: str) -> Rate:
    """Return the rate of a remote, by its name."""
    moved, seconds = _read(root).get(remote, (0.0, 0.0))
    return Rate(moved / seconds, True) if moved >= LEAST and seconds > 0 else Rate(ASSUMED, False)


def save_rate(root: Path, remote: str, moved: int, seconds: float) -> None:
    """Add a transfer to those of a remote, unless it is too small to tell."""
    if moved < LEAST or seconds <= 0:
        return
    rates = _read(root)
    before = rates.get(remote, (0.0, 0.0))
    rates[remote] = (KEPT * before[0] + moved, KEPT * before[1] + seconds)
    with replacing(control_folder(root / ".statewright") / FILE) as temporary:
        temporary.write_text(json.dumps(rates), encoding="utf-8")


def _read(root: Path) -> dict[str, tuple[float, float]]:
    try:
        values = json.loads((root / ".statewright" / FILE).read_bytes())
        return {str(name): (float(pair[0]), float(pair[1])) for name, pair in values.items()}
    except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return {}
