"""Predict the mean sound of an artist from its ties; permute ties for the null.

The sound of an artist is the mean over all its songs, over all years: this part has no order of time. A
held-out artist has its genre, its decade, its ties and the sound of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.graph.means import group_means, neighbour_features, target_means
from methods.graph.weights import permute_ties
from tasks.emotion.params import InfluenceParams
from tasks.emotion.ties.people import DECADE, LEAST_WEIGHT, Genres, People, weights

if TYPE_CHECKING:
    from methods.graph.values import PredictedValues

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LAYERS = {"GCN": "gcn", "GraphSAGE": "sage", "GAT": "gat"}
ALPHAS = np.logspace(-1, 4, 11)
"""Candidate penalties of the ridge regressions, chosen by generalised cross-validation."""
NULLS = ("same degrees", "same degrees, genres and decades")
PRIOR = 2.0
"""Artists that an expected sound counts as, in the mean of neighbours or of a genre."""


class Sample(NamedTuple):
    """One division of the artists; rows are artists of `People`.

    `y` has the chosen dimensions in standard deviations of the artists that are known.
    """

    train: Ints
    validation: Ints
    held_out: Ints
    y: Floats

    @property
    def known(self) -> Ints:
        """Return the artists whose sound is known."""
        return np.concatenate([self.train, self.validation])


def sample(people: People, params: InfluenceParams, seed: int) -> Sample:
    """Divide the artists at random; one whose name is ambiguous is never held out."""
    certain = np.flatnonzero(~people.table["ambiguous"].to_numpy())
    order = np.random.default_rng([seed, 7]).permutation(certain)
    held, checked = (round(part * len(order)) for part in (params.held_out, params.validation))
    parts = np.split(order, [held, held + checked])
    y = people.table[[f"{name}_mean" for name in params.dimensions]].to_numpy(float)
    known = np.concatenate(parts[1:])
    y = (y - y[known].mean(axis=0)) / y[known].std(axis=0)
    return Sample(np.sort(parts[2]), np.sort(parts[1]), np.sort(parts[0]), y)


def plain_features(people: People) -> Floats:
    """Return genre and decade as indicators, shape (n, genres + decades)."""
    decades, decade = np.unique(people.began, return_inverse=True)
    return np.column_stack([np.eye(len(people.genres))[people.genre], np.eye(len(decades))[decade]])


def ridge(x: Floats, y: Floats, known: Ints) -> Floats:
    """Fit a ridge regression to known artists and return the values of all."""
    from sklearn.linear_model import RidgeCV

    scale = x[known].std(axis=0)
    x = (x - x[known].mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    return np.asarray(RidgeCV(ALPHAS, alpha_per_target=True).fit(x[known], y[known]).predict(x))


def baselines(people: People, one: Sample) -> Iterator[tuple[str, Floats]]:
    """Yield each baseline with its predictions for all artists, shape (n, k)."""
    y, known = one.y, one.known
    yield "mean", np.zeros_like(y) + y[known].mean(axis=0)
    genre = group_means(people.genre, known, y, prior=PRIOR)
    yield "mean of the genre", genre
    plain = plain_features(people)
    expected = ridge(plain, y, known)
    yield "ridge, genre and decade", expected
    yield "mean of influencers", target_means(people.links, known, y, genre)
    near = neighbour_features(people.links, known, y, expected, prior=PRIOR)
    width = y.shape[1]
    for side, columns in (
        ("influencers", [*range(width), 2 * width]),
        ("followers", [*range(width, 2 * width), 2 * width + 1]),
    ):
        yield f"ridge, with {side}", ridge(np.column_stack([plain, near[:, columns]]), y, known)
    yield "ridge, with neighbours", with_neighbours(people.links, one, plain, expected)


def with_neighbours(links: Ints, one: Sample, plain: Floats, expected: Floats) -> Floats:
    """Fit the ridge regression that also reads the neighbours' sound."""
    near = neighbour_features(links, one.known, one.y, expected, prior=PRIOR)
    return ridge(np.column_stack([plain, near]), one.y, one.known)


class NetworkSettings(NamedTuple):
    """Layer of a graph network, the weights of its ties, and its training."""

    layer: str
    genres: Genres
    params: InfluenceParams
    seed: int


def graph_network(people: People, links: Ints, one: Sample, settings: NetworkSettings) -> PredictedValues:
    """Fit a graph network to what genre and decade leave, and return all values."""
    import torch

    from methods.graph.snapshots import SnapshotRecipe
    from methods.graph.values import ValueGraph, predict_values

    params = settings.params
    weight = weights(people._replace(links=links), settings.genres, params.half_life)
    weight = np.maximum(weight, LEAST_WEIGHT)
    plain = plain_features(people)
    expected = ridge(plain, one.y, one.known)
    degrees = [np.log1p(np.bincount(ends, minlength=len(people.table))) for ends in links]
    graph = ValueGraph(
        torch.tensor(np.column_stack([plain, *degrees])).float(),
        torch.as_tensor(np.concatenate([links, links[::-1]], axis=1)),
        torch.tensor(np.tile(weight, 2)).float(),
        torch.tensor(one.y - expected).float(),
    )
    recipe = SnapshotRecipe(
        settings.layer,
        width=params.width,
        epochs=params.epochs,
        patience=params.epochs,
        seed=settings.seed,
    )
    fitted = predict_values(graph, one.train, one.validation, recipe)
    return replace(fitted, values=expected + fitted.values)


def permuted(people: People, kind: str, rng: np.random.Generator) -> Ints:
    """Return the ties with their influencers exchanged at random, by kind of `NULLS`."""
    influencer = people.links[1]
    block = np.zeros(len(influencer), dtype=np.int64)
    if kind == NULLS[1]:
        block = people.genre[influencer] * 1000 + (people.began[influencer] / DECADE).astype(int)
    return permute_ties(people.links, block, rng)
