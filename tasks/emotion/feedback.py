"""Stage emotion-feedback: propose a patch to ``params.yaml``, or stop.

The method is a coordinate search with memory. A move multiplies or divides one parameter by a step,
within bounds, in a fixed order; a successful move is repeated first. A move that did not lower the loss
is reverted together with the next proposal. A state that was tried is not proposed a second time, with
one exception: when no move is left, the last patch returns to the best state.

The loss is that of the validation years. The test years decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from statewright.contracts import Feedback
from tasks.emotion.evaluate import EvaluateMetrics
from tasks.emotion.params import FeedbackParams, FusionParams, TrainParams
from tasks.rounds import Journal, Trials, Values, next_round, replay


@dataclass(frozen=True)
class Move:
    """A parameter with the bounds of its search; `whole` rounds to integers."""

    key: str
    low: float
    high: float
    whole: bool = False


MOVES = (
    Move("emotion.train.ridge", 7.5, 960.0),
    Move("emotion.train.lr", 2.5e-4, 1.6e-2),
    Move("emotion.train.stack_strength", 125.0, 8000.0),
    Move("emotion.train.noise_strength", 25.0, 800.0),
    Move("emotion.train.dropout", 0.05, 0.6),
    Move("emotion.train.width", 16, 64, whole=True),
    Move("emotion.train.history", 6, 48, whole=True),
    Move("emotion.train.weight_decay", 0.0125, 0.8),
    Move("emotion.fusion.learning_rate", 5e-4, 8e-3),
    Move("emotion.fusion.dropout", 0.025, 0.4),
)


def feedback(
    evaluate: EvaluateMetrics,
    journal: Journal,
    *,
    params: FeedbackParams,
    train: TrainParams,
    fusion: FusionParams,
) -> Feedback:
    """Propose the next state of the search, or stop."""
    score = evaluate.validation_loss
    trials = replay(journal.root, current(train, fusion), score)
    best = trials.best(params.least_gain)
    return next_round(
        trials,
        best,
        proposals(trials, best, params.step),
        patience=params.patience,
        verdict=describe(trials, best),
        exhausted="No move is left",
    )


def current(train: TrainParams, fusion: FusionParams) -> dict[str, Any]:
    """Return the values of the parameters that may move, by full key."""
    blocks = {"train": train, "fusion": fusion}
    return {move.key: getattr(blocks[move.key.split(".")[1]], move.key.split(".")[2]) for move in MOVES}


def proposals(trials: Trials, best: int, step: float) -> Iterator[tuple[Values, str]]:
    """Yield the states one move from the best state, with the move in words."""
    start = trials.states[best]
    for move, value in [*repeated(trials, best, step), *moves(start, step)]:
        yield {**start, move.key: value}, f"Next: {move.key} {start[move.key]} -> {value}."


def repeated(trials: Trials, best: int, step: float) -> Iterator[tuple[Move, Any]]:
    """Yield the move that led to the best state once more."""
    if best == 0:
        return
    # Moves that were reverted on the way do not count, so the comparison is with the best state before.
    before = trials.states[Trials(trials.states[:best], trials.scores[:best]).best(0.0)]
    for move in MOVES:
        old, new = before[move.key], trials.states[best][move.key]
        if old != new:
            yield from _moved(move, new, step if new > old else 1 / step)


def moves(state: Values, step: float) -> Iterator[tuple[Move, Any]]:
    """Yield every move from a state in order: each parameter up, then down."""
    for move in MOVES:
        for factor in (step, 1 / step):
            yield from _moved(move, state[move.key], factor)


def _moved(move: Move, value: float, factor: float) -> Iterator[tuple[Move, Any]]:
    moved = round(value * factor) if move.whole else float(f"{value * factor:.4g}")
    if move.low <= moved <= move.high and moved != value:
        yield move, moved


def describe(trials: Trials, best: int) -> str:
    """Describe the result of the last round in one sentence."""
    score = trials.scores[-1]
    if len(trials.scores) == 1:
        return f"Validation loss {score:.5f} at the start."
    if best == len(trials.scores) - 1:
        return f"Validation loss {score:.5f}, a gain: accepted."
    return f"Validation loss {score:.5f}, no gain over {trials.scores[best]:.5f}: reverted."
