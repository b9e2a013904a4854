"""Blocks of the report on optimisers under equal searches, and on geometry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from statewright.contracts import check
from tasks.report.blocks import Block, Cell, Figure, Picture, Prose, Section, count, grid, joined, signed
from tasks.report.drawing import svg
from tasks.sifa.contracts.geometry import Geometry
from tasks.sifa.contracts.optimisers import Comparison, SearchResult
from tasks.sifa.sections.figures import intervals as draw

OURS = "leapfrog"
NAMES = {
    "adamw": "AdamW",
    "sgd": "SGD with momentum",
    "kfac": "K-FAC",
    OURS: "conformal leapfrog",
    "kfac-leapfrog": "conformal leapfrog, metric of K-FAC",
}


def read_comparisons(folder: Path) -> list[Comparison]:
    """Return the cells of sifa-optimisers, ordered by task and optimiser."""
    return [
        check(json.loads(path.read_text(encoding="utf-8")), Comparison, str(path))
        for path in sorted(folder.glob("*.json"))
    ]


def finding(comparisons: Sequence[Comparison]) -> list[str]:
    """Return on how many tasks and budgets the leapfrog has the lowest test loss."""
    best, total = 0, 0
    for task in _tasks(comparisons):
        for budget, results in _by_budget(comparisons, task).items():
            losses = {name: result.mean for name, result in results.items() if result.mean is not None}
            if OURS in results and len(losses) > 1:
                total += 1
                best += min(losses, key=lambda name: losses[name]) == OURS and budget > 0
    if not total:
        return []
    return [
        f"With the same random search and the same number of gradients, the {NAMES[OURS]} has the lowest "
        f"mean "
        f"test loss in {best} of {total} pairs of task and budget."
    ]


def blocks(comparisons: Sequence[Comparison]) -> list[Block]:
    """Return figure and table of the optimisers, by task and budget."""
    if not comparisons:
        return []
    pictures = []
    for task in _tasks(comparisons):
        lines = {
            NAMES.get(cell.optimiser, cell.optimiser): {
                float(result.budget): result.mean for result in cell.budgets if result.mean is not None
            }
            for cell in comparisons
            if cell.task == task
        }
        lines = {name: line for name, line in lines.items() if line}
        if not lines:
            continue
        alt = f"Test loss on {task} by number of gradients: " + joined(
            f"{name} {line[max(line)]:.3f} at the most" for name, line in lines.items()
        )
        axis = ("gradients", "test loss")
        pictures.append(
            Picture(
                svg(f"optimisers-{task}", (4.2, 2.8), alt, partial(draw.curves, lines=lines, axis=axis)), task
            )
        )
    rows = []
    for task in _tasks(comparisons):
        for budget, results in _by_budget(comparisons, task).items():
            means = [result.mean for result in results.values() if result.mean is not None]
            rows += [
                (
                    f"{task}, {count(budget)} gradients",
                    NAMES.get(name, name),
                    *_cells(result, min(means, default=0)),
                )
                for name, result in results.items()
            ]
    return [
        Figure(
            tuple(pictures),
            "Mean test loss after the choice of a search, by number of gradient evaluations.",
        ),
        grid(
            "Test loss (nats, or half squared standard deviations) of the setting that each search chose by "
            "validation, with its 95% interval over further seeds. Diverged: trials of the search without a "
            "finite loss.",
            ("task", "optimiser", "test loss", "interval", "rate", "diverged"),
            rows,
            text=(1,),
        ),
    ]  # fmt: skip


def geometry_section(geometry: Geometry) -> Section:
    """Return the section on what theorems 1 and 2 speak of, measured."""
    gaps = [
        (task, *("–" if value is None else signed(value, 2) for value in (
            figures.bound, figures.rows_alone, figures.at_equal_rows, figures.empirical_at_equal_rows
        )))
        for task, figures in geometry.gaps.items()
    ]  # fmt: skip
    return Section(
        "geometry",
        "Fisher matrices, the generalisation gap and curvature",
        (
            Prose(
                "The theorems of the specification are not proven here. Theorem 1 assumes that every "
                "exponential family is curved negatively; the sectional curvatures, computed from distances, "
                f"are {joined(f'{name} {signed(value)}' for name, value in geometry.curvature.items())}. "
                f"Theorem 2 "
                "bounds the generalisation gap by the trace of the Fisher matrix and an unknown constant; "
                "the "
                "table has the rank correlations that were measured instead."
            ),
            grid(
                "Rank correlation over trained models of the generalisation gap with the bound's "
                "square root of trace / rows, with 1 / square root of rows alone, and with the trace among "
                "models "
                "of equal rows (exact and empirical Fisher matrix).",
                ("task", "bound", "rows alone", "trace, equal rows", "empirical trace, equal rows"),
                gaps,
            ),
            grid(
                "Relative error (Frobenius norm) of approximations of the exact Fisher matrix of a small "
                "network "
                "during training.",
                ("updates", "sampled labels", "empirical", "Kronecker factors", "exact blocks"),
                [
                    (
                        count(row.steps), f"{row.sampled:.2f}", f"{row.empirical:.2f}",
                        f"{row.kronecker:.2f}", f"{row.blocks:.2f}",
                    )
                    for row in geometry.matrices
                ],
            ),
            grid(
                "Fisher-Rao distances between the classes of the digits, and their rank correlation with the "
                "confusions of a trained model.",
                ("family", "mean", "smallest", "largest", "nearest classes", "with confusion"),
                [
                    (
                        family, f"{row.mean:.2f}", f"{row.smallest:.2f}", f"{row.largest:.2f}",
                        joined(map(str, row.nearest)), signed(row.with_confusion, 2),
                    )
                    for family, row in geometry.distances.items()
                ],
                text=(4,),
            ),
        ),
        "What the theorems of the specification speak of, measured.",
    )  # fmt: skip


def _tasks(comparisons: Sequence[Comparison]) -> list[str]:
    return list(dict.fromkeys(cell.task for cell in comparisons))


def _by_budget(comparisons: Sequence[Comparison], task: str) -> dict[int, dict[str, SearchResult]]:
    results: dict[int, dict[str, SearchResult]] = {}
    for cell in comparisons:
        for result in cell.budgets if cell.task == task else ():
            results.setdefault(result.budget, {})[cell.optimiser] = result
    return results


def _cells(result: SearchResult, best: float) -> tuple[Cell, str, str, str]:
    if result.mean is None or result.lower is None or result.upper is None:
        return Cell("diverged"), "–", "–", str(result.diverged)
    rate = "–" if result.rate is None else f"{result.rate:.2g}"
    interval = f"{result.lower:.3f} to {result.upper:.3f}"
    return Cell(f"{result.mean:.3f}", best=result.mean == best), interval, rate, str(result.diverged)
