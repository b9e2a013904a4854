"""Differences between two samples of the same columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm, rankdata

Floats = NDArray[np.float64]


def psi(reference: Floats, current: Floats, bins: int = 10) -> float:
    r"""Return the population stability index of one column.

    .. math:: \sum_b (q_b - p_b) \log (q_b / p_b)

    with the shares p of the reference and q of the other sample in the bins between quantiles of the
    reference. Half a row is added to each bin, so that no bin is empty. A usual reading: below 0.1
    stable, above 0.25 changed.

    Parameters
    ----------
    reference, current : ndarray of shape (n,) and (m,)
        Finite.
    bins : int
        Number of bins; fewer if quantiles coincide.
    """
    edges = np.unique(np.quantile(reference, np.arange(1, bins) / bins))
    number = len(edges) + 1
    shares = []
    for sample in (reference, current):
        counts = np.bincount(np.searchsorted(edges, sample, side="left"), minlength=number) + 0.5
        shares.append(counts / counts.sum())
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())


def kolmogorov_smirnov(reference: Floats, current: Floats) -> Floats:
    """Return the p-value of each column by the asymptotic law.

    It is 1 for a column without values.

    Parameters
    ----------
    reference, current : ndarray of shape (n, d) and (m, d)
        NaN where missing.
    """
    p = np.ones(reference.shape[1])
    for column in range(len(p)):
        first, second = reference[:, column], current[:, column]
        first, second = first[~np.isnan(first)], second[~np.isnan(second)]
        if len(first) and len(second):
            p[column] = ks_2samp(first, second, method="asymp").pvalue
    return p


def holm(p: Floats) -> Floats:
    """Return p-values adjusted for their number by the method of Holm (1979)."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    result = np.empty(len(p))
    result[order] = np.minimum(adjusted, 1.0)
    return result


@dataclass(frozen=True)
class TwoSamples:
    """Success of a classifier at distinguishing two samples.

    Attributes
    ----------
    auc : float
        Area under the ROC curve of cross-validated scores; 0.5 if the samples do not differ.
    low, high : float
        95 % interval by the variance of DeLong et al. (1988).
    """

    auc: float
    low: float
    high: float


def two_samples(reference: Floats, current: Floats, *, seed: int, folds: int = 5) -> TwoSamples:
    """Test whether a logistic regression distinguishes two samples.

    Its regressors are the columns and their squares, so that it finds a change of means and of spreads.
    Scaling is part of each fit.

    Parameters
    ----------
    reference, current : ndarray of shape (n, d) and (m, d)
        Finite, n and m at least `folds`.
    seed : int
        Seed of the folds.

    References
    ----------
    Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR (2017).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    values = np.vstack([reference, current])
    label = np.r_[np.zeros(len(reference), int), np.ones(len(current), int)]
    squares = FunctionTransformer(lambda table: np.hstack([table, table**2]))
    model = make_pipeline(StandardScaler(), squares, StandardScaler(), LogisticRegression(C=0.1))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, values, label, cv=parts, method="decision_function")
    return auc_interval(scores[label == 0], scores[label == 1])


def auc_interval(negative: Floats, positive: Floats) -> TwoSamples:
    """Return the area under the ROC curve with its interval.

    Parameters
    ----------
    negative, positive : ndarray of shape (n,) and (m,)
        Scores; n and m at least 2.
    """
    n, m = len(negative), len(positive)
    ranks = rankdata(np.r_[negative, positive])
    above = 1 - (ranks[:n] - rankdata(negative)) / m
    below = (ranks[n:] - rankdata(positive)) / n
    auc = float(below.mean())
    half = float(norm.ppf(0.975)) * math.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / m)
    return TwoSamples(auc, max(auc - half, 0.0), min(auc + half, 1.0))
