r"""The posterior over segmentations by trans-dimensional Markov chain Monte Carlo.

Several chains start from the prior. Each warms up with births proposed evenly over the series;
from then on half of the births go where its second half of the warm-up was undecided,
in proportion to ``p (1 - p)`` for the share p of sweeps with a change there. The proposal
is fixed before the first draw is kept, so the chain stays a Markov chain with the posterior as
its limit. The moves are in ``moves``, the Gibbs updates in ``regime_draws``.
"""

from __future__ import annotations

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from scipy.special import gammaln

from methods.changepoint.exact import _checked, _log_placement_prior
from methods.changepoint.mixing import mixing
from methods.changepoint.moves import Chain, Model, new_chain, start
from methods.changepoint.posterior import ChangePointPosterior
from methods.changepoint.regimes import NormalInverseWishart
from methods.changepoint.semi_conjugate import NormalIndependentInverseWishart
from methods.changepoint.semi_conjugate_evidence import independent_score
from methods.changepoint.standard_form import StandardForm, conjugate_score, standard_form
from methods.changepoint.tally import Tally, new_tally, run, warm_up
from methods.changepoint.waic import Waic, waic_of_points

Array = np.ndarray


def sample_posterior(
    y: Array,
    prior: NormalInverseWishart | NormalIndependentInverseWishart,
    rate: float,
    min_length: int = 1,
    k_max: int = 20,
    *,
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
    weights: Array | None = None,
    warmup: int | None = None,
    thin: int | None = None,
) -> ChangePointPosterior:
    """Posterior of number and places of change points by birth, death and shift moves.

    The model is that of `exact_posterior`: ``K ~ Poisson(rate)`` cut to ``0..k_max``; given K
    every placement that leaves segments of at least `min_length` is equally likely.

    Parameters
    ----------
    y : array (T, d) or (T,)
        Observations in order; finite (leave missing ones out).
    prior : NormalInverseWishart or NormalIndependentInverseWishart
        Prior of mean and covariance of each regime, in d dimensions.
    rate : float > 0
        Expected number of changes before the cut.
    min_length : int >= 1
        Shortest regime, in observations.
    k_max : int >= 0
        Most change points.
    draws : int >= 4
        Draws kept of each chain.
    chains : int >= 1
        Chains, each from its own draw of the prior; two or more for R-hat.
    seed : int
        Seed of everything; equal arguments give equal results.
    weights : array (T,), optional
        Precision of each observation: its covariance is ``Sigma / weights[t]``; > 0, default 1.
    warmup : int >= 0, optional
        Sweeps of a chain that are thrown away; default ``thin * draws / 2``, at least 2,000 + 2 T.
    thin : int >= 1, optional
        Sweeps from one draw kept to the next, each of two births or deaths and one shift of each
        change point; default ``30 + T / 20``. Probabilities count all sweeps.

    Returns
    -------
    ChangePointPosterior
        With `mixing`. `map_locations` is the most probable of the segmentations drawn;
        `log_evidence` is the sum of the exact joint densities of those of every second draw over
        their share among the others, None where that share is 0.

    Raises
    ------
    ValueError
        If an argument is out of its range or the series is shorter than `min_length`.

    Warns
    -----
    UserWarning
        If the chains have not mixed, or WAIC is unreliable.

    References
    ----------
    Green, Reversible jump Markov chain Monte Carlo computation, Biometrika 82 (1995); spec 3 section 4.2
    with its correction.
    """
    if not isinstance(prior, NormalInverseWishart | NormalIndependentInverseWishart):
        raise ValueError(
            f"found a prior of type {type(prior).__name__}; expected NormalInverseWishart or "
            "NormalIndependentInverseWishart (regimes with a trend: exact_posterior)"
        )
    y, weights, _ = _checked(y, prior, rate, min_length, k_max, weights)
    thin = 30 + len(y) // 20 if thin is None else thin
    warmup = max(thin * draws // 2, 2000 + 2 * len(y)) if warmup is None else warmup
    if draws < 4 or chains < 1 or thin < 1 or warmup < 0:
        raise ValueError(
            "expected draws >= 4, chains >= 1, thin >= 1, warmup >= 0; "
            f"found {draws}, {chains}, {thin}, {warmup}"
        )
    form = standard_form(y, prior, weights)
    log_placement = _log_placement_prior(len(y), rate, min_length, k_max)

    def one(seeds: np.random.SeedSequence) -> tuple[Chain, Tally]:
        rng = np.random.default_rng(seeds)
        tally = new_tally(len(y), y.shape[1], k_max, len(log_placement), draws)
        return _run_chain(rng, form, log_placement, min_length, warmup, thin, tally), tally

    with ThreadPoolExecutor() as pool:
        states, tallies = zip(*pool.map(one, np.random.SeedSequence(seed).spawn(chains)), strict=True)
    return _posterior(
        form, log_placement, list(tallies), np.sum([state.moves for state in states], axis=0), thin
    )


def placement(rng: np.random.Generator, length: int, k: int, min_length: int) -> Array:
    """Draw one of the placements of k changes that leave segments of `min_length`, all equally likely."""
    free = length - (k + 1) * (min_length - 1) - 1
    chosen = np.sort(rng.choice(free, k, replace=False)) + 1
    return chosen + np.arange(1, k + 1) * (min_length - 1)


def birth_model(log_placement: Array, min_length: int, length: int, visits: Array | None = None) -> Model:
    """Births even over the series, half of them by the variance of `visits` (shares) where given."""
    place = np.full(length, 1 / max(length - 1, 1))
    place[0] = 0.0
    undecided = 0.0 if visits is None else visits * (1 - visits)
    if np.sum(undecided) > 0:
        place = 0.5 * place + 0.5 * undecided / np.sum(undecided)
    places = np.cumsum(place)
    places[-1] = 1.0
    with np.errstate(divide="ignore"):
        return Model(log_placement, min_length, np.log(place), places)


def _run_chain(
    rng: np.random.Generator,
    form: StandardForm,
    log_placement: Array,
    min_length: int,
    warmup: int,
    thin: int,
    tally: Tally,
) -> Chain:
    length, d = form.x.shape
    k = rng.choice(len(log_placement), p=_count_prior(log_placement, length, min_length))
    chain = new_chain(placement(rng, length, k, min_length), length, len(log_placement), d)
    start(rng, form, chain)
    visits = np.zeros(length)
    warm_up(rng, form, birth_model(log_placement, min_length, length), chain, warmup, visits)
    chain.moves[:] = 0
    shares = visits / max(warmup - (warmup + 1) // 2, 1)
    run(rng, form, birth_model(log_placement, min_length, length, shares), chain, thin, tally)
    return chain


def _count_prior(log_placement: Array, length: int, min_length: int) -> Array:
    k = np.arange(len(log_placement))
    free = length - (k + 1) * (min_length - 1) - 1
    placements = gammaln(free + 1) - gammaln(k + 1) - gammaln(free - k + 1)
    probability = np.exp(log_placement + placements)
    return probability / probability.sum()


def _posterior(
    form: StandardForm, log_placement: Array, tallies: list[Tally], moves: Array, thin: int
) -> ChangePointPosterior:
    ks = np.array([tally.ks for tally in tallies])
    kept, sweeps = ks.size, ks.size * thin
    drawn = [tally.bounds[i, 1 : k + 1].copy() for tally in tallies for i, k in enumerate(tally.ks)]
    changed = np.zeros((kept, len(form.x)), dtype=bool)
    for row, cuts in zip(changed, drawn, strict=True):
        row[cuts] = True
    best, evidence = _most_probable(form, log_placement, drawn)
    means = np.sum([tally.means for tally in tallies], axis=0) / kept
    covariances = np.sum([tally.covariances for tally in tallies], axis=0) / kept
    return ChangePointPosterior(
        location_probability=np.sum([tally.visits for tally in tallies], axis=0) / sweeps,
        count_probability=np.sum([tally.counts for tally in tallies], axis=0) / sweeps,
        map_locations=best,
        draws=tuple(drawn),
        regime_means=form.m0 + means @ form.factor.T,
        regime_covariances=_transformed(form.factor, covariances),
        waic=_waic(tallies, ks.shape[1]),
        log_evidence=evidence,
        mixing=mixing(ks, changed.reshape(*ks.shape, -1), moves),
    )


def _transformed(factor: Array, covariances: Array) -> Array:
    infinite = ~np.isfinite(covariances).all(axis=(1, 2))
    found = factor @ np.where(infinite[:, None, None], 0.0, covariances) @ factor.T
    found[infinite] = np.inf
    return found


def _waic(tallies: list[Tally], draws: int) -> Waic:
    averages = np.array([tally.averages for tally in tallies])
    within = sum(tally.squares for tally in tallies)
    variances = within / (draws * len(tallies)) + averages.var(axis=0)
    densities = np.logaddexp.reduce([tally.densities for tally in tallies])
    return waic_of_points(densities - math.log(draws * len(tallies)), variances)


def _most_probable(form: StandardForm, log_placement: Array, drawn: list[Array]) -> tuple[Array, float]:
    """The most probable segmentation drawn, and the log evidence of the series (NaN: too few draws meet)."""
    found = Counter(tuple(cuts.tolist()) for cuts in drawn[::2])
    others = Counter(tuple(cuts.tolist()) for cuts in drawn[1::2])
    joint = {cuts: _log_joint(form, log_placement, cuts) for cuts in {*found, *others}}
    share = sum(others[cuts] for cuts in found) / others.total()
    held = np.logaddexp.reduce([joint[cuts] for cuts in found])
    evidence = float(held) - math.log(share) if share else math.nan
    return np.array(max(joint, key=lambda cuts: joint[cuts]), dtype=np.int64), evidence


def _log_joint(form: StandardForm, log_placement: Array, cuts: tuple[int, ...]) -> float:
    scored = conjugate_score if form.kappa0 > 0 else independent_score
    pieces = pairwise([0, *cuts, len(form.x)])
    return float(log_placement[len(cuts)] + sum(scored(form, s, t) for s, t in pieces))
