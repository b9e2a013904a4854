"""Parallel coordinates: an axis for each param, a line for each trial.

On a narrow page the axes lie below one another, and the lines run downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from statewright.masking import mask_value
from statewright.tuning.page.history import shown_range
from statewright.tuning.page.svg import Scale, document, line, number, path, shortened, text
from statewright.tuning.study import Candidate, Study

NARROW = 600
"""Width in pixels below which the axes lie below one another."""
LENGTH, MARGIN = 240, 34
MOST_LINES = 200
"""Maximum number of lines: the best of all trials."""
GOOD_SHARE = 0.1
BEYOND = 20.0
"""Pixels between an axis and the place of the configs that lack its param."""


@dataclass(frozen=True)
class _Axis:
    name: str
    scale: Scale
    labels: tuple[tuple[float, str], ...]
    values: tuple[str, ...] = ()

    @property
    def absent(self) -> float:
        """The pixel of a config without this param, beyond the low end of the axis."""
        return self.scale.start + (BEYOND if self.scale.start > self.scale.end else -BEYOND)

    def at(self, value: Any) -> float:
        """Return the pixel of a value along the axis."""
        if self.values:
            shown = str(value)
            return self.scale.at(self.values.index(shown)) if shown in self.values else self.absent
        is_number = isinstance(value, int | float) and math.isfinite(value)
        return self.scale.at(value) if is_number and (value > 0 or not self.scale.log) else self.absent


def draw_parallel(study: Study, width: float) -> str:
    """Return a line for each of the best trials, the best ones emphasised."""
    ordered = sorted(study.candidates.values(), key=lambda item: study.sign * item.value)[:MOST_LINES]
    if not ordered:
        return document(width, 40, "No trial has a value", [text(12, 25, "no trial has a value", "note")])
    narrow = width < NARROW
    start, end = (44.0, width - 26) if narrow else (MARGIN + LENGTH, float(MARGIN))
    axes = [_axis(name, entry, start, end) for name, entry in study.space.items()]
    axes.append(_metric_axis(study, start, end))
    step = 76.0 if narrow else (width - 140) / max(1, len(axes) - 1)
    places = [40.0 + step * k if narrow else 60.0 + step * k for k in range(len(axes))]
    parts: list[str] = []
    good = max(1, round(GOOD_SHARE * len(ordered)))
    ranks = reversed(range(len(ordered)))  # the best above the others
    parts += [_line(study, ordered[rank], axes, places, rank < good, narrow) for rank in ranks]
    for axis, place in zip(axes, places, strict=True):  # above the lines
        parts += _axis_parts(axis, place, step, narrow)
    height = places[-1] + 30 if narrow else LENGTH + 2 * MARGIN
    best = ", ".join(f"{name} {_shown(name, value)}" for name, value in ordered[0].config.items())
    alt = (
        f"A line for each of {len(ordered)} configurations over {len(axes) - 1} params and {study.metric}; "
        f"the best {good} are emphasised; the best has {best}"
    )
    return document(width, height, alt, parts)


def _shown(name: str, value: Any) -> str:
    value = mask_value(name, value)
    return number(value) if isinstance(value, float) else str(value)


def _axis(name: str, entry: Any, start: float, end: float) -> _Axis:
    values = getattr(entry, "values", None)
    beyond = BEYOND if start > end else -BEYOND
    absent = ((start + beyond, "none"),) if entry.when is not None else ()
    if values is not None:
        names = tuple(str(mask_value(name, value)) for value in values)
        scale = Scale(0, max(1, len(names) - 1), start, end)
        return _Axis(name, scale, (*((scale.at(k), text) for k, text in enumerate(names)), *absent), names)
    scale = Scale(entry.low, entry.high, start, end, entry.log)
    return _Axis(
        name, scale, (*((scale.at(value), number(value)) for value in (entry.low, entry.high)), *absent)
    )


def _metric_axis(study: Study, start: float, end: float) -> _Axis:
    low, high = shown_range(study)
    scale = Scale(low, high, start, end)
    name = study.metric.rpartition(":")[2]
    return _Axis(name, scale, ((scale.at(low), number(low)), (scale.at(high), number(high))))


def _axis_parts(axis: _Axis, place: float, step: float, narrow: bool) -> list[str]:
    if narrow:
        parts = [line(axis.scale.start, place, axis.scale.end, place, "axis")]
        parts.append(text(12, place - 12, shortened(axis.name, 320)))
        room = abs(axis.scale.end - axis.scale.start) / max(1, len(axis.labels))
        for at, label in axis.labels:
            anchor = "start" if at < 60 else "end" if at > axis.scale.end - 30 else "middle"
            parts.append(
                text(4 if at < axis.scale.start else at, place + 16, shortened(label, room), "note", anchor)
            )
        return parts
    parts = [line(place, axis.scale.start, place, axis.scale.end, "axis")]
    parts.append(text(place, 16, shortened(axis.name, step - 8), "", "middle"))
    for at, label in axis.labels:
        parts.append(text(place + 6, at + 4, shortened(label, step - 14), "note"))
    return parts


def _line(
    study: Study, item: Candidate, axes: list[_Axis], places: list[float], good: bool, narrow: bool
) -> str:
    """Return the line of a trial."""
    values = [*(mask_value(name, item.config.get(name)) for name in study.space), item.value]
    crossings = zip((axis.at(value) for axis, value in zip(axes, values, strict=True)), places, strict=True)
    points = [(at, place) if narrow else (place, at) for at, place in crossings]
    style = "stroke:var(--best);stroke-width:2.2" if good else "stroke:var(--mark);opacity:.38"
    config = ", ".join(f"{name}={_shown(name, value)}" for name, value in item.config.items())
    tip = f"trial {item.number}: {number(item.value)} ({config})"
    return path(points, "line", style, tip)
