"""The stage emotion-latent on the shipped careers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shipped import ROOT, shipped_params
from sklearn.decomposition import PCA

from statewright.contracts import ContractError, Table, check
from tasks.emotion.contracts.latent import LatentGrid, LatentOutputs, LatentPoints
from tasks.emotion.contracts.tables import AUDIO, LYRICS
from tasks.emotion.latent import latent, paired_gain, split_artists
from tasks.emotion.params import LatentParams
from tasks.emotion.sections import latent_space
from tasks.emotion.sections.figures.latent import Path, career_map

QUICK = {"widths": (2,), "epochs": 2, "draws": 100}


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    """Return scaled features of shipped years and albums."""
    parts = []
    for name, measures, kind in (("career_audio", AUDIO, "year"), ("album_lyrics", LYRICS, "album")):
        source = pd.read_parquet(ROOT / f"data/source/{name}.parquet").head(900)
        means = source[[f"{measure}_mean" for measure in measures if f"{measure}_mean" in source]]
        modality = "audio" if kind == "year" else "lyrics"
        scaled = ((means - means.mean()) / means.std()).astype(float)
        scaled.columns = [f"{modality}_{column.removesuffix('_mean')}" for column in scaled]
        artist = pd.factorize(source["artist_id" if kind == "year" else "artist"])[0]
        parts.append(
            scaled.assign(
                artist_id=artist, kind=kind, time=1990.0, n_songs=5,
                has_audio=kind == "year", has_lyrics=kind == "album",
            )
        )  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    return table.assign(release_id=range(len(table)))


@pytest.fixture(scope="module")
def outputs(features: pd.DataFrame) -> LatentOutputs:
    return latent(features, params=shipped_params(LatentParams, "emotion.latent", **QUICK))


def test_no_artist_is_in_two_parts(features: pd.DataFrame) -> None:
    params = shipped_params(LatentParams, "emotion.latent")
    split = split_artists(features, "audio", AUDIO, params)
    parts = [set(split.rows["artist_id"][part]) for part in (split.fitted, split.validation, split.held_out)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert all(parts)
    np.testing.assert_allclose(split.x[split.fitted].std(axis=0), 1, atol=1e-9)


def test_outputs_fit_their_contracts_and_the_linear_figures_their_reference(
    features: pd.DataFrame, outputs: LatentOutputs
) -> None:
    check(outputs.latent_points, Table[LatentPoints], "latent_points")
    check(outputs.latent_grid, Table[LatentGrid], "latent_grid")
    params = shipped_params(LatentParams, "emotion.latent", **QUICK)
    split = split_artists(features, "audio", AUDIO, params)
    row = outputs.latent.modalities["audio"].widths[0]
    reference = PCA(2).fit(split.x[~split.held_out]).score(split.x[split.held_out])
    assert row.pca == pytest.approx(reference, abs=1e-4)
    assert -1e-9 <= row.linear_gap < 0.05
    assert row.over_pca.low <= row.over_pca.value <= row.over_pca.high
    assert row.over_pca.value == pytest.approx(row.vae - row.pca, abs=2e-4)


def test_the_interval_resamples_artists_not_rows() -> None:
    params = shipped_params(LatentParams, "emotion.latent")
    difference = np.repeat([0.0, 1.0], 500)
    two_artists = paired_gain(difference, np.repeat([1, 2], 500), params)
    many_artists = paired_gain(difference, np.arange(1000), params)
    assert (two_artists.low, two_artists.high) == (0, 1)
    assert 0.45 < many_artists.low < many_artists.high < 0.55


def test_too_few_artists_are_an_error_that_names_the_parameter(features: pd.DataFrame) -> None:
    params = shipped_params(LatentParams, "emotion.latent", min_songs=6)
    with pytest.raises(ContractError, match=r"lower emotion\.latent\.min_songs"):
        latent(features, params=params)


def test_the_findings_say_when_a_linear_model_is_better(outputs: LatentOutputs) -> None:
    better, worse = ({"value": v, "low": v - 0.1, "high": v + 0.1} for v in (0.5, -0.5))
    row = outputs.latent.modalities["audio"].widths[0]
    row = row.model_copy(update={"over_pca": type(row.over_pca)(**better)})
    row = row.model_copy(update={"over_factor_analysis": type(row.over_pca)(**worse)})
    one = outputs.latent.modalities["audio"].model_copy(update={"widths": [row]})
    metrics = outputs.latent.model_copy(update={"modalities": {"audio": one}})
    (sentence,) = latent_space.finding(outputs._replace(latent=metrics))
    assert "better than principal components (+0.50 nats" in sentence
    assert "worse than factor analysis (−0.50 nats" in sentence


def test_the_map_escapes_names_and_offers_each_career(outputs: LatentOutputs) -> None:
    points = outputs.latent_points
    rows = points[points["artist_id"] == points["artist_id"].iloc[0]].head(3)
    chart = career_map(points, [Path("<b>one</b>", rows), Path("two", rows)])
    assert "<b>one</b>" not in chart.html()
    (choice,) = (param["bind"] for param in chart.spec["params"] if "bind" in param)
    assert {"<b>one</b>", "two"} <= set(choice["options"])
    names = [name for data in chart.datasets.values() for name in data.get("artist", ())]
    assert (names.count("<b>one</b>"), names.count("two")) == (len(rows), len(rows))
