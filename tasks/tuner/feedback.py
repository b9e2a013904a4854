"""Stage tuner-feedback: propose another population of the search, or stop.

A move doubles or halves `tuner.search.population`. The score is the mean log10 loss on the instances of the
validation, which no comparison has; every evaluation of a round is counted in `tuner.search.budget`. A move
without a gain is reverted together with the next one, and no state is tried twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from statewright.contracts import Feedback
from tasks.rounds import Journal, Trials, Values, next_round, replay
from tasks.tuner.contracts.search import ValidationMetrics
from tasks.tuner.params import FeedbackParams, SearchParams

POPULATION = "tuner.search.population"
LEAST, MOST = 4, 200


def feedback(
    validation: ValidationMetrics, tuner_journal: Journal, *, params: FeedbackParams, search: SearchParams
) -> Feedback:
    """Propose the next state of the search, or stop."""
    score = validation.loss
    trials = replay(tuner_journal.root, {POPULATION: search.population}, score)
    best = trials.best(params.least_gain)
    return next_round(
        trials,
        best,
        moves(trials.states[best], validation, search),
        patience=params.patience,
        verdict=describe(trials, best),
    )


def moves(
    start: Values, validation: ValidationMetrics, search: SearchParams
) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each state to try, with its reason."""
    population = int(start[POPULATION])
    generations = search.budget // population
    worst = max(validation.by_problem, key=lambda name: validation.by_problem[name])
    if population * 2 <= min(MOST, search.budget // 2):
        yield (
            {POPULATION: 2 * population},
            f"Double the population: {worst} has the largest loss, and a larger population explores more.",
        )
    if population // 2 >= LEAST:
        yield (
            {POPULATION: population // 2},
            f"Halve the population: {generations} generations are few, and a smaller one has more of them.",
        )


def describe(trials: Trials, best: int) -> str:
    """Describe the result of the last round in one sentence."""
    score = trials.scores[-1]
    if len(trials.scores) == 1:
        return f"Mean log10 loss of the genetic search {score:.3f} at the start."
    if best == len(trials.scores) - 1:
        return f"Mean log10 loss of the genetic search {score:.3f}, a gain: accepted."
    if trials.states[-1] == trials.states[best]:
        return f"Mean log10 loss of the genetic search {score:.3f}, back at the best state."
    best_score = trials.scores[best]
    return f"Mean log10 loss of the genetic search {score:.3f}, no gain over {best_score:.3f}: reverted."
