"""Section of the report on forecasts: against every baseline, and against the truth."""

from __future__ import annotations

import pandas as pd

from tasks.emotion.forecast.scoring import OURS, REFERENCE
from tasks.emotion.params import ReportParams
from tasks.emotion.sections.careers import Shown
from tasks.emotion.sections.figures import models as draw
from tasks.emotion.sections.figures.history import forecasts_over_time
from tasks.report.blocks import (
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
    share,
    signed,
)
from tasks.report.drawing import svg

TASKS = {
    "audio": "the sound of an artist's next active year",
    "lyrics": "the words of an artist's next album",
}


def label(model: str) -> str:
    """Our model by a name that a reader recognises; a baseline by its own."""
    return "this model" if model == OURS else model


def test_rows(scores: pd.DataFrame, task: str) -> pd.DataFrame:
    """Scores of our model on the test targets of a task, one row a dimension, in order."""
    rows = scores[(scores["task"] == task) & (scores["split"] == "test") & (scores["kind"] == "ours")]
    return rows.drop_duplicates("dimension").reset_index(drop=True)


def best_baseline(scores: pd.DataFrame, task: str, dimension: str) -> pd.Series:
    """The baseline with the smallest RMSE on the test targets."""
    rows = scores[(scores["task"] == task) & (scores["split"] == "test") & (scores["dimension"] == dimension)]
    return rows[rows["kind"] == "baseline"].sort_values("rmse", kind="stable").iloc[0]


def verdict(scores: pd.DataFrame, task: str) -> str:
    """Where our model wins, where it only seems to, and where a baseline wins, in words."""
    rows = test_rows(scores, task)
    wins = rows[rows["difference"] < 0]
    sure = wins[wins["difference_high"] < 0]
    text = (
        f"Forecasting {TASKS.get(task, task)} ({count(rows['targets'].max())} test targets), the model has "
        f"a smaller error than the best of all baselines in {len(wins)} of {plural(len(rows), 'dimension')}"
    )
    if len(wins):
        text += (
            f" ({joined(wins['dimension'])}), with an interval that excludes zero in {len(sure)}"
            f"{f' ({joined(sure.dimension)})' if 0 < len(sure) < len(wins) else ''}"
        )
    return " ".join(
        [text + ".", *(_loss(scores, task, row) for _, row in rows[rows["difference"] >= 0].iterrows())]
    )


def _loss(scores: pd.DataFrame, task: str, row: pd.Series) -> str:
    best = best_baseline(scores, task, str(row["dimension"]))
    figures = (
        f"RMSE {best['rmse']:.4f} against {row['rmse']:.4f}, difference {signed(row['difference'], 4)}, "
        f"95% interval {interval(row['difference_low'], row['difference_high'], 4)}"
    )
    if row["difference_low"] > 0:
        return f"For {row['dimension']} the baseline “{best['model']}” clearly beats the model ({figures})."
    return (
        f"For {row['dimension']} the baseline “{best['model']}” wins, though the interval includes zero "
        f"({figures})."
    )


def forecast(
    forecasts: pd.DataFrame, scores: pd.DataFrame, shown: list[Shown], params: ReportParams
) -> Section:
    """Forecast against truth, and the evaluation table with every baseline."""
    tasks = [str(task) for task in dict.fromkeys(scores["task"])]
    blocks: list[Prose | Figure | Grid] = [Prose(points=tuple(verdict(scores, task) for task in tasks))]
    for task in tasks:
        blocks += [
            _scores_table(scores, task),
            _difference_table(scores, task),
            _difference_figure(scores, task),
        ]
    blocks += [_calibration(forecasts, scores, task, params) for task in tasks]
    lines = _over_time(forecasts, shown, params)
    return Section("forecast", "Forecasts against the truth", (*blocks, *([lines] if lines else [])))


def _scores_table(scores: pd.DataFrame, task: str) -> Grid:
    rows = scores[(scores["task"] == task) & (scores["split"] == "test") & (scores["kind"] != "ablation")]
    dimensions = list(dict.fromkeys(rows["dimension"]))
    best = {name: part["rmse"].min() for name, part in rows.groupby("dimension")}
    table = []
    for model in sorted(dict.fromkeys(rows["model"]), key=lambda name: name == OURS):
        part = rows[rows["model"] == model].set_index("dimension")
        cells = [
            Cell(
                f"{part.loc[name, 'rmse']:.4f}\n"
                f"{interval(part.loc[name, 'rmse_low'], part.loc[name, 'rmse_high'])}",
                part.loc[name, "rmse"] == best[name],
            )
            for name in dimensions
        ]
        table.append((label(model), *cells))
    floor = rows.drop_duplicates("dimension").set_index("dimension")["noise"]
    table.append(("noise of the truth itself", *(f"{floor[name]:.4f}" for name in dimensions)))
    return grid(
        f"Error (RMSE) in forecasting {TASKS.get(task, task)}, {count(rows['targets'].max())} test "
        "targets, with 95% intervals from artists drawn anew. The star marks the smallest error of a "
        "column. The last row is the error that a perfect forecast would still have, because the truth is "
        "a mean of few songs.",
        ("model", *dimensions),
        table,
    )


def _difference_table(scores: pd.DataFrame, task: str) -> Grid:
    table = []
    for _, row in test_rows(scores, task).iterrows():
        best = best_baseline(scores, task, str(row["dimension"]))
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
        f"The model beside the best baseline of each dimension, {TASKS.get(task, task)}. The baseline is "
        "chosen after the event, which favours it. Difference: the model's RMSE less the baseline's, "
        f"below 0 is a win. Skill: share of the squared error of “{REFERENCE}” that the model saves. 95% "
        "intervals over artists.",
        ("dimension", "best baseline", "its RMSE", "this model", "difference", "skill", "outcome"),
        table,
        text=(1, 6),
    )


def _outcome(row: pd.Series) -> str:
    if row["difference"] < 0:
        return "model wins" if row["difference_high"] < 0 else "model ahead, not surely"
    return "baseline wins" if row["difference_low"] > 0 else "baseline ahead, not surely"


def _difference_figure(scores: pd.DataFrame, task: str) -> Figure:
    rows = test_rows(scores, task)
    dimensions = list(rows["dimension"])
    picture = svg(
        f"difference-{task}", (8.2, 0.9 + 0.34 * len(dimensions)),
        f"{TASKS.get(task, task).capitalize()}: "
        + "; ".join(f"{row['dimension']} {_outcome(row)}" for _, row in rows.iterrows()),
        lambda figure: draw.differences(figure, rows, dimensions),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        "The same differences in percent of the best baseline's error, with 95% intervals over artists (n "
        f"= {count(rows['targets'].max())} targets). Blue dots: the model is better; red squares: a "
        "baseline is. An interval across 0 leaves it open.",
    )


def _calibration(forecasts: pd.DataFrame, scores: pd.DataFrame, task: str, params: ReportParams) -> Figure:
    rows = forecasts[
        (forecasts["task"] == task) & (forecasts["split"] == "test") & (forecasts["model"] == OURS)
    ]
    pictures = []
    for dimension in test_rows(scores, task)["dimension"]:
        part = rows[rows["dimension"] == dimension]
        note = f"n = {count(len(part))}, correlation {part['forecast'].corr(part['truth']):.2f}"
        picture = svg(
            f"calibration-{task}-{dimension}", (3.5, 3.4), f"{dimension}: measured against forecast; {note}.",
            lambda figure, part=part: draw.calibration(figure, part, params.bins),
        )  # fmt: skip
        pictures.append(Picture(picture, str(dimension).capitalize(), note))
    return Figure(
        tuple(pictures),
        f"Forecast against truth for {TASKS.get(task, task)}: grey, all test targets (darker: more of "
        f"them; the outermost hundredth is cut off); red, {params.bins} equal groups by forecast with the "
        "mean of what was measured and its 95% interval. On the dashed line the forecast is right on "
        "average. The spread around the line is what cannot be known from the past, and the noise of "
        "means of few songs.",
        tile=17,
    )


def _over_time(forecasts: pd.DataFrame, shown: list[Shown], params: ReportParams) -> Figure | None:
    dimension = params.dimensions[0]
    rows = forecasts[
        (forecasts["task"] == "audio") & (forecasts["model"] == OURS) & (forecasts["dimension"] == dimension)
    ]
    if rows.empty or not (rows["split"] == "test").any():
        return None
    test_from = float(rows.loc[rows["split"] == "test", "time"].min())
    pictures = []
    for one in shown:
        part = rows[rows["artist_id"] == one.artist_id].sort_values("time")
        if len(part) < 2:
            continue
        inside = float(((part["truth"] - part["forecast"]).abs() <= 1.645 * part["sd"]).mean())
        alt = (
            f"{one.name}: {dimension} measured and forecast, {plural(len(part), 'year')}, {share(inside)} "
            "within the bars."
        )
        picture = svg(
            f"forecast-{one.artist_id}", (4.3, 2.5), alt,
            lambda figure, part=part: forecasts_over_time(figure, part, dimension, 1.645, test_from),
        )  # fmt: skip
        pictures.append(Picture(picture, one.name))
    if not pictures:
        return None
    return Figure(
        tuple(pictures),
        f"{dimension.capitalize()} of the artists above: blue dots measured, red bars forecast from the "
        f"years before with the model's own 90% interval. Shaded: test years (from {test_from:.0f}), which "
        "nothing was learnt from; before that the model had seen other artists of the time. Too few years "
        "an artist to judge by eye: the tables above judge all of them.",
    )
