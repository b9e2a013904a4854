"""The stages emotion-trust and emotion-explain on shipped careers."""

from __future__ import annotations

from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from methods.temporal.baselines import last_value, unit_mean
from statewright.contracts import ContractError, check
from tasks.emotion.contracts.trust import ExplainOutputs, TrustOutputs
from tasks.emotion.explain import explain
from tasks.emotion.forecast import stand_in
from tasks.emotion.forecast.intervals import Errors, adaptive_radius
from tasks.emotion.forecast.scoring import OURS
from tasks.emotion.forecast.targets import TARGETS, audio_task
from tasks.emotion.params import ExplainParams, SplitParams, TrustParams
from tasks.emotion.trust import trust

SPLIT = shipped_params(SplitParams, "emotion.split")
TRUST = shipped_params(
    TrustParams, "emotion.trust",
    epochs=6, budgets=(0.1, 0.5), steps=4, restarts=1, members=3, outer=3, hidden=16,
)  # fmt: skip
EXPLAIN = shipped_params(
    ExplainParams, "emotion.explain",
    epochs=10, artists=2, background=20, permutations=30, nearest=0.05, hidden=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def task(preprocessed):
    return audio_task(preprocessed.careers, SPLIT, preprocessed.artists)


@pytest.fixture(scope="module")
def forecasts(task) -> pd.DataFrame:
    """Return a linear forecast from the last year and the mean so far."""
    rows = task.rows("train", "validation", "test")
    guess = 0.05 + 0.3 * last_value(task.panel) + 0.6 * unit_mean(task.panel)
    tables = [
        pd.DataFrame(
            {
                "task": "audio", "split": task.split[rows], "model": OURS, "artist_id": task.artist_id[rows],
                "time": task.time[rows], "dimension": dimension, "truth": task.panel.mean[rows, j],
                "forecast": guess[rows, j], "sd": 0.15,
            }
        )
        for j, dimension in enumerate(TARGETS["audio"])
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def trusted(forecasts, preprocessed) -> TrustOutputs:
    return trust(forecasts, preprocessed.careers, preprocessed.artists, params=TRUST, split=SPLIT)


@pytest.fixture(scope="module")
def explained(forecasts, preprocessed) -> ExplainOutputs:
    return explain(forecasts, preprocessed.careers, preprocessed.artists, params=EXPLAIN, split=SPLIT)


def test_outputs_keep_their_contracts(trusted, explained):
    for outputs, kind in ((trusted, TrustOutputs), (explained, ExplainOutputs)):
        for name, contract in get_type_hints(kind, include_extras=True).items():
            check(getattr(outputs, name), contract, name)


def test_attacks_grow_with_the_budget_and_exceed_random_changes(trusted):
    table = trusted.trust_attacks
    assert (table["moved"] > 1.5 * table["moved_random"]).all()
    assert (table["rmse_attacked"] > table["rmse"]).all()
    for _, rows in table.groupby("network"):
        assert rows["moved"].is_monotonic_increasing
        assert rows["rmse_attacked"].is_monotonic_increasing
    plain, hardened = (table[table["network"] == name]["moved"].to_numpy() for name in ("plain", "hardened"))
    assert (hardened < plain).all()


def test_coverage_is_that_of_a_plain_count(trusted, forecasts, preprocessed):
    rows = forecasts[forecasts["dimension"] == "valence"]
    known, test = rows[rows["split"] == "validation"], rows[rows["split"] == "test"]
    scores = np.sort((known["truth"] - known["forecast"]).abs())
    radius = scores[int(np.ceil((len(scores) + 1) * 0.9)) - 1]
    inside = (test["truth"] - test["forecast"]).abs() <= radius
    table = trusted.trust_coverage
    chosen = table[(table["dimension"] == "valence") & (table["interval"] == "one width")]
    of_all = chosen[chosen["grouping"] == "all"].iloc[0]
    assert of_all["covered"] == pytest.approx(inside.mean(), abs=1e-5)
    assert of_all["width"] == pytest.approx(2 * radius, abs=1e-5)
    genre = test["artist_id"].map(preprocessed.artists.set_index("artist_id")["genre"])
    by_genre = chosen[chosen["grouping"] == "genre"].set_index("group")
    for name, row in by_genre.iterrows():
        assert row["covered"] == pytest.approx(inside[genre == name].mean(), abs=1e-5)
        assert row["targets"] == (genre == name).sum() >= TRUST.least_group
    # Groups by chance are below the coverage of all, and the worst group is compared with that.
    assert 0.5 < by_genre["chance"].iloc[0] < of_all["covered"]


def test_adaptive_intervals_use_earlier_years_only(forecasts):
    rows = forecasts[forecasts["dimension"] == "valence"].assign(
        error=lambda frame: frame["truth"] - frame["forecast"]
    )
    known, test = rows[rows["split"] == "validation"], rows[rows["split"] == "test"]

    def radii(frame: pd.DataFrame) -> np.ndarray:
        past, new = (
            Errors(*(part[name].to_numpy(float) for name in ("error", "sd", "time")))
            for part in (known, frame)
        )
        return adaptive_radius(past, new, TRUST.level)

    radius = radii(test)
    later = test["time"] >= 2010
    other = radii(test.assign(error=test["error"].where(~later, 9.0)))
    first = (test["time"] <= 2010).to_numpy()
    np.testing.assert_array_equal(radius[first], other[first])
    assert (other[~first] > radius[~first]).any()


def test_the_components_predict_the_variance_of_other_ensembles(trusted):
    table = trusted.trust_bagging.set_index("member")
    assert table.loc["tree", "correlation"] < table.loc["ridge", "correlation"]
    assert table.loc["tree", "rmse_bagged"] < table.loc["tree", "rmse_single"]
    np.testing.assert_allclose(table["formula"], table["measured"], rtol=0.6)
    assert (table["independent"] < table["formula"]).all()


def test_the_genre_level_is_the_mean_of_earlier_songs(task):
    panel = task.panel
    level = stand_in.genre_level(task, 0)
    for row in (1500, 5000, 9000):
        window = (panel.block < panel.block[row]) & (panel.block >= panel.block[row] - stand_in.CONTEXT_YEARS)
        music = np.average(panel.mean[window, 0], weights=panel.count[window])
        mine = window & (panel.group == panel.group[row])
        songs = panel.count[mine].sum()
        sums = (panel.mean[mine, 0] * panel.count[mine]).sum()
        assert level[row] == pytest.approx((sums + 20 * music) / (songs + 20))


def test_parts_are_additive_and_find_the_inputs_of_the_forecast(explained):
    metrics, parts = explained.explain, explained.attributions
    assert metrics.additivity_error < 1e-10
    assert metrics.within_interval > 0.8
    for one in metrics.explained:
        rows = parts[parts["artist"] == one.artist]
        assert rows["part"].sum() == pytest.approx(one.stand_in - one.baseline, abs=2e-4)
        # The forecast is made of these two; the network must not credit others as much.
        two = rows["input"].isin(["valence last year", "valence so far"])
        assert rows.loc[two, "part"].abs().max() > rows.loc[~two, "part"].abs().max()


def test_counterfactuals_reach_their_target_and_leave_facts_alone(explained):
    table = explained.counterfactuals
    fixed = table["input"].isin(stand_in.FACTS) | table["input"].str.contains("so far")
    assert (table.loc[fixed, "change"].dropna() == 0).all()
    reached = [one for one in explained.explain.explained if one.after is not None]
    assert reached
    for one in reached:
        assert one.forecast < one.so_far - EXPLAIN.fall
        assert one.after >= one.target - 1e-4
        rows = table[table["artist"] == one.artist]
        assert one.length == pytest.approx(np.linalg.norm(rows["change"]), abs=1e-3)
        assert rows.loc[rows["change"].abs().idxmax(), "input"] == "valence last year"


def test_no_fall_names_the_parameter(forecasts, preprocessed):
    with pytest.raises(ContractError, match=r"lower emotion\.explain\.fall"):
        explain(
            forecasts, preprocessed.careers, preprocessed.artists,
            params=EXPLAIN.model_copy(update={"fall": 1.0}), split=SPLIT,
        )  # fmt: skip


def test_other_targets_than_those_of_the_forecasts_raise_an_error(task, forecasts):
    with pytest.raises(ValueError, match="run emotion-train again"):
        stand_in.summarise(task, forecasts.iloc[1:], "valence")
