"""Stage emotion-feedback: what to change in ``params.yaml`` for the next round, or stop.

A coordinate search with memory. A move multiplies or divides one parameter by a step, within
bounds, in a fixed order; a move that helped is made again first. A move that did not lower the
loss is taken back together with the next proposal, and a state that was tried is not
proposed again, but for one case: when nothing is left to try, the last patch goes back to the best.

The loss is that of the validation years. The test years decide nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from statewright.contracts import Feedback, Patch
from tasks.emotion.evaluate import EvaluateMetrics
from tasks.emotion.params import FeedbackParams, FusionParams, TrainParams


class Round(BaseModel):
    """One round: the score that it found, and the patch that it applied afterwards."""

    model_config = ConfigDict(extra="allow")

    round: int
    time: str
    patch: list[Patch]
    reason: str
    score: float


class Journal(RootModel[list[Round]]):
    """Earlier rounds, oldest first."""


@dataclass(frozen=True)
class Move:
    """A parameter that may be changed by a factor, and its bounds; `whole` rounds to integers."""

    key: str
    low: float
    high: float
    whole: bool = False


MOVES = (
    Move("emotion.train.ridge", 7.5, 960.0),
    Move("emotion.train.lr", 2.5e-4, 1.6e-2),
    Move("emotion.train.stack_strength", 6.25, 400.0),
    Move("emotion.train.noise_strength", 1.25, 40.0),
    Move("emotion.train.dropout", 0.05, 0.6),
    Move("emotion.train.width", 16, 64, whole=True),
    Move("emotion.train.history", 6, 48, whole=True),
    Move("emotion.train.weight_decay", 0.0125, 0.8),
    Move("emotion.fusion.learning_rate", 5e-4, 8e-3),
    Move("emotion.fusion.dropout", 0.025, 0.4),
)

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Past:
    """States tried so far, the present one last, and the loss of each."""

    states: list[Values]
    scores: list[float]

    def best(self, least_gain: float) -> int:
        """Index of the last state that was better than the best before it by `least_gain`."""
        best = 0
        for index, score in enumerate(self.scores):
            if score < self.scores[best] - least_gain:
                best = index
        return best


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
    past = replay(journal.root, current(train, fusion), score)
    best = past.best(params.least_gain)
    now, kept = past.states[-1], past.states[best]
    since = len(past.states) - 1 - best
    verdict = describe(past, best)
    found = None if since >= params.patience else propose(past, best, params.step)
    if found is not None:
        move, target = found
        reason = f"{verdict} Next: {move.key} {kept[move.key]} -> {target[move.key]}."
        return Feedback(stop=False, reason=reason, score=score, patch=difference(now, target))
    why = "No move is left" if since < params.patience else f"No gain in {since} rounds"
    back = difference(now, kept)
    if back:
        return Feedback(stop=False, reason=f"{verdict} {why}: back to the best.", score=score, patch=back)
    return Feedback(stop=True, reason=f"{verdict} {why}.", score=score)


def current(train: TrainParams, fusion: FusionParams) -> dict[str, Any]:
    """Values of the parameters that may move, by full key."""
    blocks = {"train": train, "fusion": fusion}
    return {move.key: getattr(blocks[move.key.split(".")[1]], move.key.split(".")[2]) for move in MOVES}


def replay(rounds: list[Round], values: Values, score: float) -> Past:
    """Undo the patches, newest first, as far as they lead to the present values.

    Where someone has changed a parameter by hand in between, the search begins there.
    """
    states, scores = [dict(values)], [score]
    for entry in reversed(rounds):
        changes = [patch for patch in entry.patch if patch.key in values]
        if not changes or any(states[0][patch.key] != patch.now for patch in changes):
            break
        states.insert(0, {**states[0], **{patch.key: patch.was for patch in changes}})
        scores.insert(0, entry.score)
    return Past(states, scores)


def propose(past: Past, best: int, step: float) -> tuple[Move, Values] | None:
    """The first move from the best state that leads to a state not tried; None if there is none."""
    start = past.states[best]
    for move, value in [*repeated(past, best, step), *moves(start, step)]:
        state = {**start, move.key: value}
        if state not in past.states:
            return move, state
    return None


def repeated(past: Past, best: int, step: float) -> Iterator[tuple[Move, Any]]:
    """The move that led to the best state, made once more."""
    if best == 0:
        return
    # what was taken back on the way does not count: compare with the best before
    before = past.states[Past(past.states[:best], past.scores[:best]).best(0.0)]
    for move in MOVES:
        old, new = before[move.key], past.states[best][move.key]
        if old != new:
            yield from _moved(move, new, step if new > old else 1 / step)


def moves(state: Values, step: float) -> Iterator[tuple[Move, Any]]:
    """Every move from a state, in order: each parameter up, then down."""
    for move in MOVES:
        for factor in (step, 1 / step):
            yield from _moved(move, state[move.key], factor)


def _moved(move: Move, value: float, factor: float) -> Iterator[tuple[Move, Any]]:
    moved = round(value * factor) if move.whole else float(f"{value * factor:.4g}")
    if move.low <= moved <= move.high and moved != value:
        yield move, moved


def difference(now: Values, target: Values) -> list[Patch]:
    """The patch that leads from one state to another."""
    return [Patch(key=key, was=now[key], now=target[key]) for key in now if now[key] != target[key]]


def describe(past: Past, best: int) -> str:
    """One sentence on what the last round brought."""
    score = past.scores[-1]
    if len(past.scores) == 1:
        return f"Validation loss {score:.5f} at the start."
    if best == len(past.scores) - 1:
        return f"Validation loss {score:.5f}, a gain: kept."
    return f"Validation loss {score:.5f}, no gain on {past.scores[best]:.5f}: taken back."
