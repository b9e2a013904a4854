"""Sections of the report on how far to trust the model: coverage, ablations, the feedback's last word."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.forecast.scoring import OURS
from tasks.emotion.sections.figures import models as draw
from tasks.report.blocks import (
    Figure,
    Picture,
    Prose,
    Section,
    grid,
    joined,
    plural,
    share,
    signed,
)
from tasks.report.drawing import svg

VARIANTS = {
    "no-audio": "without audio",
    "no-lyrics": "without lyrics",
    "no-context": "without context",
    "no-state": "without the fused state",
    "state-space": "state-space model alone",
}
INTERVALS = {
    "constant": "conformal, one width",
    "scaled": "conformal, scaled",
    "gaussian": "the model's own (Gaussian)",
}


def coverage(table: pd.DataFrame) -> Section:
    """Do the intervals hold what they promise?"""
    levels = sorted(set(table["level"]))
    middle = 0.9 if 0.9 in levels else levels[len(levels) // 2]
    held = "; ".join(
        f"{INTERVALS.get(str(kind), str(kind))}, {share(part['covered'].min())} to "
        f"{share(part['covered'].max())}"
        for kind, part in table[table["level"] == middle].groupby("interval", sort=False)
    )
    sentence = (
        f"Share of the test targets, by dimension, inside intervals that promise {share(middle)}: {held}."
    )
    picture = svg("coverage", (8.2, 3.4), sentence, lambda figure: draw.coverage(figure, table))
    rows = [
        (
            f"{row.task}: {row.dimension}", INTERVALS.get(row.interval, row.interval), share(row.level),
            f"{row.covered:.1%}", f"{row.covered_low:.1%} to {row.covered_high:.1%}", f"{row.width:.3f}",
            "yes" if row.covered_low <= row.level <= row.covered_high
            else ("too narrow" if row.covered < row.level else "too wide"),
        )
        for row in table[table["level"] == middle].itertuples()
    ]  # fmt: skip
    return Section(
        "coverage",
        "Can the intervals be trusted?",
        (
            Prose(
                f"{sentence} Conformal intervals are calibrated on the validation years: they hold what "
                "they promise if the test years are like those, and fall short where music has moved on."
            ),
            Figure(
                (Picture(picture),),
                "Share of test targets inside their interval, by dimension, for "
                f"{joined(share(x) for x in levels)} promised (dashed). Grey squares: conformal of one "
                "width; blue dots: conformal, scaled by the model's own uncertainty; red triangles: the "
                "model's uncertainty taken at its word.",
            ),
            grid(
                f"Coverage of the {share(middle)} intervals on the test years, with a 95% interval over "
                "artists, and mean width in the unit of the dimension. “Kept” asks whether the promise "
                "lies within the interval of what was found.",
                ("dimension", "interval", "promised", "found", "95% interval", "width", "kept"),
                rows,
                text=(1, 6),
            ),
        ),
    )


def ablations(table: pd.DataFrame) -> Section:
    """What each part of the model is worth."""
    rows = table[(table["split"] == "test") & (table["model"] != OURS)]
    full = table[(table["split"] == "test") & (table["model"] == OURS)].set_index(["task", "dimension"])[
        "rmse"
    ]
    base = full.reindex(pd.MultiIndex.from_frame(rows[["task", "dimension"]])).to_numpy(float)
    rows = rows.assign(percent=100 * rows["cost"].to_numpy(float) / base)
    if rows.empty:
        return Section(
            "ablations", "What each part is worth", (Prose("No variants were trained in this run."),)
        )
    sure, freed = rows[rows["cost_low"] > 0], rows[rows["cost_high"] < 0]
    text = (
        f"Of {plural(len(rows), 'comparison')} of a reduced model with the whole one, the reduced one is "
        f"surely worse in {len(sure)} and surely better in {len(freed)}"
    )
    if len(freed):
        worst = freed.nsmallest(3, "percent")
        which = joined(f"{VARIANTS.get(r.model, r.model)} for {r.dimension}" for r in worst.itertuples())
        text += f" (by {-freed['percent'].min():.2f}% of the error at most; first {which})"
    most = rows.loc[rows["percent"].abs().idxmax()]
    text += (
        f". The largest effect is {VARIANTS.get(most['model'], most['model'])} on {most['dimension']}: "
        f"{signed(most['percent'], 2)}% of the error. Where an effect is near zero, the part adds nothing "
        "that the artist's own past does not say already."
    )
    picture = svg("ablations", (8.2, 3.1), text, lambda figure: draw.costs(figure, rows, VARIANTS))
    return Section(
        "ablations",
        "What each part is worth",
        (
            Prose(text),
            Figure(
                (Picture(picture),),
                "Change of the test error in percent when a part of the model is left out and the rest "
                "trained anew: red, worse without it; blue, better without it. A star marks a 95% "
                "interval over artists that excludes zero. One training run each, so differences of a few "
                "tenths of a percent may be the luck of the seed.",
            ),
        ),
    )
