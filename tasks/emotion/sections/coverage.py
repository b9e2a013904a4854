"""Section of the report on the coverage of forecast intervals."""

from __future__ import annotations

from functools import partial

from tasks.emotion.evaluate import EvaluateOutputs
from tasks.emotion.sections.figures import models as draw
from tasks.report.blocks import Figure, Picture, Prose, Section, grid, joined, plural, share
from tasks.report.drawing import svg

INTERVALS = {
    "constant": "conformal, one width",
    "scaled": "conformal, scaled",
    "gaussian": "the model's own (Gaussian)",
    "adaptive": "adaptive",
}


def finding(evaluate: EvaluateOutputs) -> list[str]:
    """Return the sentence on intervals near 90 % for the findings."""
    table = evaluate.coverage
    rows = table[(table["interval"] == "adaptive") & ((table["level"] - 0.9).abs() < 0.051)]
    rows = rows[rows["level"] == rows["level"].min()]
    if rows.empty:
        return ["Coverage near 90% was not measured."]
    correct = ((rows["covered_low"] <= rows["level"]) & (rows["level"] <= rows["covered_high"])).sum()
    narrow = (rows["covered_high"] < rows["level"]).sum()
    return [
        f"Forecast intervals with a nominal level of {share(rows['level'].iloc[0])} that adapt from year to "
        f"year contain {rows['covered'].min():.1%} to {rows['covered'].max():.1%} of the test targets. The "
        "coverage is "
        f"correct, within sampling error, in {correct} of {plural(len(rows), 'dimension')}; the intervals "
        f"are too narrow in {narrow}."
    ]


def section(evaluate: EvaluateOutputs) -> Section:
    """Return the section: the share of test targets inside the intervals."""
    table = evaluate.coverage
    levels = sorted(set(table["level"]))
    middle = 0.9 if 0.9 in levels else levels[len(levels) // 2]
    ranges = "; ".join(
        f"{INTERVALS.get(str(kind), str(kind))}, {share(part['covered'].min())} to "
        f"{share(part['covered'].max())}"
        for kind, part in table[table["level"] == middle].groupby("interval", sort=False)
    )
    sentence = (
        f"Share of the test targets, by dimension, inside intervals with a nominal level of {share(middle)}: "
        f"{ranges}."
    )
    picture = svg("coverage", (8.2, 3.4), sentence, partial(draw.coverage, rows=table))
    rows = [
        (
            f"{row.task}: {row.dimension}", INTERVALS.get(row.interval, row.interval), share(row.level),
            f"{row.covered:.1%}", f"{row.covered_low:.1%} to {row.covered_high:.1%}", f"{row.width:.3f}",
            "correct" if row.covered_low <= row.level <= row.covered_high
            else ("too narrow" if row.covered < row.level else "too wide"),
        )
        for row in table[table["level"] == middle].itertuples()
    ]  # fmt: skip
    return Section(
        "coverage",
        "Coverage of forecast intervals",
        (
            Prose(
                f"{sentence} Conformal intervals are calibrated on the validation years: their coverage is "
                "correct if the test years are like those years, and too low where music has changed since. "
                "Adaptive intervals of a test year also use the errors of the test years before it, which "
                "are known by then; the forecasts are the same."
            ),
            Figure(
                (Picture(picture),),
                "Share of test targets inside their interval, by dimension, for nominal levels of "
                f"{joined(share(level) for level in levels)} (dashed). Grey squares: conformal intervals of "
                "one width; blue dots: conformal intervals scaled by the model's own uncertainty; red "
                "triangles: Gaussian intervals from the model's uncertainty alone; green diamonds: scaled "
                "intervals that adapt to the errors of earlier test years.",
            ),
            grid(
                f"Coverage of the {share(middle)} intervals on the test years, with a 95% interval over "
                "artists, and mean width in the unit of the dimension. “Correct” means that the nominal "
                "level lies within the interval of the measured coverage.",
                ("dimension", "interval", "nominal", "measured", "95% interval", "width", "coverage"),
                rows,
                text=(1, 6),
            ),
        ),
    )
