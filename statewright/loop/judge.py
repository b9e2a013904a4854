"""The stop rule of the closed loop: a pure function of its rounds and limits.

::

    target met?  ->  feedback says stop?  ->  an earlier state again?  ->  no gain in K rounds?
                 ->  the budget spent?    ->  the rounds spent?        ->  next round

The first condition that holds is the reason of the verdict.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from statewright.contracts import Patch
from statewright.workflow import WorkflowError

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Target:
    """The goal of a loop: a metric, an operator and a bound, as in ``rmse<=0.2``."""

    metric: str
    sign: str
    bound: float

    def met(self, value: float) -> bool:
        """Return whether a value of the metric meets the target."""
        return OPERATORS[self.sign](value, self.bound)

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.bound:g}"


@dataclass(frozen=True)
class StopConditions:
    """The limits and the target of a loop.

    Parameters
    ----------
    rounds : int
        Maximum number of rounds.
    budget_s : float or None
        Seconds of wall time after which no new round starts.
    patience : int or None
        Number of rounds without a better score after which the loop ends.
    target : Target or None
        Its metric has the name that ``State.metrics`` uses.
    """

    rounds: int
    budget_s: float | None = None
    patience: int | None = None
    target: Target | None = None


@dataclass(frozen=True)
class Round:
    """A finished round.

    Parameters
    ----------
    before, after : str
        Digests of the state before and after the round.
    stop, reason, score, patch
        The feedback of the round; lower scores are better.
    seconds : float
        Duration of the round.
    elapsed_s : float
        Seconds since the loop began.
    """

    number: int
    before: str
    after: str
    score: float
    reason: str
    stop: bool = False
    patch: tuple[Patch, ...] = ()
    plan: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """The decision to stop or continue, with its reason.

    Parameters
    ----------
    met : bool
        Whether the loop stops because the target is met.
    """

    stop: bool
    reason: str
    met: bool = False


def judge(history: Sequence[Round], stops: StopConditions) -> Verdict:
    """Decide whether the loop stops after the last round of `history`."""
    last = history[-1]
    value = _value(last, stops.target)
    if stops.target and value is not None and stops.target.met(value):
        return Verdict(True, f"target met: {stops.target.metric} is {value:g} ({stops.target})", met=True)
    if last.stop:
        return Verdict(True, last.reason)
    if any(earlier.after == last.after for earlier in history[:-1]):
        return Verdict(True, "this state has occurred before: the loop is in a cycle")
    best = best_round(history)
    since = len(history) - 1 - history.index(best)
    spent = None
    if stops.patience is not None and since >= stops.patience:
        spent = f"no gain on round {best.number} (score {best.score:.6g}) in {_count(since, 'round')}"
    elif stops.budget_s is not None and last.elapsed_s >= stops.budget_s:
        spent = f"the budget of {stops.budget_s / 60:g} min is spent ({last.elapsed_s / 60:.1f} min)"
    elif len(history) >= stops.rounds:
        spent = f"{_count(stops.rounds, 'round')} spent"
    if spent:
        return Verdict(True, f"{spent}; next would have been: {last.reason}")
    return Verdict(False, last.reason)


def best_round(history: Sequence[Round]) -> Round:
    """Return the first round with the lowest score."""
    return min(history, key=lambda done: done.score)


def gain(history: Sequence[Round]) -> float | None:
    """Return how much lower the last score is than the best score before it.

    The result is None for the first round.
    """
    return best_round(history[:-1]).score - history[-1].score if len(history) > 1 else None


def _value(done: Round, target: Target | None) -> float | None:
    return done.metrics.get(target.metric) if target else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def parse_target(text: str) -> Target:
    """Read ``metric<=number``; the operators are <=, <, >=, > and ==.

    Raises
    ------
    WorkflowError
        If the text does not have that form.
    """
    parts = re.fullmatch(r"\s*(.*?[^\s<>=])\s*(<=|>=|==|<|>)\s*(\S+)\s*", text)
    try:
        if parts is None:
            raise ValueError
        target = Target(parts[1], parts[2], float(parts[3]))
    except ValueError:
        raise WorkflowError(
            f"--until {text}: expected METRIC, one of <= < >= > ==, and a number, as in --until 'rmse<=0.2'"
        ) from None
    if math.isnan(target.bound):
        raise WorkflowError(f"--until {text}: expected a number after {parts[2]}, found {parts[3]}")
    return target
