"""The report is self-contained and reproducible, and escapes its inputs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import check
from statewright.functions.signature import is_named_tuple
from tasks.emotion.catalogue.selection import select_artists
from tasks.emotion.contracts.changes import (
    CareerMetrics,
    CareerModel,
    ChangepointMetrics,
    Landmark,
    RegimeModel,
    WholeMetrics,
)
from tasks.emotion.contracts.tables import Albums, Influence
from tasks.emotion.forecast.scoring import BASELINES, OURS
from tasks.emotion.params import ReportParams
from tasks.emotion.report import report
from tasks.emotion.sections import latent_space
from tasks.emotion.sections.figures.history import spans
from tasks.emotion.sections.figures.style import standard_error, typical_spread
from tasks.emotion.sections.forecast import comparison
from tasks.report.charts import library

SOURCE = Path(__file__).parents[3] / "data/source"
EVIL = "<script>alert('x')</script>"
DIMENSIONS = {"audio": ("valence", "energy"), "lyrics": ("joy",)}
SECTIONS = (
    "findings", "data", "music", "careers", "plane", "states", "scales", "latent", "attention", "causality",
    "effects", "influence", "followers", "forecast", "coverage", "trust", "explanation", "ablations",
    "search", "feedback", "methods", "reproduce",
)  # fmt: skip


def histories() -> dict[str, pd.DataFrame]:
    """Return careers of three real artists, one renamed, and years of music."""
    names = pd.read_parquet(SOURCE / "artists.parquet", columns=["artist_id", "artist"])
    names = names[names["artist"].isin(["The Beatles", "Bob Dylan", "Radiohead"])]
    careers = pd.read_parquet(SOURCE / "career_audio.parquet").astype({"year": int})
    careers = careers[careers["artist_id"].isin(names["artist_id"])]
    known = names[names["artist_id"].isin(careers["artist_id"])].reset_index(drop=True)
    artists = pd.DataFrame(
        {
            "artist_id": known["artist_id"],
            "artist": known["artist"].replace("Radiohead", EVIL),
            "genre": "R&B", "active_start": 1960.0, "influences": 1, "influenced_by": 1, "ambiguous": False,
            "same_as": known["artist_id"],
        }
    )  # fmt: skip
    careers = careers.assign(thin=careers["n_songs"] < 3, reissue=careers["year"] > 2005)
    charts = pd.read_parquet(SOURCE / "chart_years.parquet").rename(columns={"n_songs_audio": "n_songs"})
    music = pd.read_parquet(SOURCE / "music_years.parquet")
    years = pd.concat([music.assign(source="music"), charts.assign(source="charts")], ignore_index=True)
    years = years.assign(n_songs=years["n_songs"].fillna(0).astype(int), year=years["year"].astype(int))
    years = years.assign(n_songs_lyrics=years["n_songs"], thin=False)
    tables = {"artists": artists, "careers": careers.reset_index(drop=True), "years": years}
    return {name: table.astype(wide(table)) for name, table in tables.items()}


def wide(table: pd.DataFrame) -> dict[str, str]:
    """Return the 64-bit types for numbers that the source stores in fewer bits."""
    return {column: f"{dtype.kind.replace('i', 'int').replace('f', 'float')}64"
            for column, dtype in table.dtypes.items() if dtype.kind in "if"}  # fmt: skip


def change_tables(artists: pd.DataFrame, careers: pd.DataFrame, years: pd.DataFrame) -> dict[str, Any]:
    """Return one certain change in the middle of every series."""
    series = [(name, np.nan, careers[careers["artist_id"] == i]["year"], i) for i, name in _names(artists)]
    series = [(name, float(i), year, i) for name, _, year, i in series]
    for source in ("music", "charts"):
        of = years[(years["source"] == source) & (years["n_songs"] >= 30)]["year"]
        series += [(source, np.nan, of, 0), (f"{source} innovations", np.nan, of, 0)]
    changes = pd.concat(
        [
            pd.DataFrame(
                {
                    "series": name, "artist_id": artist, "year": np.sort(year),
                    "probability": np.arange(len(year)) == len(year) // 2,
                    "is_map": np.arange(len(year)) == len(year) // 2,
                    "valence_regime": np.where(np.arange(len(year)) < len(year) // 2, 0.7, 0.4),
                }
            )
            for name, artist, year, _ in series
        ],
        ignore_index=True,
    ).astype({"probability": float})  # fmt: skip
    counts = pd.DataFrame([{"series": s[0], "artist_id": s[1], "k": 1, "probability": 1.0} for s in series])
    near = Landmark(nearest=1965, distance=1, within=0.875)
    whole = WholeMetrics(
        years=60, expected_changes=1.5, probability_of_change=1, map_changes=1, log_evidence=0,
        mauch={"1964": near, "1983": near.model_copy(update={"within": 0.25})}, mauch_chance=0.125,
        models={"trends": RegimeModel(waic=-12.34, unreliable=3, log_evidence=5.4, expected_changes=0.5,
                near={"1964": 0.125, "1983": 0.5, "1991": 0.25})},
    )  # fmt: skip
    model = CareerModel(
        log_evidence=-23.5, mean_probability=0.1, certain=8, likely=34, null_mean_probability=0.05,
        null_certain=0.25, null_likely=5.5,
    )  # fmt: skip
    of_careers = CareerMetrics(
        careers=559, changed=9, false_discovery_rate=0.1, smallest_p=5e-5, rate=0.125, gain=31.5,
        noise_ratio=0.1, persistent=model,
        levels=model.model_copy(update={"log_evidence": -100.0, "certain": 98, "null_certain": 73.0}),
    )  # fmt: skip
    names = ("music", "charts", "music innovations", "charts innovations")
    metrics = ChangepointMetrics(whole=dict.fromkeys(names, whole), careers=of_careers)
    of = pd.DataFrame([{"series": s[0], "artist_id": s[1]} for s in series]).dropna()
    tests = of.assign(probability=1.0, p_value=0.0125, adjusted=0.25, changed=True).reset_index(drop=True)
    return {"changes": changes, "change_counts": counts, "career_tests": tests, "changepoint": metrics}


def _names(artists: pd.DataFrame) -> list[tuple[int, str]]:
    return list(zip(artists["artist_id"], artists["artist"], strict=True))


def fused() -> dict[str, Any]:
    """Return attention of years and albums, and a fusion that loses one task."""
    rows = []
    for release in range(6):
        kind, has = (
            ("year", ("audio", "context")) if release < 3 else ("album", ("audio", "lyrics", "context"))
        )
        for head in range(2):
            for query in has:
                weights = {
                    f"key_{name}": np.float32(name in has) / len(has)
                    for name in ("audio", "lyrics", "context")
                }
                rows.append(
                    {"release_id": release, "artist_id": 1, "kind": kind, "time": 1970.0, "head": head,
                     "query": query}
                    | weights | {"entropy": 1.0, "importance": 1 / len(has)}
                )  # fmt: skip
    attention = pd.DataFrame(rows).astype({"head": "int8", "time": "float32", "entropy": "float32"})
    attention = attention.astype({f"key_{name}": "float32" for name in ("audio", "lyrics", "context")})
    score = {"rmse": 0.9, "r2": 0.2}
    task = {"releases": 294, "artists": 97, "fusion": score, "pca": score, "mean": score}
    held = {
        "year_audio": task | {"gain": 0.125, "gain_low": 0.1, "gain_high": 0.15},
        "album_lyrics": task | {"gain": -0.25, "gain_low": -0.3, "gain_high": -0.2},
    }
    fusion = {
        "width": 16, "parameters": 100, "releases": {"train": 3}, "epochs": 2, "best_epoch": 1,
        "validation_loss": 1.0, "held_out": {"test": held}, "plain": {"test": held}, "held_out_tasks": 2,
        "held_out_won": 1, "held_out_won_clearly": 1, "plain_tasks": 2, "plain_won": 1, "entropy": {},
        "importance": {},
    }  # fmt: skip
    return {"attention": attention.astype({"importance": "float32"}), "fusion": fusion}


def causes() -> dict[str, Any]:
    """Return two edges, and a significant test in each scope but the influencers'."""
    edge = {"kind": "directed", "confidence": 0.9, "adjacency": 1.0, "given": "", "n": 2786}
    edges = pd.DataFrame(
        [
            edge | {"source": "valence last", "target": "valence now", "partial_correlation": 0.25},
            edge
            | {
                "source": "energy now",
                "target": "valence now",
                "partial_correlation": -0.25,
                "kind": "undirected",
            },
        ]
    )
    test = {"lags": 1, "f": 5.0, "df_num": 1, "df_den": 80, "p_value": 0.01, "n": 2000}
    scopes = ("within-artist", "influencer->follower", "random artist->follower", "music-year")
    granger = pd.DataFrame(
        [
            test | {"scope": scope, "cause": "energy", "effect": "valence", "p_adjusted": 0.02,
                    "coefficient": np.nan if scope == "music-year" else 0.19,
                    "std_error": np.nan if scope == "music-year" else 0.05,
                    "significant": scope != "influencer->follower"}
            for scope in scopes
        ]
    )  # fmt: skip
    scope = {"tests": 25, "significant_same_dimension": 0, "smallest_p_adjusted": 0.3035, "rows": 2000}
    causal = {
        "graph": {"rows": 2786, "artists": 778, "edges": 2, "directed": 1, "own_past": 1,
                  "cross_past": 0, "now": 1,
                  "mean_confidence": 0.9, "mean_adjacency": 1.0,
                  "boss": {"edges": 31, "shared": 29, "equal": 27, "cross_past": 1}},
        "granger": {name: scope | {"significant": int(name != "influencer->follower")} for name in scopes},
        "stationary": {"years": 88, "dimensions": 5, "levels": 0, "differences": 1, "after": 3},
    }  # fmt: skip
    return {"causal_edges": edges, "granger": granger, "causal": causal}


def what_if() -> dict[str, Any]:
    """Return a bent curve, two graphs that disagree, and influence in energy only."""
    row = {"outcome": "valence now", "std_error": 0.04, "placebo_p": 0.01, "random_cause_change": 0.02,
           "robustness_value": 0.3, "linearity_p": 0.001, "rows": 2786, "artists": 778}  # fmt: skip
    rows = [
        row | {"question": "same year", "cause": "energy now", "graph": graph, "effect": effect}
        for graph, effect in (("learnt", 0.47), ("all earlier", 0.69))
    ]
    rows[0]["robustness_value"] = np.nan
    rows += [
        row | {"question": question, "cause": f"{dim} influencers", "outcome": f"{dim} now",
               "graph": "all earlier", "effect": effect}
        for question, effects in (("influencers", (0.05, 0.3)), ("random artists", (0.04, 0.01)))
        for dim, effect in zip(("valence", "energy"), effects, strict=True)
    ]  # fmt: skip
    curve = pd.DataFrame(
        [
            {"model": kind, "cause": "energy now", "outcome": "valence now", "value": value,
             "mean": min(0.6 * value, top), "std_error": 0.05}
            for kind, top in (("straight", 9.0), ("curved", 0.4)) for value in (-1.0, 0.0, 1.0)
        ]
    )  # fmt: skip
    counts = {"same_year": 1, "same_year_clear": 1, "influencers": 2, "influencers_clear": 1,
              "random_artists": 2, "random_artists_clear": 0}  # fmt: skip
    metrics = {"rows": 2786, "artists": 778, **counts, "largest_gap": 0.22, "curve_gap": 0.2}
    return {"effect_estimates": pd.DataFrame(rows), "effect_curve": curve, "effects": metrics}


def states(careers: pd.DataFrame) -> dict[str, Any]:
    """Return states of careers; the structured posterior wins, the mean field ties."""
    table = careers[["artist_id", "year", "n_songs"]].sort_values(["artist_id", "year"], ignore_index=True)
    for dimension in ("valence", "energy"):
        table = table.assign(**{
            f"{dimension}_{name}{suffix}": value
            for name in ("state", "mean_field") for suffix, value in (("", 0.5), ("_sd", 0.1))
        })  # fmt: skip
    score = {"rmse_by_dimension": {}, "coverage": 0.9, "log_density": -0.9}
    family = {
        "elbo": -100.0, "sweeps": 9, "converged": True, "monotone": True,
        "parameters": {"valence": {"persistence": {"mean": 0.625, "sd": 0.1}}},
    }  # fmt: skip
    weaker = family | {"elbo": -150.0, "converged": False}
    plain = score | {"coverage": None, "log_density": None}
    metrics = {
        "artists": 965, "years": 23859, "silent_years": 14460, "dimensions": ["valence", "energy"],
        "families": {"structured": family, "mean_field": weaker}, "state_sd_ratio": 1.0, "hidden_years": 1519,
        "hidden": {
            "structured": score | {"rmse": 0.6415, "gain_low": 0.003, "gain_high": 0.018},
            "mean_field": score | {"rmse": 0.6485, "gain_low": -0.001, "gain_high": 0.004},
            "moments": score | {"rmse": 0.65, "gain_low": 0, "gain_high": 0},
            "artist_mean": plain | {"rmse": 0.66, "gain_low": -0.02, "gain_high": -0.01},
        },
        "ascent": {
            "artists": 40, "most_steps": 1500,
            "nats_left": {"natural_gradient": 0.0, "plain_gradient": 513.7},
            "steps": {"natural_gradient": 60, "plain_gradient": None},
        },
    }  # fmt: skip
    return {"artist_states": table, "variational": metrics}


def influences() -> dict[str, Any]:
    """Return two networks with a feature that fits badly, and one of no estimate."""
    term = {"statistic": 5.0, "std_error": 0.25, "p_value": 0.0001}
    terms = [("all genres", "nodematch.genre", 1.5), ("all genres", "mutual", -np.inf)]
    terms += [("Jazz", "absdiff.energy", -2.0), ("Jazz", "gwesp.OTP.fixed.0.25", 0.5)]
    fits = [
        {"model": name, "feature": feature, "value": value, "observed": 4.0, "low": 3.0 + 2 * value,
         "high": 9.0, "p_value": 0.5}
        for name in ("all genres", "Jazz")
        for feature in ("out-degree", "in-degree", "shared partners") for value in (0.0, 1.0)
    ]  # fmt: skip
    model = {"nodes": 66, "ties": 213, "dyads": 2677, "held": 5, "exact": False, "reason": "",
             "effective_size": 1000,
             "features": {"out-degree": {"values": 2, "covered": 1.0, "p_value": 0.5},
                          "shared partners": {"values": 2, "covered": 0.5, "p_value": 0.01}}}  # fmt: skip
    refused = model | {"reason": "The chain ran away.", "features": {}}
    apart = "between decades, forming and lasting apart"
    terms += [(apart, "Form~nodeocov.size", 1.0), (apart, "Persist~nodeocov.size", 2.0)]
    pairs = {
        "parameters": 6,
        "log_likelihood": -663.8,
        "log_likelihood_error": 0.0,
        "aic": 1339.6,
        "bic": 1375.0,
    }
    triples = {
        "parameters": 7,
        "log_likelihood": -648.0,
        "log_likelihood_error": 0.2,
        "aic": 1310.0,
        "bic": 1351.3,
    }
    jazz = {"independent pairs": pairs, "with closed triples": triples}
    between = {
        "with reciprocity": pairs | {"aic": 631.8, "bic": 658.3},
        "forming and lasting apart": pairs | {"aic": 645.5, "bic": 677.2},
    }
    vocal = jazz | {"with closed triples": triples | {"aic": 1339.0, "bic": 1376.0}}
    comparisons = {"Jazz": jazz, "Vocal": vocal, "between decades": between}
    return {
        "network_terms": pd.DataFrame([term | {"model": m, "term": t, "coef": c} for m, t, c in terms]),
        "network_fit": pd.DataFrame(fits),
        "network": {
            "left_out": 7,
            "models": {"all genres": model, "Jazz": model, "Blues": refused},
            "comparisons": comparisons,
        },
    }


def followed(artists: pd.DataFrame) -> dict[str, Any]:
    """Return ties over time: the network wins one setting and loses the other."""
    score = {f"{name}_{kind}": 0.75 for name in ("auc", "ap") for kind in ("random", "historical",
             "inductive", "matched")}  # fmt: skip
    families = {"Adamic-Adar": "single feature", "boosted trees, 14 and content": "table", "GAT": "network"}
    models = pd.DataFrame(
        [{"setting": setting, "model": model, "family": family, "validation": 0.9, **score,
          "mrr": 0.25 + 0.125 * (family == "network"), "mrr_sd": 0.01}
         for setting in ("newcomers", "half known") for model, family in families.items()]
    )  # fmt: skip
    first, second = artists["artist_id"].iloc[:2]
    links = {"setting": "newcomers", "follower_id": first, "influencer_id": second, "decade": 2000,
             "tie": True, "score": 1.5, "rival": 0.5}  # fmt: skip
    example = {"follower_id": first, "follower": EVIL, "influencer_id": second, "influencer": "The Beatles",
               "genre": "Pop/Rock", "rank": 1, "candidates": 2600, "tie": True}  # fmt: skip
    gains = [("real", 0, 0.25), ("same degrees", 0, -0.01), ("same degrees", 1, 0.02)]
    nulls = pd.DataFrame(
        [{"model": "ridge, with neighbours", "kind": k, "draw": d, "gain": g} for k, d, g in gains]
    )
    gain = {"value": 0.03, "low": 0.01, "high": 0.05}
    loss = {"value": -0.03, "low": -0.05, "high": -0.01}
    leak = {"feature": "earlier links", "ap": 1.0, "leak": True}
    setting = {"train": 100, "validation": 50, "test": 40, "followers": 9, "network": "GAT",
               "rival": "boosted trees, 14 and content", "mrr": gain, "ap": gain, "attention": loss,
               "weights": loss,
               "leaks": {"random": leak | {"ap": 0.75, "leak": False}}}  # fmt: skip
    near = {"mse": {"valence": 0.5, "energy": 0.25}, "gain": gain | {"value": 0.25}, "over_neighbours": gain}
    null = {"real": 0.25, "permuted": 0.005, "highest": 0.02, "p_value": 0.3333, "draws": 2}
    metrics = {
        "artists": 2705, "ties": 21842, "against_time": 384, "ambiguous": 20, "both_known": 0,
        "pair_leaks": {"historical": leak, "inductive": leak | {"ap": 0.95, "leak": False}},
        "settings": {"newcomers": setting, "half known": setting | {"mrr": loss}},
        "sound": {"held_out": 600, "network": "GAT",
                  "models": {"ridge, with influencers": near, "ridge, with followers": near,
                             "ridge, with neighbours": near, "GAT": near | {"over_neighbours": loss}},
                  "nulls": {"ridge, with neighbours": {"same degrees": null}}},
    }  # fmt: skip
    return {
        "influence_models": models, "influence_links": pd.DataFrame([links]),
        "influence_examples": pd.DataFrame([example]), "influence_nulls": nulls,
        "influence_metrics": metrics,
    }  # fmt: skip


def score_table(ours: dict[str, tuple[float, float, float]]) -> pd.DataFrame:
    """Return scores; the best baseline, AR(1) + mean, has RMSE 0.2.

    `ours` is the difference of our model to it, with its interval.
    """
    rows = []
    for task, dimensions in DIMENSIONS.items():
        for dimension in dimensions:
            difference, low, high = ours[dimension]
            errors = {name: 0.2 if name == "AR(1) + mean" else 0.25 for name in BASELINES} | {
                OURS: 0.2 + difference
            }
            rows += [
                {
                    "task": task, "dimension": dimension, "split": "test", "model": model,
                    "kind": "ours" if model == OURS else "baseline", "targets": 1728, "rmse": rmse,
                    "rmse_low": rmse - 0.01, "rmse_high": rmse + 0.01, "skill": 0.05, "skill_low": 0.0,
                    "skill_high": 0.1, "difference": rmse - 0.2, "difference_low": low,
                    "difference_high": high,
                    "best_baseline": model == "AR(1) + mean", "rmse_many_songs": rmse, "noise": 0.15,
                }
                for model, rmse in errors.items()
            ]  # fmt: skip
    return pd.DataFrame(rows)


MIXED = {"valence": (0.01, 0.004, 0.016), "energy": (-0.01, -0.016, -0.004), "joy": (0.002, -0.01, 0.012)}


def judged(artist: int) -> dict[str, Any]:
    """Return forecasts, coverage and ablations of the same dimensions."""
    rng = np.random.default_rng(0)
    forecasts = pd.concat(
        pd.DataFrame(
            {
                "task": task, "split": np.where(np.arange(60) < 30, "train", "test"), "model": OURS,
                "artist_id": artist, "time": np.arange(60) + 1955.0, "dimension": dimension,
                "truth": rng.random(60), "forecast": rng.random(60), "sd": 0.1,
            }
        )
        for task, dimensions in DIMENSIONS.items()
        for dimension in dimensions
    )  # fmt: skip
    pairs = [(task, dimension) for task, dimensions in DIMENSIONS.items() for dimension in dimensions]
    coverage = pd.DataFrame(
        [
            {"task": task, "dimension": dimension, "interval": kind, "level": level, "covered": level - 0.05,
             "covered_low": level - 0.06, "covered_high": level - 0.04, "width": 0.5}
            for task, dimension in pairs for kind in ("constant", "scaled", "gaussian", "adaptive")
            for level in (0.8, 0.9)
        ]
    )  # fmt: skip
    ablation = pd.DataFrame(
        [
            {"task": task, "dimension": dimension, "split": "test", "model": model, "rmse": 0.2 + cost,
             "cost": cost, "cost_low": cost - 0.001, "cost_high": cost + 0.001}
            for task, dimension in pairs
            for model, cost in ((OURS, 0.0), ("no-audio", 0.01), ("no-context", -0.004))
        ]
    )  # fmt: skip
    return {"forecasts": forecasts.reset_index(drop=True), "coverage": coverage, "ablation": ablation}


def three_scales(artists: pd.DataFrame) -> dict[str, Any]:
    """Return songs, albums and careers; the model loses on tenths and wins on years."""
    part = np.tile(np.arange(10), 4)
    curves = pd.DataFrame(
        {
            "dimension": np.repeat(["arousal", "valence"], 20), "song_id": np.repeat([2, 3, 2, 3], 10),
            "part": part, "observed": 0.5 + part / 50, "curve": 0.5 + part / 60, "curve_sd": 0.01,
            "song_class": np.repeat([0, 1, 0, 1], 10), "noise_sd": 0.02,
        }
    )  # fmt: skip
    effects = pd.DataFrame(
        {"emotion": "joy", "kind": ["verse", "chorus"], "difference": [-0.5, 0.1], "low": [-0.75, -0.2],
         "high": [-0.25, 0.4], "spread": 1.0, "songs": 364}
    )  # fmt: skip
    albums = pd.DataFrame(
        {"modality": ["audio", "lyrics"], "album_id": [1, 1], "artist": EVIL, "album": EVIL, "year": 1970,
         "songs": 10, "coherence": [0.2, 0.06], "low": 0.05, "high": 0.3, "shuffled": 0.02}
    )  # fmt: skip
    year = np.arange(1990, 2010)
    courses = pd.concat(
        pd.DataFrame(
            {"dimension": "valence", "artist_id": i, "artist": name, "year": year, "future": year >= 2005,
             "observed": 0.5,
             "sampling_sd": 0.1, "course": 0.5, "course_sd": 0.05, "forecast": 0.45, "forecast_sd": 0.2,
             "amplitude": 0.1, "amplitude_low": 0.05, "amplitude_high": 0.2, "length_years": 6.0,
             "length_low": 1.0, "length_high": 39.0}
        )
        for i, name in _names(artists)
    ).reset_index(drop=True)  # fmt: skip

    def score(rmse: float) -> dict[str, float]:
        return {"rmse": rmse, "median_error": rmse / 2, "log_density": 1 - rmse}

    scores = {"straight line": score(0.0111), "model": score(0.0122)}
    rating = {
        "songs": 1802, "strength": 50, "converged": True, "log_likelihood": {"50": 27.0},
        "rater_sd_shared": 23.0, "rater_sd_each": 16.0, "noise_sd": [0.001, 0.003], "moves_sd": [0.01, 0.08],
        "share_of_songs": [0.9, 0.1], "hidden_anywhere": scores, "hidden_end": scores, "excess_of_line": 0.2,
        "excess_error": 0.05,
    }  # fmt: skip
    lyric = {"songs": 364, "chosen": "kind", "log_likelihood": {"kind": -10.0}, "hidden_section": scores}
    summary = {
        "albums": 1288, "artists": 279, "factors": 1, "log_likelihood": {"1": -3.0}, "coherence": 0.2,
        "coherence_low": 0.18, "coherence_high": 0.22, "shuffled_coherence": 0.02, "shuffled_low": 0.01,
        "shuffled_high": 0.03, "shuffles_as_coherent": 0.0, "album_share": 0.3, "artists_with_albums": 200,
        "artist_squares_ratio": 3.0, "artist_p": 0.01,
    }  # fmt: skip
    future = {"rmse": 0.2, "skill": 0.0, "log_density": 0.1}
    career = {
        "careers": 200, "years_fitted": 2300, "years_forecast": 480,
        "converged": True, "reason": "", "worst_rhat": 1.004, "smallest_ess": 250.0,
        "worst_mixing": "mu_l", "divergences": 0,
        "typical_length_years": 7.0, "covered_90": 0.91,
        "future": {"artist's mean": future,
                   "Gaussian process": {"rmse": 0.19, "skill": 0.1, "log_density": 0.3}},
        "checks": {"spread of careers": {"observed": 1.0, "low": 0.9, "high": 1.1, "p": 0.5}},
    }  # fmt: skip
    return {
        "song_curves": curves, "section_effects": effects, "album_coherence": albums,
        "career_courses": courses, "micro": {"ratings": {"arousal": rating, "valence": rating},
                                             "lyrics": {"joy": lyric}},
        "meso": {"modalities": {"audio": summary, "lyrics": summary}},
        "macro": {"dimensions": {"valence": career}},
    }  # fmt: skip


def searched() -> dict[str, Any]:
    """Return a front; only the search of the error alone is surely better."""
    setting = {"lasso": 0.01, "ridge": 0.1, "smooth": 1.0, "half_life": 10.0, "exponent": 0.5, "pull": 1.0}
    front = pd.DataFrame(
        {"error": [0.9375, 0.953, 0.99], "step": [0.2, 0.1, 0.15], "share": [1.0, 0.25, 0.1], "norm": 2.0,
         "error_others": 0.961, "step_others": 0.125, "knee": [False, True, False]} | setting
    )  # fmt: skip
    trials = pd.DataFrame(
        {"param_seed": np.repeat([0, 1], 6), "trial": np.tile(np.arange(1, 7), 2), "error": 0.97,
         "best": np.linspace(0.99, 0.95, 12)} | {f"param_{name}": value for name, value in setting.items()}
    )  # fmt: skip
    point = {"error": 0.953, "step": 0.1, "share": 0.25, "weights": 27, "error_others": 0.961,
             "step_others": 0.125}  # fmt: skip
    gain = {"mean": 0.005, "low": -0.001, "high": 0.011, "wins": 6}
    volumes = {"hypervolume": [0.03, 0.04], "mean": 0.035}
    metrics = {
        "artists": 243, "artists_others": 242, "targets": 393, "targets_others": 379, "evaluations": 200,
        "seeds": 8, "weights": 10, "front": 3, "front_hypervolume": 0.04, "front_hypervolume_others": 0.04,
        "norm_share_correlation": 0.6,
        "strategies": {"NSGA-II": volumes | {"gain": gain}, "random search": volumes | {"gain": None},
                       "weighted sums": volumes | {"gain": gain | {"mean": -0.004, "high": -0.002}}},
        "knee": point, "best": point | {"error": 0.9375, "weights": 108},
        "bayesian": {"trials": 40, "bayesian": [0.95, 0.94], "random": [0.96, 0.955],
                     "gain": gain | {"low": 0.001}, "error_others": 0.95},
    }  # fmt: skip
    return {"search_front": front, "search_trials": trials, "search": metrics}


def mapped(artists: pd.DataFrame) -> dict[str, Any]:
    """Return a latent map with the artists on it, and the figures of its models."""
    rows = [(i, year, 0.1 * year - 198) for i in artists["artist_id"] for year in (1980.0, 1981.0)]
    points = pd.DataFrame(rows, columns=["artist_id", "time", "x"]).assign(
        modality="audio",
        release_id=range(len(rows)),
        y=np.linspace(-1, 1, len(rows)),
        x_sd=0.1,
        y_sd=0.1,
        held_out=False,
    )
    dimensions = {"audio": latent_space.PANELS["audio"], "lyrics": latent_space.PANELS["lyrics"]}
    grid = pd.DataFrame(
        [(modality, name, x, y, x - y) for modality, names in dimensions.items() for name in names
         for x in (0.0, 1.0) for y in (0.0, 1.0)],
        columns=["modality", "dimension", "x", "y", "value"],
    )  # fmt: skip
    gain = {"value": 0.9, "low": 0.7, "high": 1.2}
    width = {"width": 2, "pca": -12.8, "factor_analysis": -11.8, "vae": -11.9, "over_pca": gain,
             "over_factor_analysis": {"value": -0.1, "low": -0.3, "high": 0.2}, "active_units": 2,
             "variance": 0.4, "pca_variance": 0.6, "linear_gap": 0.0, "epochs": 100}  # fmt: skip
    modality = {"releases": 5790, "artists": 1050, "held_out_artists": 262, "held_out_releases": 1462,
                "gaussian": -11.5, "widths": [width]}  # fmt: skip
    metrics = {"samples": 500, "modalities": {"audio": modality, "lyrics": modality}}
    return {"latent_points": points, "latent_grid": grid, "latent": metrics}


def trusted(artists: pd.DataFrame) -> dict[str, Any]:
    """Return attacks, coverage by group, and explained forecasts."""
    attacks = pd.DataFrame(
        {"network": ["plain", "hardened"], "budget": 0.25, "moved": [0.04, 0.02], "moved_random": 0.01,
         "moved_most": 0.05, "rmse": 0.17, "rmse_attacked": [0.2, 0.19]}
    )  # fmt: skip
    groups = [("all", "all"), ("genre", EVIL), ("career", "under 5 years")]
    coverage = pd.DataFrame(
        [{"task": "audio", "dimension": "valence", "interval": interval, "grouping": grouping, "group": group,
          "targets": 100, "covered": 0.8, "width": 0.5, "infinite": 0, "chance": 0.85}
         for interval in ("scaled", "adaptive") for grouping, group in groups]
    )  # fmt: skip
    bagging = {"member": "tree", "members": 10, "correlation": 0.5, "single": 1e-4, "bootstrap": 1e-4,
               "formula": 6e-5, "measured": 6e-5, "independent": 1e-5, "rmse_single": 0.2,
               "rmse_bagged": 0.18}  # fmt: skip
    fidelity = {"targets": 10, "artists": 5, "r2": 0.97, "r2_change": 0.8}
    trust = {"dimension": "valence", "level": 0.9, "fidelity": fidelity, "worst_group": 0.8,
             "worst_group_name": EVIL, "worst_group_adaptive": 0.8, "comparisons": 2,
             "groups_below_chance": 1, "groups_below_chance_adaptive": 1,
             "coverage": {"audio_valence": 0.8}, "coverage_adaptive": {"audio_valence": 0.9},
             "bagging": []}  # fmt: skip
    who = artists.head(2)
    pairs = list(zip(who["artist_id"], who["artist"], strict=True))
    parts = pd.DataFrame(
        [{"artist_id": i, "artist": name, "time": 1990.0, "input": of, "value": 0.5, "part": part,
          "low": part - 0.01, "high": part + 0.01}
         for i, name in pairs for of, part in (("valence last year", -0.05), ("energy last year", 0.01))]
    )  # fmt: skip
    needed = pd.DataFrame(
        [{"artist_id": i, "artist": name, "input": of, "value": 0.5, "needed": value, "change": change}
         for i, name in pairs
         for of, value, change in (("valence last year", 0.75, 1.5), ("energy last year", 0.51, 0.01))]
    )  # fmt: skip
    one = {"year": 1990, "so_far": 0.6, "forecast": 0.5, "stand_in": 0.51, "baseline": 0.54, "truth": 0.4,
           "target": 0.61}  # fmt: skip
    explained = [one | {"artist": pairs[0][1], "after": 0.61, "length": 1.5}]
    explained += [one | {"artist": name, "after": None, "length": None} for _, name in pairs[1:]]
    explain = {"dimension": "valence", "margin": 0.01, "fidelity": fidelity, "darker": 3, "candidates": 9,
               "additivity_error": 1e-16, "within_interval": 1.0, "explained": explained}  # fmt: skip
    return {
        "trust_attacks": attacks, "trust_coverage": coverage, "trust_bagging": pd.DataFrame([bagging]),
        "trust": trust, "attributions": parts, "counterfactuals": needed, "explain": explain,
    }  # fmt: skip


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    """Small inputs that keep every contract of the stage, by argument."""
    tables = histories()
    counts = {"rows_read": 5603, "rows_kept": 5602, "rows_quarantined": 1}
    quarantine = {"table": "artists", "row": 4583, "column": "artist", "value": EVIL, "reason": "is missing"}
    groups = ("rows", "artists", "album_artists", "albums", "collections", "flags")
    loadings = {"modality": "audio", "factor": 1, "dimension": "energy", "loading": 0.5, "unique": 0.5}
    parameter = {"dimension": "valence", "parameter": "mu_l", "mean": 1.0, "sd": 0.1, "low": 0.8, "high": 1.2,
                 "rhat": 1.0, "ess": 900.0}  # fmt: skip
    task_score = {"targets": 1728, "skill": 0.05, "skill_over_best_baseline": 0.0, "beats": 1,
                  "beats_surely": 1, "dimensions": 2, "rmse": {}, "best_baseline_rmse": {}}  # fmt: skip
    files = {
        **tables, **change_tables(**tables), **fused(), **causes(), **what_if(),
        **states(tables["careers"]), **influences(), **followed(tables["artists"]),
        **judged(int(tables["artists"]["artist_id"].iloc[0])), **three_scales(tables["artists"]),
        **searched(),
        **mapped(tables["artists"]), **trusted(tables["artists"]),
        "scores": score_table(MIXED),
        "quarantine": pd.DataFrame([quarantine]),
        "ingest": {"tables": {"artists": counts}, "all_tables": counts},
        "preprocess": {group: {} for group in groups} | {"albums": {"with_both": 578}},
        "albums": empty(Albums, "energy_mean", "energy_sd"), "influence": empty(Influence),
        "variational_ascent": pd.DataFrame(
            {"step": [0], "coordinate": 1.0, "natural_gradient": 1.0, "plain_gradient": np.nan}
        ),
        "album_loadings": pd.DataFrame([loadings]), "career_parameters": pd.DataFrame([parameter]),
        "evaluate": {"score": 0.05, "validation_loss": 0.9, "audio": task_score,
                     "lyrics": task_score | {"beats": 0, "dimensions": 1}, "coverage_90": {},
                     "coverage_90_fixed": {}},
        "feedback": {"stop": False, "reason": "Try more.", "score": 0.9,
                     "patch": [{"key": "emotion.train.lr", "was": 0.002, "now": 0.004}]},
    }  # fmt: skip
    hints = get_type_hints(report, include_extras=True)
    return {name: argument(files, name, hints[name]) for name in hints if name not in {"params", "return"}}


def argument(files: dict[str, Any], name: str, annotation: Any) -> Any:
    """Return an argument of the stage: a file, or a group of files."""
    if not is_named_tuple(annotation):
        return check(files[name], annotation, name)
    contracts = get_type_hints(annotation, include_extras=True)
    return annotation(**{stem: check(files[stem], contracts[stem], stem) for stem in contracts})


def empty(contract: Any, *measures: str) -> pd.DataFrame:
    """Return a table without rows for a contract, with columns of some measures."""
    schema = contract.to_schema()
    kinds = {name: str(column.dtype) for name, column in schema.columns.items() if not column.regex}
    kinds |= dict.fromkeys(measures, "float64")
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def report_params(**changes: Any) -> ReportParams:
    return shipped_params(ReportParams, "emotion.report", **changes)


@pytest.fixture(scope="module")
def params() -> ReportParams:
    return report_params(artists=(EVIL, "The Beatles", "Nobody & Co"), path_steps=4)


@pytest.fixture(scope="module")
def page(inputs: dict[str, Any], params: ReportParams) -> str:
    return report(**inputs, params=params).report


class Reader(HTMLParser):
    """Parser that collects the tags, the text and the unclosed elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs).get("type") or "javascript", ""))
        if tag not in {"meta", "br", "img", "link", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        else:
            self.text += data

    def data(self) -> list[Any]:
        """Return the data of the page: those of the picker, and each chart."""
        return [json.loads(text) for kind, text in self.scripts if kind == "application/json"]

    def all(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    return Reader(page)


def own(page: str) -> str:
    """Return the page without the library, which names addresses of formats."""
    return page.replace(library(), "")


def test_nothing_outside_the_page_is_referenced(page: str, read: Reader):
    assert "http://" not in own(page)
    assert "https://" not in own(page)
    assert all(link.startswith("#") for link in read.all("href") + read.all("xlink:href"))
    assert not read.all("src")
    assert "@import" not in own(page)
    assert set(re.findall(r"url\((.)", own(page))) <= {"#"}
    assert not [tag for tag, _ in read.tags if tag in {"link", "img", "iframe", "object"}]


def test_elements_nest_and_identifiers_are_unique_and_found(read: Reader, page: str):
    assert read.open == []
    names = read.all("id")
    assert sorted(names) == sorted(set(names))
    links = {link[1:] for link in read.all("href")}
    artists = {unquote(link.removeprefix("artist=")) for link in links if link.startswith("artist=")}
    assert artists == {EVIL, "The Beatles"}
    targets = {link for link in links if not link.startswith("artist=")}
    assert targets | set(re.findall(r"url\(#([^)]+)\)", own(page))) <= set(names)
    assert set(read.all("aria-labelledby")) <= set(names)


def test_the_search_says_which_strategy_is_surely_better(read: Reader):
    assert (
        "the front of NSGA-II is not surely different from that of random search (+0.0050, −0.0010 to 0.0110)"
        in read.text
    )
    assert "the front of weighted sums is worse than that of random search" in read.text
    assert "40 trials by expected improvement on a Gaussian process is better than that of" in read.text
    assert "uses 27 weights and has an error of 0.953" in read.text
    assert "242 artists that the search did not use, the errors are 0.961" in read.text


def test_the_contents_list_every_section(read: Reader):
    sections = [attrs["id"] for tag, attrs in read.tags if tag == "section"]
    assert tuple(sections) == SECTIONS
    links = [attrs["href"] for tag, attrs in read.tags if tag == "a"]
    contents = [link for link in links if link and not link.startswith("#artist=")]
    assert [f"#{name}" for name in SECTIONS] == contents[-len(SECTIONS) :]


def test_effects_come_with_their_refutations(read: Reader):
    assert "its valence would move by +0.69 (±0.08) by energy" in read.text
    assert "The two graphs differ by up to 0.22" in read.text
    assert "This depends on the method: a search by a score (BOSS) has 1 arrow to other" in read.text
    assert "joins 31 pairs: 29 are joined here too, 27 of them with the same direction" in read.text
    assert "The tests reject linear equations (p 0.001)" in read.text
    assert "in energy (+0.30 against +0.01). This alone does not show influence" in read.text


def test_figures_and_tables_can_be_read_without_seeing_them(read: Reader):
    pictures = [attrs for tag, attrs in read.tags if tag == "svg"]
    assert len(pictures) > 15
    charts = [attrs for _, attrs in read.tags if attrs.get("class") == "chart"]
    assert len(charts) == 15 and all(len(chart["aria-label"] or "") > 20 for chart in charts)
    assert all(picture["role"] == "img" and len(picture["aria-label"] or "") > 20 for picture in pictures)
    tags = [tag for tag, _ in read.tags]
    assert tags.count("figcaption") == tags.count("figure") > 8
    assert tags.count("caption") == tags.count("table") > 8
    assert all(attrs.get("scope") in {"row", "col"} for tag, attrs in read.tags if tag == "th")


def test_text_from_the_data_is_escaped(page: str, read: Reader):
    kinds = [kind for kind, _ in read.scripts]
    assert kinds.count("javascript") == 3  # the library, the charts, and that of the page itself
    assert EVIL not in own(page) and EVIL in json.dumps(read.data(), ensure_ascii=False)
    assert read.text.count(EVIL) >= 3  # the suggestions, the table of careers, the quarantine


def test_the_same_inputs_give_the_same_bytes(inputs: dict[str, Any], params: ReportParams, page: str):
    assert report(**inputs, params=params).report == page
    assert len(page.encode()) < 4e6
    assert not re.search(r"Created|<dc:date>|Software", page)


def test_the_report_names_a_better_baseline():
    scores = score_table(MIXED)
    audio, lyrics = comparison(scores, "audio"), comparison(scores, "lyrics")
    assert "in 1 of 2 dimensions (energy), with an interval that excludes zero in 1" in audio
    assert (
        "For valence the baseline “AR(1) + mean” is clearly better than the model (RMSE 0.2000 against 0.2100"
        in audio
    )
    assert "in 0 of 1 dimension." in lyrics
    assert "For joy the baseline “AR(1) + mean” is better, though the interval includes zero" in lyrics
    lost = comparison(score_table(dict.fromkeys(MIXED, (0.01, 0.005, 0.02))), "audio")
    assert "in 0 of 2 dimensions." in lost
    assert lost.count("is clearly better than the model") == 2


def test_findings_name_the_winner_and_tables_star_it(page: str, read: Reader):
    findings = page[page.index('id="findings"') : page.index('id="data"')]
    assert "is clearly better than the model" in findings
    assert "9 of 559 careers have a change that their persistence does not explain" in findings
    assert "calls 98 changes certain, but also 73 in simulated careers" in findings
    assert "of held-out years, the structured posterior is clearly better" in findings
    assert "Principal components have the smaller error for lyrics of albums" in read.text
    # The section on followers stars the best of many equal scores of its own.
    others = page[: page.index('id="followers"')] + page[page.index('id="forecast"') :]
    rows = re.findall(r"<tr><th scope=\"row\">([^<]+)</th>(.*?)</tr>", others, re.DOTALL)
    starred = {
        (name, re.sub(r"\s.*", "", text))
        for name, cells in rows
        if not any(topic in name for topic in ("held-out", "later years", "sound, ", "lyrics, "))
        for text in re.findall(r'class="best">([^<]+)', cells)
    }
    states = ("structured posterior", "0.641")
    assert starred == {("AR(1) + mean", "0.2000"), ("this model", "0.1900"), states}


def test_sentences_contain_the_figures_of_the_inputs(read: Reader):
    for sentence in (
        "The pipeline read 5,603 rows from 1 table: 5,602 satisfied the rules and 1 row was quarantined",
        "Named in the parameters but not in the data: Nobody & Co.",
        "the structured posterior is clearly better (error 0.641 against 0.650) and "
        "the mean-field posterior is not distinguishable",
        "Not converged: mean-field posterior.",
        "the natural gradient 60 steps and the plain gradient more than 1,500 (then 513.7 nats short)",
        "constant periods confirm 1964 (88%) and do not confirm 1983 (25%); random changes would be as near",
        "None of 25 tests finds that the emotion of an influencer helps to forecast that of the follower",
        "nominal level of 90% that adapt from year to year contain 85.0% to 85.0%",
        "the intervals are too narrow in 3",
        "After this round the feedback stage proposes a change. Reason: Try more.",
    ):
        assert sentence in read.text


def test_artists_are_selected_by_name_else_by_years(inputs: dict[str, Any]):
    artists, careers = inputs["preprocess"].artists, inputs["preprocess"].careers
    selection = select_artists(artists, careers, report_params(artists=("Bob Dylan", "The Beatles")))
    assert [artist.name for artist in selection.artists] == ["Bob Dylan", "The Beatles"]
    assert selection.note == ""
    selection = select_artists(artists, careers, report_params(artists=("Nobody", "No one")))
    years = careers.groupby("artist_id").size().sort_values(ascending=False)
    assert [artist.artist_id for artist in selection.artists] == list(years.index[:2])
    assert "Nobody and No one" in selection.note and "most years" in selection.note


@pytest.mark.parametrize("steps", [1, 3, 8, 200])
def test_groups_of_years_keep_every_song_and_the_mean(inputs: dict[str, Any], steps: int):
    careers = inputs["preprocess"].careers
    rows = careers[careers["artist_id"] == careers["artist_id"].iloc[0]]
    typical = {"energy": 0.2, "valence": 0.25}
    path = spans(rows, steps, typical)
    assert 1 <= len(path) <= max(steps, 1)
    assert path["n_songs"].sum() == rows["n_songs"].sum()
    for name in typical:
        mean = np.average(rows[f"{name}_mean"], weights=rows["n_songs"])
        assert np.average(path[f"{name}_mean"], weights=path["n_songs"]) == pytest.approx(mean, abs=1e-12)
        np.testing.assert_allclose(path[f"{name}_error"] ** 2 * path["n_songs"], typical[name] ** 2)
    assert path["year"].is_monotonic_increasing


def test_error_bars_are_those_of_a_mean():
    rng = np.random.default_rng(1)
    songs = [rng.normal(0.5, 0.1 * (1 + year), size=n) for year, n in enumerate((10, 3, 1))]
    rows = pd.DataFrame(
        {
            "n_songs": [len(s) for s in songs],
            "valence_sd": [s.std(ddof=1) if len(s) > 1 else np.nan for s in songs],
        }
    )
    pooled = np.sqrt(sum(((s - s.mean()) ** 2).sum() for s in songs) / sum(len(s) - 1 for s in songs))
    assert typical_spread(rows, "valence") == pytest.approx(pooled, rel=1e-12)
    expected = [songs[0].std(ddof=1) / np.sqrt(10), pooled / np.sqrt(3), pooled]
    np.testing.assert_allclose(standard_error(rows, "valence", pooled), expected, rtol=1e-12)


def test_influence_compares_models_and_says_when_they_are_not_decided(read: Reader):
    # 1339.6 - 1310.0 and 1375.0 - 1351.3; for Vocal 0.6 and -1.0, within twice the error of the simulation.
    assert (
        "Jazz: with closed triples AIC lower by 29.6 and BIC lower by 23.7 (standard error of the simulation "
        "0.4). Ties within the genre depend on each other" in read.text
    )
    assert "AIC lower by 0.6 and BIC higher by 1.0" in read.text
    assert "The criteria do not decide between the two." in read.text
    assert "between decades: both criteria choose the model with reciprocity." in read.text
    # 2 to the power of the coefficients 1 and 2, with 2^(1.96 / 4) = 1.40 to each side.
    assert "the odds that a tie forms are times 2.00 (1.42 to 2.81)" in read.text
    assert "that it lasts times 4.00 (2.85 to 5.62)" in read.text


def test_influence_reports_low_coverage_and_missing_estimates(read: Reader):
    assert "Blues: no estimate. The chain ran away." in read.text
    assert "followers of an artist: reproduced by all 2 models" in read.text
    assert (
        "artists between both ends of a tie: not reproduced in 2 of 2 models, all genres (50%) and Jazz (50%)"
    ) in read.text
    assert "distances between artists" not in read.text
    # exp(1.5) and exp(-0.2): a tenth of the scale of energy.
    assert "odds times 4.48" in read.text
    assert "odds times 0.82" in read.text
    assert "none possible" in read.text


def test_followers_name_the_loss_and_the_leak(read: Reader):
    known = read.text.split("Where half of the follower's ties are known, the best graph model (GAT)")
    assert "GAT is behind (−0.030, 95% interval −0.050 to −0.010)" in known[1]
    assert "GAT is ahead (+0.030, 95% interval +0.010 to +0.050)" in read.text
    assert "historical 1.00 from “earlier links” alone (a leak) and inductive 0.95 from" in read.text
    assert "No single figure tells the negatives of any kind" in read.text
    assert "saves 25% of the squared error (95% interval 1 to 5%) of 600 held-out artists" in read.text
    assert "against the regression that is worse (−3.0%, 95% interval −5.0% to −1.0%)" in read.text
    assert "half known, random Adamic-Adar (0.75), historical Adamic-Adar (0.75)" in read.text
    assert "The Beatles ✓" in read.text and "1 of 1" in read.text


def test_scales_name_the_better_prediction(read: Reader):
    assert "The straight line has the smaller error" in read.text
    assert "not better than the best simple prediction for joy" in read.text
    assert "The highest predictive density is that of “Gaussian process”" in read.text


def test_careers_that_did_not_converge_are_not_used(inputs: dict[str, Any], params: ReportParams):
    change = {"converged": False, "reason": "R-hat of mu_l is 1.100, above 1.01", "future": {}, "checks": {}}
    outputs = inputs["macro"]
    career = outputs.macro.dimensions["valence"].model_copy(update=change)
    metrics = outputs.macro.model_copy(update={"dimensions": {"valence": career}})
    macro = outputs._replace(macro=metrics, career_courses=outputs.career_courses.head(0))
    text = Reader(report(**(inputs | {"macro": macro}), params=params).report).text
    assert "has not converged (R-hat of mu_l is 1.100, above 1.01), and its results are not used" in text
    assert (
        "later years"
        not in text.split("Over a career, valence:")[1].split("How sound, words")[0].split("Each model")[0]
    )


def test_explanations_name_the_largest_part_and_the_needed_change(page):
    text = Reader(page).text
    assert "above all because of valence last year (−0.050); the year then had 0.40" in text
    assert "The part is that of a small network that reproduces the forecasts (R² " in text
    assert "valence last year 0.50 → 0.75" in text
    # A change below a tenth of a standard deviation is not listed.
    assert "energy last year 0.50 → 0.51" not in text
    assert "no plausible change is enough" in text
    assert "in 1 of 2 comparisons the worst group is below what chance gives" in text
