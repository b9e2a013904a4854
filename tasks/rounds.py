"""Rounds of a loop, replayed: which states were tried, and what each scored.

The feedback stages of the pipelines read the journal of the loop with these types. A state is the values of
the params that may move, by full key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from statewright.contracts import Feedback, Patch

Values = Mapping[str, Any]


class Round(BaseModel):
    """One round: its score, and the patch that was applied after it."""

    model_config = ConfigDict(extra="allow")

    round: int
    time: str
    patch: list[Patch]
    reason: str
    score: float


class Journal(RootModel[list[Round]]):
    """Earlier rounds, oldest first."""


@dataclass(frozen=True)
class Trials:
    """States tried so far, the current one last, and the loss of each."""

    states: Sequence[Values]
    scores: Sequence[float]

    def best(self, least_gain: float) -> int:
        """Return the index of the last state that improved the best by `least_gain`."""
        best = 0
        for index, score in enumerate(self.scores):
            if score < self.scores[best] - least_gain:
                best = index
        return best


def replay(rounds: Sequence[Round], values: Values, score: float) -> Trials:
    """Reconstruct the states by undoing the patches, newest first.

    If a parameter was edited by hand in between, the search starts at that state.
    """
    states, scores = [dict(values)], [score]
    for entry in reversed(rounds):
        changes = [patch for patch in entry.patch if patch.key in values]
        if not changes or any(states[0][patch.key] != patch.now for patch in changes):
            break
        states.insert(0, {**states[0], **{patch.key: patch.was for patch in changes}})
        scores.insert(0, entry.score)
    return Trials(states, scores)


def next_round(
    trials: Trials,
    best: int,
    moves: Iterable[tuple[Values, str]],
    *,
    patience: int,
    verdict: str,
    exhausted: str = "No move has a reason",
) -> Feedback:
    """Propose a state that was not tried, or return to the best one, or stop.

    Parameters
    ----------
    best : int
        Index of the state where the moves start.
    moves : iterable of (mapping, str)
        States with the reason to try them; read only within the patience.
    patience : int
        Rounds without a gain after which no move is proposed.
    verdict, exhausted : str
        Sentence on the trials so far; words for the case that no move is left.
    """
    now, start, score = trials.states[-1], trials.states[best], trials.scores[-1]
    since = len(trials.states) - 1 - best
    if since < patience:
        for target, reason in moves:
            if target not in trials.states:
                patch = difference(now, target)
                return Feedback(stop=False, reason=f"{verdict} {reason}", score=score, patch=patch)
    why = exhausted if since < patience else f"No gain in {since} rounds"
    if back := difference(now, start):
        reason = f"{verdict} {why}: return to the best state."
        return Feedback(stop=False, reason=reason, score=score, patch=back)
    return Feedback(stop=True, reason=f"{verdict} {why}.", score=score)


def difference(now: Values, target: Values) -> list[Patch]:
    """Return the patch from one state to another."""
    return [Patch(key=key, was=now[key], now=target[key]) for key in now if now[key] != target[key]]
