"""Section of the report on scores: the chosen operator beside every baseline."""

from __future__ import annotations

from functools import partial

import pandas as pd

from tasks.fusion.contracts.fuse import CalibrationFigures, Evaluation, IntervalFigures, Judgement
from tasks.fusion.sections.figures import scores as draw
from tasks.fusion.sections.words import ONLY, described, difference, drawn, score_name, scored, short
from tasks.report.blocks import Block, Cell, Figure, Picture, Prose, Section, count, grid, joined, share
from tasks.report.drawing import svg

SHORT_VERDICTS = {
    "yes": "Fusing helps",
    "no": "Fusing hurts",
    "not shown": "Fusing does not clearly help",
}


def finding(evaluate: Evaluation, judge: Judgement, classes: list[str]) -> list[str]:
    """Return the sentences on whether fusion helps, and on the test rows."""
    return [
        _verdict(evaluate),
        f"On the {count(judge.rows)} held-out rows the {score_name(classes)} of “{judge.chosen}” is "
        f"{judge.scores[judge.chosen]:.3f}; the best of the others has {_best_other(judge)}.",
    ]


def figure(evaluate: Evaluation, classes: list[str]) -> Figure:
    """Return the figure of the gain over each baseline, and whether fusing helps."""
    names = sorted(evaluate.gains, key=lambda name: -evaluate.scores[name])
    # The prior is so far behind that it would squeeze the others; the table has it.
    others = [name for name in names if name != "prior"]
    table = pd.DataFrame(
        [evaluate.gains[name].model_dump() for name in others], index=[short(name) for name in others]
    )
    alt = f"Gain of {evaluate.chosen} in points, with its interval: " + joined(
        f"over {name} {difference(evaluate.gains[name])}" for name in others
    )
    label = f"gain of the chosen model, points of {score_name(classes)}"
    picture = svg(
        "gains", (8.2, 0.9 + 0.42 * len(others)), alt, partial(draw.intervals, table=table * 100, label=label)
    )
    return Figure(
        (Picture(picture),),
        f"Gain of “{evaluate.chosen}” over each baseline on {count(evaluate.resplits)} resplits, in "
        "points of 0.01, with 95% intervals. Right of 0: the chosen model is better. An interval that "
        "crosses 0 shows no difference.",
        title=SHORT_VERDICTS[evaluate.helps],
    )


def sentences(evaluate: Evaluation, judge: Judgement, classes: list[str]) -> tuple[str, str]:
    """Return in plain words whether fusing helps, and how good the chosen model is."""
    single = evaluate.best_single
    gain = evaluate.gains.get(f"{ONLY}{single}")
    if gain is None:
        first = f"One kind of data is enough: a model of “{single}” alone was chosen."
    else:
        reached = scored(evaluate.scores[evaluate.chosen], classes)
        alone = scored(evaluate.scores[f"{ONLY}{single}"], classes)
        doubt = ", which may be chance" if evaluate.helps == "not shown" else ""
        first = (
            f"{SHORT_VERDICTS[evaluate.helps]}: together they reach {reached}, and the best single one, "
            f"“{single}”, reaches {alone}, a difference of {difference(gain)} points{doubt}."
        )
    others = {name: score for name, score in judge.scores.items() if name != judge.chosen}
    name = max(others, key=lambda other: others[other])
    return first, (
        f"On {count(judge.rows)} rows that were kept back until the end, the chosen model reaches "
        f"{scored(judge.scores[judge.chosen], classes)}; the best of the others, {described(name)}, "
        f"reaches {scored(others[name], classes)}."
    )


def section(evaluate: Evaluation, judge: Judgement, classes: list[str], developed: int) -> Section:
    """Return the section: resplits with paired intervals, the test rows, calibration."""
    names = sorted(evaluate.scores, key=lambda name: -evaluate.scores[name])
    score = score_name(classes)
    best, best_judged = max(evaluate.scores.values()), max(judge.scores.values())
    return Section(
        "scores",
        "Scores beside every baseline",
        (
            Prose(
                f"{drawn(evaluate.rows, developed)} were divided {count(evaluate.resplits)} times at "
                "random; the chosen operator and every baseline were trained on the same part and scored on "
                "the same rest. Differences are paired, and their intervals correct for the training rows "
                "that the divisions share. A difference whose interval contains 0 is no difference."
            ),
            grid(
                f"{score.capitalize()} on resplits, and on the {count(judge.rows)} held-out rows, which were "
                "used once, after every choice. Gains of the chosen operator are in points, with 95% "
                "intervals.",
                ("name", "what it does", "resplits", "gain over it", "held-out rows", "gain over it"),
                [
                    (
                        name + (" (chosen)" if name == evaluate.chosen else ""),
                        described(name),
                        Cell(f"{evaluate.scores[name]:.3f}", best=evaluate.scores[name] == best),
                        _gain(evaluate.gains.get(name)),
                        Cell(f"{judge.scores[name]:.3f}", best=judge.scores[name] == best_judged),
                        _gain(judge.gains.get(name)),
                    )
                    for name in names
                ],
                text=(1,),
            ),
            *_reliability(evaluate, judge, classes),
        ),
        "All models on resplits and on the held-out rows; how far to trust a probability.",
    )


def _verdict(evaluate: Evaluation) -> str:
    single = f"“{evaluate.best_single}”"
    gain = evaluate.gains.get(f"{ONLY}{evaluate.best_single}")
    if gain is None:
        return f"Fusing does not help: the modality {single} alone was chosen."
    points = difference(gain)
    return {
        "yes": f"Fusing helps: {points} points over the best single modality, {single}.",
        "no": f"Fusing hurts: {points} points against the modality {single} alone.",
        "not shown": f"Fusing does not clearly help: {points} points against the modality {single} alone, an "
        "interval that contains 0.",
    }[evaluate.helps]


def _reliability(evaluate: Evaluation, judge: Judgement, classes: list[str]) -> list[Block]:
    """Return the blocks on calibration and coverage."""
    reliability, level = evaluate.reliability, share(1 - evaluate.alpha)
    kind = "set of classes" if classes else "interval"
    size = "" if reliability.size is None else f" Its mean size is {reliability.size:.3g}."
    blocks: list[Block] = [
        Prose(
            f"Each decision comes with a {kind} that should contain the truth in {level} of the cases. It "
            f"does in {reliability.coverage:.1%} of the development rows, judged by models without them, and "
            f"in {judge.coverage:.1%} of the held-out rows.{size}"
        )
    ]
    figures = [
        ("before calibration", reliability.raw),
        (f"after, temperature {reliability.temperature:.2f}", reliability.calibrated),
        ("after, held-out rows", judge.calibration),
    ]
    if any(values for _, values in figures):
        blocks.append(
            grid(
                "Stated probabilities: calibration error (15 bins), Brier score and log loss in nats; lower "
                "is better.",
                ("probabilities", "error", "Brier", "log loss"),
                [(name, *_calibration(values)) for name, values in figures if values],
            )
        )
    return blocks


def _calibration(values: CalibrationFigures) -> tuple[str, str, str]:
    return f"{values.error:.3f}", f"{values.brier:.3f}", f"{values.log_loss:.3f}"


def _best_other(judge: Judgement) -> str:
    others = {name: score for name, score in judge.scores.items() if name != judge.chosen}
    name = max(others, key=lambda other: others[other])
    return f"{others[name]:.3f} (“{name}”)"


def _gain(value: IntervalFigures | None) -> str:
    return "–" if value is None else difference(value)
