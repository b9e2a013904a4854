"""The effects stage recovers effects that were planted in real careers."""

from __future__ import annotations

from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import check
from tasks.emotion.effects import EffectsOutputs, effects
from tasks.emotion.params import EffectsParams
from tasks.emotion.series.panels import artist_years

ORDER = ("energy", "danceability", "valence")
PARAMS = shipped_params(
    EffectsParams, "emotion.effects", order=ORDER, placebo_draws=19, random_cause_draws=3, curve_draws=10
)


@pytest.fixture(scope="module")
def tables(preprocessed: Any, raw: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {
        "careers": preprocessed.careers,
        "artists": preprocessed.artists,
        "influence": preprocessed.influence,
    }


@pytest.fixture(scope="module")
def found(tables) -> EffectsOutputs:
    return effects(**tables, params=PARAMS)


def scale(tables: dict[str, pd.DataFrame], dim: str) -> float:
    """Unit of a dimension in standard deviations of the rows that the stage uses."""
    rows = artist_years(tables["careers"], tables["artists"], list(PARAMS.order), PARAMS.min_songs)
    both = rows.merge(tables["careers"], on=["artist_id", "year"])
    return float(np.ptp(both[f"{dim}_mean"]) / np.ptp(both[dim]))


def in_units(tables: dict[str, pd.DataFrame], out: EffectsOutputs, graph: str) -> pd.Series:
    """Effects on valence of the same year in the units of the data, by cause."""
    table = out.effect_estimates.query("question == 'same year' and graph == @graph").set_index("cause")
    return table["effect"] * [
        scale(tables, "valence") / scale(tables, name.split()[0]) for name in table.index
    ]


def test_keeps_the_contracts(found):
    for name, contract in get_type_hints(EffectsOutputs, include_extras=True).items():
        check(getattr(found, name), contract, name)


@pytest.mark.slow
def test_an_effect_planted_in_real_careers_is_recovered(tables, found):
    # Adding 0.6 energy to valence adds 0.6 to the effect of energy, by the algebra of least squares,
    # and leaves the effect of danceability alone. The table is rounded to six digits.
    careers = tables["careers"]
    careers = careers.assign(valence_mean=careers["valence_mean"] + 0.6 * careers["energy_mean"])
    planted = tables | {"careers": careers}
    before = in_units(tables, found, "all earlier")
    after = in_units(planted, effects(**planted, params=PARAMS), "all earlier")
    assert after["energy now"] - before["energy now"] == pytest.approx(0.6, abs=1e-4)
    assert after["danceability now"] - before["danceability now"] == pytest.approx(0, abs=1e-4)


def test_the_placebo_of_influencers_differs_and_is_counted(found):
    table = found.effect_estimates
    assert table["question"].value_counts().to_dict() == {
        "same year": 4,
        "influencers": 3,
        "random artists": 3,
    }
    assert (table["std_error"] > 0).all()
    direct = table[(table["question"] == "same year") & (table["graph"] == "all earlier")]
    assert direct["robustness_value"].notna().all()


def test_the_straight_curve_is_a_line_through_the_estimate(found):
    line = found.effect_curve.query("model == 'straight'")
    effect = found.effect_estimates.query("graph == 'all earlier' and cause == 'energy now'")["effect"].item()
    np.testing.assert_allclose(np.diff(line["mean"]), effect * 0.5, atol=5e-6)
    assert found.effects.curve_gap > 0


@pytest.mark.slow
def test_repeats_bit_for_bit(tables, found):
    again = effects(**tables, params=PARAMS)
    pd.testing.assert_frame_equal(again.effect_estimates, found.effect_estimates, check_exact=True)
    pd.testing.assert_frame_equal(again.effect_curve, found.effect_curve, check_exact=True)


def test_an_order_without_the_curves_cause_is_refused():
    with pytest.raises(ValueError, match="curve_cause energy"):
        shipped_params(EffectsParams, "emotion.effects", order=("loudness", "valence"))


def test_too_few_artists_is_an_error(tables):
    few = tables | {"careers": tables["careers"][tables["careers"]["artist_id"] % 20 == 0]}
    with pytest.raises(ValueError, match=r"emotion-effects: careers.parquet has \d+ artists"):
        effects(**few, params=PARAMS)
