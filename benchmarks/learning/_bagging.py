"""Bagging: log likelihood of ten members on UCI sets beside MC-dropout.

Trees suit some sets and smooth networks others, so a part of the training rows chooses the members. Finished
splits are stored, and an interrupted run resumes after them.

The data are the external set `learning/uci_regression`, see `benchmarks.parts.external_data`.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parts import ROOT, Omission, Tables, external_data
from methods.trust.bagging import bootstrap_rows, gaussian_log_likelihood
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

Floats = np.ndarray
Ints = np.ndarray
Predict = Callable[[Floats], Floats]

SETS = (
    "concrete", "energy", "kin8nm", "naval-propulsion-plant", "power-plant", "protein-tertiary-structure",
    "wine-quality-red", "yacht",
)  # fmt: skip
MEMBERS, EPOCHS, SPLITS = 10, 60, 5
COLUMNS = ("set", "split", "members", "log_likelihood", "rmse", "code")
STORE = ROOT / "benchmarks/figures/learning/likelihood_splits.csv"
MOST_ROWS_OF_CHOICE = 8000
SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)


def tables() -> Tables:
    """Yield the table of log likelihoods."""
    folder = external_data("learning/uci_regression")
    if isinstance(folder, Omission):
        yield folder
        return
    yield table(folder, split_scores(folder, SETS, SPLITS, STORE))


def split_scores(folder: Path, sets: tuple[str, ...], splits: int, store: Path) -> pd.DataFrame:
    """Score the first published splits of each set, and store each when it is ready.

    Parameters
    ----------
    folder : Path
        Data with the published splits.
    sets : tuple of str
    splits : int
        Number of splits of each set.
    store : Path
        CSV file of finished splits. Those of the same code are not repeated.

    Returns
    -------
    DataFrame
        One row per set and split, with `COLUMNS`; the log likelihood is in nats.
    """
    parts = (_split, ensemble, chosen_kind, _trees, _network, variance)
    source = "".join(inspect.getsource(part) for part in parts)
    code = hashlib.sha256(f"{MEMBERS} {EPOCHS} {MOST_ROWS_OF_CHOICE} {source}".encode()).hexdigest()[:12]
    finished = pd.read_csv(store).to_dict("records") if store.exists() else []
    rows = [row for row in finished if row["code"] == code]
    known = {(row["set"], row["split"]) for row in rows}
    for split, name in itertools.product(range(splits), sets):
        if (name, split) not in known:
            found = _split(pd.read_parquet(folder / f"{name}.parquet"), split)
            rows.append(dict(zip(COLUMNS, (name, split, *found, code), strict=True)))
            pd.DataFrame(rows).round(6).to_csv(store, index=False, lineterminator="\n")
    scores = pd.DataFrame(rows, columns=COLUMNS)
    return scores[scores["set"].isin(sets) & (scores["split"] < splits)]


def table(folder: Path, scores: pd.DataFrame) -> BenchmarkTable:
    """Compare the mean score of each set with the published one."""
    published = pd.read_csv(folder / "published_mc_dropout.csv")
    rows: list[list[TextOrNumber]] = []
    for name, of_set in scores.groupby("set", sort=False):
        peer = published[published["dataset"] == name].set_index("measure")
        theirs, error = peer.loc["test_ll", "mean"], peer.loc["test_MC_rmse", "mean"]
        likelihood = of_set["log_likelihood"]
        rows.append(
            [
                str(name), len(of_set), ", ".join(sorted(set(of_set["members"]))), float(likelihood.mean()),
                float(likelihood.sem()), float(theirs), "yes" if likelihood.mean() >= theirs else "no",
                float(of_set["rmse"].mean()), float(error),
            ]
        )  # fmt: skip
    won = sum(row[6] == "yes" for row in rows)
    return BenchmarkTable(
        name="likelihood",
        title=f"Bagging, B = {MEMBERS}, the first published splits: test log likelihood in nats and RMSE "
        "beside published MC-dropout. The kind of members is chosen on a quarter of the training rows. At "
        f"least as high on {won} of {len(rows)}.",
        columns=["set", "splits", "members", "log likelihood", "standard error", "MC-dropout",
                 "at least as high", "RMSE", "MC-dropout RMSE"],
        rows=rows,
    )  # fmt: skip


def _split(frame: pd.DataFrame, k: int) -> tuple[str, float, float]:
    """Return the kind of members, the log likelihood and the RMSE of one split."""
    test = (frame["test_in"].to_numpy() >> k & 1).astype(bool)
    x = frame[[column for column in frame if str(column).startswith("x")]].to_numpy(float)
    y = frame["y"].to_numpy(float)
    centre, spread = y[~test].mean(), y[~test].std()
    learn, target = x[~test], (y[~test] - centre) / spread
    kind = chosen_kind(learn, target, seed=k)
    mean, variance = ensemble(learn, target, x[test], kind, seed=k)
    density = gaussian_log_likelihood((y[test] - centre) / spread, mean, variance) - np.log(spread)
    error = spread * (mean - (y[test] - centre) / spread)
    return kind, float(density.mean()), float(np.sqrt(np.mean(error**2)))


def ensemble(x: Floats, y: Floats, new: Floats, kind: str, *, seed: int) -> tuple[Floats, Floats]:
    """Return mean and variance of new rows by bagging members of a kind.

    The variance is a model of the squared errors out of the bag: of each training row by the members whose
    sample lacks it.
    """
    from threadpoolctl import threadpool_limits

    total, count, means = np.zeros(len(x)), np.zeros(len(x)), []
    with threadpool_limits(limits=1):
        for number, rows in enumerate(bootstrap_rows(np.arange(len(x)), MEMBERS, seed)):
            predict = MEMBER_KINDS[kind](x, y, rows, seed + number)
            out = np.ones(len(x), bool)
            out[rows] = False
            total[out] += predict(x[out])
            count[out] += 1
            means.append(predict(new))
        known = count > 0
        squares = (y[known] - total[known] / count[known]) ** 2
        return np.mean(means, axis=0), variance(x[known], squares, new, seed=seed)


def chosen_kind(x: Floats, y: Floats, *, seed: int) -> str:
    """Choose the kind of members by the squared error on a quarter of the rows."""
    from threadpoolctl import threadpool_limits

    order = np.random.default_rng(seed).permutation(len(x))[:MOST_ROWS_OF_CHOICE]
    held_out, rows = np.split(order, [len(order) // 4])

    def error(kind: str) -> float:
        predict = MEMBER_KINDS[kind](x, y, rows, seed)
        return float(np.mean((predict(x[held_out]) - y[held_out]) ** 2))

    with threadpool_limits(limits=1):
        return min(MEMBER_KINDS, key=error)


def _trees(x: Floats, y: Floats, rows: Ints, seed: int) -> Predict:
    from sklearn.ensemble import HistGradientBoostingRegressor

    weight = np.bincount(rows, minlength=len(x)).astype(float)
    drawn = weight > 0
    fitted = HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.08, max_leaf_nodes=24, min_samples_leaf=5 if len(x) < 2000 else 20,
        l2_regularization=1.0, early_stopping=False, random_state=seed,
    ).fit(x[drawn], y[drawn], weight[drawn])  # fmt: skip
    return fitted.predict


def _network(x: Floats, y: Floats, rows: Ints, seed: int) -> Predict:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = make_pipeline(
        StandardScaler(),
        MLPRegressor(
            hidden_layer_sizes=(64, 64), alpha=1e-3, learning_rate_init=3e-3, max_iter=EPOCHS,
            n_iter_no_change=EPOCHS, random_state=seed,
        ),
    )  # fmt: skip
    with warnings.catch_warnings():
        # The number of epochs is fixed: a row drawn twice would be in both parts of early stopping.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(x[rows], y[rows]).predict


MEMBER_KINDS: dict[str, Callable[[Floats, Floats, Ints, int], Predict]] = {
    "trees": _trees,
    "network": _network,
}
"""Members by name: a function of rows of x and y, the drawn rows and a seed."""


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
