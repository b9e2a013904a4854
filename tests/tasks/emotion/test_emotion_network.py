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
from tasks.emotion.params import NetworkParams

pytestmark = pytest.mark.slow

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


def test_a_genre_of_few_artists_is_an_error(tables):
    with pytest.raises(ValueError, match=r"artists with a career in 'Children.s'; expected at least 20"):
        network(**tables, params=shipped_params(NetworkParams, "emotion.network", genres=("Children's",)))
