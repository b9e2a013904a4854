"""The values of a study's trials in their order, with the best so far."""

from __future__ import annotations

from collections.abc import Sequence

from statewright.tuning.page.svg import Scale, document, legend, line, mark, number, path, text
from statewright.tuning.study import AGAIN, DEFAULT, DONE, FAILED, PRUNED, Study, Trial

TOP, HEIGHT, FOOT = 16, 250, 44
SHARE_SHOWN = 0.85
"""Share of the values, from the best on, that the axis holds; worse ones are drawn at its end."""
TAIL, TAIL_OF_DEFAULTS = 2, 10
"""Distance from the best value that the axis still holds, in spreads of that share."""
MARKS = {
    "done": ("circle", "mark", "trial"),
    "default": ("diamond", "bestfill", "defaults"),
    "again": ("square", "again", "repeated with another seed"),
    "pruned": ("triangle", "poor", "pruned"),
    "failed": ("cross", "poor", "failed"),
}
"""Kind of a trial -> shape, class and name in the legend."""


def draw_history(study: Study, width: float) -> str:
    """Return the plot of the value of each trial over its number."""
    values = [
        float(trial.value) for trial in study.trials if trial.status == DONE and trial.value is not None
    ]
    low, high = shown_range(study)
    left, right, bottom = 62.0, width - 14, float(TOP + HEIGHT)
    x = Scale(0, max((trial.number for trial in study.trials), default=1) or 1, left + 10, right - 10)
    y = Scale(low, high, bottom, TOP)
    parts = _axes(x, y, study.metric.rpartition(":")[2], (left, right, bottom))
    if default := study.default:
        parts.append(line(left, y.at(default.value), right, y.at(default.value), "default"))
    running = best_so_far(study)
    steps: list[tuple[float, float]] = []
    for count, value in running:
        if steps:
            steps.append((x.at(count), steps[-1][1]))
        steps.append((x.at(count), y.at(value)))
    if steps:
        parts.append(path([*steps, (right, steps[-1][1])], "best"))
    kinds = [kind for kind in MARKS if any(_kind(trial) == kind for trial in study.trials)]
    for kind in kinds:
        shape, style, _ = MARKS[kind]
        for trial in (trial for trial in study.trials if _kind(trial) == kind):
            worst = bottom if study.sign < 0 else TOP
            place = y.at(trial.value) if trial.value is not None else worst
            parts.append(mark(shape, x.at(trial.number), place, style, _tip(trial)))
    names = [
        ("line", "best", "best so far"),
        *([("line", "default", "value of the defaults")] if default else []),
    ]
    parts_of_legend, end = legend([*names, *(MARKS[kind] for kind in kinds)], 12, bottom + FOOT + 10, width)
    return document(
        width,
        end + 4,
        _alt(study, values, len(values) - sum(map(y.holds, values))),
        [*parts, *parts_of_legend],
    )


def best_so_far(study: Study) -> list[tuple[int, float]]:
    """Return trial and value of each improvement, of trials that are not repetitions."""
    improvements: list[tuple[int, float]] = []
    for trial in sorted(study.trials, key=lambda trial: trial.number):
        if trial.status != DONE or trial.value is None or trial.kind == AGAIN:
            continue
        if not improvements or study.sign * trial.value < study.sign * improvements[-1][1]:
            improvements.append((trial.number, trial.value))
    return improvements


def shown_range(study: Study) -> tuple[float, float]:
    """Return the ends of an axis for the values; those far worse are outside."""
    values = [
        float(trial.value) for trial in study.trials if trial.status == DONE and trial.value is not None
    ]
    if not values:
        return 0.0, 1.0
    ordered = sorted(values, key=lambda value: study.sign * value)
    kept = ordered[: max(2, round(SHARE_SHOWN * len(ordered)))]
    typical = abs(kept[-1] - kept[0])
    # A tail that is near is shown: only values that would squeeze the others are left outside.
    kept = [value for value in ordered if abs(value - kept[0]) <= TAIL * typical] or kept
    if study.default and abs(study.default.value - kept[0]) <= TAIL_OF_DEFAULTS * typical:
        kept.append(study.default.value)
    margin = 0.06 * (max(kept) - min(kept)) or abs(kept[0]) * 0.05 or 1.0
    return min(kept) - margin, max(kept) + margin


def _kind(trial: Trial) -> str:
    if trial.status in (FAILED, PRUNED):
        return trial.status
    if trial.status != DONE:
        return ""
    return trial.kind if trial.kind in (DEFAULT, AGAIN) else DONE


def _tip(trial: Trial) -> str:
    value = "no value" if trial.value is None else number(trial.value)
    return f"trial {trial.number}, {trial.status}: {value}{f' ({trial.reason})' if trial.reason else ''}"


def _axes(x: Scale, y: Scale, name: str, edges: tuple[float, float, float]) -> list[str]:
    left, right, bottom = edges
    parts = []
    for value in y.ticks():
        parts.append(line(left, y.at(value), right, y.at(value), "grid"))
        parts.append(text(left - 6, y.at(value) + 4, number(value), "note", "end"))
    numbers = [value for value in x.ticks(8 if right > 500 else 4) if value == round(value)]
    parts += [text(x.at(value), bottom + 18, str(round(value)), "note", "middle") for value in numbers]
    parts.append(line(left, bottom, right, bottom, "axis"))
    parts.append(text((left + right) / 2, bottom + 36, "trial", "note", "middle"))
    parts.append(text(4, 11, name, "note"))
    return parts


def _alt(study: Study, values: Sequence[float], outside: int) -> str:
    parts = [f"Value of {study.metric} of {len(values)} trials in their order"]
    if study.best:
        parts.append(f"the best is {number(study.best.value)} in trial {study.best.number}")
    if study.default:
        parts.append(f"the defaults reach {number(study.default.value)}")
    if outside:
        parts.append(f"{outside} worse than the axis shows are drawn at its end")
    return "; ".join(parts)
