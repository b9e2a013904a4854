r"""Use the neighbours of a row in a sequence.

Scores are noisy readings of a latent Gaussian process:

.. math:: z_t = \sqrt{s}\, f_t + \sqrt{1 - s}\,\epsilon_t, \qquad Corr(f_t, f_u) = c\,\phi^{|t - u| - 1}
          \text{ for } t \ne u

z is the score of any classifier in units of its deviation, and the decision uses :math:`E[f | z]`. The two
parameters of the correlation are those of the labels of the training sequences. The share s is what makes
the autocorrelation of the new scores equal to s times that of the labels; it needs no label of them.

Use it where a sequence model cannot learn the context: features that were trained on the training labels
leave nothing for their neighbours to explain, so that a network learns to ignore them, but on new sequences
the features err and their neighbours help.

References
----------
Rasmussen and Williams, Gaussian processes for machine learning (2006), equation 2.23. Spearman (1904) for
the share s, the reliability of a reading.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from methods.fusion.views import Floats, Ints

LAGS = 12
LEAST_SHARE, LARGEST_SHARE = 0.05, 0.95


@dataclass(frozen=True)
class Context:
    """Correlation of the latent process: `height` at lag 1, then times `decay`."""

    height: float
    decay: float
    mean: float
    """Mean autocorrelation of the labels over lags 1 to `LAGS`."""


def autocorrelation(values: Floats, sequence: Ints, lags: int = LAGS) -> Floats:
    """Return the autocorrelation at lags 1, 2, ... within sequences.

    Parameters
    ----------
    values : (rows,) float
        Rows of one sequence are successive and in order.
    sequence : (rows,) int
    lags : int

    Returns
    -------
    (lags,)
        Mean products of deviations from the common mean, divided by the variance; 0 without a pair.
    """
    centred = values - values.mean()
    result = np.zeros(lags)
    for lag in range(1, lags + 1):
        pair = sequence[lag:] == sequence[:-lag]
        if pair.any():
            result[lag - 1] = float((centred[lag:] * centred[:-lag])[pair].mean() / centred.var())
    return result


def fit_context(labels: Floats, sequence: Ints) -> Context:
    """Fit the correlation of the labels of training sequences."""
    from scipy.optimize import curve_fit

    measured = autocorrelation(labels, sequence)
    lags = np.arange(LAGS)
    start = (float(np.clip(measured[0], 0.01, 0.9)), 0.9)
    (height, decay), _ = curve_fit(lambda lag, c, phi: c * phi**lag, lags, measured, p0=start, bounds=(0, 1))
    return Context(float(height), float(decay), float(measured.mean()))


def share_of_signal(scores: Floats, sequence: Ints, context: Context) -> float:
    """Return the share of the variance of scores that is signal."""
    if context.mean <= 0:
        return LARGEST_SHARE
    ratio = float(autocorrelation(scores, sequence).mean()) / context.mean
    return float(np.clip(ratio, LEAST_SHARE, LARGEST_SHARE))


def smooth(scores: Floats, sequence: Ints, context: Context, share: float) -> Floats:
    r"""Return :math:`E[f | z]` of each row, in deviations of the latent process.

    Parameters
    ----------
    scores : (rows,) float
        Above 0 for the second class, such as log odds. They are not centred: 0 remains the threshold.
    sequence : (rows,) int
        Rows of one sequence are successive and in order.
    context : Context
    share : float
        Strictly between 0 and 1.
    """
    scaled = scores / max(float(scores.std()), 1e-300)
    result = np.zeros(len(scores))
    for number in np.unique(sequence):
        rows = np.flatnonzero(sequence == number)
        covariance = correlation(len(rows), context)
        noisy = share * covariance + (1 - share) * np.eye(len(rows))
        result[rows] = np.sqrt(share) * covariance @ np.linalg.solve(noisy, scaled[rows])
    return result


def correlation(length: int, context: Context) -> Floats:
    """Return the correlation of the latent process along one sequence."""
    lag = np.abs(np.arange(length)[:, None] - np.arange(length))
    result = context.height * context.decay ** np.maximum(lag - 1.0, 0.0)
    np.fill_diagonal(result, 1.0)
    return np.asarray(result)


def class_direction(x: Floats, labels: Ints) -> Floats:
    """Return the difference of the class means of standardised columns, (columns,).

    It is the direction of a logistic regression whose penalty tends to infinity, and has no parameter to
    tune.
    """
    return np.asarray(x[labels == 1].mean(axis=0) - x[labels == 0].mean(axis=0))
