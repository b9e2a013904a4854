"""Section of the report on the chosen operator and why."""

from __future__ import annotations

from collections import Counter

from tasks.fusion.contracts.fuse import ChoiceMetrics
from tasks.fusion.sections.words import described, score_name
from tasks.report.blocks import Cell, Prose, Section, count, grid, joined, plural


def finding(choice: ChoiceMetrics, classes: list[str]) -> list[str]:
    """Return the sentence on the operator and what the choice costs."""
    return [
        f"Of {plural(len(choice.scores), 'way')} to fuse, nested cross-validation chooses “{choice.chosen}” "
        f"({described(choice.chosen)}). A user of the whole procedure can expect an {score_name(classes)} of "
        f"{choice.score:.3f}; choosing costs {100 * max(choice.regret, 0):.1f} points against the best "
        "operator in hindsight."
    ]


def section(choice: ChoiceMetrics, classes: list[str]) -> Section:
    """Return the section: operators by fold, and the picks of the folds."""
    means = choice.means
    best = max(means.values())
    picks = Counter(choice.picked)
    sure = len(picks) == 1
    sentence = (
        f"All {plural(choice.folds, 'outer fold')} pick it."
        if sure and choice.chosen in picks
        else "The outer folds pick "
        + joined(f"“{name}” ({plural(number, 'time')})" for name, number in picks.most_common())
        + ": the data hardly separate these operators."
    )
    return Section(
        "choice",
        "The chosen operator, and why",
        (
            Prose(
                f"“{choice.chosen}” means: {described(choice.chosen)}. Every operator was trained without "
                "each fold and scored on it. The chosen one has the lowest loss, or is simpler than the one "
                f"with the lowest loss and not worse by more than one standard error. {sentence}"
            ),
            grid(
                f"{score_name(classes).capitalize()} of each operator on {count(choice.rows)} rows, each by "
                "a model without its fold; higher is better. "
                f"Regret of the choice: {choice.regret:.4f}.",
                ("operator", "what it does", "all rows", "lowest fold", "highest fold"),
                [
                    (
                        name + (" (chosen)" if name == choice.chosen else ""),
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
    )
