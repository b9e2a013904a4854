"""Section of the report on the hybrid beside its parts."""

from __future__ import annotations

from functools import partial

from tasks.report.blocks import (
    Block,
    Cell,
    Figure,
    Picture,
    Prose,
    Section,
    count,
    grid,
    joined,
    plural,
    share,
)
from tasks.report.drawing import svg
from tasks.tuner.contracts.search import Equivalent, SearchMetrics
from tasks.tuner.sections.figures import lines as draw

SMALLEST = 1e-12


def ahead(search: SearchMetrics) -> dict[str, int]:
    """Return for each sampler the problems on which the hybrid has the lower loss."""
    names = next(iter(search.problems.values())).samplers
    return {
        name: sum(p.samplers["hybrid"].median < p.samplers[name].median for p in search.problems.values())
        for name in names
        if name != "hybrid"
    }


def finding(search: SearchMetrics) -> list[str]:
    """Return on how many problems the hybrid is ahead, and what random search needs."""
    wins = ahead(search)
    total = plural(len(search.problems), "problem")
    sentences = [
        f"With {count(search.budget)} evaluations, the hybrid has a lower median loss than "
        f"{joined(f'{name} search on {wins[name]}' for name in wins)} of {total}."
    ]
    reached = {
        name: problem.random_equivalent
        for name, problem in search.problems.items()
        if problem.random_equivalent.needed is not None
    }
    draws = count(next(iter(search.problems.values())).random_equivalent.draws)
    parts = joined(f"{count(value.needed or 0)} on {name}" for name, value in reached.items())
    sentences.append(
        f"Random search needs {parts} evaluations for the hybrid's median; elsewhere more than {draws}."
        if reached
        else f"Random search does not reach the hybrid's median on any problem within {draws} evaluations."
    )
    return sentences


def figure(search: SearchMetrics) -> Figure:
    """Return the figure of the best loss by evaluations, one panel for each problem."""
    pictures = []
    for name, problem in search.problems.items():
        lines = {
            sampler: {mark: max(value, SMALLEST) for mark, value in scores.curve.items()}
            for sampler, scores in problem.samplers.items()
        }
        alt = f"Median best loss on {name} by evaluations: " + joined(
            f"{sampler} {scores.median:.2g}" for sampler, scores in problem.samplers.items()
        )
        axis = ("evaluations", "best loss")
        drawn = partial(draw.curves, lines=lines, axis=axis, log=True)
        pictures.append(Picture(svg(f"search-{name}", (4.2, 2.8), alt, drawn), name))
    wins = ahead(search)
    return Figure(
        tuple(pictures),
        "Median best loss over instances, by number of evaluations; lower is better.",
        title="The hybrid is ahead of "
        + joined(f"{name} search on {number} of {len(search.problems)}" for name, number in wins.items()),
    )


def section(search: SearchMetrics) -> Section:
    """Return the section: medians, the evaluations of random search."""
    generation = 30 * search.generation
    blocks: list[Block] = [
        *(Prose(sentence) for sentence in finding(search)),
        Prose(
            "Every evaluation is counted, repeated ones too. The BBOB functions with more peers (CMA-ES, "
            "TPE, a "
            "Gaussian process) are measured by “python -m benchmarks.search”."
        ),
        grid(
            f"Median loss after {count(search.budget)} evaluations; the optimum has 0.",
            ("problem", *next(iter(search.problems.values())).samplers),
            [
                (
                    name,
                    *(
                        Cell(f"{s.median:.3g}", best=s.median == min(o.median for o in p.samplers.values()))
                        for s in p.samplers.values()
                    ),
                )
                for name, p in search.problems.items()
            ],
        ),
        grid(
            "Evaluations that random search needs for the median loss of the hybrid, with the 95% "
            "interval over "
            "instances; reached: instances on which it gets there. The specification states 100,000 for "
            "1,500.",
            ("problem", "evaluations", "interval", "reached"),
            [(name, *_equivalent(p.random_equivalent)) for name, p in search.problems.items()],
        ),
        grid(
            f"Part of the way from the median random point to the optimum after {count(generation)} "
            "evaluations "
            "(30 generations), where the specification states 80%. It is large for any search, because "
            "random "
            "points are far away; the losses above tell more.",
            ("problem", *next(iter(search.problems.values())).samplers),
            [
                (name, *(_share(s.shares.get(generation)) for s in p.samplers.values()))
                for name, p in search.problems.items()
            ],
        ),
    ]
    return Section("search", "Does the hybrid beat its own genetic stage?", tuple(blocks), finding(search)[0])


def _equivalent(value: Equivalent) -> tuple[str, str, str]:
    def text(number: float | None) -> str:
        return f"more than {count(value.draws)}" if number is None else count(number)

    reached = f"{value.reached} of {value.instances}"
    bounds = "–" if value.low is None else f"{text(value.low)} to {text(value.high)}"
    return text(value.needed), bounds, reached


def _share(value: float | None) -> str:
    return "–" if value is None else share(value)
