"""Read the supervised problem of the files of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from methods.fusion.choice import Data
from methods.fusion.scores import Calibration, Decisions, Interval
from methods.fusion.views import CLASSIFICATION, REGRESSION, Floats, Problem
from statewright.contracts import ContractError
from tasks.fusion.contracts.fuse import CalibrationFigures, IntervalFigures
from tasks.fusion.contracts.tables import Schema
from tasks.fusion.contracts.views import modality_arrays


def read_data(views: Mapping[str, np.ndarray], schema: Schema, without: Sequence[str] = ()) -> Data:
    """Return the modalities, targets and groups of a file of views.

    Groups are used only if some group has several rows.

    Raises
    ------
    ContractError
        If a modality that is left out does not exist.
    """
    modalities = modality_arrays(views)
    if unknown := sorted(set(without) - set(modalities)):
        raise ContractError(
            f"fusion.fuse.without names {', '.join(unknown)}, which is not a modality; expected one of "
            f"{', '.join(modalities)}, correct it in params.yaml"
        )
    used = {name: view for name, view in modalities.items() if name not in without}
    classes = len(schema.classes)
    problem = Problem(CLASSIFICATION, classes) if classes else Problem(REGRESSION, 0)
    groups = np.asarray(views["group"], dtype=np.int64)
    grouped = len(np.unique(groups)) < len(groups)
    return Data(used, np.asarray(views["y"], float), problem, groups if grouped else None)


def prediction_rows(held_out: Mapping[str, Floats], row: np.ndarray, fold: np.ndarray) -> pd.DataFrame:
    """Return predictions of several operators as one long table."""
    parts = []
    for operator, predicted in held_out.items():
        columns = predicted if predicted.ndim == 2 else predicted[:, None]
        labels = np.arange(columns.shape[1]) if predicted.ndim == 2 else np.array([-1])
        parts.append(
            pd.DataFrame(
                {
                    "row": np.repeat(row, len(labels)),
                    "fold": np.repeat(fold, len(labels)),
                    "operator": operator,
                    "label": np.tile(labels, len(row)),
                    "value": columns.ravel().round(6),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def predictions_of(fused: pd.DataFrame, operator: str) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Return predictions, rows and folds of one operator."""
    part = fused[fused["operator"] == operator].sort_values(["row", "label"], kind="stable")
    width = part["label"].nunique()
    values = part["value"].to_numpy(float).reshape(-1, width)
    first = part.iloc[::width]
    predicted = values[:, 0] if part["label"].iloc[0] < 0 else values / values.sum(axis=1, keepdims=True)
    return predicted, first["row"].to_numpy(), first["fold"].to_numpy()


def contained(decisions: Decisions, classes: int) -> np.ndarray:
    """Return which classes the conformal sets contain, (rows, classes)."""
    if not classes:
        return np.zeros((len(decisions.predicted), 0), bool)
    return np.asarray(decisions.predicted >= 1 - decisions.radius)


def interval_figures(interval: Interval) -> IntervalFigures:
    """Return rounded figures of an interval."""
    return IntervalFigures(
        mean=_rounded(interval.mean), low=_rounded(interval.low), high=_rounded(interval.high)
    )


def calibration_figures(calibration: Calibration) -> CalibrationFigures:
    """Return rounded figures of a calibration."""
    return CalibrationFigures(
        log_loss=_rounded(calibration.log_loss),
        brier=_rounded(calibration.brier),
        error=_rounded(calibration.error),
    )


def mean_of(values: Sequence[float]) -> float:
    """Return the rounded mean."""
    return _rounded(float(np.mean(values)))


def _rounded(value: float) -> float:
    return round(float(value), 5)
