"""Networks of influence: risk set, tables, coefficients against a regression."""

from __future__ import annotations

import itertools
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params
from statsmodels.discrete.discrete_model import Logit

from statewright.contracts import check
from tasks.emotion.network import ALL, DECADES, NetworkOutputs, genre_networks, known_pairs, network
from tasks.emotion.networks.comparison import COMMON, PAIRS, RECIPROCAL, SEPARABLE, TRIPLES
from tasks.emotion.params import NetworkParams

pytestmark = pytest.mark.slow

DIFFERENCES = ["active_start", "energy_mean", "valence_mean"]

PARAMS = shipped_params(NetworkParams, "emotion.network", genres=("Vocal",), effective=200, draws=20)


@pytest.fixture(scope="module")
def tables(preprocessed) -> dict[str, pd.DataFrame]:
    return {name: getattr(preprocessed, name) for name in ("influence", "artists", "careers")}


@pytest.fixture(scope="module")
def outputs(tables) -> NetworkOutputs:
    return network(**tables, params=PARAMS)


def test_keeps_the_contracts(outputs):
    for name, contract in get_type_hints(NetworkOutputs, include_extras=True).items():
        check(getattr(outputs, name), contract, name)
    assert set(outputs.network.models) == {ALL, "Vocal", DECADES}
    assert outputs.network.models[ALL].exact
    assert not outputs.network.models["Vocal"].exact


def test_features_are_judged_one_by_one_without_empty_counts(outputs):
    rows = outputs.network_fit
    assert not ((rows["observed"] == 0) & (rows["low"] == 0)).any()
    inside = rows["observed"].between(rows["low"], rows["high"])
    for (model, feature), part in inside.groupby([rows["model"], rows["feature"]]):
        found = outputs.network.models[model].features[feature]
        assert (found.values, found.covered) == (len(part), pytest.approx(part.mean(), abs=1e-4))
        assert found.p_value >= 1 / (PARAMS.draws + 1) - 1e-4
    assert all(
        set(m.features) == {"out-degree", "in-degree", "distance", "shared partners"}
        for m in outputs.network.models.values()
    )


@pytest.mark.slow
def test_repeats_to_the_bit(tables, outputs):
    again = network(**tables, params=PARAMS)
    pd.testing.assert_frame_equal(again.network_terms, outputs.network_terms, check_exact=True)
    pd.testing.assert_frame_equal(again.network_fit, outputs.network_fit, check_exact=True)
    assert again.network == outputs.network


def test_dyads_at_risk_run_forward_in_time(tables, outputs):
    pairs, people, _ = known_pairs(**tables)
    began = people.loc[
        np.unique(pairs[["influencer_id", "follower_id"]].to_numpy()), "active_start"
    ].to_numpy()
    metrics = outputs.network.models[ALL]
    # Both directions of a dyad within a decade are at risk, one direction of other dyads.
    size = pd.Series(began).value_counts()
    assert metrics.dyads == (len(began) * (len(began) - 1) + (size * (size - 1)).sum()) // 2
    backward = people.loc[pairs["influencer_id"], "active_start"].to_numpy() > (
        people.loc[pairs["follower_id"], "active_start"].to_numpy()
    )
    assert metrics.held == backward.sum()
    assert metrics.ties == len(pairs)


def test_between_decades_every_dyad_is_its_own_pair_of_regressions(tables):
    # Without reciprocity the model between decades is a logistic regression on dyads.
    from methods.ergm import fit_temporal

    graphs = genre_networks(tables["influence"], tables["artists"].set_index("artist_id"), PARAMS)
    rows = [
        (after.has_edge(g, h), not before.has_edge(g, h), before.has_edge(g, h), after.nodes[g]["size"])
        for before, after in itertools.pairwise(graphs)
        for g in after for h in after if g != h
    ]  # fmt: skip
    y, x = np.array(rows, dtype=float)[:, 0], np.array(rows, dtype=float)[:, 1:]
    found = fit_temporal(graphs, ["formation", "stability", ("nodeocov", "size")], seed=0)
    logit = Logit(y, x).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(found.coef, logit.params, rtol=1e-7)
    np.testing.assert_allclose(found.std_error, logit.bse, rtol=1e-7)


def test_the_separable_model_is_two_regressions(tables, outputs):
    # One on the dyads without a tie a decade before, one on those with a tie.
    graphs = genre_networks(tables["influence"], tables["artists"].set_index("artist_id"), PARAMS)
    rows = np.array(
        [
            (before.has_edge(g, h), after.has_edge(g, h), 1, after.nodes[g]["size"], after.nodes[h]["named"])
            for before, after in itertools.pairwise(graphs)
            for g in after for h in after if g != h
        ],
        dtype=float,
    )  # fmt: skip
    known, y, x = rows[:, 0] == 1, rows[:, 1], rows[:, 2:]
    parts = [Logit(y[mine], x[mine]).fit(disp=0, tol=1e-12) for mine in (~known, known)]
    terms = outputs.network_terms.query("model == @DECADES + ', ' + @SEPARABLE")
    np.testing.assert_allclose(terms["coef"], np.concatenate([part.params for part in parts]), atol=2e-6)
    candidates = outputs.network.comparisons[DECADES]
    assert candidates[SEPARABLE].log_likelihood == pytest.approx(sum(p.llf for p in parts), abs=1e-4)
    # One model for both kinds of ties, which may last with another probability.
    common = Logit(y, np.column_stack([x, known])).fit(disp=0, tol=1e-12)
    assert candidates[COMMON].log_likelihood == pytest.approx(common.llf, abs=1e-4)
    assert candidates[COMMON].bic == pytest.approx(common.bic, abs=1e-3)
    assert set(candidates) == {COMMON, RECIPROCAL, SEPARABLE}


def test_closed_triples_are_compared_by_a_likelihood_with_its_error(tables, outputs):
    pairs, triples = (outputs.network.comparisons["Vocal"][name] for name in (PAIRS, TRIPLES))
    # Without closure: a logistic regression on the dyads at risk.
    known, people, _ = known_pairs(**tables)
    ids = people.index[people["genre"] == "Vocal"]
    known = known[known["influencer_id"].isin(ids) & known["follower_id"].isin(ids)]
    sent, got = known["influencer_id"].value_counts(), known["follower_id"].value_counts()
    artists = people.loc[np.unique(known[["influencer_id", "follower_id"]].to_numpy())]
    ties = set(zip(known["influencer_id"], known["follower_id"], strict=True))
    reach = np.log1p((artists["influences"] - sent.reindex(artists.index, fill_value=0)).clip(lower=0))
    names = np.log1p((artists["influenced_by"] - got.reindex(artists.index, fill_value=0)).clip(lower=0))
    y, x = [], []
    for a, b in itertools.permutations(artists.index, 2):
        if artists.at[a, "active_start"] <= artists.at[b, "active_start"]:
            y.append((a, b) in ties)
            differences = (artists.loc[a, DIFFERENCES] - artists.loc[b, DIFFERENCES]).abs() / [10, 1, 1]
            x.append([1, *differences, reach[a], names[b]])
    regression = Logit(np.array(y, float), np.array(x, float)).fit(disp=0, tol=1e-12)
    assert pairs.log_likelihood == pytest.approx(regression.llf, abs=1e-3)
    assert pairs.log_likelihood_error == 0
    assert pairs.aic == pytest.approx(regression.aic, abs=2e-3)
    # A longer simulation gave -345.60 (0.05): a nested model, so its likelihood is higher.
    assert 0 < triples.log_likelihood_error < 0.5
    assert triples.log_likelihood == pytest.approx(-345.6, abs=4 * triples.log_likelihood_error + 0.2)
    assert triples.aic == pytest.approx(2 * 7 - 2 * triples.log_likelihood, abs=1e-3)


def test_a_genre_of_few_artists_is_an_error(tables):
    with pytest.raises(ValueError, match=r"artists with a career in 'Children.s'; expected at least 20"):
        network(**tables, params=shipped_params(NetworkParams, "emotion.network", genres=("Children's",)))
