"""Section of the report on the assistant end to end: does it name the bin that the city names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.releaf.evaluate import Accuracy, EvaluateSummary
from tasks.releaf.streams import StreamsSummary
from tasks.report.blocks import Block, Figure, Picture, Prose, Section, count, grid, plural, share
from tasks.report.drawing import BLUE, GREY, svg

if TYPE_CHECKING:
    import matplotlib.figure

SURE = 0.05
LEVELS = ("high", "medium", "low")


def verdict(found: EvaluateSummary) -> str:
    """How often the bin is right, and whether two witnesses are better than one."""
    sure = "surely " if found.p_against_cards < SURE else "not surely "
    than = f"{sure}oftener" if found.names.right > found.by_cards.right else "no oftener"
    return (
        f"Cards and the city's list together name the right bin for {_said(found.names)} of names held out, "
        f"{than} than the cards alone ({share(found.by_cards.right)}); the list's model alone is right for "
        f"{share(found.by_list.right)}."
    )


def assistant(found: EvaluateSummary, streams: StreamsSummary) -> Section:
    """Right bins by witness, city and confidence; how far the probabilities are to be believed."""
    blocks: list[Block] = [
        Prose(
            "The assistant as it is served, asked for names that were kept from it: where a name is on the "
            "city's list it would simply look it up."
        ),
        Prose(f"{verdict(found)} {_list(streams)}"),
        _witnesses(found),
        _figure(found),
        Prose(_calibration(found)),
        _trusted(found),
        Prose(
            f"Where it ends: of the names that no card speaks of {_said(found.names_uncited)} are right. "
            "What is held out are names of the three cities' lists; another city needs a list of its own."
        ),
    ]
    return Section("assistant", "Does the answer name the right bin", tuple(blocks))


def _said(one: Accuracy) -> str:
    return f"{share(one.right)} ({share(one.low)} to {share(one.high)})"


def _list(streams: StreamsSummary) -> str:
    model, nearest = streams.test.model, streams.test.nearest_name
    beats = "is right oftener than" if model > nearest else "does not beat"
    return (
        f"The list's model {beats} copying the bin of the nearest name on the list ({share(model)} against "
        f"{share(nearest)})."
    )


def _rows(found: EvaluateSummary) -> list[tuple[str, Accuracy]]:
    return [
        ("all names", found.names),
        ("… that a card rests on", found.names_cited),
        ("… that none does", found.names_uncited),
        ("cards alone", found.by_cards),
        ("list's model alone", found.by_list),
        *((city, one) for city, one in sorted(found.by_city.items())),
        *((f"confidence {name}", found.by_level[name]) for name in LEVELS if name in found.by_level),
        *((f"photographs, {city}", one) for city, one in sorted(found.photographs.items())),
    ]


def _table(caption: str, first: str, rows: list[tuple[str, Accuracy]]) -> Block:
    cells = [
        (name, count(one.questions), f"{one.right:.3f}", f"{one.low:.3f} to {one.high:.3f}")
        for name, one in rows
    ]
    return grid(caption, (first, "questions", "right bin", "95% interval"), cells)


def _witnesses(found: EvaluateSummary) -> Block:
    return _table("Share of right bins, with Wilson's interval.", "asked", _rows(found))


def _figure(found: EvaluateSummary) -> Block:
    rows = _rows(found)[:8]
    picture = svg(
        "assistant-right", (8.2, 3.0), f"Share of right bins: {rows[0][0]} {rows[0][1].right:.0%}.",
        lambda figure: draw_shares(figure, rows),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"Share of right bins with 95% intervals, {count(found.names.questions)} held-out names.",
    )


def draw_shares(figure: matplotlib.figure.Figure, rows: list[tuple[str, Accuracy]]) -> None:
    """A point and an interval a row, the first on top."""
    axes = figure.subplots()
    for place, (_, one) in enumerate(reversed(rows)):
        axes.plot([one.low, one.high], [place, place], color=GREY)
        axes.plot(one.right, place, "o", color=BLUE)
    axes.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axes.set(xlabel="right bin", xlim=(0, 1))


def _calibration(found: EvaluateSummary) -> str:
    change = "falls" if found.ece < found.ece_raw else "does not fall"
    return (
        "The probability of the bin is corrected by one temperature learnt on dev "
        f"({found.temperature:.2f}): its "
        f"calibration error {change} from {found.ece_raw:.3f} to {found.ece:.3f}. The cards count "
        f"{found.w_cards:g} beside the list's model, of {plural(len(found.dev_by_weight), 'weight')} tried "
        "on "
        "dev."
    )


def _trusted(found: EvaluateSummary) -> Block:
    rows = [(f"at least {bound}", one) for bound, one in found.at_least.items()]
    return _table("Of the names whose bin has so much probability: how many, and how many are right.",
                  "probability", rows)  # fmt: skip
