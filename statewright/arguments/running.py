"""Commands that run stages, and the servers that show runs."""

from __future__ import annotations

import argparse

from statewright.arguments.shared import (
    Subcommands,
    add_assignments,
    add_carrying_out,
    add_reproduction,
    add_selection,
    add_strict,
    add_verbosity,
    add_workers,
    duration,
    positive,
)
from statewright.commands import running


def add_run(subcommands: Subcommands) -> None:
    """Add the command `run`."""
    run = subcommands.add_parser("run", help="run the stages that are not up to date")
    add_selection(run)
    add_carrying_out(add_reproduction(run))
    run.add_argument("--dry", action="store_true", help="print the plan and run nothing: `statewright plan`")
    add_workers(run, "cores to use, which limits the number of parallel stages")
    add_assignments(run, "first change a value in params.yaml, or in FILE: --set train.lr=1e-3; repeatable")
    run.add_argument(
        "--at",
        type=positive,
        metavar="ROUND",
        help="restore this round of the loop: its params, its journal, and its outputs from the cache",
    )
    run.add_argument(
        "-k",
        "--keep-going",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="after a failure, still start the stages that do not need the failed one (default: yes)",
    )
    add_strict(run)
    run.add_argument(
        "--name",
        default="statewright",
        help="name of the run in MLflow and Prefect (default: that of its pipeline)",
    )
    add_verbosity(run)
    run.set_defaults(
        command=running.run, json=False, explain=None, schedule=False, svg=None, verbose=False, check=False
    )


def add_loop(subcommands: Subcommands) -> None:
    """Add the command `loop`."""
    loop = subcommands.add_parser(
        "loop",
        help="run in rounds: after each, a feedback stage changes params.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A feedback stage is any stage with `meta: {journal: FILE.json}` that depends on that file\n"
        '(the journal of past rounds) and writes a JSON file {"stop": false, "reason": "why", "score": 0.3,\n'
        '"patch": [{"key": "train.lr", "was": 0.1, "now": 0.05}]}. A lower score is better.\n'
        "No stage of the loop may read an output that `meta: {holdout: [FILE]}` names on its stage; if one\n"
        "does, the loop is refused, or stops after the round in which the read was observed.\n"
        "When the loop ends, the state of the best round is restored. `statewright run --at ROUND`\n"
        "restores any other round.",
    )
    loop.add_argument("target", nargs="?", help="the feedback stage (default: the one with meta.journal)")
    loop.add_argument(
        "--rounds", type=positive, default=3, metavar="N", help="maximum number of rounds (default: 3)"
    )
    loop.add_argument("--budget", type=duration, metavar="MINUTES", help="start no new round after this time")
    loop.add_argument(
        "--until", metavar="'METRIC<=X'", help="stop when a metric (FILE:KEY, or its end) meets this bound"
    )
    loop.add_argument(
        "--patience", type=positive, metavar="K", help="stop after K rounds without improvement"
    )
    loop.add_argument(
        "--ask", action="store_true", help="ask for approval of each patch, here or on Prefect's page"
    )
    add_workers(loop, "cores to use")
    loop.set_defaults(command=running.loop)


def add_record(subcommands: Subcommands) -> None:
    """Add the command `record`."""
    record = subcommands.add_parser(
        "record",
        help="wait until every run is in MLflow",
        description="A run returns when its files are final, and MLflow is written in the background. This "
        "command waits for it, and writes what a killed process left. Use it at the end of a job whose "
        "machine or container ends with it, such as a job of continuous integration. The exit status is 1 "
        "if a run could not be recorded.",
    )
    record.set_defaults(command=running.record)


def add_ui(subcommands: Subcommands) -> None:
    """Add the command `ui`."""
    ui = subcommands.add_parser(
        "ui", help="start a Prefect server and, with the extra `ui`, an MLflow server"
    )
    ui.add_argument(
        "--prefect-port", type=positive, default=4200, metavar="PORT", help="default: %(default)s"
    )
    ui.add_argument("--mlflow-port", type=positive, default=5000, metavar="PORT", help="default: %(default)s")
    ui.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on, 0.0.0.0 for all; other machines need the password in the variable "
        "STATEWRIGHT_PASSWORD, without which only 127.0.0.1 is allowed (default: %(default)s)",
    )
    ui.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="further name under which the servers answer, such as that of a proxy; may be repeated",
    )
    ui.add_argument("--open", action="store_true", help="open both pages in a browser")
    ui.set_defaults(command=running.ui)
