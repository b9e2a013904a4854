"""Predict a value of a set of tokens by a field over several scales.

    f(A) = sum over stored sets B of c_B sum over scales s, lengths l of w_sl k_sl(A, B)

    k_sl    attention between all pairs of tokens of scale s (`local_kernel`), at length l
    w, c    weights by the evidence (`evidence`), coefficients in closed form
    metric  distances of a kind of tokens are |x - x'|_g with the Fisher metric of a first field,
            g = E[grad f grad f'] / sd^2 + ridge, divided by the d-th root of its determinant

A normal distribution with mean f(x) and fixed spread has the Fisher information grad f grad f' / sd^2 about
its input, so g measures how far two tokens are apart in nats as the values see them. Its unit determinant is
the temperature exp(-slogdet / (2 d)) of metric-adaptive attention: only the shape of the metric acts, the
length scales are the evidence's.

References
----------
Radhakrishnan, Beaglehole, Pandit and Belkin (2024), Mechanism for feature learning in neural networks and
backpropagation-free machine learning models, Science 383, for kernels with the metric E[grad f grad f'].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from methods.sifa.evidence import Field, Search, fit
from methods.sifa.local_kernel import Projection, Tokens, aligned, local_kernels, project

Floats = NDArray[np.float64]
Metrics = dict[int, Floats]

RIDGE = 0.1
"""Share of the identity in the metric, in units of its mean diagonal."""
CHUNK = 500
"""Sets whose kernels with all stored sets are in memory at once."""
FARTHEST = 5.0
"""Largest whitened feature."""
MEASURED = 300
"""Stored sets whose tokens the metric is averaged over."""


@dataclass(frozen=True)
class Scale:
    """Tokens of one scale and how they are compared.

    Attributes
    ----------
    describe : callable
        Inputs of several sets -> their tokens.
    width : int
        Number of principal axes that are kept.
    length : float
        Longest length, in units of the spread of the features.
    halvings : int
        Number of further lengths, each half the one before.
    whitened : bool
        Whether each feature is divided by its own spread first.
    """

    describe: Callable[[Floats], Tokens]
    width: int
    length: float
    halvings: int
    whitened: bool = False


@dataclass(frozen=True)
class Options:
    """Parts of a field.

    Attributes
    ----------
    symmetry : bool
        Whether all pairs of tokens meet, or those of equal places only.
    metric : bool
        Whether distances follow the Fisher metric of a first field.
    search : Search
    """

    symmetry: bool = True
    metric: bool = False
    search: Search = field(default_factory=Search)


@dataclass(frozen=True)
class Standard:
    """Mean and spread of features; the spread of a constant feature is infinite."""

    mean: Floats
    spread: Floats


@dataclass(frozen=True)
class _Level:
    """A scale after fitting, with the stored tokens."""

    scale: Scale
    standard: Standard | None
    projection: Projection
    metric: Metrics
    stored: Tokens
    symmetry: bool

    def tokens(self, x: Floats) -> Tokens:
        return _stretched(self.projection(_whitened(self.scale.describe(x), self.standard)), self.metric)

    def kernels(self, tokens: Tokens) -> Floats:
        compare = local_kernels if self.symmetry else aligned
        return compare(tokens, self.stored, self.scale.length, self.scale.halvings)


@dataclass(frozen=True)
class FittedField:
    """A field with its scales."""

    levels: tuple[_Level, ...]
    field: Field

    def predict(self, x: Floats) -> Floats:
        """Return the mean of the field at inputs of shape (n, ...)."""
        parts = []
        for k in range(0, len(x), CHUNK):
            kernels = [level.kernels(level.tokens(x[k : k + CHUNK])) for level in self.levels]
            parts.append(self.field.predict(np.concatenate(kernels)))
        return np.concatenate(parts)

    def flops(self) -> int:
        """Return the operations of the kernels of one set of average size."""
        total = 0.0
        for level in self.levels:
            _, stored = np.unique(level.stored.kind, return_counts=True)
            pairs = float(np.square(stored).sum()) / level.stored.sets
            total += pairs * (2 * level.stored.features.shape[1] + 4 + 4 * level.scale.halvings)
        return int(total)


def fit_field(scales: Sequence[Scale], x: Floats, y: Floats, options: Options, *, seed: int) -> FittedField:
    """Fit a field to values of sets.

    Parameters
    ----------
    scales : sequence of Scale
    x : (n, ...) float array
        Inputs that the scales describe.
    y : (n,) float array
    options : Options
    seed : int
        Of the rows that the weights of the scales, and the metric, are found on.
    """
    levels = [_level(scale, x, options) for scale in scales]
    fitted = fit(_square(levels), y, options.search, seed=seed)
    if options.metric:
        levels = _with_metric(levels, fitted, seed)
        fitted = fit(_square(levels), y, options.search, seed=seed)
    return FittedField(tuple(levels), fitted)


def fisher_metric(tokens: Tokens, stored: Tokens, scale: Scale, weights: Floats, values: Floats) -> Metrics:
    """Return the mean of grad f grad f' over the tokens of each kind, (width, width).

    Parameters
    ----------
    tokens : Tokens
        Where the gradient is taken.
    stored : Tokens
    scale : Scale
    weights : (halvings + 1,) float array
    values : (stored tokens,) float array
        Coefficient of the set of each stored token.
    """
    metrics = {}
    for kind in np.unique(tokens.kind).tolist():
        queries = tokens.features[tokens.kind == kind]
        keys, coefficients = stored.features[stored.kind == kind], values[stored.kind == kind]
        distances = np.square(queries).sum(1)[:, None] + np.square(keys).sum(1) - 2 * queries @ keys.T
        slopes = np.zeros_like(distances)
        for level, weight in enumerate(weights):
            length = scale.length / 2**level
            slopes += weight / length**2 * np.exp(-distances.clip(0) / (2 * length**2))
        slopes *= coefficients
        gradients = slopes @ keys - slopes.sum(1)[:, None] * queries
        metrics[kind] = gradients.T @ gradients / len(queries)
    return metrics


def root_of_unit_determinant(metric: Floats) -> Floats:
    """Return the symmetric root of a metric with a ridge, scaled to determinant 1.

    The determinant is scaled through its logarithm: that of a wide metric under- or overflows.
    """
    scale = float(np.trace(metric)) / len(metric)
    if scale <= 0:
        return np.eye(len(metric))
    values, vectors = np.linalg.eigh(metric / scale)
    values = values.clip(0) + RIDGE
    values = values * np.exp(-np.log(values).mean())
    root: Floats = (vectors * np.sqrt(values)) @ vectors.T
    return root


def _level(scale: Scale, x: Floats, options: Options) -> _Level:
    tokens = scale.describe(x)
    standard = _standard(tokens.features) if scale.whitened else None
    tokens = _whitened(tokens, standard)
    projection = project(tokens, scale.width)
    return _Level(scale, standard, projection, {}, projection(tokens), options.symmetry)


def _square(levels: Sequence[_Level]) -> Floats:
    return np.concatenate([level.kernels(level.stored) for level in levels])


def _with_metric(levels: Sequence[_Level], field: Field, seed: int) -> list[_Level]:
    chosen = np.random.default_rng(seed).permutation(len(field.coefficients))[:MEASURED]
    after, first = [], 0
    for level in levels:
        stored, weights = level.stored, field.weights[first : first + level.scale.halvings + 1]
        first += len(weights)
        rows = np.isin(stored.owner, chosen)
        tokens = Tokens(stored.owner[rows], stored.kind[rows], stored.features[rows], stored.sets)
        values = field.coefficients[stored.owner]
        metric = {
            kind: root_of_unit_determinant(gradients)
            for kind, gradients in fisher_metric(tokens, stored, level.scale, weights, values).items()
        }
        after.append(
            _Level(
                level.scale,
                level.standard,
                level.projection,
                metric,
                _stretched(stored, metric),
                level.symmetry,
            )
        )
    return after


def _standard(features: Floats) -> Standard:
    spread = features.std(0)
    # A constant feature has no unit: it is left out.
    return Standard(features.mean(0), np.where(spread > 1e-9, spread, np.inf))


def _whitened(tokens: Tokens, standard: Standard | None) -> Tokens:
    if standard is None:
        return tokens
    # A count that is rare in training would put its few molecules, or a new one, out of reach of all others.
    features = ((tokens.features - standard.mean) / standard.spread).clip(-FARTHEST, FARTHEST)
    return Tokens(tokens.owner, tokens.kind, features, tokens.sets)


def _stretched(tokens: Tokens, metric: Metrics) -> Tokens:
    features = tokens.features.copy()
    for kind, root in metric.items():
        rows = tokens.kind == kind
        features[rows] = features[rows] @ root
    return Tokens(tokens.owner, tokens.kind, features, tokens.sets)
