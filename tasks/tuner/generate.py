"""Stage tuner-generate: write every program of one specification for one engine."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.tuner.contracts.measure import GenerateOutputs, GenerateSummary
from tasks.tuner.generator.configuration import configurations
from tasks.tuner.params import GenerateCell, ProgramsParams

if TYPE_CHECKING:
    from tasks.tuner.generator.plan import Plan

CALLS = {
    "filter": r"\.filter\(|= frame\[frame\[|return frame\[|WHERE",
    "join": r"\.join\(|= join\(|= lookup\w*\(|\bJOIN\b",
    "group": r"\.group_by\(|\.groupby\(|GROUP BY",
    "sort": r"\.sort\(|\.sort_values\(|ORDER BY",
}
"""Regular expression of each operation in a program of any engine."""


def generate(*, cell: GenerateCell, programs: ProgramsParams) -> GenerateOutputs:
    """Write the programs twice; count lines, functions, classes and operations."""
    from methods.search.alignment import alignment
    from tasks.tuner.generator.generate import emit, layout, load_plan

    plan = load_plan(Path(programs.folder) / f"{cell.spec}.yaml")
    space = configurations([cell.engine], programs.threads, programs.batch_sizes)
    texts = [emit(plan, configuration).text() for configuration in space]
    again = [emit(load_plan(Path(programs.folder) / f"{cell.spec}.yaml"), c).text() for c in space]
    trees = [ast.parse(text) for text in texts]
    asked = operations(plan)
    scores = [alignment(written(text), asked) for text in texts]
    functions = [sum(isinstance(node, ast.FunctionDef) for node in ast.walk(tree)) for tree in trees]
    classes = [sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)) for tree in trees]
    lines = [len(text.splitlines()) for text in texts]
    summary = GenerateSummary(
        spec=cell.spec,
        engine=cell.engine,
        programs=len(texts),
        distinct=len({text.partition("from __future__")[2] for text in texts}),
        lines=[min(lines), max(lines)],
        functions=[min(functions), max(functions)],
        classes=[min(classes), max(classes)],
        alignment=[round(min(scores), 4), round(max(scores), 4)],
        digest=hashlib.sha256("".join(texts).encode()).hexdigest(),
        same_bytes=texts == again,
    )
    return GenerateOutputs(layout(texts[0]), summary)


def operations(plan: Plan) -> Counter[str]:
    """Count the operations that a specification asks for."""
    kinds = (type(step).__name__.lower() for table in plan.tables for step in table.steps)
    return Counter(kind for kind in kinds if kind in CALLS)


def written(text: str) -> Counter[str]:
    """Count the operations in the functions that read sources and make tables."""
    body = text[text.find("\ndef read_") :].partition(". Main")[0]
    return Counter({name: len(re.findall(pattern, body)) for name, pattern in CALLS.items()})
