"""Section of the report on the fusion of sound, words and circumstances."""

from __future__ import annotations

from functools import partial

import pandas as pd

from tasks.emotion.contracts.report import FusionResults
from tasks.emotion.fusion import MODALITIES, FusionSummary
from tasks.emotion.sections.figures import models as draw
from tasks.report.blocks import (
    Figure,
    Grid,
    Picture,
    Prose,
    Section,
    count,
    grid,
    interval,
    joined,
    plural,
    signed,
)
from tasks.report.drawing import svg

KINDS = {"year": "years of a career", "album": "albums"}


def finding(fusion: FusionResults) -> list[str]:
    """Return the sentence on the fusion for the findings."""
    summary = fusion.fusion
    return [
        "Predicting a modality that is missing (sound, words or circumstances of a release), the fusion has "
        f"a smaller error than principal components of the same width in {summary.held_out_won} of "
        f"{plural(summary.held_out_tasks, 'task')}, clearly in {summary.held_out_won_clearly}."
    ]


def section(fusion: FusionResults) -> Section:
    """Return the section: mean attention by set of modalities, and scores."""
    table = fusion.attention
    pictures: list[Picture] = []
    rows: list[tuple[str, ...]] = []
    for (kind, names), part in _patterns(table).items():
        title = f"{KINDS[kind].capitalize()} with {joined(names)}"
        weights = part.groupby("query")[[f"key_{name}" for name in names]].mean().reindex(names)
        weights.columns = list(names)
        importance = part[part["head"] == 0].groupby("query")["importance"].mean()
        releases = part["release_id"].nunique()
        alt = f"{title}: " + "; ".join(
            f"{query} reads " + joined(f"{weights.loc[query, key]:.2f} from {key}" for key in names)
            for query in names
        )
        picture = svg(
            f"attention-{kind}-{'-'.join(names)}", (4.3, 1.1 + 0.5 * len(names)), alt,
            partial(draw.attention_map, weights=weights, importance=importance),
        )  # fmt: skip
        pictures.append(Picture(picture, f"{title} (n = {count(releases)})"))
        rows += _entropies(title, releases, names, part)
    return Section(
        "attention",
        "How sound, words and circumstances are combined",
        (
            Prose(_scores_text(fusion.fusion)),
            Figure(
                tuple(pictures),
                "Attention maps: each row is a modality that reads, each column a modality that is read; a "
                "row sums to 1. Means over releases and "
                f"{plural(table['head'].nunique(), 'attention head')}, separately for each set of modalities "
                "that a release has. “Share” is the weight of the modality in the fused state. Uncertainty: "
                "the means are exact for this model, but another model of equal quality may attend "
                "elsewhere. A weight says where the model looks, not what causes an emotion.",
            ),
            grid(
                "Normalised entropy of attention by head: 0 if a head reads one modality only, 1 if it reads "
                "all equally. Mean over releases; in brackets the standard deviation between releases.",
                (
                    "releases",
                    "modality",
                    "n",
                    *(f"head {head + 1}" for head in sorted(table["head"].unique())),
                    "share",
                ),
                rows,
                text=(1,),
            ),
            _scores_table(fusion.fusion),
        ),
    )


def _patterns(table: pd.DataFrame) -> dict[tuple[str, tuple[str, ...]], pd.DataFrame]:
    """Return the rows by kind and by the modalities that the release has."""
    bits = table["query"].map({name: 1 << index for index, name in enumerate(MODALITIES)})
    first = table["head"] == table["head"].min()
    code = bits[first].groupby(table.loc[first, "release_id"]).sum()
    patterns = {}
    for (kind, value), part in table.groupby(["kind", table["release_id"].map(code)]):
        names = tuple(name for index, name in enumerate(MODALITIES) if int(value) >> index & 1)
        if len(names) > 1:
            patterns[str(kind), names] = part
    return patterns


def _entropies(
    title: str, releases: int, names: tuple[str, ...], part: pd.DataFrame
) -> list[tuple[str, ...]]:
    heads = part.groupby(["query", "head"])["entropy"].agg(["mean", "std"]).fillna(0)
    shares = part[part["head"] == part["head"].min()].groupby("query")["importance"].mean()
    return [
        (
            title, query, count(releases),
            *(f"{mean:.2f} ({sd:.2f})" for mean, sd in heads.loc[query].to_numpy(float)),
            f"{shares[query]:.2f}",
        )
        for query in names
    ]  # fmt: skip


def _scores_text(summary: FusionSummary) -> str:
    lost = [task for task, score in summary.held_out["test"].items() if score.gain <= 0]
    text = (
        "The model fuses the sound, the words and the circumstances of a release (genre, decade, debut, "
        f"influences) into one state of {summary.width} numbers. If one modality is masked and predicted "
        "from the others, its error on test years is smaller than that of principal components of the same "
        f"width in {summary.held_out_won} of {plural(summary.held_out_tasks, 'task')}, and clearly smaller "
        f"(the interval excludes 0) in {summary.held_out_won_clearly}."
    )
    if lost:
        text += f" Principal components have the smaller error for {joined(_task(name) for name in lost)}."
    plain = summary.plain_won
    text += (
        f" If nothing is masked and the model only reconstructs its input, it is better in {plain} of "
        f"{summary.plain_tasks}"
    )
    if 2 * plain < summary.plain_tasks:
        return f"{text}: for plain compression, principal components are the better choice."
    return f"{text}."


def _task(name: str) -> str:
    kind, modality = name.split("_", 1)
    return f"{modality} of {KINDS.get(kind, kind)}"


def _scores_table(summary: FusionSummary) -> Grid:
    return grid(
        "Prediction of a masked modality on test years: error (RMSE, in standard deviations of the training "
        "period; smaller is better) of the fusion, of principal components of the same width, and of the "
        "mean of the training period. “Gain” is the error of the components minus that of the fusion, with "
        "its 95% interval over artists.",
        ("masked", "releases", "artists", "fusion", "components", "mean", "gain", "95% interval"),
        [
            (
                _task(name), count(score.releases), count(score.artists), f"{score.fusion.rmse:.3f}",
                f"{score.pca.rmse:.3f}", f"{score.mean.rmse:.3f}", signed(score.gain),
                interval(score.gain_low, score.gain_high),
            )
            for name, score in summary.held_out["test"].items()
        ],
    )  # fmt: skip
