r"""Birth, death and shift moves of the trans-dimensional sampler.

The state is a segmentation and, under the semi-conjugate prior, the mean of every regime
(covariances integrated out). A regime's `score` is then

``log p(y[s:t], mu) - log q(mu | s, t)``

with q the distribution from which a move draws the mean of a new segment. Under the conjugate
prior the mean is integrated out too and the score is ``log p(y[s:t])``. The number of means changes with
the number of segments; dimensions match, since one direction draws what the other drops (Green
1995, Jacobian 1). With pi_k the prior of one placement of k changes and g(c) the proposal of a location,
a birth at c of a segmentation of k changes is accepted with probability min(1, exp A),

``A = new scores - old score + log pi_(k+1) / pi_k - log (k + 1) - log g(c)``

since a death picks one of the k + 1 changes uniformly; a death is the reverse. A shift proposes locations
and means symmetrically: A is the difference of scores. A move out of range, onto a segment shorter than
`min_length` or beyond the largest number is rejected.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from methods.changepoint.regime_draws import draw_conjugate, gibbs_update, propose_mean, weigh_mean
from methods.changepoint.standard_form import StandardForm, conjugate_score
from methods.compiled import compiled

Array = np.ndarray
BIRTH, DEATH, SHIFT = 0, 1, 2


class Chain(NamedTuple):
    """State of a chain, changed in place.

    The arrays have space for the maximum number of segments.
    ``bounds[0] = 0 < changes < bounds[k + 1] = T``; `moves` counts the moves of each kind that were tried
    and accepted.
    """

    k: Array
    bounds: Array
    means: Array
    roots: Array
    scores: Array
    moves: Array


class Model(NamedTuple):
    """Prior of segmentations and proposal of births.

    `log_placement[k]` is log pi_k; `log_birth` is log g by index and `birth_cdf` the cumulative sum of g.
    """

    log_placement: Array
    min_length: int
    log_birth: Array
    birth_cdf: Array


def new_chain(changes: Array, length: int, segments: int, d: int) -> Chain:
    """Create a chain at the given change points; `start` fills its scores."""
    bounds = np.zeros(segments + 1, dtype=np.int64)
    bounds[1 : len(changes) + 1] = changes
    bounds[len(changes) + 1] = length
    return Chain(
        k=np.array([len(changes)]),
        bounds=bounds,
        means=np.zeros((segments, d)),
        roots=np.zeros((segments, d, d)),
        scores=np.zeros(segments),
        moves=np.zeros((3, 2), dtype=np.int64),
    )


@compiled
def score(rng: np.random.Generator, form: StandardForm, s: int, t: int, mean: Array) -> float:
    """Score the regime ``[s, t)``; propose a new `mean` if the state contains means."""
    if form.kappa0 > 0:
        return conjugate_score(form, s, t)
    return propose_mean(rng, form, s, t, mean)


@compiled
def start(rng: np.random.Generator, form: StandardForm, chain: Chain) -> None:
    """Score every regime of a new state, with proposed means."""
    for j in range(chain.k[0] + 1):
        chain.scores[j] = score(rng, form, chain.bounds[j], chain.bounds[j + 1], chain.means[j])


@compiled
def rescore(form: StandardForm, chain: Chain) -> None:
    """Score every regime of the current state, for use after the series changed."""
    for j in range(chain.k[0] + 1):
        s, t = chain.bounds[j], chain.bounds[j + 1]
        if form.kappa0 > 0:
            chain.scores[j] = conjugate_score(form, s, t)
        else:
            chain.scores[j] = weigh_mean(form, s, t, chain.means[j])


@compiled
def draw_regimes(rng: np.random.Generator, form: StandardForm, chain: Chain) -> None:
    """Draw the mean and covariance of every regime given the segmentation."""
    for j in range(chain.k[0] + 1):
        s, t = chain.bounds[j], chain.bounds[j + 1]
        if form.kappa0 > 0:
            draw_conjugate(rng, form, s, t, chain.means[j], chain.roots[j])
        else:
            gibbs_update(rng, form, s, t, chain.means[j], chain.roots[j])
            chain.scores[j] = weigh_mean(form, s, t, chain.means[j])


@compiled
def sweep(rng: np.random.Generator, form: StandardForm, model: Model, chain: Chain) -> None:
    """Try two births or deaths and a shift of each change; update means by Gibbs."""
    mean_left, mean_right = np.empty(form.psi.shape[0]), np.empty(form.psi.shape[0])
    for _ in range(2):
        if rng.random() < 0.5:
            _birth(rng, form, model, chain, mean_left, mean_right)
        else:
            _death(rng, form, model, chain, mean_left)
    for j in range(1, chain.k[0] + 1):
        _shift(rng, form, model, chain, j, mean_left, mean_right)
    if form.kappa0 == 0:
        draw_regimes(rng, form, chain)


@compiled
def _accepted(rng: np.random.Generator, chain: Chain, move: int, log_ratio: float) -> bool:
    if log_ratio < 0 and rng.random() >= math.exp(log_ratio):
        return False
    chain.moves[move, 1] += 1
    return True


@compiled
def _birth(
    rng: np.random.Generator, form: StandardForm, model: Model, chain: Chain, left: Array, right: Array
) -> None:
    chain.moves[BIRTH, 0] += 1
    k = chain.k[0]
    if k + 1 >= model.log_placement.size:
        return
    c = int(np.searchsorted(model.birth_cdf, rng.random(), side="right"))
    j = int(np.searchsorted(chain.bounds[: k + 2], c, side="right")) - 1
    s, t = chain.bounds[j], chain.bounds[j + 1]
    if c - s < model.min_length or t - c < model.min_length:
        return
    score_left = score(rng, form, s, c, left)
    score_right = score(rng, form, c, t, right)
    prior = model.log_placement[k + 1] - model.log_placement[k]
    proposal = -math.log(k + 1) - model.log_birth[c]
    if _accepted(rng, chain, BIRTH, score_left + score_right - chain.scores[j] + prior + proposal):
        for i in range(k + 1, j, -1):
            chain.bounds[i + 1] = chain.bounds[i]
        for i in range(k, j, -1):
            chain.means[i + 1] = chain.means[i]
            chain.scores[i + 1] = chain.scores[i]
        chain.bounds[j + 1] = c
        chain.k[0] = k + 1
        _store_regime(chain, j, left, score_left)
        _store_regime(chain, j + 1, right, score_right)


@compiled
def _death(rng: np.random.Generator, form: StandardForm, model: Model, chain: Chain, mean: Array) -> None:
    chain.moves[DEATH, 0] += 1
    k = chain.k[0]
    if k == 0:
        return
    j = rng.integers(1, k + 1)
    s, c, t = chain.bounds[j - 1], chain.bounds[j], chain.bounds[j + 1]
    joined = score(rng, form, s, t, mean)
    prior = model.log_placement[k - 1] - model.log_placement[k]
    proposal = math.log(k) + model.log_birth[c]
    if _accepted(rng, chain, DEATH, joined - chain.scores[j - 1] - chain.scores[j] + prior + proposal):
        for i in range(j, k + 1):
            chain.bounds[i] = chain.bounds[i + 1]
        for i in range(j, k):
            chain.means[i] = chain.means[i + 1]
            chain.scores[i] = chain.scores[i + 1]
        chain.k[0] = k - 1
        _store_regime(chain, j - 1, mean, joined)


@compiled
def _shift(
    rng: np.random.Generator,
    form: StandardForm,
    model: Model,
    chain: Chain,
    j: int,
    left: Array,
    right: Array,
) -> None:
    chain.moves[SHIFT, 0] += 1
    s, t = chain.bounds[j - 1], chain.bounds[j + 1]
    # The reach is log-uniform from one index to the whole series, since locations differ in sharpness.
    reach = int(math.exp(rng.random() * math.log(form.x.shape[0])))
    step = rng.integers(1, reach + 1)
    c = chain.bounds[j] + (step if rng.random() < 0.5 else -step)
    if c - s < model.min_length or t - c < model.min_length:
        return
    score_left = score(rng, form, s, c, left)
    score_right = score(rng, form, c, t, right)
    if _accepted(rng, chain, SHIFT, score_left + score_right - chain.scores[j - 1] - chain.scores[j]):
        chain.bounds[j] = c
        _store_regime(chain, j - 1, left, score_left)
        _store_regime(chain, j, right, score_right)


@compiled
def _store_regime(chain: Chain, j: int, mean: Array, value: float) -> None:
    chain.means[j] = mean
    chain.scores[j] = value
