"""When the closed loop stops: a pure function of the rounds that were and the stops set.

::

    target met?  ->  feedback says stop?  ->  a state seen before?  ->  no gain in K rounds?
                 ->  the budget spent?    ->  the rounds spent?     ->  on to the next round

The first that holds is the reason that is given.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

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
    """What is aimed at: a metric, an operator and a bound, as in ``rmse<=0.2``."""

    metric: str
    sign: str
    bound: float

    def met(self, value: float) -> bool:
        """Whether a value of the metric is good enough."""
        return OPERATORS[self.sign](value, self.bound)

    def __str__(self) -> str:
        return f"{self.metric}{self.sign}{self.bound:g}"


@dataclass(frozen=True)
class Stops:
    """What a loop may spend, and what it is after.

    Parameters
    ----------
    rounds : int
        Most rounds.
    budget_s : float or None
        Seconds of wall time after which no new round starts.
    patience : int or None
        Rounds without a gain of the score after which it ends.
    target : Target or None
        Its metric is named as ``State.metrics`` names it.
    """

    rounds: int
    budget_s: float | None = None
    patience: int | None = None
    target: Target | None = None


@dataclass(frozen=True)
class Round:
    """One round as it ended.

    Parameters
    ----------
    before, after : str
        Digests of the state before the round and after it.
    stop, reason, score, patch
        What feedback said; of scores the lower is the better.
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
    """Whether to stop, and why; `met` if it is because the target is met."""

    stop: bool
    reason: str
    met: bool = False


def judge(history: Sequence[Round], stops: Stops) -> Verdict:
    """Whether the loop goes on after the last round of `history`."""
    last = history[-1]
    value = _value(last, stops.target)
    if stops.target and value is not None and stops.target.met(value):
        return Verdict(True, f"target met: {stops.target.metric} is {value:g} ({stops.target})", met=True)
    if last.stop:
        return Verdict(True, last.reason)
    if any(earlier.after == last.after for earlier in history[:-1]):
        return Verdict(True, "this state was there before: the loop would go in a circle")
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
    """The first round of the lowest score."""
    return min(history, key=lambda done: done.score)


def gain(history: Sequence[Round]) -> float | None:
    """How much lower the last score is than the best before it; None for the first round."""
    return best_round(history[:-1]).score - history[-1].score if len(history) > 1 else None


def _value(done: Round, target: Target | None) -> float | None:
    return done.metrics.get(target.metric) if target else None


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def parse_target(text: str) -> Target:
    """Read ``metric<=number``; the operators are <=, <, >=, > and ==.

    Raises
    ------
    WorkflowError
        If it is not of that form.
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
        raise WorkflowError(f"--until {text}: nothing is ever equal to, above or below {parts[3]}")
    return target


def find_metric(name: str, metrics: Iterable[str]) -> str | None:
    """The one metric (``file:key``) that `name` means: its whole name, or the end of it.

    ``loss``, ``evaluate.loss`` and ``evaluate.json:loss`` all mean ``out/evaluate.json:loss``.

    Raises
    ------
    WorkflowError
        If `name` means several.
    """
    metrics = list(metrics)
    if name in metrics:
        return name
    wanted = _dotted(name)
    found = [metric for metric in metrics if f".{_dotted(metric)}".endswith(f".{wanted}")]
    if len(found) > 1:
        raise WorkflowError(
            f"--until: '{name}' may be any of {', '.join(sorted(found))}: give more of the name"
        )
    return found[0] if found else None


def unknown_metric(name: str, metrics: Iterable[str]) -> WorkflowError:
    """The error for a metric that no metric file holds, with those that look alike."""
    metrics = sorted(metrics)
    by_end = {_dotted(metric).split(".")[-1]: metric for metric in metrics}
    ends = difflib.get_close_matches(_dotted(name).split(".")[-1], by_end, n=3)
    close = list(dict.fromkeys([*(by_end[end] for end in ends), *difflib.get_close_matches(name, metrics)]))
    if not metrics:
        return WorkflowError(f"--until: no metric '{name}'; no stage has written a JSON metrics file")
    return WorkflowError(
        f"--until: no metric '{name}'; "
        + (f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(metrics[:8])}")
    )


def _dotted(name: str) -> str:
    """A metric's name with dots only: ``out/evaluate.json:loss`` -> ``out.evaluate.loss``."""
    file, colon, key = name.rpartition(":")
    path = PurePosixPath(file)
    return ".".join([*path.parent.parts, path.stem, key]) if colon else key.replace("/", ".")
