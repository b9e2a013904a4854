"""Section of the report on the fusion: what it attends to, and whether it pays."""

from __future__ import annotations

import pandas as pd

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


def attention(table: pd.DataFrame, fusion: FusionSummary) -> Section:
    """Mean attention for each set of modalities that a release can have; and does fusion pay?"""
    patterns = _patterns(table)
    pictures, rows = [], []
    for (kind, names), part in patterns.items():
        title = f"{KINDS[kind].capitalize()} with {joined(names)}"
        weights = part.groupby("query")[[f"key_{name}" for name in names]].mean().reindex(names)
        weights.columns = list(names)
        importance = part[part["head"] == 0].groupby("query")["importance"].mean()
        releases = part["release_id"].nunique()
        alt = f"{title}: " + "; ".join(
            f"{query} reads " + joined(f"{weights.loc[query, key]:.2f} from {key}" for key in names)
            for query in names
        )
        pictures.append(
            Picture(
                svg(f"attention-{kind}-{'-'.join(names)}", (4.3, 1.1 + 0.5 * len(names)), alt,
                    lambda figure, w=weights, i=importance: draw.attention_map(figure, w, i)),
                f"{title} (n = {count(releases)})",
            )
        )  # fmt: skip
        rows += _entropies(title, releases, names, part)
    return Section(
        "attention",
        "What the fusion attends to",
        (
            Prose(_fill_in_sentence(fusion)),
            Figure(
                tuple(pictures),
                "Attention maps: the row reads, the columns are read; a row sums to 1. Means over "
                f"releases and {plural(table['head'].nunique(), 'attention head')}, separately for each "
                "set of modalities that a release has. “Share” is the weight of the modality in the fused "
                "state. How sure: the means are exact for this model, but another model of equal quality "
                "may attend elsewhere; weights say where the model looks, not what makes an emotion.",
            ),
            grid(
                "Normalised entropy of attention by head: 0 looks at one modality only, 1 at all "
                "alike. Mean over releases; in brackets the standard deviation between releases.",
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
            _held_out(fusion),
        ),
    )


def _patterns(table: pd.DataFrame) -> dict[tuple[str, tuple[str, ...]], pd.DataFrame]:
    """Rows by kind and by the modalities that the release has."""
    bits = table["query"].map({name: 1 << place for place, name in enumerate(MODALITIES)})
    first = table["head"] == table["head"].min()
    code = bits[first].groupby(table.loc[first, "release_id"]).sum()
    found = {}
    for (kind, value), part in table.groupby(["kind", table["release_id"].map(code)]):
        names = tuple(name for place, name in enumerate(MODALITIES) if int(value) >> place & 1)
        if len(names) > 1:
            found[str(kind), names] = part
    return found


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


def _fill_in_sentence(fusion: FusionSummary) -> str:
    lost = [task for task, score in fusion.held_out["test"].items() if score.gain <= 0]
    text = (
        "Sound, words and circumstances (genre, decade, debut, influences) of a release are fused into "
        f"one state of {fusion.width} numbers. Hiding one modality and filling it in from the others, the "
        f"fusion does better than principal components of the same width in {fusion.held_out_won} of "
        f"{plural(fusion.held_out_tasks, 'task')} on test years, clearly so (the interval excludes 0) in "
        f"{fusion.held_out_won_clearly}."
    )
    if lost:
        text += f" Principal components win at {joined(_task(name) for name in lost)}."
    plain = fusion.plain_won
    return (
        f"{text} Merely giving back what it was shown, it beats principal components in {plain} of "
        f"{fusion.plain_tasks}"
        + (
            ": as a plain compression, principal components are the better choice."
            if 2 * plain < fusion.plain_tasks
            else "."
        )
    )


def _task(name: str) -> str:
    kind, modality = name.split("_", 1)
    return f"{modality} of {KINDS.get(kind, kind)}"


def _held_out(fusion: FusionSummary) -> Grid:
    return grid(
        "Filling in a hidden modality on test years: error (RMSE, in standard deviations of the training "
        "period; smaller is better) of the fusion, of principal components of the same width, and of the "
        "plain mean. “Gain” is the components' error less the fusion's, with its 95% interval over "
        "artists.",
        ("hidden", "releases", "artists", "fusion", "components", "mean", "gain", "95% interval"),
        [
            (
                _task(name), count(score.releases), count(score.artists), f"{score.fusion.rmse:.3f}",
                f"{score.pca.rmse:.3f}", f"{score.mean.rmse:.3f}", signed(score.gain),
                interval(score.gain_low, score.gain_high),
            )
            for name, score in fusion.held_out["test"].items()
        ],
    )  # fmt: skip
