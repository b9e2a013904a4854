"""Fit an exponential random graph model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from methods.ergm.bounds import Boundary, find_boundary
from methods.ergm.change import statistics
from methods.ergm.likelihood import InfiniteEstimateError, maximise, pseudo_share
from methods.ergm.mcmle import Estimate, Sampler, estimate
from methods.ergm.result import ErgmFit, McmcDiagnostics
from methods.ergm.sampling import Budget, Chain, DegenerateModelError, autocorrelation_time
from methods.ergm.simulation import initial_state
from methods.ergm.state import State, check_graph, edge_array
from methods.ergm.terms import Model, Term, read_terms

Array = NDArray[np.float64]


class Problem(NamedTuple):
    """A network with its model: the part of a fit that does not depend on the method.

    `missing` (n, n) marks the dyads at risk whose state is unknown; it is empty if there are none.
    """

    graph: nx.Graph
    terms: tuple[Term, ...]
    free: NDArray[np.bool_] | None
    missing: NDArray[np.bool_]
    state: State
    model: Model
    observed: Array
    boundary: Boundary

    @property
    def dyads(self) -> int:
        """Number of dyads at risk with a known state."""
        unknown = int(self.missing.sum())
        return self.state.dyads - (unknown if self.state.directed else unknown // 2)


def fit(
    graph: nx.Graph,
    terms: Sequence[Term],
    *,
    seed: int,
    method: str = "auto",
    free: ArrayLike | None = None,
    missing: ArrayLike | None = None,
    effective: float = 4000,
    most_steps: int = 200_000_000,
) -> ErgmFit:
    r"""Fit :math:`P(Y = y) \propto \exp(\theta \cdot g(y))` by maximum likelihood.

    Parameters
    ----------
    graph : Graph or DiGraph without loops, with the node attributes that `terms` name.
    terms : for example ``["edges", "mutual", ("nodematch", "group"), ("gwesp", 0.5)]``; see
        `methods.ergm.terms`.
    seed : seed of the simulation; without effect if the fit is exact.
    method : "auto" computes the exact maximum if no term except `mutual` depends on other ties, else it
        simulates; "mcmc" always simulates; "pseudo" maximises the pseudo-likelihood, whose standard
        errors are too small if ties depend on each other.
    free : (n, n) bool, in the order of ``graph.nodes``; the risk set. Other dyads keep their state.
    missing : (n, n) bool, dyads at risk whose state is unknown; the graph's ties there have no effect on
        the estimate. Whether a dyad is missing must not depend on its state, given the known ones.
    effective : effective size of the last sample in independent networks; the simulation error is
        about ``1 / sqrt(effective)`` of a standard error.
    most_steps : maximum number of proposals of the fit. The default takes about 40 to 80 seconds of CPU
        time in sparse networks.

    Returns
    -------
    ErgmFit
        With `converged` False, a `reason` and a warning if the proposals do not suffice.

    Raises
    ------
    DegenerateModelError
        If simulated networks grow without bound from every start.
    ValueError
        For an invalid graph or term, collinear statistics, or statistics that together separate ties from
        non-ties.

    References
    ----------
    Hunter and Handcock, Inference in curved exponential family models for networks, JCGS 15 (2006).
    Morris, Handcock and Hunter, Specification of ERGMs, J. Stat. Softw. 24 (2008).
    Handcock and Gile, Modeling social networks from sampled data, AOAS 4 (2010). Spec 3 section 5.
    """
    if method not in ("auto", "mcmc", "pseudo"):
        raise ValueError(f"ergm: method is {method!r}; expected 'auto', 'mcmc' or 'pseudo'")
    problem = _read(graph, terms, free, missing)
    model = problem.model
    if method == "pseudo" and model.is_decay.any():
        raise ValueError("ergm: the pseudo-likelihood does not estimate a decay; fix it or use 'mcmc'")
    exact = model.dyad_independent and method == "auto"
    # Without a coefficient to estimate there is nothing to simulate.
    settled = not (problem.boundary.coef == 0).any()
    if exact or method == "pseudo" or settled:
        return _without_simulation(problem, exact)
    return _by_simulation(problem, seed, effective, most_steps)


def _read(
    graph: nx.Graph, terms: Sequence[Term], free: ArrayLike | None, missing: ArrayLike | None
) -> Problem:
    check_graph(graph)
    model = read_terms(graph, terms)
    mask = None if free is None else np.asarray(free, dtype=bool)
    state, observed = initial_state(graph, model, mask)
    unknown = _unknown(graph, mask, missing)
    ties = int(state.ties[0])
    if ties in (0, state.dyads):
        raise ValueError(
            f"ergm: {ties} of {state.dyads} dyads at risk have a tie; expected at least one tie "
            "and one dyad without"
        )
    boundary = find_boundary(state, model, observed, unknown)
    return Problem(graph, tuple(terms), mask, unknown, state, model, observed, boundary)


def _unknown(graph: nx.Graph, free: NDArray[np.bool_] | None, missing: ArrayLike | None) -> NDArray[np.bool_]:
    n = graph.number_of_nodes()
    unknown = np.zeros((0, 0), dtype=bool) if missing is None else np.array(missing, dtype=bool)
    if missing is None:
        return unknown
    if unknown.shape != (n, n) or (not graph.is_directed() and (unknown != unknown.T).any()):
        raise ValueError(
            f"ergm: missing has shape {unknown.shape}; expected ({n}, {n}), symmetric for an undirected graph"
        )
    np.fill_diagonal(unknown, False)
    unknown &= True if free is None else free
    return unknown if unknown.any() else np.zeros((0, 0), dtype=bool)


def _by_simulation(problem: Problem, seed: int, effective: float, most_steps: int) -> ErgmFit:
    rng, budget = np.random.default_rng(seed), Budget(most_steps)
    graph, model, edges = problem.graph, problem.model, edge_array(problem.graph)

    def new_chain(free: NDArray[np.bool_] | None) -> Chain:
        return Chain(initial_state(graph, model, free)[0], model, problem.observed.copy(), rng, budget)

    def restate(chain: Chain, coef: Array) -> Array:
        n, directed = graph.number_of_nodes(), graph.is_directed()
        return statistics(n, directed, edges, chain.model.terms, len(coef), model.with_shared)

    def new_sampler() -> Sampler:
        known = new_chain(problem.missing) if problem.missing.size else None
        return Sampler(new_chain(problem.free), known, problem.observed[None], restate)

    starts = _starts(problem, seed)
    try:
        simulated = estimate(new_sampler, starts, effective, most_steps)
    except DegenerateModelError as error:
        raise DegenerateModelError(
            f"ergm: the model {', '.join(model.names)} is degenerate or far from this network: {error}. "
            "Replace triangle, ttriple or kstar by a geometrically weighted term (gwesp), or add terms for "
            "node attributes (nodematch, nodefactor)"
        ) from None
    simulated = simulated._replace(proposals=budget.total - budget.left)
    if simulated.reason:
        warnings.warn(
            f"ergm: the fit of {', '.join(model.names)} did not converge: {simulated.reason}; raise "
            "most_steps or simplify the model",
            stacklevel=3,
        )
    return _with_simulation(problem, simulated, starts[0])


def _starts(problem: Problem, seed: int) -> list[Array]:
    """Return starts: pseudo-likelihood estimates of all and of independent terms."""
    state, model = problem.state, problem.model
    zero = np.where(model.is_decay & (problem.boundary.coef == 0), model.decay, problem.boundary.coef)
    estimated = ~model.is_decay
    keep, starts = pseudo_share(state), []

    def start(moving: NDArray[np.bool_]) -> Array:
        found = maximise(
            state, model, model.weights(zero), exact=False, moving=moving, keep=keep, seed=seed,
            missing=problem.missing,
        )  # fmt: skip
        return np.where(estimated, found.coef, zero)

    independent = model.independent & np.isfinite(zero)
    try:
        starts.append(start(estimated))
    except ValueError as error:
        # Known dyads alone may not identify the terms; completions of the network may.
        if not isinstance(error, InfiniteEstimateError) and not problem.missing.size:
            raise
        if not independent.any():
            return [_with_weight(zero, model)]
    if independent.any():
        try:
            starts.append(_with_weight(start(independent), model))
        except ValueError:
            # Without a finite start, all terms begin at 0.
            starts.append(_with_weight(zero, model))
    # Missing ties bias the pseudo-likelihood of terms that depend on them: it comes second.
    return starts[::-1] if problem.missing.size else starts


def _with_weight(coef: Array, model: Model) -> Array:
    """Give curved terms a small weight: without one, the decay has no effect."""
    coef = coef.copy()
    for column in np.flatnonzero(model.is_decay) - 1:
        coef[column] = 0.1 if coef[column] == 0 else coef[column]
    return coef


def _p_value(coef: Array, std_error: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        p_value = 2 * norm.sf(np.abs(coef / std_error))
    return np.where(np.isinf(coef), 0.0, p_value)


def _without_simulation(problem: Problem, exact: bool) -> ErgmFit:
    model = problem.model
    maximum = maximise(problem.state, model, problem.boundary.coef, exact=exact, missing=problem.missing)
    moving = np.isfinite(maximum.coef)
    covariance = np.zeros_like(maximum.information)
    covariance[np.ix_(moving, moving)] = np.linalg.inv(maximum.information[np.ix_(moving, moving)])
    std_error = np.sqrt(np.diag(covariance))
    log_likelihood = maximum.log_likelihood - maximum.decided * float(np.log(2))
    return ErgmFit(
        names=model.names, coef=maximum.coef, std_error=std_error,
        p_value=_p_value(maximum.coef, std_error), boundary=problem.boundary.reasons, mcmc_diagnostics=None,
        covariance=covariance, statistics=problem.observed, start=maximum.coef, exact=exact, converged=True,
        reason="", dyads=problem.dyads, log_likelihood=log_likelihood if exact else None,
        log_likelihood_error=0.0, graph=problem.graph, terms=problem.terms, free=problem.free,
        missing=problem.missing,
    )  # fmt: skip


def _with_simulation(problem: Problem, simulated: Estimate, start: Array) -> ErgmFit:
    covariance = simulated.covariance + simulated.monte_carlo
    std_error = np.sqrt(np.diag(covariance))
    at = problem.model.at(simulated.coef)
    return ErgmFit(
        names=at.names, coef=simulated.coef, std_error=std_error,
        p_value=_p_value(simulated.coef, std_error), boundary=problem.boundary.reasons,
        mcmc_diagnostics=_diagnostics(simulated), covariance=covariance,
        statistics=initial_state(problem.graph, at, problem.free)[1], start=start, exact=False,
        converged=not simulated.reason, reason=simulated.reason, dyads=problem.dyads, log_likelihood=None,
        log_likelihood_error=0.0, graph=problem.graph, terms=problem.terms, free=problem.free,
        missing=problem.missing,
    )  # fmt: skip


def _diagnostics(simulated: Estimate) -> McmcDiagnostics:
    draws = simulated.sample
    nothing = np.full(len(simulated.coef), np.nan)
    return McmcDiagnostics(
        draws=len(draws),
        interval=simulated.interval,
        proposals=simulated.proposals,
        rounds=simulated.rounds,
        distance=simulated.distance,
        effective_size=len(draws) / autocorrelation_time(draws) if len(draws) else np.zeros_like(nothing),
        monte_carlo_error=np.sqrt(np.diag(simulated.monte_carlo)),
        simulated_mean=draws.mean(axis=0) if len(draws) else nothing,
        simulated_sd=draws.std(axis=0, ddof=1) if len(draws) > 1 else nothing,
    )
