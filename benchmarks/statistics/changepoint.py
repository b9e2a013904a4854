"""Change points: scores on the Turing data set, speed against `ruptures`.

The series are the external data `benchmarks/changepoint`, see `benchmarks.parts.external_data`. Times are
CPU seconds, the best over repeats, all in one run.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parts import Omission, Tables, external_data
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

PEERS = ("zero", "binseg", "bocpd")
LENGTHS = (1_000, 10_000)
# Beyond this many observations ruptures' exhaustive search takes hours: its time is extrapolated.
DYNP_LENGTHS = (250, 500)


def tables(repeat: int) -> Tables:
    """Yield tables of speed and of scores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield _speed(repeat)
        yield _scores()


def turing_scores(folder: Path, longest: int | None = None) -> pd.DataFrame:
    """Compute F1 and cover of the default detector and read published default scores.

    Series of more than `longest` observations have the published scores only.
    """
    from methods.changepoint import detect
    from methods.evaluation.segmentation import change_point_f1, segmentation_cover

    series = pd.read_parquet(folder / "tcpd_series.parquet")
    annotations = json.loads((folder / "tcpd_annotations.json").read_text())
    kinds = pd.read_csv(folder / "tcpd_info.csv").set_index("dataset")["kind"]
    rows = []
    for name, part in series.groupby("dataset"):
        y = part.pivot(index="t", columns="series", values="value").sort_index().to_numpy()
        if longest is not None and len(y) > longest:
            rows.append({"dataset": name, "kind": kinds[name]})
            continue
        locations, annotators = detect(y).locations, list(annotations[name].values())
        rows.append(
            {
                "dataset": name,
                "kind": kinds[name],
                "f1": change_point_f1(annotators, locations),
                "cover": segmentation_cover(annotators, locations, len(y)),
                "locations": locations.tolist(),
            }
        )
    published = pd.read_csv(folder / "tcpd_scores.csv").query("setting == 'default'")
    wide = published.pivot_table(index="dataset", columns=["method", "metric"], values="score")
    wide.columns = [f"{method} {metric}" for method, metric in wide.columns]
    return pd.DataFrame(rows).merge(wide, on="dataset", how="left").set_index("dataset")


def univariate_mean(scores: pd.DataFrame) -> pd.Series:
    """Compute mean scores as published.

    Over the univariate series without `uk_coal_employ`; a failed run counts as 0.
    """
    included = scores[(scores["kind"] == "univariate") & (scores.index != "uk_coal_employ")]
    return included.drop(columns=["kind", "locations"]).fillna(0.0).mean()


def _scores() -> BenchmarkTable | Omission:
    folder = external_data("benchmarks/changepoint")
    if isinstance(folder, Omission):
        return folder
    scores = turing_scores(folder)
    published = [f"{peer} {metric}" for peer in PEERS for metric in ("f1", "cover")]
    columns = ["f1", "cover", *published]
    rows = [
        [str(name), ", ".join(map(str, row["locations"])) or "none", *_numbers(row[columns])]
        for name, row in scores.iterrows()
    ]
    return BenchmarkTable(
        name="scores",
        title="Turing change point data set: the default detector beside published default scores.",
        columns=[
            "series",
            "change points",
            "F1",
            "cover",
            *(f"{column} (published)" for column in published),
        ],
        rows=[*rows, ["mean of 17 univariate", "", *_numbers(univariate_mean(scores)[columns])]],
    )


def _numbers(values: pd.Series) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def _speed(repeat: int) -> BenchmarkTable:
    import ruptures

    from methods.changepoint import NormalInverseWishart, exact_posterior

    def ours(y: np.ndarray) -> None:
        d = y.shape[1]
        exact_posterior(y, NormalInverseWishart(np.zeros(d), 0.1, d + 2.0, np.eye(d)), 5.0, d + 1)

    def pelt(y: np.ndarray) -> None:
        search = ruptures.Pelt(model="normal", min_size=y.shape[1] + 1, jump=1)
        search.fit(y).predict(pen=3 * y.shape[1] * math.log(len(y)))

    def dynp(y: np.ndarray) -> None:
        ruptures.Dynp(model="normal", min_size=y.shape[1] + 1, jump=1).fit(y).predict(5)

    ours(_steps(50, 1))
    ours(_steps(50, 3))
    rows: list[list[TextOrNumber]] = []
    for d in (1, 3):
        short = [_seconds(dynp, _steps(length, d), 1) for length in DYNP_LENGTHS]
        growth = _exponent(DYNP_LENGTHS, short)
        ours_seconds, pelt_seconds = [], []
        for length in LENGTHS:
            y = _steps(length, d)
            ours_seconds.append(_seconds(ours, y, repeat))
            # PELT takes minutes on the longest series: run once, in one dimension.
            run = d == 1 or length < LENGTHS[-1]
            pelt_seconds.append(_seconds(pelt, y, 1) if run else math.nan)
            dynp_seconds = short[-1] * (length / DYNP_LENGTHS[-1]) ** growth
            own = ours_seconds[-1]
            peer = [pelt_seconds[-1], pelt_seconds[-1] / own] if run else [None, None]
            rows.append([f"{length:,}, {d}", own, *peer, dynp_seconds, dynp_seconds / own])
        pelt_growth = _exponent(LENGTHS, pelt_seconds)
        rows.append(
            [
                f"growth exponent, {d}",
                f"{_exponent(LENGTHS, ours_seconds):.2f}",
                None if math.isnan(pelt_growth) else f"{pelt_growth:.2f}",
                None,
                f"{growth:.2f} (T = {DYNP_LENGTHS[0]} to {DYNP_LENGTHS[1]})",
                None,
            ]
        )
    return BenchmarkTable(
        name="speed",
        title="CPU seconds beside ruptures; those of Dynp (5 changes) are extrapolated from short series.",
        columns=["T, d", "posterior, s", "PELT, s", "PELT / posterior", "Dynp, s", "Dynp / posterior"],
        rows=rows,
        decimals={
            "posterior, s": 2,
            "PELT, s": 1,
            "PELT / posterior": 0,
            "Dynp, s": 0,
            "Dynp / posterior": 0,
        },
    )


def _steps(length: int, d: int) -> np.ndarray:
    """Simulate Normal noise with five changes of level, of 1.5 standard deviations."""
    rng = np.random.default_rng(0)
    levels = rng.normal(0, 1.5, size=(6, d)).cumsum(axis=0)
    return rng.normal(size=(length, d)) + levels[np.arange(length) * 6 // length]


def _seconds(run: Callable[[np.ndarray], None], y: np.ndarray, repeat: int) -> float:
    seconds = []
    for _ in range(max(repeat, 1)):
        began = time.process_time()
        run(y)
        seconds.append(time.process_time() - began)
    return min(seconds)


def _exponent(lengths: tuple[int, ...], seconds: list[float]) -> float:
    return math.log(seconds[-1] / seconds[0]) / math.log(lengths[-1] / lengths[0])
