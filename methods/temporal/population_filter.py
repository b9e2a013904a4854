r"""A state-space model of a population of series.

.. math::
    y_{it} &= f_t + a_i + u_i(t) + \epsilon_{it},\qquad
    \epsilon_{it} \sim N(0,\ \kappa + s_i^2 / n_{it}) \\
    a_i &\sim N(g_{c(i)}, \tau),\qquad g_c \sim N(0, \gamma),\qquad
    f_t - f_{t-1} \sim N(0, q) \\
    u_i(t) &= e^{-\lambda \Delta} u_i(t - \Delta) + N(0,\ \omega (1 - e^{-2 \lambda \Delta}))

The terms are trend, level, deviation and noise. This is specification 3, §1.2.3: a Gaussian process over
each career, with an exponential kernel and a hierarchical mean. Noise falls with the number of songs
behind a mean, which a plain autoregression ignores. The parameters are fitted by marginal likelihood
(empirical Bayes).

The joint filter over all series is approximated by one filter per series plus a filter of the trend (and
of each group's mean) that treats the innovations of series as independent. A row uses the trend of the
blocks before its own: nothing of the same year, nothing later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from methods.compiled import compiled
from methods.temporal.panel import Floats, Panel

Array = np.ndarray

NAMES = ("level", "deviation", "excess", "trend", "group", "rate")
"""tau, omega, kappa, q, gamma (variances) and lambda (1/year), in the order of the vector."""

START = np.array([0.2, 0.2, 0.06, 0.002, 0.2, 0.12])
"""Start of the search and centre of the prior, relative to the variance of y."""

TREND_START = 0.2
"""Variance of the trend before the first block, relative to the variance of y."""


@dataclass(frozen=True)
class FilterResult:
    """Forecasts of each row from the rows before it.

    Attributes
    ----------
    forecast, variance : (n,) float
        Mean and variance of the row's true mean (without sampling noise).
    trend, level, deviation : (n,) float
        The parts of the forecast.
    level_variance : (n,) float
        Posterior variance of the level.
    """

    forecast: Floats
    variance: Floats
    trend: Floats
    level: Floats
    deviation: Floats
    level_variance: Floats


@dataclass(frozen=True)
class Fit:
    """Fitted parameters in the order of `NAMES`, with initial state and loss."""

    theta: Floats
    start: float
    trend_variance: float
    loss: float


@compiled
def _filter(
    y: Array,
    noise: Array,
    unit: Array,
    group: Array,
    block: Array,
    time: Array,
    units: int,
    groups: int,
    theta: Array,
    start: float,
    trend_variance: float,
    out: Array,
) -> None:
    tau, omega, kappa, q, gamma, rate = theta
    level = np.zeros(units)
    deviation = np.zeros(units)
    p_level = np.full(units, tau)
    p_cross = np.zeros(units)
    p_deviation = np.full(units, omega)
    last = np.full(units, np.nan)
    mean_g = np.zeros(groups)
    p_g = np.full(groups, gamma)
    f = start
    p_f = trend_variance
    i = 0
    while i < len(y):
        j = i
        while j < len(y) and block[j] == block[i]:
            j += 1
        if i > 0 and trend_variance > 0:
            p_f += q * (block[i] - block[i - 1])
        precision = 0.0
        pull = 0.0
        for r in range(i, j):
            k = unit[r]
            g = group[r]
            debut = np.isnan(last[k])
            if debut:
                level[k] = mean_g[g]
                p_level[k] = tau + p_g[g]
            else:
                keep = np.exp(-rate * (time[r] - last[k]))
                deviation[k] *= keep
                p_cross[k] *= keep
                p_deviation[k] = p_deviation[k] * keep * keep + omega * (1 - keep * keep)
            forecast = f + level[k] + deviation[k]
            own = p_level[k] + 2 * p_cross[k] + p_deviation[k] + kappa
            out[r, 0] = forecast
            out[r, 1] = own + p_f
            out[r, 2] = f
            out[r, 3] = level[k]
            out[r, 4] = deviation[k]
            out[r, 5] = p_level[k]
            error = y[r] - forecast
            total = own + noise[r] + p_f
            precision += 1 / (own + noise[r])
            pull += error / (own + noise[r])
            if debut:
                gain = p_g[g] / total
                mean_g[g] += gain * error
                p_g[g] *= 1 - gain
            c_level = p_level[k] + p_cross[k]
            c_deviation = p_cross[k] + p_deviation[k]
            level[k] += c_level / total * error
            deviation[k] += c_deviation / total * error
            p_level[k] -= c_level * c_level / total
            p_cross[k] -= c_level * c_deviation / total
            p_deviation[k] -= c_deviation * c_deviation / total
            last[k] = time[r]
        if trend_variance > 0:
            p_f = 1 / (1 / p_f + precision)
            f += p_f * pull
        i = j


def run(panel: Panel, y: Floats, noise: Floats, fit: Fit) -> FilterResult:
    """Forecast every row from the rows before it.

    Parameters
    ----------
    panel : Panel
        n rows; `mean` is not used.
    y, noise : (n,) float
        Values of one dimension and their sampling variance.
    fit : Fit
        Result of `fit`.

    Returns
    -------
    FilterResult
        Row r depends on earlier rows of its unit and on rows of earlier blocks. It depends on rows of
        its own block only if it is a debut, through the mean of its group.
    """
    out = np.empty((len(y), 6))
    _run_into(panel, y, noise, fit.theta, fit.start, fit.trend_variance, out)
    return FilterResult(*(out[:, column].copy() for column in range(6)))


def _run_into(
    panel: Panel, y: Floats, noise: Floats, theta: Floats, start: float, trend_variance: float, out: Floats
) -> None:
    _filter(
        y, noise, panel.unit, panel.group, panel.block, panel.time,
        panel.units, panel.groups, theta, start, trend_variance, out,
    )  # fmt: skip


def fit(
    panel: Panel,
    y: Floats,
    noise: Floats,
    learn: NDArray[np.bool_],
    score: NDArray[np.bool_],
    *,
    trend: bool,
    evaluations: int = 600,
    prior: float = 1e-4,
) -> Fit:
    r"""Fit the six parameters by penalised marginal likelihood.

    Minimises half the mean of `(y - m)^2 / v + log v` over the rows of `score`, plus
    `prior * |log(theta / theta_0)|^2`, by the Nelder-Mead simplex method.

    Parameters
    ----------
    panel : Panel
    y, noise : (n,) float
    learn : (n,) bool
        Rows that set the scale and the start of the trend.
    score : (n,) bool
        Rows whose forecasts enter the likelihood. Rows in neither mask must come after these:
        later rows have no influence.
    trend : bool
        Whether the mean of the population changes over time.
    """
    scale = float(y[learn].var())
    start = float(y[learn].mean())
    guess = np.log(START * np.r_[np.full(5, scale), 1.0])
    trend_variance = TREND_START * scale if trend else 0.0
    out = np.empty((len(y), 6))

    def loss(x: Floats) -> float:
        theta = np.exp(np.clip(x, guess - 12, guess + 6))
        _run_into(panel, y, noise, theta, start, trend_variance, out)
        variance = out[score, 1] + noise[score]
        likelihood = 0.5 * np.mean((y[score] - out[score, 0]) ** 2 / variance + np.log(variance))
        return float(likelihood + prior * np.sum((x - guess) ** 2))

    result = minimize(
        loss, guess, method="Nelder-Mead", options={"maxfev": evaluations, "xatol": 1e-2, "fatol": 1e-6}
    )
    theta = np.exp(np.clip(result.x, guess - 12, guess + 6))
    return Fit(theta, start, trend_variance, float(result.fun))


def fit_dimensions(
    panel: Panel,
    noise: Floats,
    learn: NDArray[np.bool_],
    score: NDArray[np.bool_],
    *,
    trend: bool,
    track: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> tuple[list[Fit], list[FilterResult]]:
    """Fit and run one filter for each column of the panel; see `fit`."""
    fits, filtered = [], []
    for column in track(range(panel.mean.shape[1])):
        y = np.ascontiguousarray(panel.mean[:, column])
        variance = np.ascontiguousarray(noise[:, column])
        fits.append(fit(panel, y, variance, learn, score, trend=trend))
        filtered.append(run(panel, y, variance, fits[-1]))
    return fits, filtered
