r"""The posterior over segmentations by trans-dimensional Markov chain Monte Carlo.

Several chains start from the prior. During warm-up, births are proposed uniformly over the series.
Afterwards half of the births are proposed where the second half of the warm-up was undecided, in
proportion to ``p (1 - p)`` for the share p of sweeps with a change at an index. The proposal is fixed
before the first draw is stored, so the chain stays a Markov chain with the posterior as its limit. The
moves are in ``moves``, the Gibbs updates in ``regime_draws``.
"""

from __future__ import annotations

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from scipy.special import gammaln

from methods.changepoint.exact import log_placement_prior, validate_series
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
    """Sample the posterior of the number and locations of change points.

    By birth, death and shift moves. The model is that of `exact_posterior`: ``K ~ Poisson(rate)``
    truncated to ``0..k_max``; given K every placement that leaves segments of at least `min_length` is
    equally likely.

    Parameters
    ----------
    y : array (T, d) or (T,)
        Observations in order; finite (drop missing ones).
    prior : NormalInverseWishart or NormalIndependentInverseWishart
        Prior of mean and covariance of each regime, in d dimensions.
    rate : float > 0
        Expected number of changes before truncation.
    min_length : int >= 1
        Shortest regime, in observations.
    k_max : int >= 0
        Largest number of change points.
    draws : int >= 4
        Draws stored from each chain.
    chains : int >= 1
        Number of chains, each started from a draw of the prior; R-hat needs two or more.
    seed : int
        Seed of all randomness; equal arguments give equal results.
    weights : array (T,), optional
        Precision of each observation: its covariance is ``Sigma / weights[t]``; > 0, default 1.
    warmup : int >= 0, optional
        Sweeps that each chain discards; default ``thin * draws / 2``, at least 2,000 + 2 T.
    thin : int >= 1, optional
        Sweeps between stored draws, each of two births or deaths and one shift of each change point;
        default ``30 + T / 20``. Probabilities use all sweeps.

    Returns
    -------
    ChangePointPosterior
        With `mixing`. `map_locations` is the most probable of the segmentations drawn;
        `log_evidence` is the sum of the exact joint densities of the segmentations of every second draw
        over their share among the other draws; NaN if that share is 0.

    Raises
    ------
    ValueError
        If an argument is out of its range or the series is shorter than `min_length`.

    Warns
    -----
    UserWarning
        If the chains have not converged, or WAIC is unreliable.

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
    y, weights, _ = validate_series(y, prior, rate, min_length, k_max, weights)
    thin = 30 + len(y) // 20 if thin is None else thin
    warmup = max(thin * draws // 2, 2000 + 2 * len(y)) if warmup is None else warmup
    if draws < 4 or chains < 1 or thin < 1 or warmup < 0:
        raise ValueError(
            "expected draws >= 4, chains >= 1, thin >= 1, warmup >= 0; "
            f"found {draws}, {chains}, {thin}, {warmup}"
        )
    form = standard_form(y, prior, weights)
    log_placement = log_placement_prior(len(y), rate, min_length, k_max)

    def run_chain(seeds: np.random.SeedSequence) -> tuple[Chain, Tally]:
        rng = np.random.default_rng(seeds)
        tally = new_tally(len(y), y.shape[1], k_max, len(log_placement), draws)
        return _run_chain(rng, form, log_placement, min_length, warmup, thin, tally), tally

    with ThreadPoolExecutor() as pool:
        states, tallies = zip(*pool.map(run_chain, np.random.SeedSequence(seed).spawn(chains)), strict=True)
    return _posterior(
        form, log_placement, list(tallies), np.sum([state.moves for state in states], axis=0), thin
    )


def placement(rng: np.random.Generator, length: int, k: int, min_length: int) -> Array:
    """Draw a placement of k changes that leaves segments of at least `min_length`.

    All placements are equally likely.
    """
    free = length - (k + 1) * (min_length - 1) - 1
    chosen = np.sort(rng.choice(free, k, replace=False)) + 1
    return chosen + np.arange(1, k + 1) * (min_length - 1)


def birth_model(log_placement: Array, min_length: int, length: int, visits: Array | None = None) -> Model:
    """Create the proposal of births over a series.

    Births are uniform; given `visits` (shares of sweeps), half of them follow its variance.
    """
    birth = np.full(length, 1 / max(length - 1, 1))
    birth[0] = 0.0
    undecided = 0.0 if visits is None else visits * (1 - visits)
    if np.sum(undecided) > 0:
        birth = 0.5 * birth + 0.5 * undecided / np.sum(undecided)
    birth_cdf = np.cumsum(birth)
    birth_cdf[-1] = 1.0
    with np.errstate(divide="ignore"):
        return Model(log_placement, min_length, np.log(birth), birth_cdf)


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
    draws, sweeps = ks.size, ks.size * thin
    drawn = [tally.bounds[i, 1 : k + 1].copy() for tally in tallies for i, k in enumerate(tally.ks)]
    changed = np.zeros((draws, len(form.x)), dtype=bool)
    for row, cuts in zip(changed, drawn, strict=True):
        row[cuts] = True
    best, evidence = _most_probable(form, log_placement, drawn)
    means = np.sum([tally.means for tally in tallies], axis=0) / draws
    covariances = np.sum([tally.covariances for tally in tallies], axis=0) / draws
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
    transformed = factor @ np.where(infinite[:, None, None], 0.0, covariances) @ factor.T
    transformed[infinite] = np.inf
    return transformed


def _waic(tallies: list[Tally], draws: int) -> Waic:
    averages = np.array([tally.averages for tally in tallies])
    within = sum(tally.squares for tally in tallies)
    variances = within / (draws * len(tallies)) + averages.var(axis=0)
    densities = np.logaddexp.reduce([tally.densities for tally in tallies])
    return waic_of_points(densities - math.log(draws * len(tallies)), variances)


def _most_probable(form: StandardForm, log_placement: Array, drawn: list[Array]) -> tuple[Array, float]:
    """Return the most probable segmentation drawn and the log evidence of the series.

    The evidence is NaN if no segmentation of one half of the draws occurs in the other.
    """
    even = Counter(tuple(cuts.tolist()) for cuts in drawn[::2])
    odd = Counter(tuple(cuts.tolist()) for cuts in drawn[1::2])
    joint = {cuts: _log_joint(form, log_placement, cuts) for cuts in {*even, *odd}}
    share = sum(odd[cuts] for cuts in even) / odd.total()
    mass = np.logaddexp.reduce([joint[cuts] for cuts in even])
    evidence = float(mass) - math.log(share) if share else math.nan
    return np.array(max(joint, key=lambda cuts: joint[cuts]), dtype=np.int64), evidence


def _log_joint(form: StandardForm, log_placement: Array, cuts: tuple[int, ...]) -> float:
    score = conjugate_score if form.kappa0 > 0 else independent_score
    segments = pairwise([0, *cuts, len(form.x)])
    return float(log_placement[len(cuts)] + sum(score(form, s, t) for s, t in segments))
