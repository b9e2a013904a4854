"""Section of the report on ablations: the model without one of its parts."""

from __future__ import annotations

from functools import partial

import pandas as pd

from tasks.emotion.evaluate import EvaluateOutputs
from tasks.emotion.forecast.scoring import OURS
from tasks.emotion.sections.figures import models as draw
from tasks.report.blocks import Figure, Picture, Prose, Section, joined, plural, signed
from tasks.report.drawing import svg

TITLE = "Contribution of each part of the model"
VARIANTS = {
    "no-audio": "without audio",
    "no-lyrics": "without lyrics",
    "no-context": "without context",
    "no-state": "without the fused state",
    "state-space": "state-space model alone",
}


def finding(evaluate: EvaluateOutputs) -> list[str]:
    """Return the sentence on the largest effect of an ablation for the findings."""
    rows = _test_costs(evaluate.ablation)
    if rows.empty:
        return []
    return [f"Of all parts that were removed from the forecaster in turn, {_largest(rows)}."]


def section(evaluate: EvaluateOutputs) -> Section:
    """Return the section: the change of the test error when a part is removed."""
    rows = _test_costs(evaluate.ablation)
    if rows.empty:
        return Section("ablations", TITLE, (Prose("This run trained no reduced models."),))
    worse, better = rows[rows["cost_low"] > 0], rows[rows["cost_high"] < 0]
    text = (
        f"Of {plural(len(rows), 'comparison')} of a reduced model with the full model, the reduced model is "
        f"clearly worse in {len(worse)} and clearly better in {len(better)}"
    )
    if len(better):
        first = better.nsmallest(3, "percent")
        which = joined(f"{VARIANTS.get(r.model, r.model)} for {r.dimension}" for r in first.itertuples())
        text += f" (by at most {-better['percent'].min():.2f}% of the error; first {which})"
    text += (
        f". Of all parts, {_largest(rows)}. Where an effect is near zero, the part adds nothing to the past "
        "of the artist."
    )
    picture = svg("ablations", (8.2, 3.1), text, partial(draw.costs, rows=rows, names=VARIANTS))
    return Section(
        "ablations",
        TITLE,
        (
            Prose(text),
            Figure(
                (Picture(picture),),
                "Change of the test error in percent when a part of the model is removed and the rest is "
                "trained again: red, worse without the part; blue, better without it. A star marks a 95% "
                "interval over artists that excludes zero. Uncertainty: one training run each, so "
                "differences of a few tenths of a percent may come from the random seed.",
            ),
        ),
    )


def _test_costs(table: pd.DataFrame) -> pd.DataFrame:
    """Return the test rows of reduced models, with the cost in percent of the RMSE."""
    test = table[table["split"] == "test"]
    rows, full = test[test["model"] != OURS], test[test["model"] == OURS]
    rmse = full.set_index(["task", "dimension"])["rmse"]
    base = rmse.reindex(pd.MultiIndex.from_frame(rows[["task", "dimension"]])).to_numpy(float)
    return rows.assign(percent=100 * rows["cost"].to_numpy(float) / base)


def _largest(rows: pd.DataFrame) -> str:
    row = rows.loc[rows["percent"].abs().idxmax()]
    return (
        "the largest effect on the test error is that of the variant “"
        f"{VARIANTS.get(row['model'], row['model'])}” on {row['dimension']} ({signed(row['percent'], 2)}%)"
    )
