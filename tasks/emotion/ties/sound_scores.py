"""Judge models of sound on held-out artists, and on permuted networks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from methods.evaluation.scores import cluster_weights
from tasks.emotion.contracts.influence import Difference, NullGain, Sound, SoundModel
from tasks.emotion.params import InfluenceParams
from tasks.emotion.ties import sound
from tasks.emotion.ties.people import Genres, People

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PLAIN, NEIGHBOURS = "ridge, genre and decade", "ridge, with neighbours"


class SoundScores(NamedTuple):
    """Gains on the network and on permuted ones, and the summary."""

    nulls: pd.DataFrame
    summary: Sound


def judge_sound(people: People, genres: Genres, params: InfluenceParams) -> SoundScores:
    """Judge all models of sound, and two of them on permuted networks."""
    samples = [sound.sample(people, params, params.seed + k) for k in range(params.seeds)]
    checks: dict[str, list[float]] = {}
    errors: dict[str, list[Floats]] = {}
    for number, one in enumerate(samples):
        models = dict(sound.baselines(people, one))
        for name, layer in sound.LAYERS.items():
            settings = sound.NetworkSettings(layer, genres, params, params.seed + number)
            fitted = sound.graph_network(people, people.links, one, settings)
            models[name] = fitted.values
            checks.setdefault(name, []).append(fitted.validation_loss)
        for name, predicted in models.items():
            errors.setdefault(name, []).append((predicted - one.y)[one.held_out] ** 2)
    best = min(checks, key=lambda name: float(np.mean(checks[name])))
    artist = np.concatenate([one.held_out for one in samples])
    squared = {name: np.concatenate(parts) for name, parts in errors.items()}
    base, near = squared[PLAIN], squared[NEIGHBOURS]
    summaries = {
        name: SoundModel(
            mse={
                dimension: round(float(value), 4)
                for dimension, value in zip(params.dimensions, part.mean(axis=0), strict=True)
            },
            gain=_gain(part, base, artist, params),
            over_neighbours=_gain(part, near, artist, params),
        )
        for name, part in squared.items()
    }
    rows = _null_rows(
        people, samples[0], best, sound.NetworkSettings(sound.LAYERS[best], genres, params, params.seed)
    )
    nulls = {model: {kind: _null(rows, model, kind) for kind in sound.NULLS} for model in (NEIGHBOURS, best)}
    return SoundScores(
        rows, Sound(held_out=len(np.unique(artist)), network=best, models=summaries, nulls=nulls)
    )


def _gain(part: Floats, base: Floats, artist: Ints, params: InfluenceParams) -> Difference:
    """Return ``1 - MSE / MSE of base`` over all dimensions, resampling artists."""
    _, row = np.unique(artist, return_inverse=True)
    ours, rival = (np.bincount(row, weights=one.mean(axis=1)) for one in (part, base))
    weight = cluster_weights(row.max() + 1, params.draws, params.seed)
    low, high = np.quantile(1 - (weight @ ours) / (weight @ rival), [0.025, 0.975])
    return Difference(
        value=round(float(1 - ours.sum() / rival.sum()), 4),
        low=round(float(low), 4),
        high=round(float(high), 4),
    )


def _null_rows(people: People, one: sound.Sample, best: str, settings: sound.NetworkSettings) -> pd.DataFrame:
    """Return the gain of two models on the network and on permuted ones."""
    params = settings.params
    plain = sound.plain_features(people)
    expected = sound.ridge(plain, one.y, one.known)
    base = ((expected - one.y)[one.held_out] ** 2).mean()

    def gain(values: Floats) -> float:
        return float(1 - ((values - one.y)[one.held_out] ** 2).mean() / base)

    def near(links: Ints) -> float:
        return gain(sound.with_neighbours(people, links, one, plain, expected))

    def network(links: Ints) -> float:
        return gain(sound.graph_network(people, links, one, settings).values)

    rows = [
        (NEIGHBOURS, "real", 0, near(people.links)),
        (best, "real", 0, network(people.links)),
    ]
    for number, kind in enumerate(sound.NULLS):
        rng = np.random.default_rng([params.seed, number])
        for draw in range(params.permutations):
            links = sound.permuted(people, kind, rng)
            rows.append((NEIGHBOURS, kind, draw, near(links)))
            if draw < params.network_permutations:
                rows.append((best, kind, draw, network(links)))
    return pd.DataFrame(rows, columns=["model", "kind", "draw", "gain"]).round({"gain": 5})


def _null(rows: pd.DataFrame, model: str, kind: str) -> NullGain:
    own = rows[rows["model"] == model]
    real = float(own.loc[own["kind"] == "real", "gain"].iloc[0])
    permuted = own.loc[own["kind"] == kind, "gain"]
    return NullGain(
        real=round(real, 4),
        permuted=round(float(permuted.mean()), 4),
        highest=round(float(permuted.max()), 4),
        p_value=round((1 + int((permuted >= real).sum())) / (1 + len(permuted)), 4),
        draws=len(permuted),
    )
