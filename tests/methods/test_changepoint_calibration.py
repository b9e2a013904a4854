"""Moves of the sampler, by Geweke's test and simulation-based calibration.

Neither knows the posterior: both ask whether the moves leave the joint distribution of parameters
and observations as it is, so a wrong acceptance ratio, prior or Gibbs update shows in both.
"""

from __future__ import annotations

from itertools import combinations

import arviz
import numpy as np
import pytest
from scipy.stats import chisquare, invwishart

from methods.changepoint import NormalIndependentInverseWishart, NormalInverseWishart
from methods.changepoint.exact import log_placement_prior
from methods.changepoint.moves import draw_regimes, new_chain, rescore, start
from methods.changepoint.sampler import birth_model
from methods.changepoint.standard_form import standard_form
from methods.changepoint.tally import warm_up

LENGTH, RATE, MIN_LENGTH, K_MAX = 9, 1.5, 2, 3
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0, 1.5, 1.0, 0.7, 1.0, 3.0])
CONJUGATE = NormalInverseWishart([0.5, -1.0], 0.4, 7.0, [[3.0, 0.8], [0.8, 2.0]])
INDEPENDENT = NormalIndependentInverseWishart(
    [0.5, -1.0], [[2.0, 0.6], [0.6, 1.0]], 7.0, [[3.0, 0.8], [0.8, 2.0]]
)
PRIORS = pytest.mark.parametrize("prior", [CONJUGATE, INDEPENDENT], ids=["conjugate", "independent"])


def admissible_placements() -> list[list[tuple[int, ...]]]:
    return [
        [c for c in combinations(range(1, LENGTH), k) if min(np.diff([0, *c, LENGTH])) >= MIN_LENGTH]
        for k in range(K_MAX + 1)
    ]


PLACEMENTS = admissible_placements()


def draw_prior(rng, prior):
    """Draw change points, means and covariances from the prior, by scipy."""
    weights = np.array([RATE**k / np.prod(np.arange(1, k + 1)) for k in range(K_MAX + 1)])
    k = rng.choice(K_MAX + 1, p=weights / weights.sum())
    cuts = PLACEMENTS[k][rng.integers(len(PLACEMENTS[k]))]
    covariances = invwishart.rvs(prior.nu0, prior.psi0, size=k + 1, random_state=rng).reshape(-1, 2, 2)
    spreads = covariances / prior.kappa0 if isinstance(prior, NormalInverseWishart) else [prior.s0] * (k + 1)
    means = np.array([rng.multivariate_normal(prior.m0, spread) for spread in spreads])
    return np.array(cuts, dtype=int), means, covariances


def draw_series(rng, cuts, means, covariances):
    regime = np.searchsorted(cuts, np.arange(LENGTH), side="right")
    roots = np.linalg.cholesky(covariances)[regime]
    normal = rng.normal(size=(LENGTH, 2)) / np.sqrt(WEIGHTS)[:, None]
    return means[regime] + np.einsum("tij,tj->ti", roots, normal)


def quantities(cuts, means, covariances, y) -> np.ndarray:
    """Compute the quantities that both tests compare.

    They have bounded tails; some depend on parameters and observations together.
    """
    regime = np.searchsorted(cuts, np.arange(LENGTH), side="right")
    off = y - means[regime]
    squares = np.einsum("ti,tij,tj->t", off, np.linalg.inv(covariances)[regime], off) * WEIGHTS
    log_dets = np.linalg.slogdet(covariances)[1][regime]
    return np.array(
        [
            len(cuts),
            cuts[0] if len(cuts) else LENGTH,
            float(4 in cuts),
            means[0, 0],
            means[-1, 1],
            means[regime[4], 0] * means[regime[4], 1],
            log_dets[0],
            log_dets[-1],
            covariances[regime[4], 0, 1] / np.sqrt(np.prod(np.diag(covariances[regime[4]]))),
            np.log(squares.sum()),
            -0.5 * (squares + log_dets).sum(),
            np.abs(y[2] - y[6]).sum(),
        ]
    )


class RegimeChain:
    """A chain over the regimes of a series that can be replaced."""

    def __init__(self, prior, cuts, means, y):
        self.prior, self.log_placement = prior, log_placement_prior(LENGTH, RATE, MIN_LENGTH, K_MAX)
        # Births prefer some locations, as after a warm-up.
        shares = np.where(np.arange(LENGTH) > 0, np.linspace(0.1, 0.6, LENGTH), 0.0)
        self.model = birth_model(self.log_placement, MIN_LENGTH, LENGTH, shares)
        self.chain = new_chain(cuts, LENGTH, K_MAX + 1, 2)
        self.set_series(y)
        self.chain.means[: len(means)] = np.linalg.solve(self.form.factor, (means - prior.m0).T).T

    def set_series(self, y):
        self.form = standard_form(y, self.prior, WEIGHTS)

    def step(self, rng, sweeps, fresh=False):
        if fresh:
            start(rng, self.form, self.chain)
        else:
            rescore(self.form, self.chain)
        warm_up(rng, self.form, self.model, self.chain, sweeps, np.zeros(LENGTH))
        draw_regimes(rng, self.form, self.chain)
        k, factor = self.chain.k[0], self.form.factor
        roots = factor @ self.chain.roots[: k + 1]
        means = self.prior.m0 + self.chain.means[: k + 1] @ factor.T
        return self.chain.bounds[1 : k + 1].copy(), means, roots @ roots.transpose(0, 2, 1)


def geweke_z(prior, steps, seed) -> np.ndarray:
    """Compute z-scores of moments for Geweke's test.

    Independent draws of parameters and series are compared with alternating conditional draws.
    """
    rng = np.random.default_rng(seed)
    apart = []
    for _ in range(steps):
        state = draw_prior(rng, prior)
        apart.append(quantities(*state, draw_series(rng, *state)))
    state = draw_prior(rng, prior)
    y = draw_series(rng, *state)
    chain, together = RegimeChain(prior, *state[:2], y), []
    for _ in range(steps):
        state = chain.step(rng, 3)
        y = draw_series(rng, *state)
        chain.set_series(y)
        together.append(quantities(*state, y))
    first, second = np.array(apart), np.array(together)
    first, second = (np.hstack([values, values**2]) for values in (first, second))
    ess = np.array([arviz.ess(column[None, :], method="mean") for column in second.T])
    error = np.sqrt(first.var(axis=0) / steps + second.var(axis=0) / ess)
    return (first.mean(axis=0) - second.mean(axis=0)) / error


@pytest.mark.slow
@PRIORS
def test_conditional_draws_preserve_the_joint_distribution(prior):
    z = geweke_z(prior, 10_000, 11)
    # 24 scores: all below 4 with probability 0.998 where the moves are right.
    assert np.abs(z).max() < 4, z


def ranks(prior, series, draws, seed) -> np.ndarray:
    """Rank true quantities among posterior draws, (series, quantities).

    Ties are broken at random.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(series):
        truth = draw_prior(rng, prior)
        y = draw_series(rng, *truth)
        start = draw_prior(rng, prior)
        chain = RegimeChain(prior, *start[:2], y)
        chain.step(rng, 200, fresh=True)
        drawn = np.array([quantities(*chain.step(rng, 25), y) for _ in range(draws)])
        true = quantities(*truth, y)
        close = np.isclose(drawn, true, rtol=1e-9, atol=1e-9)
        found.append(((drawn < true) & ~close).sum(axis=0) + rng.integers(close.sum(axis=0) + 1))
    return np.array(found)[:, :11]


@pytest.mark.slow
@PRIORS
def test_true_parameters_rank_uniformly_among_posterior_draws(prior):
    series, draws, bins = 500, 39, 10
    found = ranks(prior, series, draws, 5)
    levels = [
        chisquare(np.bincount(column * bins // (draws + 1), minlength=bins)).pvalue for column in found.T
    ]
    # Level 0.01 over the 11 quantities together (Bonferroni).
    assert min(levels) > 0.01 / len(levels), levels
