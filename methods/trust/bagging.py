r"""Bagging over groups of rows, and the variance of what comes out.

A bootstrap sample draws whole groups (all years of an artist), because rows of one group are not
independent. Members trained on such samples are correlated, so the variance of their mean is

.. math:: Var(\bar f) = \rho s^2 + (1 - \rho) s^2 / B

with s^2 the variance of a member and rho the correlation of two members, over new training data; `Var / B`
of the specification is the case rho = 0. The bootstrap variance, the spread of the members, estimates the
variance of one model over new training data.

References
----------
Specification 3, §8.3. Breiman, "Bagging predictors", Machine Learning 24 (1996). Hastie, Tibshirani and
Friedman, The Elements of Statistical Learning (2009), equation 15.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """Variance of members over new training data, one value per predicted row.

    Attributes
    ----------
    member : (n,) float
        s^2, the variance of one member.
    correlation : (n,) float
        rho, between two members trained on resamples of the same data; at least 0.
    """

    member: Floats
    correlation: Floats

    def of_mean(self, members: int) -> Floats:
        """Return the variance of the mean of some members."""
        return self.correlation * self.member + (1 - self.correlation) * self.member / members


def bootstrap_rows(group: Ints, members: int, seed: int) -> list[Ints]:
    """Draw groups with replacement, and return the rows of each sample.

    Parameters
    ----------
    group : (n,) int
        Group of each row.
    members : int
        Number of samples.
    seed : int

    Returns
    -------
    list of (k,) int
        Row numbers; the rows of a group that is drawn twice occur twice.
    """
    names, member = np.unique(group, return_inverse=True)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(len(names) + 1))
    rows = [order[a:b] for a, b in pairwise(starts)]
    generator = np.random.default_rng(seed)
    return [
        np.concatenate([rows[i] for i in generator.integers(len(names), size=len(names))])
        for _ in range(members)
    ]


def bootstrap_variance(predictions: Floats) -> Floats:
    r"""Return the spread of the members, :math:`\sum_b (f_b - \bar f)^2 / (B - 1)`.

    Parameters
    ----------
    predictions : (members, n) float
        At least two members.
    """
    if len(predictions) < 2:
        raise ValueError(f"{len(predictions)} members; expected at least 2, to estimate a variance")
    return np.var(predictions, axis=0, ddof=1)


def variance_components(predictions: Floats) -> Components:
    """Separate the variance between training sets from that between their resamples.

    Parameters
    ----------
    predictions : (sets, members, n) float
        Predictions of `members` bootstrap members for each of `sets` training sets, at least two of each.
        The sets are new data, or outer bootstrap samples in place of new data.

    Returns
    -------
    Components
        By the one-way analysis of variance; a negative component counts as 0.
    """
    sets, members = predictions.shape[:2]
    if min(sets, members) < 2:
        raise ValueError(f"{sets} sets of {members} members; expected at least 2 of each")
    within = np.var(predictions, axis=1, ddof=1).mean(axis=0)
    between = np.maximum(np.var(predictions.mean(axis=1), axis=0, ddof=1) - within / members, 0)
    total = between + within
    correlation = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return Components(total, correlation)


def gaussian_log_likelihood(truth: Floats, mean: Floats, variance: Floats) -> Floats:
    """Return the log density of each truth under a normal distribution, in nats."""
    return -0.5 * (np.log(2 * np.pi * variance) + (truth - mean) ** 2 / variance)


def mixture_log_likelihood(truth: Floats, means: Floats, variances: Floats) -> Floats:
    """Return the log density of each truth under a mixture of normals.

    Members have equal shares.

    Parameters
    ----------
    truth : (n,) float
    means, variances : (members, n) float

    Returns
    -------
    (n,) float
        In nats.
    """
    densities = gaussian_log_likelihood(truth, means, variances)
    top = densities.max(axis=0)
    return top + np.log(np.exp(densities - top).mean(axis=0))
