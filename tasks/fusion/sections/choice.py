"""Section of the report on the chosen operators and why."""

from __future__ import annotations

from collections import Counter

from tasks.fusion.contracts.fuse import ChoiceMetrics
from tasks.fusion.sections.words import described, drawn, score_name
from tasks.report.blocks import Cell, Prose, Section, grid, joined, plural


def finding(choice: ChoiceMetrics, classes: list[str]) -> list[str]:
    """Return the sentence on the weights and what the choice costs."""
    points = 100 * choice.regret
    cost = (
        f"costs {points:.1f} points against"
        if points > 0
        else f"gains {-points:.1f} points over"
        if points < 0
        else "costs nothing against"
    )
    return [
        f"Of {plural(len(choice.order), 'way')} to fuse, nested cross-validation gives a weight to "
        f"{_weights(choice)}. A user of the whole procedure can expect an {score_name(classes)} of "
        f"{choice.score:.3f}; choosing so {cost} the best operator in hindsight."
    ]


def section(choice: ChoiceMetrics, classes: list[str], developed: int) -> Section:
    """Return the section: operators by fold, and the weights."""
    means = choice.means
    best = max(means.values())
    picks = Counter(choice.picked)
    sentence = (
        f"In all {plural(choice.folds, 'outer fold')} it goes to the same one."
        if len(picks) == 1
        else "In the outer folds it goes to "
        + joined(f"“{name}” ({plural(number, 'time')})" for name, number in picks.most_common())
        + ": the data hardly separate these operators."
    )
    return Section(
        "choice",
        "The chosen operators, and why",
        (
            Prose(
                "Every operator was trained without each fold and predicted it. The weights are those whose "
                "weighted mean of these predictions has the lowest loss; an operator with less than 5% is "
                f"left out. They are: {_weights(choice)}. The largest weight shows which operator the data "
                f"favour. {sentence}"
            ),
            grid(
                f"{score_name(classes).capitalize()} of each operator on "
                f"{drawn(choice.rows, developed)}, each by a model without its fold; higher is better. "
                f"Regret of the choice: {choice.regret:.4f}.",
                ("operator", "what it does", "all rows", "lowest fold", "highest fold"),
                [
                    (
                        name + (" (chosen)" if name in (choice.chosen, *choice.weights) else ""),
                        described(name),
                        Cell(f"{means[name]:.3f}", best=means[name] == best),
                        f"{min(scores):.3f}",
                        f"{max(scores):.3f}",
                    )
                    for name, scores in sorted(choice.scores.items(), key=lambda item: -means[item[0]])
                ],
                text=(1,),
            ),
        ),
        f"{plural(len(choice.order), 'way')} to fuse, compared by nested cross-validation.",
    )


def _weights(choice: ChoiceMetrics) -> str:
    ordered = sorted(choice.weights.items(), key=lambda item: -item[1])
    return joined(f"“{name}” ({described(name)}; {100 * weight:.0f}%)" for name, weight in ordered)
