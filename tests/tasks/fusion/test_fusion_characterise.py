"""Description and recognition of modalities, on tables with known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from shipped import shipped_params

from methods.characterise.simulate import draw
from statewright.contracts import ContractError, Table, check
from tasks.fusion.characterise import characterise
from tasks.fusion.contracts.characterise import (
    CharacteriseOutputs,
    ColumnMoments,
    LittleTest,
    Recognition,
)
from tasks.fusion.contracts.tables import Modality, Schema, ViewColumns
from tasks.fusion.params import CharacteriseParams, RecogniseParams
from tasks.fusion.recognise import recognise

ROWS = 600


def described(views: dict[str, Any], **changes: Any) -> CharacteriseOutputs:
    names = [name.removeprefix("x.") for name in views if name.startswith("x.")]
    schema = Schema(
        task="classification",
        target="y",
        classes=["a", "b"],
        key=[],
        modalities={name: Modality(table="t", columns=[]) for name in names},
        **({"time": None, "groups": None, "split": None, "levels": []} | changes),
    )
    rows = len(views["y"])
    full = {"group": np.arange(rows), "row": np.arange(rows), **views}
    columns = {name: [f"c{i}" for i in range(views[f"x.{name}"].shape[1])] for name in names}
    return characterise(
        full,
        schema,
        ViewColumns(modalities=columns),
        params=shipped_params(CharacteriseParams, "fusion.characterise"),
    )


def test_moments_are_those_of_scipy_on_the_present_cells() -> None:
    random = np.random.default_rng(0)
    view = random.gamma(2, size=(ROWS, 3))
    view[::5, 1] = np.nan
    made = described({"x.m": view, "y": random.integers(0, 2, size=ROWS)})
    check(made.moments, Table[ColumnMoments], "moments")
    for number, row in made.moments.iterrows():
        known = view[~np.isnan(view[:, number]), number]
        assert row["rows"] == len(known)
        expected = [
            known.mean(),
            known.std(ddof=1),
            stats.skew(known),
            stats.skew(known, bias=False),
            stats.kurtosis(known),
            stats.kurtosis(known, bias=False),
        ]
        np.testing.assert_allclose(row[["mean", "sd", "g1", "G1", "g2", "G2"]].to_list(), expected)
    summary = made.characterise.modalities["m"]
    assert summary.cells_missing == pytest.approx(ROWS / 5 / (3 * ROWS), abs=1e-5)
    assert summary.normality is not None
    assert summary.normality.b1_p < 1e-6


def test_drift_is_found_where_it_is_and_by_time_if_there_is_a_time() -> None:
    random = np.random.default_rng(0)
    time = random.permutation(ROWS).astype(float)
    moving = random.normal(size=(ROWS, 3)) + np.where(time >= 0.8 * ROWS, 1.0, 0.0)[:, None]
    views = {"x.moving": moving, "x.still": random.normal(size=(ROWS, 3)), "y": time > 300, "time": time}
    found = described({**views, "y": random.integers(0, 2, size=ROWS)}).characterise
    moving_drift, still_drift = (found.modalities[name].drift for name in ("moving", "still"))
    assert moving_drift is not None
    assert still_drift is not None
    assert found.order == "time"
    assert moving_drift.auc_low > 0.7
    assert moving_drift.columns == 3
    assert still_drift.auc_low < 0.5 < still_drift.auc_high
    assert still_drift.columns == 0


def test_an_absence_that_depends_on_the_class_is_found() -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, size=ROWS)
    told, random_gaps, whole = random.normal(size=(3, ROWS, 2))
    told[(random.uniform(size=ROWS) < 0.2 + 0.4 * y)] = np.nan
    random_gaps[random.uniform(size=ROWS) < 0.3] = np.nan
    found = described({"x.told": told, "x.gaps": random_gaps, "x.whole": whole, "y": y}).characterise
    told_p, gaps_p = (found.modalities[name].absent_p for name in ("told", "gaps"))
    assert told_p is not None
    assert told_p < 1e-4
    assert gaps_p is not None
    assert gaps_p > 0.01
    assert found.modalities["whole"].absent_p is None
    assert sum(found.patterns.values()) == ROWS
    both = ~np.isnan(told[:, 0]) & ~np.isnan(random_gaps[:, 0])
    assert found.patterns["gaps + told + whole"] == both.sum()


def missing_at_random(**views: np.ndarray) -> LittleTest:
    arrays = {f"x.{name}": view for name, view in views.items()}
    rows = len(next(iter(views.values())))
    return described({**arrays, "y": np.resize([0, 1], rows)}).characterise.little


def test_absent_modalities_are_patterns_of_the_test_by_little() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, ROWS, 2))
    by_chance, by_value = second.copy(), second.copy()
    by_chance[random.uniform(size=ROWS) < 0.3] = np.nan
    by_value[first[:, 0] + random.normal(size=ROWS) > 1] = np.nan
    chance, value = (missing_at_random(first=first, second=part) for part in (by_chance, by_value))
    assert (chance.patterns, chance.degrees, chance.not_applied) == (2, 2, None)
    assert chance.p is not None
    assert chance.p > 0.01
    assert value.p is not None
    assert value.p < 1e-6
    # Two patterns and a complete modality: the sum of squares between them, by Hotelling.
    gone = np.isnan(by_value[:, 0])
    apart = first[gone].mean(axis=0) - first[~gone].mean(axis=0)
    inverse = np.linalg.inv(np.cov(first, rowvar=False, bias=True))
    expected = gone.mean() * (~gone).sum() * apart @ inverse @ apart
    assert value.chi2 == pytest.approx(expected, rel=1e-3)


def test_the_test_by_little_says_why_it_does_not_apply() -> None:
    random = np.random.default_rng(0)
    view = random.normal(size=(ROWS, 8))
    gaps = np.where(random.uniform(size=(ROWS, 8)) < 0.3, np.nan, view)
    few = np.vstack([view[:20], np.full((3, 8), np.nan)])
    wide = random.normal(size=(ROWS, 201))
    wide[:100, 0] = np.nan
    for words, test in (
        ("no cell is missing", missing_at_random(m=view)),
        ("fewer than 10 for each of", missing_at_random(m=gaps)),
        ("20 rows are fewer than 3 for each of 16 columns", missing_at_random(m=few[2:], n=few[:-2])),
        ("all rows have the same columns", missing_at_random(m=few)),
        ("201 columns, more than 200", missing_at_random(m=wide)),
    ):
        assert words in (test.not_applied or ""), words
        assert test.p is None


def test_levels_of_songs_albums_and_artists_have_their_simulated_shares() -> None:
    random = np.random.default_rng(0)
    artist = np.repeat(np.arange(60), 20)
    album = np.repeat(np.arange(240), 5)
    song = (
        random.normal(size=(60, 4))[artist] * np.sqrt(0.5)
        + random.normal(size=(240, 4))[album] * np.sqrt(0.2)
        + random.normal(size=(1200, 4)) * np.sqrt(0.3)
    )
    views = {"x.m": song, "y": random.integers(0, 2, 1200), "level.0": album, "level.1": artist}
    found = described(views, levels=["album", "artist"]).characterise
    assert (found.levels["album"].groups, found.levels["artist"].groups) == (240, 60)
    assert found.levels["artist"].units_per_group == 4
    # Sums of squares: songs within albums 0.3 x 4/5, and so on.
    assert found.within_share == pytest.approx(0.24, abs=0.04)
    others = sum(level.share for level in found.levels.values())
    assert found.within_share == pytest.approx(1 - others, abs=1e-3)
    # Albums in artists: 0.5 / (0.5 + 0.2 + 0.3 / 5); songs in albums: 0.7.
    assert found.levels["artist"].icc == pytest.approx(0.5 / 0.76, abs=0.08)
    assert found.levels["album"].icc == pytest.approx(0.7, abs=0.06)
    with pytest.raises(ContractError, match=r"fusion\.ingest\.levels.*finest to the coarsest"):
        described({**views, "level.0": artist, "level.1": album}, levels=["artist", "album"])


def test_a_modality_wider_than_its_rows_has_a_shrunk_covariance() -> None:
    random = np.random.default_rng(0)
    made = described({"x.wide": random.normal(size=(60, 200)), "y": np.resize([0, 1], 60)})
    assert made.characterise.modalities["wide"].shrinkage > 0.5
    assert np.linalg.eigvalsh(made.covariances["wide"])[0] > 0


def recognised(**views: np.ndarray) -> Recognition:
    params = shipped_params(RecogniseParams, "fusion.recognise", most_components=4, folds=3)
    return recognise({f"x.{name}": view for name, view in views.items()}, params=params)


def test_modalities_get_their_family_in_their_space() -> None:
    random = np.random.default_rng(0)
    wide = draw("student", 800, columns=3, seed=0) @ random.normal(size=(3, 40))
    few = random.normal(size=(800, 2))
    few[15:] = np.nan
    flags = random.integers(0, 2, size=(800, 3)).astype(float)
    made = recognised(
        student=np.column_stack([draw("student", 800, seed=0), flags[:, 0]]),
        factors=draw("factors", 800, seed=1),
        wide=wide,
        few=few,
        flags=flags,
    )
    assert made.too_few == ["few", "flags"]
    family = {name: (found.family, found.size, found.space) for name, found in made.modalities.items()}
    assert family == {
        "factors": ("factors", 2, "columns"),
        "student": ("student", 1, "columns"),
        "wide": ("student", 1, "principal components"),
    }
    # Three directions carry all 40 columns; the others have no density.
    assert made.modalities["wide"].dimensions == 3
    assert made.modalities["wide"].variance_kept == pytest.approx(1)
    assert "factors-1" not in made.modalities["wide"].candidates


def test_missing_cells_and_a_copied_column_do_not_stop_it() -> None:
    random = np.random.default_rng(0)
    view = random.normal(size=(300, 3))
    view[random.uniform(size=(300, 3)) < 0.1] = np.nan
    copied = np.column_stack([random.normal(size=(300, 2)), np.zeros(300)])
    copied[:, 2] = copied[:, 0]
    made = recognised(gaps=view, copied=copied)
    # Means in place of missing cells would give the law heavy tails.
    assert made.modalities["gaps"].family == "normal"
    assert made.modalities["gaps"].rows < 300
    assert made.modalities["copied"].space == "principal components"
    assert made.modalities["copied"].dimensions == 2
