"""Check the workflow that users copy: its syntax and the commands in it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from statewright.cli import build_parser

WORKFLOW = Path(__file__).parents[2] / "docs" / "examples" / "statewright.yml"


def steps() -> list[tuple[str, dict[str, Any]]]:
    """Return job and step of each step of the workflow."""
    workflow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    return [(name, step) for name, job in workflow["jobs"].items() for step in job["steps"]]


def test_commands_of_the_workflow_exist() -> None:
    """Parse each command of ours with the parser of the command line."""
    commands = []
    for _, step in steps():
        for line in step.get("run", "").splitlines():
            if line.strip().startswith("statewright "):
                words = shlex.split(re.sub(r"\$\(.*?\)", "BASE", line.partition(">")[0]))
                commands.append(build_parser().parse_args(words[1:]).command.__name__)
    assert commands == ["diff", "plan", "run", "record"]


def test_no_expression_in_a_script_and_no_secret_for_a_stage() -> None:
    """Pass values of the event through the environment, and secrets to DVC only."""
    for job, step in steps():
        assert "${{" not in step.get("run", ""), step["name"]
        if "secrets." in str(step.get("env", "")):
            assert job == "run"
            assert step["run"].startswith("dvc p")
