"""Output at the end of a run: the figures and files that `meta.show` names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from statewright.planning.plan import Plan
from statewright.terminal.plan_table import NO_STAGES
from statewright.unchanged import up_to_date
from statewright.workflow import Workflow

MAX_LINES = 60
"""Maximum number of printed lines of a text file."""


def print_up_to_date(root: Path, workflow: Workflow, plan: Plan, console: Console) -> None:
    """Print that all stages of a plan are up to date, and the figures of `meta.show`."""
    if not plan.decisions:
        console.print(NO_STAGES, markup=False, highlight=False)
        return
    console.print(up_to_date(len(plan.decisions)), highlight=False)
    show_figures(root, workflow, plan)


def show_figures(root: Path, workflow: Workflow, plan: Plan) -> None:
    """Print the items of `meta.show`.

    A figure (``file.json:key``) is printed with its value, a text file with its first lines, and another
    file with its path.
    """
    for address in plan.decisions:
        for item in workflow.stages[address].settings.show:
            file, _, key = str(item).partition(":")
            path = root / file
            if not path.is_file():
                continue
            if path.suffix == ".txt" and not key:
                print("\n".join(path.read_text(encoding="utf-8").splitlines()[:MAX_LINES]))
                continue
            print(f"{path.stem} {key}: {_figure(path, key)}" if key else f"{path.stem}: {path}")


def _figure(path: Path, key: str) -> str:
    value: Any = json.loads(path.read_text(encoding="utf-8"))
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return f"{value:.4g}" if isinstance(value, float) else str(value)
