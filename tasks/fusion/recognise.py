"""Stage fusion-recognise: the family of every modality by held-out likelihood.

A modality with more columns than `fusion.recognise.most_columns` is modelled by its first principal
components. These are fitted once, before the cross-validation: the choice is between laws of the scores,
not between numbers of components. Columns with two values are left out.
"""

from __future__ import annotations

import numpy as np

from methods.characterise.families import Choice
from methods.characterise.families import recognise as recognise_family
from tasks.fusion.contracts.characterise import Candidate, FamilyOfModality, Recognition
from tasks.fusion.contracts.tables import Views
from tasks.fusion.contracts.views import modality_arrays
from tasks.fusion.params import RecogniseParams
from tasks.fusion.tables.components import complete_or_filled, principal, standardised

LEAST_ROWS = 20


def recognise(views: Views, *, params: RecogniseParams) -> Recognition:
    """Choose the family of each modality in the development rows."""
    found, too_few = {}, []
    for name, view in modality_arrays(views).items():
        family = _family(view, params)
        if family is None:
            too_few.append(name)
        else:
            found[name] = family
    return Recognition(modalities=found, too_few=too_few)


def _family(view: np.ndarray, params: RecogniseParams) -> FamilyOfModality | None:
    # A column of two values, such as one of a text column, has no density.
    continuous = np.array([len(np.unique(column[~np.isnan(column)])) > 2 for column in view.T])
    if not continuous.any():
        return None
    rows, share_filled = complete_or_filled(view[:, continuous])
    if len(rows) > params.most_rows:
        rows = rows[np.sort(np.random.default_rng(params.seed).choice(len(rows), params.most_rows, False))]
    most = min(params.most_columns, len(rows) // 4)
    if len(rows) < LEAST_ROWS:
        return None
    scores = principal(rows, most)
    columns = standardised(rows)
    # Columns that depend on each other have no density, so they too are replaced by components.
    wide = columns.shape[1] > most or np.linalg.matrix_rank(columns) < columns.shape[1]
    space = scores.values if wide else columns
    choice = recognise_family(
        space,
        seed=params.seed,
        most_components=params.most_components,
        folds=params.folds,
        with_factors=not wide,
    )
    return _document(choice, wide, space, scores.share if wide else 1.0, share_filled)


def _document(
    choice: Choice, wide: bool, space: np.ndarray, share: float, share_filled: float
) -> FamilyOfModality:
    return FamilyOfModality(
        family=choice.chosen.family,
        size=choice.chosen.size,
        space="principal components" if wide else "columns",
        dimensions=space.shape[1],
        rows=len(space),
        cells_filled=round(share_filled, 5),
        variance_kept=round(share, 4),
        bic_components=choice.bic_components,
        candidates={
            score.family + (f"-{score.size}" if score.family in ("mixture", "factors") else ""): Candidate(
                log_likelihood=round(score.log_likelihood, 5),
                parameters=score.parameters,
                behind=round(score.behind, 5),
                error=round(score.error, 5),
            )
            for score in choice.scores
        },
    )
