"""The stage emotion-influence on the shipped network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params
from sklearn.metrics import average_precision_score

from benchmarks.claims_learning import CLAIMS
from methods.graph.scores import ranked_scores
from statewright.contracts import Table, check
from tasks.emotion.contracts.influence import (
    InfluenceOutputs,
    LinkExamples,
    LinkGuesses,
    LinkModels,
    SoundNulls,
)
from tasks.emotion.influence import influence
from tasks.emotion.params import InfluenceParams
from tasks.emotion.sections.figures.influence_map import flows
from tasks.emotion.ties import sound
from tasks.emotion.ties.comparison import average_precision, paired, reciprocal_ranks
from tasks.emotion.ties.links import pair_leaks
from tasks.emotion.ties.people import People, genre_tables, node_features, read_people
from tasks.emotion.ties.settings import SETTINGS, Judged, describe, judged_pairs

QUICK = {"ranked": 20, "negatives": 10, "epochs": 2, "attention_epochs": 1, "examples": 2,
         "permutations": 19, "network_permutations": 2, "draws": 100, "width": 8}  # fmt: skip


@pytest.fixture(scope="module")
def params() -> InfluenceParams:
    return shipped_params(InfluenceParams, "emotion.influence", **QUICK)


@pytest.fixture(scope="module")
def people(raw: dict[str, pd.DataFrame]) -> People:
    return read_people(raw["influence"], raw["artists"])


@pytest.fixture(scope="module", params=SETTINGS)
def judged(request: pytest.FixtureRequest, people: People, params: InfluenceParams) -> Judged:
    return judged_pairs(people, request.param, params, 0)


def test_ties_are_those_of_the_table_that_follow_time(people: People, raw: dict[str, pd.DataFrame]) -> None:
    began = raw["artists"].set_index("artist_id")["active_start"]
    table = raw["influence"]
    gap = began.reindex(table["follower_id"]).to_numpy() - began.reindex(table["influencer_id"]).to_numpy()
    expected = table[gap >= 0]
    ids = people.table["artist_id"].to_numpy()
    found = set(zip(*ids[people.links], strict=True))
    assert found == set(zip(expected["follower_id"], expected["influencer_id"], strict=True))
    assert people.against_time == (gap < 0).sum() > 0
    assert (np.diff(people.time) >= 0).all()


def test_no_model_reads_a_tie_that_is_not_strictly_earlier(people: People, judged: Judged) -> None:
    described = describe(people, genre_tables(people, 1990), judged)
    sent = described.temporal["test"][:, 0]
    earlier = described.temporal["test"][:, 6]
    assert (earlier == 0).all()  # the tie itself is never known
    if judged.setting == "newcomers":
        assert (sent == 0).all()
    else:
        events = judged.events
        ties = judged.pairs["test"]
        known = {
            (int(a), int(b))
            for a, b, t in zip(events.source, events.target, events.time, strict=True)
            if t < 2000 or t % 10 == 0
        }
        assert not known & set(zip(ties.source.tolist(), ties.target.tolist(), strict=True))
        assert (sent > 0).all()


def test_negatives_began_no_later_and_are_no_ties(people: People, judged: Judged) -> None:
    ties = set(zip(*people.links.tolist(), strict=True))
    training = set(people.links[1, people.time < 1990].tolist())
    for name, pairs in judged.pairs.items():
        if " " not in name or name in ("test ranked", "test examples"):
            continue
        assert not ties & set(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True)), name
        assert (people.began[pairs.target] <= people.began[pairs.source]).all(), name
        if name.endswith("historical"):
            assert set(pairs.target.tolist()) <= training
        if name.endswith("inductive"):
            assert not set(pairs.target.tolist()) & training
    followers = {name: set(judged.pairs[name].source.tolist()) for name in ("train", "validation", "test")}
    assert not followers["train"] & followers["validation"] | followers["train"] & followers["test"]


def test_matched_negatives_share_genre_and_decade_with_the_influencer(people: People, judged: Judged) -> None:
    matched, ties = judged.pairs["test matched"], judged.pairs["test"]
    kinds = {int(f): set() for f in ties.source}
    for f, u in zip(ties.source.tolist(), ties.target.tolist(), strict=True):
        kinds[f].add((people.genre[u], people.began[u]))
    for f, u in zip(matched.source.tolist(), matched.target.tolist(), strict=True):
        assert (people.genre[u], people.began[u]) in kinds[f]


def test_pairs_of_another_time_are_a_leak(people: People, params: InfluenceParams) -> None:
    feature, score = pair_leaks(people, params.validation_from, params)["historical"]
    assert score > 0.999, feature


def test_node_features_count_the_earlier_ties(people: People) -> None:
    earlier = people.links[:, people.time < 1960]
    x = node_features(people, 1960, earlier)
    artist = int(np.bincount(earlier[1]).argmax())
    first = len(people.genres)
    assert x[artist, :first].argmax() == people.genre[artist]
    assert x[artist, first + 2] == pytest.approx(np.log1p((earlier[1] == artist).sum()))
    assert x[artist, first + 1] == pytest.approx(np.log1p((earlier[0] == artist).sum()))


def test_permuted_networks_keep_the_genres_and_decades_of_influencers(people: People) -> None:
    links = sound.permuted(people, sound.NULLS[1], np.random.default_rng(0))
    same = (links[1] == people.links[1]).mean()
    assert same < 0.5
    for label in (people.genre, people.began):
        np.testing.assert_array_equal(label[links[1]], label[people.links[1]])
    np.testing.assert_array_equal(np.bincount(links[1]), np.bincount(people.links[1]))


def test_held_out_sound_is_never_read(people: People, params: InfluenceParams) -> None:
    one = sound.sample(people, params, 0)
    assert not set(one.held_out) & set(one.known)
    changed = one._replace(y=one.y.copy())
    changed.y[one.held_out] = 99.0
    for (name, first), (_, second) in zip(
        sound.baselines(people, one), sound.baselines(people, changed), strict=True
    ):
        np.testing.assert_allclose(first[one.held_out], second[one.held_out], err_msg=name)


def test_ranks_and_precision_equal_the_references() -> None:
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(1, 1, 30), rng.normal(0, 1, 300).round(1)
    expected = ranked_scores(positive, negative, np.repeat(np.arange(30), 10)).ap
    assert reciprocal_ranks(positive, negative).mean() == pytest.approx(expected, rel=1e-12)
    scores = rng.normal(size=80) + np.repeat([1.0, 0.0], 40)
    weights = np.vstack([np.ones(80), rng.integers(0, 4, 80)]).astype(float)
    y = np.repeat([1, 0], 40)
    reference = [average_precision_score(y, scores, sample_weight=one) for one in weights]
    np.testing.assert_allclose(average_precision(scores, 40, weights), reference, rtol=1e-12)


def test_the_interval_resamples_followers_not_ties() -> None:
    difference = np.repeat([0.0, 1.0], 500)
    two, many = (paired(difference, one, 200, 0) for one in (np.repeat([1, 2], 500), np.arange(1000)))
    assert (two.low, two.high) == (0, 1)
    assert 0.45 < many.low < many.high < 0.55


def test_the_map_counts_ties_between_genres_and_decades(raw: dict[str, pd.DataFrame]) -> None:
    table = flows(raw["influence"], raw["artists"])
    known = raw["artists"].set_index("artist_id")
    genre, other = (
        known["genre"].reindex(raw["influence"][f"{side}_id"]) for side in ("influencer", "follower")
    )
    jazz = table[(table["influencer_genre"] == "Jazz") & (table["follower_genre"] == "R&B")]
    assert jazz["ties"].sum() == ((genre.to_numpy() == "Jazz") & (other.to_numpy() == "R&B")).sum() > 0


@pytest.fixture(scope="module")
def outputs(raw: dict[str, pd.DataFrame], params: InfluenceParams) -> InfluenceOutputs:
    """Run the stage on the artists that have most ties."""
    table = raw["influence"]
    ties = pd.concat([table["influencer_id"], table["follower_id"]]).value_counts()
    some = ties.index[:500]
    part = table[table["influencer_id"].isin(some) & table["follower_id"].isin(some)]
    return influence(part, raw["artists"], params=params)


def test_outputs_fit_their_contracts(outputs: InfluenceOutputs) -> None:
    for name, contract in (("models", LinkModels), ("links", LinkGuesses), ("examples", LinkExamples),
                           ("nulls", SoundNulls)):  # fmt: skip
        check(getattr(outputs, f"influence_{name}"), Table[contract], name)
    metrics = outputs.influence_metrics
    table = outputs.influence_models
    for setting, one in metrics.settings.items():
        rows = table[table["setting"] == setting].set_index("model")
        others = rows[rows["family"] != "network"]
        assert one.rival == others["validation"].idxmax()
        gap = rows.loc[one.network, "mrr"] - rows.loc[one.rival, "mrr"]
        assert one.mrr.value == pytest.approx(gap, abs=2e-4)
        gap = rows.loc[one.network, "ap_random"] - rows.loc[one.rival, "ap_random"]
        assert one.ap.value == pytest.approx(gap, abs=2e-3)  # pairs of equal scores are in another order
    best = metrics.sound.models["ridge, genre and decade"]
    assert best.gain.value == 0
    assert outputs.influence_nulls.groupby("kind").size()["same degrees"] == 19 + 2


def test_claims_quote_the_metrics(outputs: InfluenceOutputs) -> None:
    metrics = outputs.influence_metrics.model_dump()
    rows = [
        claim.row({"influence_metrics": metrics}) for claim in CLAIMS if claim.section.startswith("3 §3.3")
    ]
    assert len(rows) == 3
    assert f"{metrics['settings']['newcomers']['mrr']['value']:+.4f}" in rows[2]
    assert f"{metrics['sound']['models']['ridge, with neighbours']['gain']['value']:+.4f}" in rows[1]
