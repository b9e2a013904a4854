"""Stage fusion-fuse: choose how to fuse, by nested cross-validation.

It reads development rows only. Every operator predicts each row by a model without the row's fold.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from statewright.contracts import ContractError
from tasks.fusion.contracts.fuse import Attention, ChoiceMetrics, FuseOutputs, OperatorDetails
from tasks.fusion.contracts.tables import Schema, Views
from tasks.fusion.params import FuseParams
from tasks.fusion.supervised import prediction_rows, read_data


def fuse(views: Views, schema: Schema, *, params: FuseParams) -> FuseOutputs:
    """Score every operator, weigh them, and fit all of them to explain them.

    Raises
    ------
    ContractError
        If there are fewer rows or groups than folds, or one modality only.
    """
    from methods.fusion.choice import choose, sample
    from methods.fusion.operators import Settings

    data = read_data(views, schema, params.without)
    if len(data.views) < 2:
        raise ContractError(
            f"views.safetensors has the modality {', '.join(data.views) or '(none)'} only; expected two or "
            "more, name another one in fusion.ingest.modalities"
        )
    rows = sample(data, params.most_rows, params.seed)
    used = data.take(rows)
    units = len(rows) if used.groups is None else len(np.unique(used.groups))
    if units < params.folds:
        raise ContractError(
            f"views.safetensors has {units} {'rows' if used.groups is None else 'groups'}; expected at least "
            f"fusion.fuse.folds = {params.folds}"
        )
    settings = Settings(seed=params.seed, landmarks=params.landmarks)
    choice = choose(used, params.operators, settings, params.folds, params.processes)
    details = {
        name: OperatorDetails(
            importance=_rounded(figures.importance),
            entropy=_rounded(figures.entropy),
            levels=[np.asarray(weights).round(5).tolist() for weights in figures.attention.values()],
            parameters=_rounded(figures.parameters),
        )
        for name, figures in choice.details.items()
        if figures.importance or figures.entropy or figures.attention
    }
    return FuseOutputs(
        prediction_rows(choice.held_out, np.asarray(views["row"])[rows], choice.fold),
        Attention(modalities=list(data.views), operators=details),
        ChoiceMetrics(
            chosen=choice.chosen,
            weights=choice.weights,
            without=list(params.without),
            landmarks=params.landmarks,
            rows=len(rows),
            folds=params.folds,
            order=list(params.operators),
            means=_rounded(choice.means),
            scores={name: values.round(5).tolist() for name, values in choice.scores.items()},
            picked=list(choice.picked),
            score=round(choice.score, 5),
            regret=round(choice.regret, 5),
            fold_regret=choice.fold_regret.round(5).tolist(),
        ),
    )


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(float(value), 5) for name, value in values.items()}
