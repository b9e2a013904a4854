"""Result of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from methods.ergm.terms import Term

Array = NDArray[np.float64]


@dataclass(frozen=True)
class McmcDiagnostics:
    """Diagnostics of the simulation; arrays (p,) follow `names` of the fit.

    `monte_carlo_error` is the part of the standard error from simulation. `effective_size` is the number
    of independent networks that `draws` are worth. `distance` is that of the observed statistics from the
    simulated mean before the last step, in standard deviations.
    """

    draws: int
    interval: int
    proposals: int
    rounds: int
    distance: float
    effective_size: Array
    monte_carlo_error: Array
    simulated_mean: Array
    simulated_sd: Array


@dataclass(frozen=True)
class ErgmFit:
    """Estimates of the coefficients, with the graph and terms that they belong to.

    A statistic at its least attainable value has coefficient -inf, at its greatest inf, and no standard
    error; `boundary` has a sentence for each of them and "" for the others. Dyads that it determines count
    in the likelihood as even odds, as in statnet, so that the drop from the null deviance is due to the
    finite coefficients.

    If `converged` is False, `reason` says why: `coef` are then the last coefficients, and standard errors
    are NaN unless the last sample sufficed for them. If the fit is `exact`, `mcmc_diagnostics` is None and
    `log_likelihood`, `deviance`, `aic` and `bic` are set; after a simulation `add_log_likelihood` sets
    them, with their `log_likelihood_error`. `dyads` counts those at risk whose state is known.
    `statistics` of a curved term are those at the estimated decay. `start` is the start of the
    estimation: the maximum pseudo-likelihood estimate, if that is finite.
    """

    names: tuple[str, ...]
    coef: Array
    std_error: Array
    p_value: Array
    boundary: tuple[str, ...]
    mcmc_diagnostics: McmcDiagnostics | None
    covariance: Array
    statistics: Array
    start: Array
    exact: bool
    converged: bool
    reason: str
    dyads: int
    log_likelihood: float | None
    log_likelihood_error: float
    graph: nx.Graph
    terms: tuple[Term, ...]
    free: NDArray[np.bool_] | None
    missing: NDArray[np.bool_]

    @property
    def null_deviance(self) -> float:
        """Deviance of the model in which every tie at risk has probability 1/2."""
        return 2 * self.dyads * float(np.log(2))

    @property
    def deviance(self) -> float | None:
        """Minus twice the log-likelihood; None if that is not known."""
        return None if self.log_likelihood is None else -2 * self.log_likelihood

    @property
    def aic(self) -> float | None:
        """Akaike's information criterion; None if the likelihood is not known."""
        return None if self.deviance is None else self.deviance + 2 * int(np.isfinite(self.coef).sum())

    @property
    def bic(self) -> float | None:
        """Bayesian information criterion over known dyads; None if not known."""
        parameters = int(np.isfinite(self.coef).sum())
        return None if self.deviance is None else self.deviance + parameters * float(np.log(self.dyads))
