"""Section of the report on the choice of a program by few measurements."""

from __future__ import annotations

from functools import partial

from tasks.report.blocks import Block, Cell, Figure, Picture, Prose, Section, grid, joined, plural
from tasks.report.drawing import svg
from tasks.tuner.contracts.choose import Choices, Evaluation
from tasks.tuner.sections.figures import lines as draw
from tasks.tuner.sections.words import cell_name, configuration_name, ratio_text


def finding(choices: Choices, evaluation: Evaluation) -> list[str]:
    """Return how many tables the goals are met on, and the gain over the default."""
    total = len(evaluation.cells)
    first = next(iter(choices.cells.values()))
    gains = [cell.default["cpu"].median for cell in evaluation.cells.values()]
    return [
        f"{first.evaluations} measurements of {first.programs} programs choose one within "
        f"{evaluation.tolerance:.2f} of the least CPU seconds on {evaluation.within_cpu} of "
        f"{plural(total, 'table')}, and of the least wall seconds on {evaluation.within_wall}.",
        f"Measured again in turns, the choice is the exhaustive optimum, or not shown to be slower, on "
        f"{evaluation.equal} of {total}.",
        f"The default program for pandas needs {min(gains):.1f} to {max(gains):.1f} times the CPU seconds of "
        "the choice.",
    ]


def figure(choices: Choices, evaluation: Evaluation) -> Figure:
    """Return the figure of the seconds of the choice over those of the best program."""
    first = next(iter(choices.cells.values()))
    rows = {
        cell_name(cell.spec, cell.rows): {"CPU": cell.cpu, "wall": cell.wall}
        for cell in evaluation.cells.values()
    }
    alt = "Seconds of the choice over those of the best program: " + joined(
        f"{name} {costs['CPU'].median:.2f} CPU and {costs['wall'].median:.2f} wall"
        for name, costs in rows.items()
    )
    picture = svg(
        "choice", (7.6, 1.2 + 0.36 * len(rows)), alt,
        partial(draw.ratios, rows=rows, goal=evaluation.tolerance),
    )  # fmt: skip
    return Figure(
        (Picture(picture),),
        f"Ratios of {evaluation.rounds} interleaved rounds, median and 95% interval. The dashed line is the "
        f"goal of {evaluation.tolerance:.2f}. CPU seconds include all threads; a busy machine shows in wall "
        "seconds first.",
        title=f"{first.evaluations} measurements come within {100 * (evaluation.tolerance - 1):.0f}% of the "
        f"best program on {evaluation.within_cpu} of {plural(len(evaluation.cells), 'table')}",
    )


def section(choices: Choices, evaluation: Evaluation) -> Section:
    """Return the section: choices, their ratios to the best program, memory."""
    blocks: list[Block] = [
        *(Prose(sentence) for sentence in finding(choices, evaluation)),
        grid(
            "The choice beside the exhaustive optimum, both measured again. The last column is the CPU "
            "seconds "
            "of the default program for pandas over those of the choice.",
            ("table", "chosen program", "CPU", "wall", "equal to the optimum", "times faster"),
            [
                (
                    cell_name(cell.spec, cell.rows),
                    configuration_name(choices.cells[key].configuration),
                    Cell(ratio_text(cell.cpu), best=cell.cpu.median <= evaluation.tolerance),
                    Cell(ratio_text(cell.wall), best=cell.wall.median <= evaluation.tolerance),
                    "yes" if cell.equal else "no",
                    f"{cell.default['cpu'].median:.1f}",
                )
                for key, cell in evaluation.cells.items()
            ],
            text=(1, 4),
        ),
        grid(
            "Peak memory in MiB of a fresh process, its imports included.",
            ("table", "choice", "optimum", "default"),
            [
                (
                    cell_name(cell.spec, cell.rows),
                    *(f"{cell.peak_mb[name]:.0f}" for name in ("choice", "optimum", "default")),
                )
                for cell in evaluation.cells.values()
            ],
        ),
    ]
    return Section(
        "choice",
        "Do a few measurements find the fastest program?",
        tuple(blocks),
        "The chosen program of each table, its seconds and its memory.",
    )
