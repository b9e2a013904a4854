"""Train the baselines of molecules that read one vector a molecule.

    kernel ridge   f(x) = sum_i c_i exp(-|x - x_i|_p^p / l^p), p = 1 (Laplace) or 2; l and ridge by 5 folds
    forest         averaged trees on a third of the features each
    perceptron     two hidden layers on standardised features

All come from scikit-learn; its settings stand here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from methods.sifa.model import Trained

Floats = NDArray[np.float64]
Describe = Callable[[Floats], Floats]

LENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Lengths of a kernel, in units of the median distance."""
RIDGES = (1e-9, 1e-6, 1e-4, 1e-2, 1e-1)
TREES = 300
HIDDEN = (64, 64)
FOLDS = 5


def kernel_ridge(describe: Describe, x: Floats, y: Floats, *, laplace: bool, seed: int) -> Trained:
    """Fit kernel ridge regression; length and ridge by cross-validation.

    Parameters
    ----------
    describe : callable
        Inputs -> (n, width) features. Those of a Gaussian kernel are standardised.
    x, y : float arrays
    laplace : bool
        Whether the kernel is that of city-block distances, or the Gaussian.
    seed : int
        Of the folds.
    """
    from scipy.spatial.distance import cdist

    features = describe(x)
    centre, spread = (0.0, 1.0) if laplace else (features.mean(0), np.maximum(features.std(0), 1e-9))
    stored = (features - centre) / spread
    measure = "cityblock" if laplace else "sqeuclidean"
    distances = cdist(stored, stored, measure)
    unit = float(np.median(distances[distances > 0]))
    power = 1 if laplace else 2
    folds = np.random.default_rng(seed).permutation(len(y)) % FOLDS
    mean = float(y.mean())
    errors = {}
    for length in LENGTHS:
        kernel = np.exp(-distances / (unit * length**power))
        for ridge in RIDGES:
            off = [_left_out(kernel, y - mean, folds == fold, ridge) for fold in range(FOLDS)]
            errors[length, ridge] = float(np.abs(np.concatenate(off)).mean())
    length, ridge = min(errors, key=lambda pair: errors[pair])
    kernel = np.exp(-distances / (unit * length**power))
    coefficients = np.linalg.solve(kernel + ridge * np.eye(len(y)), y - mean)

    def predict(new: Floats) -> Floats:
        away = cdist((describe(new) - centre) / spread, stored, measure)
        means: Floats = mean + np.exp(-away / (unit * length**power)) @ coefficients
        return means

    return Trained(predict, len(y), len(y) * (3 * stored.shape[1] + 4))


def _left_out(kernel: Floats, y: Floats, out: NDArray[np.bool_], ridge: float) -> Floats:
    within = kernel[np.ix_(~out, ~out)] + ridge * np.eye(int((~out).sum()))
    errors: Floats = kernel[np.ix_(out, ~out)] @ np.linalg.solve(within, y[~out]) - y[out]
    return errors


def forest(describe: Describe, x: Floats, y: Floats, *, seed: int) -> Trained:
    """Fit a random forest; its parameters are the nodes of its trees."""
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(TREES, max_features=1 / 3, random_state=seed).fit(describe(x), y)
    nodes = sum(int(tree.tree_.node_count) for tree in model.estimators_)
    depth = float(np.mean([tree.get_depth() for tree in model.estimators_]))
    return Trained(lambda new: np.asarray(model.predict(describe(new))), nodes, int(TREES * depth))


def boosted(describe: Describe, x: Floats, y: Floats, *, seed: int) -> Trained:
    """Fit gradient-boosted trees; their parameters are their nodes."""
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=400, learning_rate=0.05, max_depth=4, subsample=0.5, max_features=0.3, random_state=seed
    ).fit(describe(x), y)
    nodes = sum(int(tree.tree_.node_count) for tree in model.estimators_[:, 0])
    return Trained(lambda new: np.asarray(model.predict(describe(new))), nodes, 400 * 4)


def perceptron(describe: Describe, x: Floats, y: Floats, *, epochs: int, seed: int) -> Trained:
    """Fit a multilayer perceptron on standardised features and values."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mean, sd = float(y.mean()), float(y.std()) or 1.0
    network = MLPRegressor(hidden_layer_sizes=HIDDEN, alpha=1e-3, max_iter=max(epochs, 1), random_state=seed)
    model = make_pipeline(StandardScaler(), network)
    with warnings.catch_warnings():
        # The number of epochs is the setting; that the loss could still fall is no fault.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(describe(x), (y - mean) / sd)
    parameters = sum(part.size for part in (*network.coefs_, *network.intercepts_))
    return Trained(
        lambda new: mean + sd * np.asarray(model.predict(describe(new))),
        parameters,
        2 * sum(part.size for part in network.coefs_),
        None,
        tuple(map(float, network.loss_curve_)),
    )
