"""Expected seconds of stages, from past runs, a committed file or `meta.seconds`.

A fresh clone has no past runs. The file `.statewright.durations.json`, which
``statewright durations --write`` makes from past runs, travels with the repository, so that the first
run elsewhere is predicted and scheduled too. It maps the address of a stage to seconds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from statewright.files import replacing
from statewright.record import history
from statewright.scheduling.prediction import middle
from statewright.workflow import Workflow, WorkflowError

FILE = ".statewright.durations.json"

OTHER_MACHINE = 1.5
"""Factor by which a stage may be faster or slower here than on the machine of the file."""

UNCHANGED = 1.25
"""Factor below which a new duration does not replace that of the file."""


@dataclass(frozen=True)
class Duration:
    """Expected duration of a stage.

    Parameters
    ----------
    low, high : float
        Range of expected seconds.
    source : str
        Where it comes from: ``N runs here``, the name of the file, or ``meta.seconds``.
    """

    low: float
    high: float
    source: str

    @property
    def expected(self) -> float:
        """Middle of the range, by `middle`."""
        return middle(self.low, self.high)


def expected_durations(root: Path, workflow: Workflow) -> dict[str, Duration]:
    """Return the expected duration of each stage for which one is known.

    Past runs here win over the file, and the file over `meta.seconds`. A damaged file predicts
    nothing, because a prediction must not stop the work.
    """
    stored: dict[str, float] = {}
    with suppress(WorkflowError):
        stored = read_file(root)
    past = history.past_seconds(root)
    durations = {}
    for address, stage in workflow.stages.items():
        if address in past:
            runs = f"{len(past[address])} run{'' if len(past[address]) == 1 else 's'} here"
            durations[address] = Duration(*history.widened_range(past[address]), runs)
        elif address in stored:
            durations[address] = _elsewhere(stored[address], FILE)
        elif hint := stage.settings.seconds:
            durations[address] = _elsewhere(hint, "meta.seconds")
    return durations


def ranges(root: Path, workflow: Workflow) -> dict[str, tuple[float, float]]:
    """Return the range of expected seconds of each stage for which one is known."""
    return {address: (d.low, d.high) for address, d in expected_durations(root, workflow).items()}


def _elsewhere(seconds: float, source: str) -> Duration:
    return Duration(seconds / OTHER_MACHINE, seconds * OTHER_MACHINE, source)


def read_file(root: Path) -> dict[str, float]:
    """Read the durations that travel with the repository.

    Raises
    ------
    WorkflowError
        If the file is damaged; the message says what is expected.
    """
    path = root / FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise WorkflowError(
            f"{FILE} cannot be read: {error}; `statewright durations --write` makes it"
        ) from error
    if not isinstance(values, dict) or not all(map(_is_duration, values.values())):
        raise WorkflowError(
            f'{FILE}: expected {{"STAGE": SECONDS}} with numbers above 0; '
            "`statewright durations --write` makes it"
        )
    return values


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def write_file(root: Path, workflow: Workflow) -> dict[str, float]:
    """Write the median seconds of past runs of each stage; return what changed.

    A stage without past runs here keeps its entry, and so does one whose duration is about the same.
    Entries of stages that are no longer declared are removed.
    """
    try:
        before = read_file(root)
    except WorkflowError:
        before = {}
    after = {address: seconds for address, seconds in before.items() if address in workflow.stages}
    for address, seconds in history.past_seconds(root).items():
        if address in workflow.stages:
            now = _rounded(median(seconds))
            was = before.get(address, 0.0)
            if not now / UNCHANGED < was < now * UNCHANGED:
                after[address] = now
    if after != before:
        text = json.dumps(dict(sorted(after.items())), indent=2, ensure_ascii=False) + "\n"
        with replacing(root / FILE) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return {a: after.get(a, 0.0) for a in {**before, **after} if before.get(a) != after.get(a)}


def _rounded(seconds: float) -> float:
    """Return seconds with two significant digits, at least 0.1."""
    if seconds < 1:
        return max(0.1, round(seconds, 1))
    number = float(f"{seconds:.2g}")
    return int(number) if number == int(number) else number


def as_dict(durations: Mapping[str, Duration], workflow: Workflow) -> dict[str, dict[str, object]]:
    """Return all stages with their durations as plain values, for JSON."""
    return {
        a: {"low": d.low, "seconds": d.expected, "high": d.high, "source": d.source}
        if (d := durations.get(a))
        else {"low": None, "seconds": None, "high": None, "source": None}
        for a in workflow.stages
    }
