"""Stop poor trials by their intermediate values: asynchronous successive halving.

A stage that learns in steps appends a row a step to a file, as DVCLive does. At the rungs, after 3, 9,
27, ... rows, a trial continues only if its value is among the best third of all values that trials had
at the same rung so far. A trial never waits for others, so a rung decides on what is known by then; the
first two trials at a rung continue if they are the best so far.

References
----------
Jamieson, Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization"
(AISTATS): successive halving. Li et al. 2020, "A system for massively parallel hyperparameter tuning"
(MLSys): its asynchronous form, here that of optuna's `SuccessiveHalvingPruner`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from statewright.repository.declaration import declare, open_repository
from statewright.tuning.checkout import folder_of
from statewright.tuning.driver import Prune
from statewright.tuning.study import SEARCH, Study, Trial
from statewright.workflow import WorkflowError, overlaps

if TYPE_CHECKING:
    import optuna

FIRST_RUNG, REDUCTION = 3, 3
"""Rows before the first rung, and the factor between rungs; one of `REDUCTION` trials continues."""
STEPS = frozenset({"step", "epoch", "iteration", "timestamp"})
"""Columns of a file of intermediate values that are not values."""


@dataclass(frozen=True)
class Reports:
    """Location of the intermediate values of a stage.

    Parameters
    ----------
    path : str
        A CSV or TSV file with a header, relative to the repository.
    column : str
        Empty for the last column that is not a step.
    """

    path: str
    column: str = ""


class Pruner:
    """Decide which running trials to stop; its methods are hooks of the driver.

    Parameters
    ----------
    option : str
        ``FILE:COLUMN`` or ``FILE``; empty for the file that DVCLive writes for the metric.
    """

    def __init__(self, option: str) -> None:
        self._option = option
        self._reports = Reports("")
        self._rungs: Rungs | None = None
        self._seen: dict[int, tuple[int, int] | None] = {}

    def begun(self, root: Path, study: Study) -> None:
        """Find the file of intermediate values, and read those of earlier sessions.

        Raises
        ------
        WorkflowError
            If no stage writes the file, or optuna is not installed.
        """
        self._reports = find_reports(root, study, self._option)
        self._rungs = open_rungs(study, _curves_path(root, study))

    def __call__(self, study: Study, trial: Trial, checkout: Path) -> Prune | None:
        """Return why a running trial must stop, or None."""
        assert self._rungs is not None
        path = checkout / self._reports.path
        signature = _signature(path)
        # What a trial finds when it starts is of the trial before it.
        first = self._seen.setdefault(trial.number, signature)
        if signature in (None, first):
            return None
        values = read_values(path, self._reports.column)
        stopped_at = self._rungs.report(trial.number, values)
        if stopped_at is None:
            return None
        value = values[stopped_at - 1]
        reason = f"{value:.6g} after {stopped_at} steps is not among the best third of the trials so far"
        return Prune(value, reason)

    def finished(self, root: Path, study: Study, trial: Trial, checkout: Path) -> Trial:
        """Keep the intermediate values of a trial, those of the defaults too."""
        assert self._rungs is not None
        values = read_values(checkout / self._reports.path, self._reports.column)
        if trial.metrics or trial.kind == SEARCH:
            self._rungs.keep(trial.number, values)
        self._seen.pop(trial.number, None)
        return trial


@dataclass
class Rungs:
    """Intermediate values of all trials, and optuna's decision on them.

    Parameters
    ----------
    path : Path
        File with the values of finished trials, a line each.
    """

    study: optuna.Study
    path: Path
    trials: dict[int, optuna.Trial] = field(default_factory=dict)

    def report(self, number: int, values: Sequence[float]) -> int | None:
        """Report the values of a trial; return the row at which it must stop."""
        if number not in self.trials:
            self.trials[number] = self.study.ask()
        trial = self.trials[number]
        known = len(self.study.trials[trial.number].intermediate_values)
        for row, value in enumerate(values[known:], known + 1):
            trial.report(value, row)
            if trial.should_prune():
                return row
        return None

    def keep(self, number: int, values: Sequence[float]) -> None:
        """Report the values of a finished trial, and keep them for a later session."""
        self.report(number, values)
        with self.path.open("a", encoding="utf-8") as sink:
            sink.write(json.dumps({"number": number, "values": list(values)}) + "\n")


def open_rungs(study: Study, path: Path) -> Rungs:
    """Return the rungs of a study with the values of its earlier sessions.

    Raises
    ------
    WorkflowError
        If optuna is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise WorkflowError("--prune needs optuna; pip install 'statewright[tune]'") from error

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=FIRST_RUNG, reduction_factor=REDUCTION)
    direction = (
        optuna.study.StudyDirection.MINIMIZE if study.sign > 0 else optuna.study.StudyDirection.MAXIMIZE
    )
    rungs = Rungs(optuna.create_study(direction=direction, pruner=pruner), path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:  # cut by a kill
            continue
        rungs.report(entry["number"], entry["values"])
    return rungs


def find_reports(root: Path, study: Study, option: str) -> Reports:
    """Return the file of intermediate values: as named, or that of DVCLive.

    Raises
    ------
    WorkflowError
        If no stage declares the file.
    """
    if option:
        name, _, column = option.partition(":")
        reports = Reports(PurePosixPath(name).as_posix(), column)
    else:
        file, _, key = study.metric.rpartition(":")
        folder = PurePosixPath(file).parent
        reports = Reports((folder / "plots" / "metrics" / f"{key.replace('.', '/')}.tsv").as_posix())
    outs = [out.path for stage in declare(open_repository(root)).stages.values() for out in stage.outs]
    if not any(overlaps(out, reports.path) and len(out) <= len(reports.path) for out in outs):
        hint = "; name it: --prune FILE:COLUMN" if not option else ""
        raise WorkflowError(
            f"--prune: no stage declares {reports.path}, the file of intermediate values of {study.metric}, "
            f"among its outs, metrics or plots{hint}"
        )
    return reports


def read_values(path: Path, column: str = "") -> list[float]:
    """Return the intermediate values in a file, in the order of its rows.

    An incomplete last line and a cell that is not a finite number end the list.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    complete = text[: text.rfind("\n") + 1]
    rows = csv.DictReader(io.StringIO(complete), delimiter="\t" if path.suffix == ".tsv" else ",")
    names = [name for name in rows.fieldnames or [] if name.lower() not in STEPS]
    chosen = column or (names[-1] if names else "")
    values: list[float] = []
    for row in rows:
        value = _number(row.get(chosen))
        if not math.isfinite(value):
            break
        values.append(value)
    return values


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def _signature(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _curves_path(root: Path, study: Study) -> Path:
    return folder_of(root, study.name) / "curves.jsonl"
