"""Stage fusion-feedback: propose a patch to ``params.yaml``, or stop.

A move is proposed only where the last round gives a reason for it:

| move | reason |
| --- | --- |
| leave a modality out | exchanging its rows surely raises the score |
| twice as many landmarks | the experts of an operator with a weight use a part of their training rows only |
| ten folds | the outer folds pick different operators |

A move that did not raise the score on resplits by `least_gain` is reverted together with the next one, and no
state is tried twice. The score is that of the development rows. The test rows decide nothing: the engine
refuses a stage of the loop that opens them (`meta.holdout`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from statewright.contracts import Feedback
from tasks.fusion.contracts.fuse import ChoiceMetrics, Evaluation
from tasks.fusion.params import FeedbackParams, FuseParams
from tasks.report.blocks import joined
from tasks.rounds import Journal, Trials, Values, next_round, replay

WITHOUT, LANDMARKS, FOLDS = "fusion.fuse.without", "fusion.fuse.landmarks", "fusion.fuse.folds"
MOST_FOLDS = 10
LEAST_MODALITIES = 2


def feedback(
    evaluate: Evaluation,
    choice: ChoiceMetrics,
    fusion_journal: Journal,
    *,
    params: FeedbackParams,
    fuse: FuseParams,
) -> Feedback:
    """Propose the next state of the search, or stop."""
    score = round(1 - evaluate.scores[evaluate.chosen], 6)
    trials = replay(fusion_journal.root, current(fuse), score)
    best = trials.best(params.least_gain)
    return next_round(
        trials,
        best,
        moves(trials.states[best], evaluate, choice),
        patience=params.patience,
        verdict=describe(trials, best),
    )


def current(fuse: FuseParams) -> dict[str, Any]:
    """Return the values of the parameters that may move, by full key."""
    return {WITHOUT: list(fuse.without), LANDMARKS: fuse.landmarks, FOLDS: fuse.folds}


def moves(start: Values, evaluate: Evaluation, choice: ChoiceMetrics) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each state that the last round gives a reason to try, with the reason."""
    parts = evaluate.modalities
    drops = sorted(((name, part.permuted) for name, part in parts.items()), key=lambda item: item[1].mean)
    for name, drop in drops:
        if drop.high < 0 and name not in start[WITHOUT] and len(drops) > LEAST_MODALITIES:
            yield (
                {**start, WITHOUT: sorted([*start[WITHOUT], name])},
                f"Leave out {name}: exchanging its rows raises the score by {-100 * drop.mean:.1f} points, "
                f"by {-100 * drop.high:.1f} or more with 95% confidence.",
            )
    # An expert has no more landmarks than training rows, so that a larger number would change nothing.
    more, rows = 2 * start[LANDMARKS], choice.rows - choice.rows // choice.folds
    experts = [name for name in choice.weights if name.startswith("late-")]
    if experts and start[LANDMARKS] < rows:
        yield (
            {**start, LANDMARKS: more},
            f"Use {more} landmarks: the experts of {joined(f'“{name}”' for name in experts)} use "
            f"{start[LANDMARKS]} of {rows} training rows.",
        )
    picks = list(dict.fromkeys(choice.picked))
    if len(picks) > 1 and start[FOLDS] < MOST_FOLDS:
        yield (
            {**start, FOLDS: MOST_FOLDS},
            f"Use {MOST_FOLDS} folds: in the outer folds the largest weight goes to {joined(picks)}, so the "
            "weights are not sure.",
        )


def describe(trials: Trials, best: int) -> str:
    """Describe the result of the last round in one sentence."""
    score = trials.scores[-1]
    if len(trials.scores) == 1:
        return f"Loss on resplits {score:.4f} at the start."
    if best == len(trials.scores) - 1:
        return f"Loss on resplits {score:.4f}, a gain: accepted."
    if trials.states[-1] == trials.states[best]:
        return f"Loss on resplits {score:.4f}, back at the best state."
    return f"Loss on resplits {score:.4f}, no gain over {trials.scores[best]:.4f}: reverted."
