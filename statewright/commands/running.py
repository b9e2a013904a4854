"""Commands that run stages, and the servers that show runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from statewright.commands import FAILED, OK
from statewright.commands.planning import plan, print_differing_metrics, request_of
from statewright.request import Request
from statewright.workflow import WorkflowError

LONGEST_RECORD_S = 600.0
"""Seconds after which `statewright record` gives up."""


def run(options: argparse.Namespace) -> int:
    """Run what the plan says."""
    from statewright.record.journal import is_unfinished
    from statewright.settled import recall
    from statewright.terminal.results import print_up_to_date
    from statewright.terminal.words import terminal

    if options.dry and not options.at:
        return plan(options)
    request = request_of(options)
    usual = not (options.at or options.assignments)
    if usual and (settled := recall(Path.cwd(), request)):
        if options.verbosity >= 0:
            print_up_to_date(settled.root, settled.workflow, settled.plan, terminal())
            print_differing_metrics(settled, terminal())
        if is_unfinished(settled.root):
            from statewright.running.recorder import resume

            resume(settled.root)
        return OK

    from statewright import session

    if options.at:
        from statewright.loop.restore import run_at

        if request != Request() or options.assignments or options.dry:
            raise WorkflowError(
                f"run --at {options.at} restores a whole round; it takes no TARGET, no --set, no --dry, "
                "and no option that selects stages"
            )
        return run_at(Path.cwd(), options.at, workers=options.workers)
    return session.run(
        Path.cwd(),
        request,
        workers=options.workers,
        assignments=options.assignments,
        keep_going=options.keep_going,
        name=options.name,
        verbosity=options.verbosity,
    )


def loop(options: argparse.Namespace) -> int:
    """Run rounds until a stop condition holds."""
    from statewright.loop.approval import select_prompt
    from statewright.loop.driver import loop as run_loop
    from statewright.loop.judge import StopConditions, parse_target

    stops = StopConditions(
        rounds=options.rounds,
        budget_s=options.budget * 60 if options.budget is not None else None,
        patience=options.patience,
        target=parse_target(options.until) if options.until else None,
    )
    ask = select_prompt() if options.ask else None
    return run_loop(Path.cwd(), options.target, stops=stops, workers=options.workers, ask=ask)


def record(options: argparse.Namespace) -> int:
    """Wait until every run is in MLflow."""
    from statewright.repository.declaration import open_repository
    from statewright.running.recorder import wait_until_recorded

    problem = wait_until_recorded(open_repository(Path.cwd()).root, timeout_s=LONGEST_RECORD_S)
    print(f"MLflow record is incomplete: {problem}" if problem else "MLflow: every run is recorded")
    return FAILED if problem else OK


def ui(options: argparse.Namespace) -> int:
    """Start the servers."""
    from statewright.running.ui import serve

    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)
    ports = {"prefect_port": options.prefect_port, "mlflow_port": options.mlflow_port}
    return serve(root, **ports, host=options.host, names=options.allow_host, browse=options.open)
