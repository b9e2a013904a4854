"""The figures that a pipeline is run for, once all is up to date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from statewright.plan import Plan
from statewright.workflow import Workflow


def say_nothing_to_do(root: Path, workflow: Workflow, plan: Plan, console: Console) -> None:
    """Say that all stages of a plan are up to date, and print what `meta.show` names."""
    console.print(f"nothing to do: {len(plan.decisions)} stages are up to date", highlight=False)
    show_figures(root, workflow, plan)


def show_figures(root: Path, workflow: Workflow, plan: Plan) -> None:
    """Print what the stages' `meta.show` names: ``file.json:key`` is a figure, anything else a path."""
    for address in plan.decisions:
        for item in workflow.stages[address].meta.get("show", ()):
            file, _, key = str(item).partition(":")
            path = root / file
            if not path.is_file():
                continue
            print(f"{path.stem} {key}: {_figure(path, key)}" if key else f"{path.stem}: {path}")


def _figure(path: Path, key: str) -> str:
    value: Any = json.loads(path.read_text(encoding="utf-8"))
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return f"{value:.4g}" if isinstance(value, float) else str(value)
