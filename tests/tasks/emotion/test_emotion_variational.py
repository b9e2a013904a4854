"""States of artists on real careers: contracts, held-out years, baselines."""

from __future__ import annotations

from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import check
from tasks.emotion.params import VariationalParams
from tasks.emotion.series.held_out_years import hold_out, nearest_year, shrunk_mean
from tasks.emotion.variational import VariationalOutputs, variational

PARAMS = shipped_params(
    VariationalParams,
    "emotion.variational",
    dimensions=("valence", "energy"),
    tolerance=1e-6,
    ascent_artists=8,
    ascent_steps=250,
    draws=100,
)


@pytest.fixture(scope="module")
def tables(preprocessed) -> dict[str, pd.DataFrame]:
    """The careers of every sixth artist."""
    careers = preprocessed.careers
    kept = careers["artist_id"].unique()[::6]
    return {"careers": careers[careers["artist_id"].isin(kept)], "artists": preprocessed.artists}


@pytest.fixture(scope="module")
def found(tables) -> VariationalOutputs:
    return variational(**tables, params=PARAMS)


def test_keeps_the_contracts(found):
    for name, contract in get_type_hints(VariationalOutputs, include_extras=True).items():
        check(getattr(found, name), contract, name)


@pytest.mark.slow
def test_repeats_bit_for_bit(tables, found):
    again = variational(**tables, params=PARAMS)
    pd.testing.assert_frame_equal(again.artist_states, found.artist_states, check_exact=True)
    assert again.variational == found.variational


def test_every_year_of_a_career_has_a_state_and_songs_are_kept(tables, found):
    states = found.artist_states
    assert (states.groupby("artist_id")["year"].diff().dropna() == 1).all()
    joined = states.merge(tables["careers"], on=["artist_id", "year"], suffixes=("", "_raw"))
    counted = joined["n_songs_raw"].where(~joined["reissue"], 0)
    assert (joined["n_songs"] == counted).all()
    assert states["n_songs"].sum() == counted.sum() > 0


def test_states_follow_means_of_many_songs_more_than_of_few(tables, found):
    joined = found.artist_states.merge(tables["careers"], on=["artist_id", "year"], suffixes=("", "_raw"))
    off = (joined["valence_state"] - joined["valence_mean"]).abs()
    kept = ~joined["reissue"]
    many, one = kept & (joined["n_songs"] >= 20), kept & (joined["n_songs"] == 1)
    assert off[many].mean() < 0.4 * off[one].mean()
    assert joined.loc[many, "valence_state_sd"].max() < joined.loc[one, "valence_state_sd"].min()


def test_bounds_and_ascents(found):
    metrics = found.variational
    structured, factorised = (metrics.families[name] for name in ("structured", "mean_field"))
    assert structured.monotone
    assert factorised.monotone
    assert structured.elbo > factorised.elbo
    steps = metrics.ascent.steps
    assert steps["coordinate"] is not None
    assert steps["natural_gradient"] is not None
    assert steps["plain_gradient"] is None or steps["plain_gradient"] > 3 * steps["natural_gradient"]


def test_states_predict_held_out_years_better_than_the_nearest_year(found):
    scores = found.variational.hidden
    assert scores["structured"].rmse < 0.9 * scores["nearest_year"].rmse
    assert 0.85 < scores["structured"].coverage < 0.95
    assert scores["moments"].gain_low == scores["moments"].gain_high == 0


def test_a_held_out_year_has_no_effect(tables):
    """Check that values of held-out years change no baseline."""
    rows = tables["careers"].sort_values(["artist_id", "year"], ignore_index=True)
    held_out = hold_out(rows, 0.3, seed=1)
    values = rows[["valence_mean"]].to_numpy(float)
    spread = rows[["valence_sd"]].fillna(0).to_numpy(float)
    within = (rows[["n_songs"]].to_numpy(float) - 1) * spread**2
    changed = np.where(held_out[:, None], 99.0, values)
    for method in (
        lambda v, w: nearest_year(rows, v, held_out).mean,
        lambda v, w: shrunk_mean(rows, v, w, held_out)[0].mean,
        lambda v, w: shrunk_mean(rows, v, w, held_out)[1].mean,
    ):
        other = method(changed, np.where(held_out[:, None], 7, within))
        np.testing.assert_array_equal(method(values, within), other)


def test_baselines_equal_loops(tables):
    rows = tables["careers"].sort_values(["artist_id", "year"], ignore_index=True)
    held_out = hold_out(rows, 0.3, seed=1)
    assert 0.15 < held_out.mean() < 0.3
    values = rows[["valence_mean"]].to_numpy(float)
    within = np.zeros_like(values) + 0.1
    near, mean = (
        nearest_year(rows, values, held_out).mean,
        shrunk_mean(rows, values, within, held_out)[0].mean,
    )
    for index in np.flatnonzero(held_out)[:60]:
        row = rows.loc[index]
        used = rows[(rows["artist_id"] == row["artist_id"]) & ~held_out]
        closest = used.loc[(used["year"] - row["year"]).abs().idxmin()]
        assert near[index, 0] == closest["valence_mean"]
        assert mean[index, 0] == pytest.approx(np.average(used["valence_mean"], weights=used["n_songs"]))


def test_no_career_is_an_error(tables):
    with pytest.raises(ValueError, match=r"lower emotion\.variational\.min_years"):
        variational(**tables, params=PARAMS.model_copy(update={"min_years": 90}))
