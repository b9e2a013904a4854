"""Section of the report on paths through the plane of valence and energy."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.emotion.params import ReportParams
from tasks.emotion.preprocess import PreprocessOutputs
from tasks.emotion.sections.figures import history as draw
from tasks.emotion.sections.figures.style import typical_spread
from tasks.emotion.sections.music import SOURCES
from tasks.report.blocks import Figure, Picture, Prose, Section, count
from tasks.report.drawing import svg


class Path(NamedTuple):
    """A path through the plane: its `years`, and their groups in order (`steps`)."""

    key: str
    name: str
    years: pd.DataFrame
    steps: pd.DataFrame


def finding(preprocess: PreprocessOutputs, params: ReportParams) -> list[str]:
    """Return the sentence on the path of music as a whole."""
    sentences = []
    for path in _paths(preprocess, params):
        if path.key == "whole-music":
            start, end = path.steps.iloc[0], path.steps.iloc[-1]
            sentences.append(
                f"{path.name} moved from energy {start['energy_mean']:.2f} and valence "
                f"{start['valence_mean']:.2f} ({start['label']}) to {end['energy_mean']:.2f} and "
                f"{end['valence_mean']:.2f} ({end['label']})."
            )
    return sentences


def section(preprocess: PreprocessOutputs, params: ReportParams) -> Section:
    """Return the section: all music and the charts in the emotion plane."""
    paths = _paths(preprocess, params)
    ends = np.concatenate(
        [path.steps[["energy_mean", "valence_mean"]].to_numpy(float).ravel() for path in paths]
    )
    window = (max(0.0, float(ends.min()) - 0.08), min(1.0, float(ends.max()) + 0.08))
    caption = (
        "Valence against energy over time. Each large dot is a group of successive years with about equally "
        f"many songs ({params.path_steps} groups at most; the note below each picture says how many songs). "
        "Arrows lead from early (dark violet) to late (green); the first and the last group are dated; grey "
        "crosses are 95% intervals. Small dots are single years; those outside the window are not drawn. "
        "Uncertainty: where crosses overlap, the step between them may be "
        "chance."
    )
    text = (
        "Psychologists describe emotions on two axes: how pleasant and how aroused. Spotify’s valence and "
        "energy are used for them here. The match is close, but energy measures loudness and pace, not "
        "feeling."
    )
    return Section(
        "plane",
        "Paths through the emotion plane",
        (Prose(text), Figure(tuple(_picture(path, window) for path in paths), caption, tile=17)),
    )


def _picture(path: Path, window: tuple[float, float]) -> Picture:
    start, end = path.steps.iloc[0], path.steps.iloc[-1]
    alt = (
        f"{path.name}: from energy {start['energy_mean']:.2f} and valence {start['valence_mean']:.2f} in "
        f"{start['label']} to {end['energy_mean']:.2f} and {end['valence_mean']:.2f} in {end['label']}."
    )
    picture = svg(
        f"plane-{path.key}", (3.5, 3.5), alt,
        partial(draw.plane, rows=path.years, path=path.steps, window=window),
    )  # fmt: skip
    return Picture(picture, path.name, f"about {count(path.steps['n_songs'].median())} songs per point")


def _paths(preprocess: PreprocessOutputs, params: ReportParams) -> list[Path]:
    years = preprocess.years
    years = years[years["valence_mean"].notna() & (years["n_songs"] > 0)]
    parts = [(f"whole-{key}", name, years[years["source"] == key]) for key, name in SOURCES.items()]
    paths = []
    for key, name, rows in parts:
        if rows.empty:
            continue
        typical = {dimension: typical_spread(years, dimension) for dimension in ("energy", "valence")}
        paths.append(Path(key, name, rows, draw.spans(rows, params.path_steps, typical)))
    return paths
