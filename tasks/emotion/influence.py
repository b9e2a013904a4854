"""Stage emotion-influence: ties to later followers, and sound from the network.

Two questions to the network of influence. *Ties:* of two artists of which one began no later than the
other, did the earlier one influence the later one? Models read only ties of earlier decades. *Sound:* what
do the ties of an artist say of its mean sound, beyond its genre and decade? Permuted networks are the null.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from methods.evaluation.scores import cluster_weights
from statewright.contracts import Table
from tasks.emotion.contracts.influence import (
    Difference,
    InfluenceMetrics,
    InfluenceOutputs,
    Leak,
    LinkSetting,
    NullGain,
    Sound,
    SoundModel,
)
from tasks.emotion.contracts.raw import RawArtists
from tasks.emotion.contracts.tables import Influence
from tasks.emotion.params import InfluenceParams
from tasks.emotion.ties import sound
from tasks.emotion.ties.comparison import average_precision, paired, reciprocal_ranks
from tasks.emotion.ties.links import (
    ATTENTION,
    GRAPH_LAYERS,
    SINGLE,
    Problem,
    Scores,
    best_single_feature,
    model_scores,
    pair_leaks,
    part_scores,
)
from tasks.emotion.ties.people import Genres, People, genre_tables, read_people
from tasks.emotion.ties.settings import KINDS, SETTINGS, Judged, describe, judged_pairs

Floats = NDArray[np.float64]
PERFECT = 0.999
"""Average precision of a single feature from which negatives are called a leak."""
LISTED = 5
"""Predicted influencers that are listed for a follower."""


class Repetition(NamedTuple):
    """Scores of all models for one seed."""

    judged: Judged
    leaks: dict[str, Leak]
    scores: dict[str, Scores]


def influence(
    influence: Table[Influence], artists: Table[RawArtists], *, params: InfluenceParams
) -> InfluenceOutputs:
    """Predict ties of later followers, and the sound of held-out artists."""
    people = read_people(influence, artists)
    genres = genre_tables(people, params.validation_from)
    tables, links, settings = [], [], {}
    examples = pd.DataFrame()
    for setting in SETTINGS:
        repetitions = [_repeat(people, genres, setting, params, params.seed + k) for k in range(params.seeds)]
        table = _model_rows(setting, repetitions, params)
        network, rival = (_best(table, family == "network") for family in ("network", "other"))
        settings[setting] = _setting(repetitions, (network, rival), params)
        links.append(_link_rows(people, repetitions[0], network, rival))
        tables.append(table)
        if setting == SETTINGS[-1]:
            examples = _example_rows(people, repetitions[0], network)
    nulls, summary = _sound(people, genres, params)
    metrics = InfluenceMetrics(
        artists=len(people.table),
        ties=people.links.shape[1],
        against_time=people.against_time,
        ambiguous=int(people.table["ambiguous"].sum()),
        both_known=_both_known(people, params),
        pair_leaks={
            kind: _leak(*found) for kind, found in pair_leaks(people, params.validation_from, params).items()
        },
        settings=settings,
        sound=summary,
    )
    return InfluenceOutputs(
        pd.concat(tables, ignore_index=True), pd.concat(links, ignore_index=True), examples, nulls, metrics
    )


def _repeat(people: People, genres: Genres, setting: str, params: InfluenceParams, seed: int) -> Repetition:
    judged = judged_pairs(people, setting, params, seed)
    described = describe(people, genres, judged)
    leaks = {kind: _leak(*best_single_feature(described, "test", kind)) for kind in KINDS}
    scores = dict(model_scores(Problem(people, genres, judged, described, params, seed)))
    return Repetition(judged, leaks, scores)


def _leak(feature: str, ap: float) -> Leak:
    return Leak(feature=feature, ap=round(ap, 4), leak=ap > PERFECT)


def _both_known(people: People, params: InfluenceParams) -> int:
    """Count test ties of which both ends have a tie of an earlier decade."""
    first = np.full(len(people.table), np.inf)
    for ends in people.links:
        np.minimum.at(first, ends, people.time)
    test = people.links[:, people.time >= params.test_from]
    return int((first[test] < people.began[test[0]]).all(axis=0).sum())


def _model_rows(setting: str, repetitions: list[Repetition], params: InfluenceParams) -> pd.DataFrame:
    rows = []
    for model in repetitions[0].scores:
        test = [part_scores(one.scores[model], "test", params.negatives) for one in repetitions]
        checked = [part_scores(one.scores[model], "validation", params.negatives) for one in repetitions]
        rows.append(
            {
                "setting": setting,
                "model": model,
                "family": _family(model),
                "validation": np.mean([one.ap["random"] for one in checked]),
                **{f"auc_{kind}": np.mean([one.auc[kind] for one in test]) for kind in KINDS},
                **{f"ap_{kind}": np.mean([one.ap[kind] for one in test]) for kind in KINDS},
                "mrr": np.mean([one.mrr for one in test]),
                "mrr_sd": np.std([one.mrr for one in test], ddof=1),
            }
        )
    return pd.DataFrame(rows).round(4)


def _family(model: str) -> str:
    if model in SINGLE:
        return "single feature"
    return "network" if model in (*GRAPH_LAYERS, ATTENTION) else "table"


def _best(table: pd.DataFrame, network: bool) -> str:
    """Return the model with the highest average precision on validation."""
    part = table[(table["family"] == "network") == network]
    return str(part.loc[part["validation"].idxmax(), "model"])


def _setting(repetitions: list[Repetition], chosen: tuple[str, str], params: InfluenceParams) -> LinkSetting:
    first = repetitions[0].judged
    network, rival = chosen
    return LinkSetting(
        train=len(first.pairs["train"].time),
        validation=len(first.pairs["validation"].time),
        test=len(first.pairs["test"].time),
        followers=len(np.unique(first.pairs["test"].source)),
        network=network,
        rival=rival,
        mrr=_rank_gain(repetitions, (network, rival), params),
        ap=_precision_gain(repetitions, (network, rival), params),
        weights=_rank_gain(repetitions, ("GCN", "GCN without weights"), params),
        leaks=repetitions[0].leaks,
    )


def _rank_gain(repetitions: list[Repetition], pair: tuple[str, str], params: InfluenceParams) -> Difference:
    """Return the difference of the mean reciprocal ranks of two models."""
    gaps, followers = [], []
    for one in repetitions:
        ours, rival = (
            reciprocal_ranks(one.scores[name]["test ranked"], one.scores[name]["test among"]) for name in pair
        )
        gaps.append(ours - rival)
        followers.append(one.judged.pairs["test ranked"].source)
    return paired(np.concatenate(gaps), np.concatenate(followers), params.draws, params.seed)


def _precision_gain(
    repetitions: list[Repetition], pair: tuple[str, str], params: InfluenceParams
) -> Difference:
    """Return the difference of the average precisions with random negatives."""
    values, samples = [], []
    for one in repetitions:
        pairs = one.judged.pairs
        ties = len(pairs["test"].time)
        names, row = np.unique(
            np.concatenate([pairs["test"].source, pairs["test random"].source]), return_inverse=True
        )
        # the same followers are drawn for each seed, because they are the same in each repetition
        weight = cluster_weights(len(names), params.draws, params.seed)[:, row]
        both = [
            average_precision(
                np.concatenate([one.scores[name]["test"], one.scores[name]["test random"]]),
                ties,
                np.vstack([np.ones(len(row)), weight]),
            )
            for name in pair
        ]
        gap = both[0] - both[1]
        values.append(gap[0])
        samples.append(gap[1:])
    low, high = np.quantile(np.mean(samples, axis=0), [0.025, 0.975])
    return Difference(
        value=round(float(np.mean(values)), 4), low=round(float(low), 4), high=round(float(high), 4)
    )


def _link_rows(people: People, one: Repetition, network: str, rival: str) -> pd.DataFrame:
    ids = people.table["artist_id"].to_numpy()
    parts = []
    for name, tie in (("test", True), ("test random", False)):
        pairs = one.judged.pairs[name]
        parts.append(
            pd.DataFrame(
                {
                    "setting": one.judged.setting,
                    "follower_id": ids[pairs.source],
                    "influencer_id": ids[pairs.target],
                    "decade": people.began[pairs.source].astype("int64"),
                    "tie": tie,
                    "score": one.scores[network][name].round(4),
                    "rival": one.scores[rival][name].round(4),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _example_rows(people: People, one: Repetition, network: str) -> pd.DataFrame:
    """Return the highest predicted influencers of some followers."""
    pairs, scores = one.judged.pairs["test examples"], one.scores[network]["test examples"]
    ties = one.judged.pairs["test"]
    true = set(zip(ties.source.tolist(), ties.target.tolist(), strict=True))
    names, genre = people.table["artist"].to_numpy(), people.table["genre"].to_numpy()
    ids = people.table["artist_id"].to_numpy()
    rows = []
    for follower in pd.unique(pairs.source):
        own = np.flatnonzero(pairs.source == follower)
        order = own[np.argsort(-scores[own], kind="stable")][:LISTED]
        for rank, row in enumerate(order, 1):
            influencer = pairs.target[row]
            rows.append(
                {
                    "follower_id": ids[follower], "follower": names[follower],
                    "influencer_id": ids[influencer], "influencer": names[influencer],
                    "genre": genre[influencer], "rank": rank, "candidates": len(own),
                    "tie": (int(follower), int(influencer)) in true,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _sound(people: People, genres: Genres, params: InfluenceParams) -> tuple[pd.DataFrame, Sound]:
    """Judge all models of sound, and two of them on permuted networks."""
    samples = [sound.sample(people, params, params.seed + k) for k in range(params.seeds)]
    checks: dict[str, list[float]] = {}
    errors: dict[str, list[Floats]] = {}
    for number, one in enumerate(samples):
        models = dict(sound.baselines(people, one))
        for name, layer in sound.LAYERS.items():
            values = sound.graph_network(
                people, genres, people.links, one, layer, params, params.seed + number
            )
            models[name], loss = values.values, values.validation_loss
            checks.setdefault(name, []).append(loss)
        for name, predicted in models.items():
            errors.setdefault(name, []).append((predicted - one.y)[one.held_out] ** 2)
    best = min(checks, key=lambda name: float(np.mean(checks[name])))
    artist = np.concatenate([one.held_out for one in samples])
    squared = {name: np.concatenate(parts) for name, parts in errors.items()}
    base, near = squared["ridge, genre and decade"], squared["ridge, with neighbours"]
    models_summary = {
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
    rows = _null_rows(people, genres, samples[0], best, params)
    nulls = {
        model: {kind: _null(rows, model, kind) for kind in sound.NULLS}
        for model in ("ridge, with neighbours", best)
    }
    return rows, Sound(held_out=len(np.unique(artist)), network=best, models=models_summary, nulls=nulls)


def _gain(part: Floats, base: Floats, artist: NDArray[np.int64], params: InfluenceParams) -> Difference:
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


def _null_rows(
    people: People, genres: Genres, one: sound.Sample, best: str, params: InfluenceParams
) -> pd.DataFrame:
    """Return the gain of two models on the network and on permuted ones."""
    plain = sound.plain_features(people)
    expected = sound.ridge(plain, one.y, one.known)
    base = ((expected - one.y)[one.held_out] ** 2).mean()

    def gain(values: Floats) -> float:
        return float(1 - ((values - one.y)[one.held_out] ** 2).mean() / base)

    def near(links: NDArray[np.int64]) -> float:
        return gain(sound.with_neighbours(people, links, one, plain, expected))

    def network(links: NDArray[np.int64]) -> float:
        layer = sound.LAYERS[best]
        return gain(sound.graph_network(people, genres, links, one, layer, params, params.seed).values)

    rows = [
        ("ridge, with neighbours", "real", 0, near(people.links)),
        (best, "real", 0, network(people.links)),
    ]
    for number, kind in enumerate(sound.NULLS):
        rng = np.random.default_rng([params.seed, number])
        for draw in range(params.permutations):
            links = sound.permuted(people, kind, rng)
            rows.append(("ridge, with neighbours", kind, draw, near(links)))
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
