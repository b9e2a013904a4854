"""Early fusion: models of the columns of all modalities beside each other.

`fit_early` imputes the mean and fits a penalised linear model: the baseline that a fusion must beat.
`fit_boosting` gives the columns, missing ones included, to gradient boosting.
"""

from __future__ import annotations

import numpy as np

from methods.fusion.views import Details, Fitted, Floats, Problem, Scaler, Views, concatenated

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Candidates of C of the logistic regression."""

PENALTY_ROWS, PENALTY_FOLDS = 500, 3
TREES = 200
"""Trees of the boosting over all classes; more classes have fewer rounds, so that the time is similar."""

BIN_ROWS, BINS = 20, (63, 255)
"""Rows of a bin of the boosting, and bounds of the bins of a column, which set the cost of a split."""


def fit_early(views: Views, y: Floats, problem: Problem, seed: int) -> Fitted:
    """Fit a logistic or ridge regression on all columns, with mean imputation.

    Its penalty has the lowest log loss (classification; stratified cross-validation on at most 500 training
    rows) or the lowest leave-one-out error (regression).
    """
    x = concatenated(views)
    scaler = Scaler.fit(x)
    model = _linear(scaler.apply(x), y, problem, seed)

    def predict(later: Views) -> Floats:
        scaled = scaler.apply(concatenated(later))
        if not problem.classes:
            return np.asarray(model.predict(scaled), float)
        return spread_classes(model.predict_proba(scaled), model.classes_, problem)

    weights = np.sqrt((np.atleast_2d(model.coef_) ** 2).sum(axis=0))
    ends = np.cumsum([x.shape[1] for x in views.values()])[:-1]
    sizes = np.array([np.sqrt((part**2).sum()) for part in np.split(weights, ends)])
    share = sizes / sizes.sum() if sizes.sum() > 0 else np.full(len(sizes), 1 / len(sizes))
    penalty = model.C if problem.classes else model.alpha_
    return Fitted(
        "early",
        predict,
        Details(
            importance=dict(zip(views, map(float, share), strict=True)),
            parameters={"penalty": float(penalty)},
        ),
    )


def fit_boosting(views: Views, y: Floats, problem: Problem, seed: int) -> Fitted:
    """Fit histogram gradient boosting, which learns a direction for missing cells."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    x = concatenated(views)
    settings = {
        "max_leaf_nodes": 15,
        "learning_rate": 0.2 if problem.classes > 2 else 0.1,
        "max_iter": max(TREES // max(problem.classes, 3), 30),
        "max_features": min(1.0, max(0.1, 30 / x.shape[1])),
        "min_samples_leaf": min(20, max(len(x) // 10, 2)),
        "max_bins": int(np.clip(len(x) // BIN_ROWS, *BINS)),
        "early_stopping": False,
        "random_state": seed,
    }
    estimator = HistGradientBoostingClassifier if problem.classes else HistGradientBoostingRegressor
    model = estimator(**settings).fit(x, np.asarray(y, int) if problem.classes else y)

    def predict(later: Views) -> Floats:
        columns = concatenated(later)
        if not problem.classes:
            return np.asarray(model.predict(columns), float)
        return spread_classes(model.predict_proba(columns), model.classes_, problem)

    return Fitted("boosting", predict)


def spread_classes(probabilities: Floats, labels: Floats, problem: Problem) -> Floats:
    """Return probabilities of all classes, 0 for those that the training rows lack."""
    result = np.zeros((len(probabilities), problem.classes))
    result[:, np.asarray(labels, int)] = probabilities
    return result


def _linear(x: Floats, y: Floats, problem: Problem, seed: int):  # type: ignore[no-untyped-def]
    from sklearn.linear_model import LogisticRegression, RidgeCV

    if not problem.classes:
        return RidgeCV(alphas=np.logspace(-2, 5, 15)).fit(x, y)
    labels = np.asarray(y, int)
    penalty = max(PENALTIES, key=lambda c: _penalty_score(c, x, labels, seed))
    return LogisticRegression(C=penalty, max_iter=300, tol=1e-3).fit(x, labels)


def _penalty_score(penalty: float, x: Floats, labels: Floats, seed: int) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    rows = np.random.default_rng(seed).permutation(len(x))[:PENALTY_ROWS]
    few, known = x[rows], labels[rows]
    if np.bincount(known).max() < PENALTY_FOLDS:
        return -abs(np.log(penalty))  # too few rows to compare: the neutral penalty of 1
    folds = StratifiedKFold(PENALTY_FOLDS, shuffle=True, random_state=seed)
    total = 0.0
    for train, test in folds.split(few, known):
        model = LogisticRegression(C=penalty, max_iter=100, tol=1e-2).fit(few[train], known[train])
        place = {label: index for index, label in enumerate(model.classes_)}
        chance = model.predict_proba(few[test])
        total += sum(
            np.log(max(chance[i, place[label]], 1e-12)) if label in place else np.log(1e-12)
            for i, label in enumerate(known[test])
        )
    return float(total)
