"""Fit an exponential random graph model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from methods.ergm.likelihood import InfiniteEstimateError, Maximum, maximise, pseudo_share, ranges
from methods.ergm.mcmle import Estimate, estimate
from methods.ergm.sampling import Budget, Chain, DegenerateModelError, autocorrelation_time
from methods.ergm.simulation import initial_state
from methods.ergm.state import State, check_graph
from methods.ergm.terms import Model, Term, read_terms

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

    A statistic at its least possible value has coefficient -inf, at its greatest inf, and no standard
    error. Dyads that it determines count in the likelihood as even odds, as in statnet, so that the drop
    from the null deviance is due to the finite coefficients. If the fit is `exact`, `mcmc_diagnostics` is
    None and `log_likelihood`, `deviance`, `aic` and `bic` are set; else these are None. `start` is the
    start of the estimation: the maximum pseudo-likelihood estimate, if that is finite.
    """

    names: tuple[str, ...]
    coef: Array
    std_error: Array
    p_value: Array
    mcmc_diagnostics: McmcDiagnostics | None
    covariance: Array
    statistics: Array
    start: Array
    exact: bool
    dyads: int
    log_likelihood: float | None
    graph: nx.Graph
    terms: tuple[Term, ...]
    free: NDArray[np.bool_] | None

    @property
    def null_deviance(self) -> float:
        """Deviance of the model in which every tie at risk has probability 1/2."""
        return 2 * self.dyads * float(np.log(2))

    @property
    def deviance(self) -> float | None:
        """Minus twice the log-likelihood; None if the fit is not exact."""
        return None if self.log_likelihood is None else -2 * self.log_likelihood

    @property
    def aic(self) -> float | None:
        """Akaike's information criterion; None if the fit is not exact."""
        return None if self.deviance is None else self.deviance + 2 * int(np.isfinite(self.coef).sum())

    @property
    def bic(self) -> float | None:
        """Bayesian information criterion over dyads; None if the fit is not exact."""
        parameters = int(np.isfinite(self.coef).sum())
        return None if self.deviance is None else self.deviance + parameters * float(np.log(self.dyads))


def fit(
    graph: nx.Graph,
    terms: Sequence[Term],
    *,
    seed: int,
    method: str = "auto",
    free: ArrayLike | None = None,
    effective: float = 4000,
    most_steps: int = 200_000_000,
) -> ErgmFit:
    r"""Fit :math:`P(Y = y) \propto \exp(\theta \cdot g(y))` by maximum likelihood.

    Parameters ---------- graph : Graph or DiGraph without loops, with the node attributes that `terms`
    name. terms : for example ``["edges", "mutual", ("nodematch", "group"), ("gwesp", 0.5)]``; see
    `methods.ergm.terms`. seed : seed of the simulation; without effect if the fit is exact. method : "auto"
    computes the exact maximum if no term except `mutual` depends on other ties, else it
        simulates; "mcmc" always simulates; "pseudo" maximises the pseudo-likelihood, whose standard
        errors are too small if ties depend on each other.
    free : (n, n) bool, in the order of ``graph.nodes``; the risk set. Other dyads keep their state.
    effective : effective size of the last sample in independent networks; the simulation error is
        about ``1 / sqrt(effective)`` of a standard error.
    most_steps : maximum number of proposals of the fit, at most a quarter of them from one start to the
        last samples. The default takes about 40 to 80 seconds of CPU time in sparse networks.

    Raises
    ------
    DegenerateModelError
        If simulated networks do not approach the observed one, or the sampler does not mix.
    ValueError
        For an invalid graph or term, collinear statistics, or an infinite estimate.

    References
    ----------
    Hunter and Handcock, Inference in curved exponential family models for networks, JCGS 15 (2006).
    Morris, Handcock and Hunter, Specification of ERGMs, J. Stat. Softw. 24 (2008). Spec 3 section 5.
    """
    if method not in ("auto", "mcmc", "pseudo"):
        raise ValueError(f"ergm: method is {method!r}; expected 'auto', 'mcmc' or 'pseudo'")
    check_graph(graph)
    model = read_terms(graph, terms)
    state, observed = initial_state(graph, model, free)
    infinite = _infinite(state, model, observed)
    exact = model.dyad_independent and method == "auto"
    start = np.where(np.isfinite(infinite), 0.0, infinite)
    inputs = (graph, tuple(terms), None if free is None else np.asarray(free, dtype=bool))
    if exact or method == "pseudo":
        maximum = maximise(state, model, start, exact=exact)
        return _without_simulation(model, maximum, observed, state.dyads, exact, inputs)
    rng, budget = np.random.default_rng(seed), Budget(most_steps)

    def new_chain() -> Chain:
        return Chain(initial_state(graph, model, free)[0], model, observed.copy(), rng, budget)

    starts = _starts(state, model, start, seed)
    try:
        simulated = estimate(new_chain, starts, observed, effective, most_steps)
    except DegenerateModelError as error:
        raise DegenerateModelError(
            f"ergm: the model {', '.join(model.names)} is degenerate or far from this network: {error}. "
            "Replace triangle, ttriple or kstar by a geometrically weighted term (gwesp), or add terms for "
            "node attributes (nodematch, nodefactor); if the sampler only mixes slowly, raise most_steps"
        ) from None
    return _with_simulation(model, simulated, observed, state.dyads, starts[0], inputs)


def _infinite(state: State, model: Model, observed: Array) -> Array:
    """Return -inf or inf for statistics at their least or greatest value, else 0."""
    ties = int(state.ties[0])
    if ties in (0, state.dyads):
        raise ValueError(
            f"ergm: {ties} of {state.dyads} dyads at risk have a tie; expected at least one tie "
            "and one dyad without"
        )
    low, high = ranges(state, model)
    independent = model.independent
    near = 1e-9 * np.maximum(1.0, np.abs(observed))
    least = np.where(independent, observed <= low + near, observed == 0)
    greatest = independent & (observed >= high - near)
    return np.select([least, greatest], [-np.inf, np.inf], 0.0)


def _starts(state: State, model: Model, zero: Array, seed: int) -> list[Array]:
    """Return starts: pseudo-likelihood estimates of all and of independent terms."""
    keep, starts = pseudo_share(state), []
    try:
        starts.append(maximise(state, model, zero, exact=False, keep=keep, seed=seed).coef)
    except InfiniteEstimateError:
        if not model.independent.any():
            return [zero]
    if model.independent.any():
        independent = maximise(
            state, model, zero, exact=False, moving=model.independent, keep=keep, seed=seed
        )
        starts.append(independent.coef)
    return starts


def _p_value(coef: Array, std_error: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(coef), 2 * norm.sf(np.abs(coef / std_error)), 0.0)


def _without_simulation(
    model: Model, maximum: Maximum, observed: Array, dyads: int, exact: bool,
    inputs: tuple[nx.Graph, tuple[Term, ...], NDArray[np.bool_] | None],
) -> ErgmFit:  # fmt: skip
    moving = np.isfinite(maximum.coef)
    covariance = np.zeros_like(maximum.information)
    covariance[np.ix_(moving, moving)] = np.linalg.inv(maximum.information[np.ix_(moving, moving)])
    std_error = np.sqrt(np.diag(covariance))
    log_likelihood = maximum.log_likelihood - maximum.decided * float(np.log(2))
    return ErgmFit(
        model.names, maximum.coef, std_error, _p_value(maximum.coef, std_error), None, covariance, observed,
        maximum.coef, exact, dyads, log_likelihood if exact else None, *inputs,
    )  # fmt: skip


def _with_simulation(
    model: Model, simulated: Estimate, observed: Array, dyads: int, start: Array,
    inputs: tuple[nx.Graph, tuple[Term, ...], NDArray[np.bool_] | None],
) -> ErgmFit:  # fmt: skip
    covariance = simulated.covariance + simulated.monte_carlo
    std_error = np.sqrt(np.diag(covariance))
    draws = len(simulated.sample)
    diagnostics = McmcDiagnostics(
        draws=draws,
        interval=simulated.interval,
        proposals=simulated.proposals,
        rounds=simulated.rounds,
        distance=simulated.distance,
        effective_size=draws / autocorrelation_time(simulated.sample),
        monte_carlo_error=np.sqrt(np.diag(simulated.monte_carlo)),
        simulated_mean=simulated.sample.mean(axis=0),
        simulated_sd=simulated.sample.std(axis=0, ddof=1),
    )
    return ErgmFit(
        model.names, simulated.coef, std_error, _p_value(simulated.coef, std_error), diagnostics, covariance,
        observed, start, False, dyads, None, *inputs,
    )  # fmt: skip
