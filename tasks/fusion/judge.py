"""Stage fusion-judge: the operators, once on the held-out rows.

No stage depends on it, so that no choice can use the test rows.
"""

from __future__ import annotations

import numpy as np

from tasks.fusion.contracts.fuse import ChoiceMetrics, Evaluation, Judgement
from tasks.fusion.contracts.tables import Schema, Views
from tasks.fusion.contracts.views import modality_arrays
from tasks.fusion.evaluate import BASELINES, coverage
from tasks.fusion.params import FuseParams
from tasks.fusion.supervised import calibration_figures, interval_figures, mean_of, read_data
from tasks.fusion.tables.drift import compare


def judge(
    views: Views,
    holdout: Views,
    schema: Schema,
    choice: ChoiceMetrics,
    evaluate: Evaluation,
    *,
    fuse: FuseParams,
) -> Judgement:
    """Fit on all development rows, and score on the test rows."""
    from methods.fusion.operators import Settings, baselines, fit_all
    from methods.fusion.scores import (
        Decisions,
        Interval,
        calibration,
        clustered_error,
        row_losses,
        tempered,
    )

    data, test = (read_data(part, schema, choice.without) for part in (views, holdout))
    names = list(dict.fromkeys([choice.chosen, *BASELINES, *baselines(data.views)]))
    settings = Settings(seed=fuse.seed, landmarks=choice.landmarks, weights=choice.weights)
    fitted = fit_all(names, data.views, data.y, data.problem, settings, data.groups)
    predicted = {name: operator.predict(test.views) for name, operator in fitted.items()}
    variance = max(float(np.var(test.y)), 1e-300)
    losses = {name: row_losses(values, test.y, data.problem, variance) for name, values in predicted.items()}
    gains = {}
    for name in names[1:]:
        difference = losses[name] - losses[choice.chosen]
        mean, half = float(difference.mean()), 1.96 * clustered_error(difference, test.groups)
        gains[name] = interval_figures(Interval(mean, mean - half, mean + half))
    final, reliability = predicted[choice.chosen], evaluate.reliability
    if data.problem.classes:
        final = tempered(final, reliability.temperature)
    radius = np.inf if reliability.radius is None else reliability.radius
    decisions = Decisions(final, reliability.temperature, radius)
    covered, size = coverage(decisions, test.y, data.problem.classes)
    return Judgement(
        chosen=choice.chosen,
        rows=len(test.y),
        drift={
            name: compare(view, holdout[f"x.{name}"], seed=fuse.seed)
            for name, view in modality_arrays(views).items()
        },
        scores={name: mean_of((1 - values).tolist()) for name, values in losses.items()},
        gains=gains,
        calibration=calibration_figures(calibration(final, test.y.astype(int)))
        if data.problem.classes
        else None,
        coverage=mean_of(covered.astype(float).tolist()),
        size=mean_of(size.tolist()) if np.isfinite(size).all() else None,
    )
