"""Stage fusion-characterise: moments, normality, groupings, absence and drift.

It reads development rows only. Drift compares the last fifth of them with the rest, by time if there is a
time column, else in the order of the records: a table that is sorted by class shows here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from methods.characterise import shape, shift
from methods.characterise.levels import aggregate, intraclass, nested_shares
from methods.moments import corrected_kurtosis, corrected_skewness, moments
from statewright.contracts import ContractError
from tasks.fusion.contracts.characterise import (
    Characterisation,
    CharacteriseOutputs,
    LevelSummary,
    ModalitySummary,
    Normality,
)
from tasks.fusion.contracts.tables import Schema, ViewColumns, Views
from tasks.fusion.contracts.views import modality_arrays
from tasks.fusion.params import CharacteriseParams
from tasks.fusion.tables.absence import absence_p, completely_at_random, patterns
from tasks.fusion.tables.components import complete_or_filled, filled, present_rows, principal, standardised
from tasks.fusion.tables.drift import compare, stability

LATER = 0.2
LEAST_ROWS = 10


def characterise(
    views: Views, schema: Schema, columns: ViewColumns, *, params: CharacteriseParams
) -> CharacteriseOutputs:
    """Describe every modality of the development rows."""
    arrays = modality_arrays(views)
    later = later_rows(views)
    absent = absence_p(arrays, views["y"], schema.task)
    tables, covariances, summaries = [], {}, {}
    for name, view in arrays.items():
        table, covariances[name], summaries[name] = _modality(view, later, params)
        summaries[name].absent_p = absent.get(name)
        tables.append(table.assign(modality=name, column=columns.modalities[name]))
    levels, within = _levels(views, schema, arrays)
    order = ["modality", "column", "rows", "mean", "sd", "g1", "G1", "g2", "G2", "psi", "ks_p"]
    return CharacteriseOutputs(
        pd.concat(tables, ignore_index=True)[order],
        covariances,
        Characterisation(
            rows=len(views["y"]),
            order="time" if "time" in views else "row",
            modalities=summaries,
            patterns=patterns(arrays),
            little=completely_at_random(np.hstack(list(arrays.values()))),
            levels=levels,
            within_share=within,
        ),
    )


def later_rows(views: Views) -> np.ndarray:
    """Return the last fifth of the rows, by time or else by their order."""
    position = views["time"] if "time" in views else views["row"]
    rank = np.argsort(np.argsort(position, kind="stable"), kind="stable")
    return np.asarray(rank >= round((1 - LATER) * len(rank)))


def _modality(
    view: np.ndarray, later: np.ndarray, params: CharacteriseParams
) -> tuple[pd.DataFrame, np.ndarray, ModalitySummary]:
    present = present_rows(view)
    if present.sum() < 2:
        raise ContractError(
            f"views.safetensors: a modality is present in {present.sum()} development rows, expected "
            "at least 2; remove it from fusion.ingest.modalities"
        )
    rows = view[present]
    table = _moments(rows)
    table["psi"] = stability(rows[~later[present]], rows[later[present]]).round(5)
    table["ks_p"] = shift.holm(shift.kolmogorov_smirnov(rows[~later[present]], rows[later[present]])).round(6)
    complete, share_filled = complete_or_filled(view)
    covariance = shape.covariance(complete)
    drift = compare(view[~later], view[later], components=params.components, seed=params.seed)
    # The standard errors of skewness and kurtosis under normality are near sqrt(6 / n) and sqrt(24 / n).
    summary = ModalitySummary(
        rows=int(present.sum()),
        columns=view.shape[1],
        cells_missing=round(float(np.isnan(rows).mean()), 5),
        cells_filled=round(share_filled, 5),
        shrinkage=round(covariance.shrinkage, 5),
        effective_rank=round(covariance.effective_rank, 3),
        skewed_columns=int((table["G1"].abs() > 1).sum()),
        heavy_columns=int((table["G2"] > 1).sum()),
        normality=_normality(complete, params),
        drift=drift,
        absent_p=None,
    )
    return table, covariance.matrix, summary


def _moments(rows: np.ndarray) -> pd.DataFrame:
    table = []
    for column in rows.T:
        known = column[~np.isnan(column)]
        found = moments(known[:, None])
        skewness, kurtosis = float(found.skewness[0]), float(found.kurtosis[0])
        table.append(
            {
                "rows": found.n,
                "mean": float(found.mean[0]),
                "sd": float(np.sqrt(found.covariance[0, 0])),
                "g1": skewness,
                "G1": corrected_skewness(skewness, found.n),
                "g2": kurtosis,
                "G2": corrected_kurtosis(kurtosis, found.n),
            }
        )
    return pd.DataFrame(table)


def _normality(complete: np.ndarray, params: CharacteriseParams) -> Normality | None:
    if standardised(complete).shape[1] == 0:
        return None
    scores = principal(complete, min(params.components, max(1, len(complete) // 20)))
    if len(complete) < LEAST_ROWS:
        return None
    result = shape.mardia(scores.values)
    return Normality(
        components=scores.values.shape[1],
        rows=len(complete),
        b1=round(result.skewness, 4),
        b1_p=round(result.skewness_p, 6),
        b2=round(result.kurtosis, 4),
        b2_p=round(result.kurtosis_p, 6),
    )


def _levels(
    views: Views, schema: Schema, arrays: dict[str, np.ndarray]
) -> tuple[dict[str, LevelSummary], float | None]:
    """Return the levels of the rows that belong to a group at each of them."""
    if not schema.levels:
        return {}, None
    codes = [views[f"level.{number}"] for number in range(len(schema.levels))]
    known = np.logical_and.reduce([code >= 0 for code in codes])
    values = standardised(np.hstack([filled(array) for array in arrays.values()])[known])
    codes = [np.unique(code[known], return_inverse=True)[1] for code in codes]
    try:
        shares = nested_shares(values, codes).mean(axis=1)
    except ValueError as error:
        raise ContractError(
            f"fusion.ingest.levels {list(schema.levels)}: {error}; name the levels from the finest to the "
            "coarsest, and give groups of the same name in different groups different names"
        ) from error
    summaries: dict[str, LevelSummary] = {}
    below, units = values, np.arange(len(values))
    for number, (name, code) in enumerate(zip(schema.levels, codes, strict=True)):
        # The group of each unit of the level below is that of its first row.
        groups = code[np.unique(units, return_index=True)[1]]
        number_of_groups = int(groups.max()) + 1
        repeated = 2 <= number_of_groups < len(groups)
        summaries[name] = LevelSummary(
            groups=number_of_groups,
            units_per_group=round(len(groups) / number_of_groups, 3),
            share=round(float(shares[number + 1]), 4),
            icc=round(float(np.mean(intraclass(below, groups))), 4) if repeated else None,
        )
        below, units = aggregate(below, groups), code
    return summaries, round(float(shares[0]), 4)
