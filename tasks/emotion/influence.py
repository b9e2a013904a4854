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
)
from tasks.emotion.contracts.raw import RawArtists
from tasks.emotion.contracts.tables import Influence
from tasks.emotion.params import InfluenceParams
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
from tasks.emotion.ties.sound_scores import judge_sound

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
    sound = judge_sound(people, genres, params)
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
        sound=sound.summary,
    )
    return InfluenceOutputs(
        pd.concat(tables, ignore_index=True),
        pd.concat(links, ignore_index=True),
        examples,
        sound.nulls,
        metrics,
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
