"""Importance of params: shares of the variation of the metric.

The method is functional ANOVA on a random forest (Hutter, Hoos, Leyton-Brown 2014, "An efficient
approach for assessing hyperparameter importance", ICML), as optuna implements it. The importance of a
param is the share of the forest's variance over the space that the param explains alone::

    importance(i) = Var_{x_i}[ E(f | x_i) ] / Var(f)

Shares are scaled to the sum 1, so effects of several params together are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from statewright.tuning.page.svg import CHARACTER, document, number, shortened, text
from statewright.tuning.study import DONE, Study

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from statewright.search.space import Choice, Float, Integer

LEAST_TRIALS, LEAST_PER_PARAM = 10, 2
"""Trials that the forest needs, in total and for each param. Below, its order of params is arbitrary."""
ROW = 28
SEED = 0


@dataclass(frozen=True)
class Importances:
    """Shares of the params, the largest first, or the reason why there are none."""

    shares: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""


def importances(study: Study) -> Importances:
    """Return the importance of each param that every config has."""
    names = [name for name, entry in study.space.items() if entry.when is None and _varies(entry)]
    candidates = list(study.candidates.values())
    inside = [item for item in candidates if all(_holds(study.space[n], item.config.get(n)) for n in names)]
    needed = max(LEAST_TRIALS, LEAST_PER_PARAM * len(names))
    if len(names) < 2:
        return Importances(reason="there is only one param that every trial has")
    if len(inside) < needed:
        return Importances(reason=f"too few trials: {len(inside)} of the {needed} that are needed")
    if len({item.value for item in inside}) == 1:
        return Importances(reason="all trials have the same value")
    try:
        import sklearn  # noqa: F401 -- optuna's evaluator imports it
    except ModuleNotFoundError:
        return Importances(reason="scikit-learn is not installed; pip install 'statewright[tune]'")
    return Importances(_fanova(study, names, inside))


def _fanova(study: Study, names: list[str], candidates: list[Any]) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {name: _distribution(study.space[name]) for name in names}
    table = optuna.create_study()
    for item in candidates:
        params = {name: _plain(study.space[name], item.config[name]) for name in names}
        table.add_trial(create_trial(params=params, distributions=distributions, value=item.value))
    shares = get_param_importances(table, evaluator=FanovaImportanceEvaluator(seed=SEED), params=names)
    return dict(sorted(shares.items(), key=lambda pair: -pair[1]))


def _varies(entry: Float | Integer | Choice) -> bool:
    values = getattr(entry, "values", None)
    return values is None or len(values) > 1


def _holds(entry: Float | Integer | Choice, value: Any) -> bool:
    """Return whether a value is in the range of its entry."""
    if (values := getattr(entry, "values", None)) is not None:
        return any(value == other and type(value) is type(other) for other in values)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and entry.low <= value <= entry.high  # type: ignore[union-attr]


def _distribution(entry: Any) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if hasattr(entry, "values"):
        return CategoricalDistribution([_text(value) for value in entry.values])
    kind = IntDistribution if isinstance(entry.low, int) else FloatDistribution
    return kind(entry.low, entry.high, log=entry.log)


def _plain(entry: Any, value: Any) -> Any:
    return _text(value) if hasattr(entry, "values") else value


def _text(value: Any) -> str:
    """Return a choice as text: optuna accepts no lists."""
    return json.dumps(value, default=str)


def draw_importance(study: Study, found: Importances, width: float) -> str:
    """Return a bar for each param, or the reason why there is none."""
    if not found.shares:
        alt = f"No importance of params: {found.reason}"
        return document(width, 40, alt, [text(12, 25, found.reason, "note")])
    left = min(0.42 * width, CHARACTER * max(map(len, found.shares)) + 20)
    parts = []
    for row, (name, share) in enumerate(found.shares.items()):
        y = 8 + row * ROW
        length = max(1.0, share * (width - left - 60))
        parts.append(text(left - 8, y + 15, shortened(name, left - 16), "", "end"))
        parts.append(
            f'<rect class="mark" x="{left:.1f}" y="{y + 3}" width="{length:.1f}" height="{ROW - 10}"/>'
        )
        parts.append(text(left + length + 6, y + 15, number(share), "note"))
    ordered = ", ".join(f"{name} {number(share)}" for name, share in found.shares.items())
    trials = sum(trial.status == DONE for trial in study.trials)
    alt = (
        f"Share of the variation of {study.metric} that each param explains, over {trials} trials: {ordered}"
    )
    return document(width, 16 + ROW * len(found.shares), alt, parts)
