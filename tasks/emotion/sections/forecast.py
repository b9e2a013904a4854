"""Section of the report on forecasts: errors, baselines and calibration."""

from __future__ import annotations

from functools import partial

import pandas as pd

from tasks.emotion.evaluate import EvaluateOutputs
from tasks.emotion.forecast.scoring import OURS, REFERENCE
from tasks.emotion.params import ReportParams
from tasks.emotion.sections.figures import calibration
from tasks.emotion.sections.figures import models as draw
from tasks.report.blocks import (
    Block,
    Cell,
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

TASKS = {
    "audio": "the sound of an artist's next active year",
    "lyrics": "the words of an artist's next album",
}


def finding(evaluate: EvaluateOutputs) -> list[str]:
    """Return one comparison with the baselines a task for the findings."""
    return [comparison(evaluate.scores, task) for task in _tasks(evaluate.scores)]


def section(forecasts: pd.DataFrame, evaluate: EvaluateOutputs, params: ReportParams) -> Section:
    """Return the section: scores of every model, forecasts and measured values."""
    scores = evaluate.scores
    tasks = _tasks(scores)
    blocks: list[Block] = [Prose(points=tuple(finding(evaluate)))]
    for task in tasks:
        blocks += [
            _scores_table(scores, task),
            _difference_table(scores, task),
            _difference_figure(scores, task),
        ]
    blocks += [_calibration(forecasts, scores, task, params) for task in tasks]
    return Section("forecast", "Forecast accuracy", tuple(blocks))


def our_scores(scores: pd.DataFrame, task: str) -> pd.DataFrame:
    """Return the test scores of our model for a task, one row per dimension."""
    rows = scores[(scores["task"] == task) & (scores["split"] == "test") & (scores["kind"] == "ours")]
    return rows.drop_duplicates("dimension").reset_index(drop=True)


def comparison(scores: pd.DataFrame, task: str) -> str:
    """Describe in which dimensions our model wins, and in which a baseline does."""
    rows = our_scores(scores, task)
    wins = rows[rows["difference"] < 0]
    clear = wins[wins["difference_high"] < 0]
    text = (
        f"Forecasts of {TASKS.get(task, task)} ({count(rows['targets'].max())} test targets): the model has "
        f"a smaller error than the best of all baselines in {len(wins)} of {plural(len(rows), 'dimension')}"
    )
    if len(wins):
        text += (
            f" ({joined(wins['dimension'])}), with an interval that excludes zero in {len(clear)}"
            f"{f' ({joined(clear.dimension)})' if 0 < len(clear) < len(wins) else ''}"
        )
    losses = [_loss(scores, task, row) for _, row in rows[rows["difference"] >= 0].iterrows()]
    return " ".join([f"{text}.", *losses])


def _tasks(scores: pd.DataFrame) -> list[str]:
    return [str(task) for task in dict.fromkeys(scores["task"])]


def _label(model: str) -> str:
    """Return the name of a model for a reader."""
    return "this model" if model == OURS else model


def _best_baseline(scores: pd.DataFrame, task: str, dimension: str) -> pd.Series:
    """Return the baseline with the smallest RMSE on the test targets."""
    rows = scores[(scores["task"] == task) & (scores["split"] == "test") & (scores["dimension"] == dimension)]
    return rows[rows["kind"] == "baseline"].sort_values("rmse", kind="stable").iloc[0]


def _loss(scores: pd.DataFrame, task: str, row: pd.Series) -> str:
    best = _best_baseline(scores, task, str(row["dimension"]))
    figures = (
        f"RMSE {best['rmse']:.4f} against {row['rmse']:.4f}, difference {signed(row['difference'], 4)}, "
        f"95% interval {interval(row['difference_low'], row['difference_high'], 4)}"
    )
    subject = f"For {row['dimension']} the baseline “{best['model']}”"
    if row["difference_low"] > 0:
        return f"{subject} is clearly better than the model ({figures})."
    return f"{subject} is better, though the interval includes zero ({figures})."


def _scores_table(scores: pd.DataFrame, task: str) -> Grid:
    rows = scores[(scores["task"] == task) & (scores["split"] == "test") & (scores["kind"] != "ablation")]
    dimensions = list(dict.fromkeys(rows["dimension"]))
    best = {name: part["rmse"].min() for name, part in rows.groupby("dimension")}
    table: list[tuple[str | Cell, ...]] = []
    for model in sorted(dict.fromkeys(rows["model"]), key=lambda name: name == OURS):
        part = rows[rows["model"] == model].set_index("dimension")
        cells = [
            Cell(
                f"{part.loc[name, 'rmse']:.4f}\n"
                f"{interval(part.loc[name, 'rmse_low'], part.loc[name, 'rmse_high'])}",
                bool(part.loc[name, "rmse"] == best[name]),
            )
            for name in dimensions
        ]
        table.append((_label(model), *cells))
    floor = rows.drop_duplicates("dimension").set_index("dimension")["noise"]
    table.append(("noise of the target itself", *(f"{floor[name]:.4f}" for name in dimensions)))
    return grid(
        f"Error (RMSE) of forecasts of {TASKS.get(task, task)}, {count(rows['targets'].max())} test targets, "
        "with 95% intervals from a bootstrap over artists. The star marks the smallest error of a column. "
        "The last row is the error of a perfect forecast: the target is a mean of few songs and has a "
        "sampling error.",
        ("model", *dimensions),
        table,
    )


def _difference_table(scores: pd.DataFrame, task: str) -> Grid:
    table = []
    for _, row in our_scores(scores, task).iterrows():
        best = _best_baseline(scores, task, str(row["dimension"]))
        table.append(
            (
                str(row["dimension"]), str(best["model"]), f"{best['rmse']:.4f}", f"{row['rmse']:.4f}",
                f"{signed(row['difference'], 4)}\n"
                f"{interval(row['difference_low'], row['difference_high'], 4)}",
                f"{signed(100 * row['skill'], 1)}%\n"
                f"{interval(100 * row['skill_low'], 100 * row['skill_high'], 1)}",
                _outcome(row),
            )
        )  # fmt: skip
    return grid(
        f"The model and the best baseline of each dimension, {TASKS.get(task, task)}. The baseline is "
        "chosen on the test targets, which favours it. Difference: RMSE of the model minus that of the "
        f"baseline; a value below 0 is a win. Skill: reduction of the squared error of “{REFERENCE}” by the "
        "model. 95% intervals over artists.",
        ("dimension", "best baseline", "its RMSE", "this model", "difference", "skill", "outcome"),
        table,
        text=(1, 6),
    )


def _outcome(row: pd.Series) -> str:
    if row["difference"] < 0:
        return "model wins" if row["difference_high"] < 0 else "model ahead, not clearly"
    return "baseline wins" if row["difference_low"] > 0 else "baseline ahead, not clearly"


def _difference_figure(scores: pd.DataFrame, task: str) -> Figure:
    rows = our_scores(scores, task)
    dimensions = list(rows["dimension"])
    picture = svg(
        f"difference-{task}", (8.2, 0.9 + 0.34 * len(dimensions)),
        f"{TASKS.get(task, task).capitalize()}: "
        + "; ".join(f"{row['dimension']} {_outcome(row)}" for _, row in rows.iterrows()),
        partial(draw.differences, scores=rows, dimensions=dimensions),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        "The same differences in percent of the error of the best baseline, with 95% intervals over artists "
        f"(n = {count(rows['targets'].max())} targets). Blue dots: the model is better; red squares: a "
        "baseline is better. If an interval includes 0, the comparison is undecided.",
    )


def _calibration(forecasts: pd.DataFrame, scores: pd.DataFrame, task: str, params: ReportParams) -> Figure:
    rows = forecasts[
        (forecasts["task"] == task) & (forecasts["split"] == "test") & (forecasts["model"] == OURS)
    ]
    dimensions = [str(name) for name in our_scores(scores, task)["dimension"]]
    notes = []
    for dimension in dimensions:
        part = rows[rows["dimension"] == dimension]
        notes.append(f"{dimension} {part['forecast'].corr(part['truth']):.2f}")
    largest = rows.groupby("dimension").size().max()
    alt = f"Measured against forecast values for {TASKS.get(task, task)}. Correlation: {joined(notes)}."
    return Figure(
        (Picture(calibration.chart(task, rows, dimensions, params.bins, alt).html()),),
        f"Forecasts and measured values for {TASKS.get(task, task)}: shaded, all {count(largest)} test "
        f"targets (darker: more of them; the outermost hundredth is cut off); dots, {params.bins} equal "
        "groups by forecast with the mean of the measured values and its 95% interval. On the dashed line "
        "the forecast is right on average. The spread around the line is what the past does not determine, "
        f"plus the noise of means of few songs. Correlation: {joined(notes)}.",
    )
