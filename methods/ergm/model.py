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
from methods.ergm.simulation import lay_out
from methods.ergm.state import State, check_graph
from methods.ergm.terms import Model, Term, read_terms

Array = NDArray[np.float64]


@dataclass(frozen=True)
class McmcDiagnostics:
    """How the simulation went; arrays (p,) follow `names` of the fit.

    `monte_carlo_error` is the part of the standard error by simulation, `effective_size` the number of
    independent networks that the `draws` are worth, `distance` how far the observed statistics lay from
    the simulated mean before the last step, in standard deviations.
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
    error; dyads that it decides count in the likelihood as even odds, as in statnet, so that the drop
    from the null deviance is that by the finite coefficients. `mcmc_diagnostics` is None, and
    `log_likelihood`, `deviance`, `aic` and `bic` are there, where the fit is `exact`.
    `start` is where the estimation began: at the maximum pseudo-likelihood, if that is finite.
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
        return None if self.log_likelihood is None else -2 * self.log_likelihood

    @property
    def aic(self) -> float | None:
        return None if self.deviance is None else self.deviance + 2 * int(np.isfinite(self.coef).sum())

    @property
    def bic(self) -> float | None:
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
    r"""Maximum likelihood estimate of :math:`P(Y = y) \propto \exp(\theta \cdot g(y))`.

    Parameters
    ----------
    graph : Graph or DiGraph without loops, with the node attributes that `terms` name.
    terms : e.g. ``["edges", "mutual", ("nodematch", "group"), ("gwesp", 0.5)]``; see `methods.ergm.terms`.
    seed : of the simulation; without effect where the fit is exact.
    method : "auto" takes the exact maximum where no term but `mutual` looks at another tie, else
        simulation; "mcmc" always simulates; "pseudo" maximises the pseudo-likelihood, whose standard
        errors are too small where ties depend on each other.
    free : (n, n) bool, in the order of ``graph.nodes``; the risk set. Other dyads keep their state.
    effective : independent networks that the last sample must be worth: the error by simulation is
        about ``1 / sqrt(effective)`` of a standard error.
    most_steps : proposals that the fit may take in all, a quarter of them on the way from one start to where
        the last samples are drawn. The default is some 40 to 80 seconds of CPU in sparse networks.

    Raises
    ------
    DegenerateModelError
        If simulated networks do not come near the observed one, or the sampler does not mix.
    ValueError
        For a graph or term that does not fit, collinear statistics, or an estimate that is infinite.

    References
    ----------
    Hunter and Handcock, Inference in curved exponential family models for networks, JCGS 15 (2006).
    Morris, Handcock and Hunter, Specification of ERGMs, J. Stat. Softw. 24 (2008). Spec 3 section 5.
    """
    if method not in ("auto", "mcmc", "pseudo"):
        raise ValueError(f"ergm: method {method!r}; known are 'auto', 'mcmc' and 'pseudo'")
    check_graph(graph)
    model = read_terms(graph, terms)
    state, observed = lay_out(graph, model, free)
    held = _infinite(state, model, observed)
    exact = model.dyad_independent and method == "auto"
    start = np.where(np.isfinite(held), 0.0, held)
    kept = (graph, tuple(terms), None if free is None else np.asarray(free, dtype=bool))
    if exact or method == "pseudo":
        found = maximise(state, model, start, exact=exact)
        return _without_simulation(model, found, observed, state.dyads, exact, kept)
    rng, budget = np.random.default_rng(seed), Budget(most_steps)

    def new_chain() -> Chain:
        return Chain(lay_out(graph, model, free)[0], model, observed.copy(), rng, budget)

    starts = _starts(state, model, start, seed)
    try:
        simulated = estimate(new_chain, starts, observed, effective, most_steps)
    except DegenerateModelError as error:
        raise DegenerateModelError(
            f"ergm: the model {', '.join(model.names)} is degenerate for this network, or too far from it: "
            f"{error}. Take a geometrically weighted term (gwesp) for triangle, ttriple or kstar, or add "
            "terms for who is tied to whom (nodematch, nodefactor); if it only mixes slowly, raise most_steps"
        ) from None
    return _with_simulation(model, simulated, observed, state.dyads, starts[0], kept)


def _infinite(state: State, model: Model, observed: Array) -> Array:
    """-inf and inf for statistics at their least and greatest possible values, 0 for others."""
    ties = int(state.ties[0])
    if ties in (0, state.dyads):
        raise ValueError(
            f"ergm: {ties} of {state.dyads} dyads at risk have a tie: there is nothing to estimate"
        )
    low, high = ranges(state, model)
    independent = model.independent
    near = 1e-9 * np.maximum(1.0, np.abs(observed))
    least = np.where(independent, observed <= low + near, observed == 0)
    greatest = independent & (observed >= high - near)
    return np.select([least, greatest], [-np.inf, np.inf], 0.0)


def _starts(state: State, model: Model, zero: Array, seed: int) -> list[Array]:
    """The pseudo-likelihood's maximum, if it has one, and that without dependence between dyads."""
    keep, starts = pseudo_share(state), []
    try:
        starts.append(maximise(state, model, zero, exact=False, keep=keep, seed=seed).coef)
    except InfiniteEstimateError:
        if not model.independent.any():
            return [zero]
    if model.independent.any():
        alone = maximise(state, model, zero, exact=False, moving=model.independent, keep=keep, seed=seed)
        starts.append(alone.coef)
    return starts


def _p_value(coef: Array, std_error: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(coef), 2 * norm.sf(np.abs(coef / std_error)), 0.0)


def _without_simulation(
    model: Model, found: Maximum, observed: Array, dyads: int, exact: bool,
    kept: tuple[nx.Graph, tuple[Term, ...], NDArray[np.bool_] | None],
) -> ErgmFit:  # fmt: skip
    moving = np.isfinite(found.coef)
    covariance = np.zeros_like(found.information)
    covariance[np.ix_(moving, moving)] = np.linalg.inv(found.information[np.ix_(moving, moving)])
    std_error = np.sqrt(np.diag(covariance))
    log_likelihood = found.log_likelihood - found.decided * float(np.log(2))
    return ErgmFit(
        model.names, found.coef, std_error, _p_value(found.coef, std_error), None, covariance, observed,
        found.coef, exact, dyads, log_likelihood if exact else None, *kept,
    )  # fmt: skip


def _with_simulation(
    model: Model, found: Estimate, observed: Array, dyads: int, start: Array,
    kept: tuple[nx.Graph, tuple[Term, ...], NDArray[np.bool_] | None],
) -> ErgmFit:  # fmt: skip
    covariance = found.covariance + found.monte_carlo
    std_error = np.sqrt(np.diag(covariance))
    draws = len(found.sample)
    diagnostics = McmcDiagnostics(
        draws=draws,
        interval=found.interval,
        proposals=found.proposals,
        rounds=found.rounds,
        distance=found.distance,
        effective_size=draws / autocorrelation_time(found.sample),
        monte_carlo_error=np.sqrt(np.diag(found.monte_carlo)),
        simulated_mean=found.sample.mean(axis=0),
        simulated_sd=found.sample.std(axis=0, ddof=1),
    )
    return ErgmFit(
        model.names, found.coef, std_error, _p_value(found.coef, std_error), diagnostics, covariance,
        observed, start, False, dyads, None, *kept,
    )  # fmt: skip
