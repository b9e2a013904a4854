"""The forecaster uses the past only: changes of the future have no effect."""

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from tasks.emotion.evaluate import evaluate
from tasks.emotion.features import features
from tasks.emotion.forecast.forecaster import CANDIDATES, VARIANTS
from tasks.emotion.forecast.scoring import ours
from tasks.emotion.forecast.targets import audio_task
from tasks.emotion.params import EvaluateParams, FeaturesParams, SplitParams, TrainParams
from tasks.emotion.train import TrainOutputs, train

PARAMS = shipped_params(
    TrainParams, "emotion.train", epochs=2, folds=2, width=8, heads=2, history=4, ablations=False, threads=1
)
SPLIT = shipped_params(SplitParams, "emotion.split")
CUT = 2009


def project(table: pd.DataFrame) -> pd.DataFrame:
    """States that depend on all features of their release and on nothing else."""
    values = table.filter(regex="^(audio|lyrics|context)_").fillna(0.0).to_numpy()
    weights = np.random.default_rng(0).normal(size=(values.shape[1], 3))
    states = table[["release_id", "artist_id", "kind", "time"]].copy()
    states[["state_0", "state_1", "state_2"]] = values @ weights
    return states


@pytest.fixture(scope="module")
def inputs(preprocessed) -> dict[str, pd.DataFrame]:
    """A tenth of the audio artists and half of those with lyrics, with features."""
    careers, albums = preprocessed.careers, preprocessed.albums
    albums = albums[(albums["artist_id"] % 2 == 0) & albums["has_lyrics"]]
    kept = careers["artist_id"].isin(careers["artist_id"].unique()[::10])
    careers = careers[kept].reset_index(drop=True)
    albums = albums.reset_index(drop=True)
    table = features(
        preprocessed.artists,
        careers,
        albums,
        preprocessed.influence,
        params=shipped_params(FeaturesParams, "emotion.features"),
        split=SPLIT,
    ).features
    return {
        "states": project(table), "features": table, "careers": careers, "albums": albums,
        "artists": preprocessed.artists,
    }  # fmt: skip


@pytest.fixture(scope="module")
def fitted(inputs) -> TrainOutputs:
    return train(**inputs, params=PARAMS, split=SPLIT)


def spoil(inputs: dict[str, pd.DataFrame], artists: np.ndarray | None) -> dict[str, pd.DataFrame]:
    """Replace the releases of the artists (None: all) after CUT by random ones."""
    out = {name: table.copy() for name, table in inputs.items()}

    def chosen(table: pd.DataFrame, time: str) -> pd.Series:
        mine = True if artists is None else table["artist_id"].isin(artists)
        return (table[time] >= CUT + 1) & mine

    for name, time in (("careers", "year"), ("albums", "year"), ("features", "time"), ("states", "time")):
        table = out[name]
        columns = table.filter(regex="_mean$|_sd$|^audio_|^lyrics_|^context_|^state_").columns
        rows = chosen(table, time)
        table.loc[rows, columns] = table.loc[rows, columns] * 3 + 7
        counts = [name for name in ("n_songs", "n_songs_lyrics") if name in table]
        table.loc[rows, counts] += 5
    return out


@pytest.mark.parametrize("everyone", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_future_changes_no_earlier_forecast_and_no_parameter(inputs, fitted, everyone):
    forecasts = fitted.forecasts
    late = forecasts[forecasts["time"] >= CUT + 2]
    artists = None if everyone else late["artist_id"].value_counts().index[:3].to_numpy()
    again = train(**spoil(inputs, artists), params=PARAMS, split=SPLIT)
    early = (forecasts["time"] < CUT + 1).to_numpy()
    columns = ["forecast", "sd"]
    pd.testing.assert_frame_equal(
        forecasts.loc[early, columns], again.forecasts.loc[early, columns], check_exact=True
    )
    assert not np.allclose(forecasts.loc[~early, "forecast"], again.forecasts.loc[~early, "forecast"])
    assert fitted.forecaster.keys() == again.forecaster.keys()
    for name, value in fitted.forecaster.items():
        np.testing.assert_array_equal(value, again.forecaster[name], err_msg=name)
    pd.testing.assert_frame_equal(fitted.train_history, again.train_history, check_exact=True)
    assert fitted.train.validation_loss == again.train.validation_loss


def test_the_combination_is_convex_and_its_metrics_are_those_of_its_rows(fitted):
    for task, metrics in (("audio", fitted.train.audio), ("lyrics", fitted.train.lyrics)):
        weights = fitted.forecaster[f"{task}.stack"]
        assert weights.shape[1] == len(CANDIDATES)
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-9)
        rows = fitted.forecasts[
            (fitted.forecasts["task"] == task) & (fitted.forecasts["split"] == "validation")
        ]
        errors = (rows["forecast"] - rows["truth"]) ** 2
        for dimension, value in metrics.validation_rmse["statewright"].items():
            mine = rows["dimension"] == dimension
            assert np.sqrt(errors[mine].mean()) == pytest.approx(value, abs=2e-6)
    assert set(VARIANTS) >= set(fitted.forecasts["model"])


def test_evaluation_agrees_with_errors_of_the_table(inputs, fitted):
    params = shipped_params(EvaluateParams, "emotion.evaluate", draws=200)
    result = evaluate(fitted.forecasts, inputs["careers"], inputs["albums"], params=params, split=SPLIT)
    ours = result.scores[result.scores["kind"] == "ours"]
    assert len(ours) == 18
    for row in ours.itertuples():
        rows = fitted.forecasts.query(
            "task == @row.task and dimension == @row.dimension and split == @row.split"
        )
        assert row.targets == len(rows)
        assert row.rmse == pytest.approx(np.sqrt(np.mean((rows["truth"] - rows["forecast"]) ** 2)), abs=1e-5)
        assert row.rmse_low < row.rmse < row.rmse_high
    base = result.scores[result.scores["kind"] == "baseline"]
    best = base.groupby(["task", "dimension", "split"])["rmse"].min()
    gaps = ours.set_index(["task", "dimension", "split"])
    np.testing.assert_allclose(gaps["difference"], gaps["rmse"] - best.loc[gaps.index], atol=2e-6)
    test = ours[ours["split"] == "test"]
    assert result.evaluate.audio.beats == (test[test["task"] == "audio"]["difference"] < 0).sum()
    assert result.evaluate.validation_loss == pytest.approx(fitted.train.validation_loss, abs=1e-4)
    wider = result.coverage.pivot_table(
        index=["task", "dimension", "interval"], columns="level", values="width"
    )
    assert (wider.diff(axis=1).iloc[:, 1:] > 0).all().all()


def test_forecasts_of_other_targets_are_refused(inputs, fitted):
    task = audio_task(inputs["careers"], SPLIT)
    short = fitted.forecasts.drop(index=fitted.forecasts.index[fitted.forecasts["split"] == "test"][0])
    with pytest.raises(ValueError, match="run emotion-train again"):
        ours(task, short)
    other = fitted.forecasts.assign(model="other")
    with pytest.raises(ValueError, match="no model 'statewright'"):
        ours(task, other)


def test_states_and_features_of_different_releases_are_refused(inputs):
    with pytest.raises(ValueError, match="differ in 1 releases"):
        train(**{**inputs, "states": inputs["states"].iloc[1:]}, params=PARAMS, split=SPLIT)
