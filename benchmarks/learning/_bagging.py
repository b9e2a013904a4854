"""Bagging: log likelihood of ten members on UCI sets beside MC-dropout.

The data are the external set `learning/uci_regression`, see `benchmarks.parts.external_data`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parts import Omission, Tables, external_data
from methods.trust.bagging import bootstrap_rows, gaussian_log_likelihood
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

Floats = np.ndarray

SETS = (
    "concrete", "energy", "kin8nm", "naval-propulsion-plant", "power-plant", "protein-tertiary-structure",
    "wine-quality-red", "yacht",
)  # fmt: skip
MEMBERS, SPLITS = 10, 3
SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)


def tables() -> Tables:
    """Yield the table of log likelihoods."""
    folder = external_data("learning/uci_regression")
    if isinstance(folder, Omission):
        yield folder
        return
    yield table(folder, SETS)


def table(folder: Path, sets: tuple[str, ...]) -> BenchmarkTable:
    """Score the ensembles on the first published splits of each set."""
    published = pd.read_csv(folder / "published_mc_dropout.csv")
    rows: list[list[TextOrNumber]] = []
    for name in sets:
        scores = np.array([_split(pd.read_parquet(folder / f"{name}.parquet"), k) for k in range(SPLITS)])
        of_set = published[published["dataset"] == name].set_index("measure")
        theirs, error = of_set.loc["test_ll", "mean"], of_set.loc["test_MC_rmse", "mean"]
        likelihood = scores[:, 0]
        spread = likelihood.std(ddof=1) / np.sqrt(SPLITS)
        rows.append(
            [
                name, float(likelihood.mean()), float(spread), float(theirs),
                "yes" if likelihood.mean() >= theirs else "no", float(scores[:, 1].mean()), float(error),
            ]
        )  # fmt: skip
    won = sum(row[4] == "yes" for row in rows)
    return BenchmarkTable(
        name="likelihood",
        title=f"Bagged gradient boosting, B = {MEMBERS}, first {SPLITS} published splits: test log "
        f"likelihood in nats and RMSE beside published MC-dropout. At least as high on {won} of {len(rows)}.",
        columns=["set", "log likelihood", "standard error", "MC-dropout", "at least as high", "RMSE",
                 "MC-dropout RMSE"],
        rows=rows,
    )  # fmt: skip


def _split(frame: pd.DataFrame, k: int) -> tuple[float, float]:
    """Return log likelihood and RMSE of one split."""
    test = (frame["test_in"].to_numpy() >> k & 1).astype(bool)
    x = frame[[column for column in frame if str(column).startswith("x")]].to_numpy(float)
    y = frame["y"].to_numpy(float)
    centre, spread = y[~test].mean(), y[~test].std()
    mean, variance = ensemble(x[~test], (y[~test] - centre) / spread, x[test], seed=k)
    density = gaussian_log_likelihood((y[test] - centre) / spread, mean, variance) - np.log(spread)
    error = spread * (mean - (y[test] - centre) / spread)
    return float(density.mean()), float(np.sqrt(np.mean(error**2)))


def ensemble(x: Floats, y: Floats, new: Floats, *, seed: int) -> tuple[Floats, Floats]:
    """Return mean and variance of new rows by bagged gradient boosting.

    The variance is a model of the squared errors out of the bag: of each training row by the members whose
    sample lacks it.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    leaf = 5 if len(x) < 2000 else 20
    total, count, means = np.zeros(len(x)), np.zeros(len(x)), []
    with threadpool_limits(limits=1):
        for rows in bootstrap_rows(np.arange(len(x)), MEMBERS, seed):
            weight = np.bincount(rows, minlength=len(x)).astype(float)
            member = HistGradientBoostingRegressor(
                max_iter=300, learning_rate=0.08, max_leaf_nodes=24, min_samples_leaf=leaf,
                l2_regularization=1.0, early_stopping=False, random_state=seed,
            ).fit(x[weight > 0], y[weight > 0], weight[weight > 0])  # fmt: skip
            out = weight == 0
            total[out] += member.predict(x[out])
            count[out] += 1
            means.append(member.predict(new))
        known = count > 0
        squares = (y[known] - total[known] / count[known]) ** 2
        return np.mean(means, axis=0), variance(x[known], squares, new, seed=seed)


def variance(x: Floats, squares: Floats, new: Floats, *, seed: int) -> Floats:
    """Return the variance of new rows from squared errors out of the bag.

    A boosted model of the squares is shrunk to their mean by the share with the highest likelihood on the
    half of the rows that it was not fitted to: one variance that is far too small costs many nats.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    floor = 1e-3 * squares.mean()

    def fitted(rows: Floats) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            loss="gamma", max_iter=60, learning_rate=0.06, max_leaf_nodes=6, min_samples_leaf=30,
            early_stopping=False, random_state=seed,
        ).fit(x[rows], squares[rows] + floor)  # fmt: skip

    half = np.random.default_rng(seed).random(len(x)) < 0.5
    held_out = np.where(half, fitted(~half).predict(x), fitted(half).predict(x))
    scores = []
    for share in SHARES:
        mixed = (1 - share) * held_out + share * squares.mean()
        scale = float(np.mean(squares / mixed))
        scores.append((-np.mean(np.log(scale * mixed)), share, scale))
    _, share, scale = max(scores)
    return scale * ((1 - share) * fitted(np.ones(len(x), bool)).predict(new) + share * squares.mean())
