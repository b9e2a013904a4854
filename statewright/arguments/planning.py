"""Commands that show what would run."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from statewright.arguments.shared import (
    Subcommands,
    above_zero,
    add_assignments,
    add_on,
    add_reproduction,
    add_selection,
    add_strict,
    add_targets,
    add_workers,
    duration,
    positive,
)
from statewright.commands import graph as graph_command
from statewright.commands import planning


def add_graph(subcommands: Subcommands) -> None:
    """Add the command `graph`."""
    graph = subcommands.add_parser(
        "graph",
        help="list the stages in order with inputs and outputs, or draw them with states and times",
        description="List the stages in order, with their inputs and outputs, or draw them: each with its "
        "state in the present plan and its expected duration. The cells of a matrix are one box. An edge "
        "that follows from others is not drawn.",
    )
    add_targets(graph)
    kinds = graph.add_mutually_exclusive_group()
    kinds.add_argument("--json", action="store_true", help="print stages, edges and order as JSON")
    for kind, meaning in (
        ("svg", "a picture"),
        ("mermaid", "a drawing for Markdown, in Mermaid's language"),
        ("html", "one page that loads nothing: search, zoom, and the chain of causes of a stage"),
    ):
        kinds.add_argument(f"--{kind}", action="store_const", const=kind, dest="drawing", help=meaning)
    graph.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the drawing to this file (default: print it)"
    )
    graph.set_defaults(command=graph_command.graph, drawing=None)


def add_plan(subcommands: Subcommands) -> None:
    """Add the command `plan`."""
    plan = subcommands.add_parser("plan", help="show which stages would run and why, without running them")
    add_selection(plan)
    add_reproduction(plan)
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.add_argument("--explain", metavar="STAGE", help="show the chain of causes of one stage")
    add_assignments(plan, "plan as if this params value were set (see run --set); no file is changed")
    plan.add_argument("--schedule", action="store_true", help="draw the predicted schedule")
    plan.add_argument("--svg", type=Path, metavar="FILE", help="write the schedule to this file as SVG")
    add_workers(plan, "cores to plan with")
    add_on(plan, "list also the stages that would stay on this machine, if the others ran")
    add_strict(plan)
    plan.add_argument("-v", "--verbose", action="store_true", help="print every stage with all its causes")
    plan.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 if dvc.lock does not agree with dvc.yaml, params and files; data may be missing",
    )
    plan.set_defaults(command=planning.plan)


def add_diff(subcommands: Subcommands) -> None:
    """Add the command `diff`."""
    diff = subcommands.add_parser(
        "diff",
        help="show what differs between two revisions or two runs: stages, params, metrics, outputs",
        description="Compare two revisions without a checkout, or two runs of `statewright history`. A stage "
        "would run if the second revision's dvc.lock does not agree with its declarations, params and source "
        "files; it changed if the records of the two differ. The data need not be on this machine. A stage "
        "that was up to date in a run counts with its latest record before it.",
    )
    diff.add_argument(
        "old",
        nargs="?",
        default="HEAD",
        metavar="A",
        help="commit, branch or tag; or a run: its id, last, last~1",
    )
    diff.add_argument(
        "new",
        nargs="?",
        default="workspace",
        metavar="B",
        help="compare with it (default: the workspace; for a run, the last run)",
    )
    diff.add_argument(
        "--format",
        choices=("text", "markdown", "json"),
        default="text",
        help="markdown is for the comment of a pull request (default: %(default)s)",
    )
    diff.add_argument("--json", action="store_const", const="json", dest="format", help="print JSON")
    diff.add_argument(
        "--exit-code", action="store_true", help="exit with 1 if a stage would run or anything differs"
    )
    diff.set_defaults(command=planning.diff)


def add_schedule(subcommands: Subcommands) -> None:
    """Add the command `schedule`."""
    schedule = subcommands.add_parser(
        "schedule",
        help="schedule a PSPLIB file (.sm), or the stages of this repository on several hosts",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="FILE is a project in PSPLIB's single-mode format: jobs with durations, successors and\n"
        "demands for renewable resources. --json prints\n"
        '{"makespan": 43, "lower_bound": 43, "optimal": true, "start": {"1": 0, "2": 0, "3": 8}},\n'
        "where `start` maps each job number, including dummy jobs, to the start time of the job.\n\n"
        "Without FILE, all stages of this repository are scheduled on the hosts of --hosts,\n"
        "with their expected seconds and the time to fetch inputs that a host does not have.",
    )
    schedule.add_argument("file", type=Path, nargs="?", metavar="FILE", help="the PSPLIB file")
    schedule.add_argument(
        "--hosts",
        action="append",
        default=[],
        metavar="N:cpu=C,ram_gb=R,gpu=G",
        help="N hosts and what each has, such as 4:cpu=8,ram_gb=32; repeatable",
    )
    schedule.add_argument(
        "--bandwidth",
        type=above_zero,
        default=100.0,
        metavar="MB",
        help="MB a second at which a host fetches inputs (default: 100)",
    )
    schedule.add_argument(
        "--latency",
        type=duration,
        default=0.1,
        metavar="S",
        help="seconds before the first byte of a stage's inputs (default: 0.1)",
    )
    schedule.add_argument(
        "--seconds",
        type=duration,
        default=10.0,
        metavar="N",
        help="time limit of the search; 0 uses priority rules only (default: 10)",
    )
    schedule.add_argument(
        "--workers",
        type=positive,
        default=max(1, (os.cpu_count() or 1) // 2),
        metavar="N",
        help="threads of the search (default: half the cores, %(default)s)",
    )
    schedule.add_argument("--json", action="store_true", help="print the schedule as JSON")
    schedule.add_argument("--svg", type=Path, metavar="FILE", help="write the schedule to this file as SVG")
    schedule.set_defaults(command=planning.schedule)


def add_durations(subcommands: Subcommands) -> None:
    """Add the command `durations`."""
    durations = subcommands.add_parser(
        "durations",
        help="print the expected seconds of stages, and where each comes from",
        description="Past runs here win over the file .statewright.durations.json, and the file over "
        "`meta.seconds` of a stage. Commit the file, so that the first run of a clone is predicted and "
        "scheduled by it.",
    )
    durations.add_argument("--write", action="store_true", help="write the file from past runs here")
    durations.add_argument("--json", action="store_true", help="print the durations as JSON")
    durations.set_defaults(command=planning.durations)
