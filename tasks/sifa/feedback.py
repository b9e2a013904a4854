"""Stage sifa-feedback: propose a patch to the training, or stop.

A move is proposed only where the last round gives a reason for it:

| move | reason |
| --- | --- |
| twice the friction | the training loss rises in the second half of the epochs |
| half the rate | the same, after more friction was tried |
| twice the rate | the training loss still falls in the last tenth of the epochs |
| twice the information term | held-out training rows have more errors than the others |
| half the information term | they have not |

The score is the loss on held-out training rows, the mean over sets. The stage reads no figure of test rows. A
move that did not lower the score by `least_gain` is reverted together with the next one, and no state is
tried twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from statewright.contracts import Feedback
from tasks.rounds import Journal, Trials, Values, next_round, replay
from tasks.sifa.contracts.evaluate import ValidationMetrics
from tasks.sifa.params import FeedbackParams, TrainParams

RATE, FRICTION, INFORMATION = "sifa.train.rate", "sifa.train.friction", "sifa.train.information"
HIGHEST = {RATE: 100.0, FRICTION: 100.0, INFORMATION: 10.0}
RISES, LATE, GAP = 0.1, 0.02, 0.1
"""Shares of the fall of the training loss, and a difference of error rates, that give a reason."""


def feedback(
    validation: ValidationMetrics, sifa_journal: Journal, *, params: FeedbackParams, train: TrainParams
) -> Feedback:
    """Propose the next state of the search, or stop."""
    score = validation.loss
    trials = replay(sifa_journal.root, current(train), score)
    best = trials.best(params.least_gain)
    return next_round(
        trials,
        best,
        moves(trials.states[best], validation),
        patience=params.patience,
        verdict=describe(trials, best),
    )


def current(train: TrainParams) -> dict[str, Any]:
    """Return the values of the parameters that may move, by full key."""
    return {RATE: train.rate, FRICTION: train.friction, INFORMATION: train.information}


def moves(start: Values, validation: ValidationMetrics) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each state that the last round gives a reason to try, with the reason."""
    rough, figures = max(
        ((name, figures) for name, figures in validation.sets.items()),
        key=lambda item: item[1].rises,
        default=("", None),
    )
    if figures is None:
        return
    if figures.rises > RISES:
        reason = f"the training loss of {rough} rises by {100 * figures.rises:.0f}% of its fall"
        yield from _scaled(start, FRICTION, 2, f"Double the friction: {reason}.")
        yield from _scaled(start, RATE, 0.5, f"Halve the rate: {reason}.")
    slow, late = max(((name, part.late) for name, part in validation.sets.items()), key=lambda item: item[1])
    if late > LATE:
        yield from _scaled(
            start,
            RATE,
            2,
            f"Double the rate: the training loss of {slow} makes {100 * late:.0f}% of its fall in the last "
            "tenth of the epochs.",
        )
    gaps = {name: part.gap for name, part in validation.sets.items() if part.gap is not None}
    if gaps:
        name = max(gaps, key=lambda key: gaps[key])
        gap = gaps[name]
        text = f"held-out training rows of {name} have {100 * gap:+.0f} points of errors over the others."
        if gap > GAP:
            yield from _scaled(start, INFORMATION, 2, f"Double the information term: {text}")
        else:
            yield from _scaled(start, INFORMATION, 0.5, f"Halve the information term: {text}")


def _scaled(start: Values, key: str, factor: float, reason: str) -> Iterator[tuple[dict[str, Any], str]]:
    value = float(f"{factor * start[key]:.6g}")
    if 0 < value <= HIGHEST[key]:
        yield {**start, key: value}, reason


def describe(trials: Trials, best: int) -> str:
    """Describe the result of the last round in one sentence."""
    score = trials.scores[-1]
    if len(trials.scores) == 1:
        return f"Loss on held-out training rows {score:.4f} at the start."
    if best == len(trials.scores) - 1:
        return f"Loss on held-out training rows {score:.4f}, a gain: accepted."
    if trials.states[-1] == trials.states[best]:
        return f"Loss on held-out training rows {score:.4f}, back at the best state."
    return f"Loss on held-out training rows {score:.4f}, no gain over {trials.scores[best]:.4f}: reverted."
