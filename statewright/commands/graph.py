"""The command that shows the declared graph."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from statewright.commands import OK
from statewright.masking import mask_command
from statewright.workflow import WorkflowError


def graph(options: argparse.Namespace) -> int:
    """List the stages of the targets, or draw them."""
    if options.drawing:
        return _draw(options)
    if options.output:
        raise WorkflowError("graph --output FILE needs a drawing to write: --svg, --mermaid or --html")
    from statewright.repository.declaration import declare, describe, open_repository
    from statewright.repository.scope import targets
    from statewright.terminal.graph import print_graph, select
    from statewright.terminal.words import terminal

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    named = targets(repository, options.targets)
    wanted = workflow.ancestors(named) if named else set(workflow.stages)
    if options.json:
        described = select(describe(repository), wanted)
        for stage in described["stages"]:
            if isinstance(stage["cmd"], list):
                stage["cmd"] = [mask_command(line) for line in stage["cmd"]]
            elif stage["cmd"]:
                stage["cmd"] = mask_command(stage["cmd"])
        print(json.dumps(described, indent=2, default=str))
    else:
        print_graph(workflow, wanted, terminal(stderr=False))
    return OK


def _draw(options: argparse.Namespace) -> int:
    """Write the graph with the states of a plan and the expected durations."""
    if options.drawing != "mermaid" and not options.output and sys.stdout.isatty():
        file = f".statewright/graph.{options.drawing}"
        raise WorkflowError(
            f"graph --{options.drawing} writes a file, not text for a terminal; name one that git ignores, "
            f"as in `statewright graph --{options.drawing} --output {file}`, or one of your own"
        )
    from statewright.files import replacing
    from statewright.graph.mermaid import write_mermaid
    from statewright.graph.model import stage_graph
    from statewright.graph.page import write_page
    from statewright.graph.svg import draw_svg
    from statewright.request import as_request
    from statewright.scheduling.durations import ranges
    from statewright.session import open_session
    from statewright.workspace import control_folder

    output = Path(os.path.realpath(options.output)) if options.output else None
    session = open_session(Path.cwd(), as_request(options.targets))
    root, workflow = session.repository.root, session.workflow
    drawn = stage_graph(workflow, session.plan, ranges(root, workflow), _failed(root))
    title = " ".join([root.name, *options.targets])
    texts: dict[str, Any] = {
        "svg": lambda: draw_svg(drawn, title),
        "mermaid": lambda: write_mermaid(drawn),
        "html": lambda: write_page(drawn, workflow, title),
    }
    text = texts[options.drawing]()
    if output is None:
        sys.stdout.write(text)
        return OK
    try:
        if output.is_relative_to(control := root / ".statewright"):
            control_folder(control)  # which git then ignores
        with replacing(output) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WorkflowError(
            f"{options.output}: {error.strerror or error}; expected a file to write"
        ) from error
    print(f"{options.output}: {drawn.summary}")
    return OK


def _failed(root: Path) -> set[str]:
    """Return the stages that failed in the last recorded run."""
    from statewright.record.transitions.lookup import open_transitions

    store = open_transitions(root)
    last = store.with_stages(store.newest()[:1])
    return {stage.stage for run in last for stage in run.stages if stage.status == "failed"}
