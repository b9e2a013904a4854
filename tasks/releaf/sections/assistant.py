"""Section on the assistant end to end: how often its bin is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.releaf.evaluate import Accuracy, EvaluateSummary
from tasks.releaf.streams import StreamsSummary
from tasks.report.blocks import Block, Figure, Picture, Prose, Section, count, grid, plural, share
from tasks.report.drawing import BLUE, GREY, svg

if TYPE_CHECKING:
    import matplotlib.figure

SIGNIFICANT = 0.05
LEVELS = ("high", "medium", "low")


def finding(evaluate: EvaluateSummary) -> str:
    """Return the accuracy, and the comparison with either model alone."""
    return (
        f"Answers: the assistant names the right bin for {_interval(evaluate.names)} of "
        f"{count(evaluate.names.questions)} held-out names. {_comparison(evaluate)}"
    )


def section(evaluate: EvaluateSummary, streams: StreamsSummary) -> Section:
    """Return the accuracy by model, city and confidence, and the calibration."""
    blocks: list[Block] = [
        Prose(
            "Each question is a name that was held out from the list, so the assistant cannot look it up. In "
            "use, a name on the city's list is looked up and needs no prediction."
        ),
        Prose(
            f"The assistant is right for {_interval(evaluate.names)} of these names. "
            f"{_comparison(evaluate)} {_list_model(streams)}"
        ),
        _table("Share of right bins, with Wilson intervals.", "questions", _rows(evaluate)),
        _figure(evaluate),
        Prose(_calibration(evaluate)),
        _by_probability(evaluate),
        Prose(
            f"Limits: of the names that no card covers, {_interval(evaluate.names_uncited)} are right. The "
            "held-out names come from the lists of the same cities; another city needs its own list."
        ),
    ]
    return Section(
        "assistant",
        "How often the bin is right",
        tuple(blocks),
        "By city, by confidence, for photos, and against the cards or the list alone.",
    )


def _comparison(evaluate: EvaluateSummary) -> str:
    difference = "significantly" if evaluate.p_against_cards < SIGNIFICANT else "not significantly"
    if evaluate.names.right > evaluate.by_cards.right:
        comparison = f"This is {difference} more often than with the cards alone"
    else:
        comparison = "This is not more often than with the cards alone"
    return (
        f"{comparison} ({share(evaluate.by_cards.right)}); the model of the city's list alone is right for "
        f"{share(evaluate.by_list.right)}."
    )


def _interval(accuracy: Accuracy) -> str:
    return f"{share(accuracy.right)} ({share(accuracy.low)} to {share(accuracy.high)})"


def _list_model(streams: StreamsSummary) -> str:
    model, nearest = streams.test.model, streams.test.nearest_name
    comparison = "is right more often than" if model > nearest else "does not beat"
    return (
        f"The list's model {comparison} copying the bin of the most similar name on the list "
        f"({share(model)} against {share(nearest)})."
    )


def _rows(evaluate: EvaluateSummary) -> list[tuple[str, Accuracy]]:
    return [
        ("all names", evaluate.names),
        ("… covered by a card", evaluate.names_cited),
        ("… covered by no card", evaluate.names_uncited),
        ("cards alone", evaluate.by_cards),
        ("list's model alone", evaluate.by_list),
        *sorted(evaluate.by_city.items()),
        *((f"confidence {name}", evaluate.by_level[name]) for name in LEVELS if name in evaluate.by_level),
        *((f"photos, {city}", accuracy) for city, accuracy in sorted(evaluate.photographs.items())),
    ]


def _table(caption: str, first: str, rows: list[tuple[str, Accuracy]]) -> Block:
    cells = [
        (
            name,
            count(accuracy.questions),
            f"{accuracy.right:.3f}",
            f"{accuracy.low:.3f} to {accuracy.high:.3f}",
        )
        for name, accuracy in rows
    ]
    return grid(caption, (first, "number", "right bin", "95% interval"), cells)


def _figure(evaluate: EvaluateSummary) -> Block:
    rows = _rows(evaluate)[:8]
    picture = svg(
        "assistant-right",
        (8.2, 3.0),
        f"Share of right bins: {rows[0][0]} {rows[0][1].right:.0%}.",
        lambda figure: draw_shares(figure, rows),
    )
    return Figure(
        (Picture(picture),),
        f"Share of right bins with 95% intervals, {count(evaluate.names.questions)} held-out names.",
    )


def draw_shares(figure: matplotlib.figure.Figure, rows: list[tuple[str, Accuracy]]) -> None:
    """Draw a point and an interval for each row, the first row on top."""
    axes = figure.subplots()
    for place, (_, accuracy) in enumerate(reversed(rows)):
        axes.plot([accuracy.low, accuracy.high], [place, place], color=GREY)
        axes.plot(accuracy.right, place, "o", color=BLUE)
    axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axes.set(xlabel="right bin", xlim=(0, 1))


def _calibration(evaluate: EvaluateSummary) -> str:
    change = "falls" if evaluate.ece < evaluate.ece_raw else "does not fall"
    return (
        f"A temperature of {evaluate.temperature:.2f}, fitted on the dev names, calibrates the probability "
        f"of the bin: its calibration error {change} from {evaluate.ece_raw:.3f} to {evaluate.ece:.3f}. The "
        f"cards have the weight {evaluate.w_cards:g} against the list's model; "
        f"{plural(len(evaluate.dev_by_weight), 'weight')} were tried on the dev names."
    )


def _by_probability(evaluate: EvaluateSummary) -> Block:
    rows = [(f"at least {bound}", accuracy) for bound, accuracy in evaluate.at_least.items()]
    return _table("Names by the probability of their bin.", "probability", rows)
