"""The command line: `statewright COMMAND`, each command a few lines over the engine."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from statewright.contracts import ContractError
from statewright.files import FileError
from statewright.fingerprint import FingerprintError
from statewright.workflow import WorkflowError

OK, FAILED, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the command, exit with its status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.directory:
        os.chdir(options.directory)
    command: Callable[[argparse.Namespace], int] = options.command
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(command(options))
    except (WorkflowError, ContractError, FileError, FingerprintError) as error:
        print(f"statewright: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)
    except KeyboardInterrupt:
        print("statewright: interrupted; `statewright run` goes on from here", file=sys.stderr)
        sys.exit(130)


def build_parser() -> argparse.ArgumentParser:
    """The parser; its help is the manual."""
    parser = argparse.ArgumentParser(
        prog="statewright",
        description="Run a DVC pipeline as a state machine: planned with reasons, carried out by Prefect, "
        "recorded in MLflow. It reads any dvc.yaml and leaves the dvc.lock that `dvc repro` would leave.",
    )
    parser.add_argument("-C", dest="directory", metavar="DIR", help="work in this folder")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    plan = commands.add_parser("plan", help="say what would run, and why, without running anything")
    _add_targets(plan)
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.set_defaults(command=_plan)

    run = commands.add_parser("run", help="carry the plan out as a Prefect flow")
    _add_targets(run)
    run.add_argument(
        "--workers",
        type=_positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="cores to use, and so stages side by side (default: all, %(default)s)",
    )
    run.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change params.yaml first, as in --set train.lr=1e-3; may be repeated",
    )
    run.add_argument("--force", action="store_true", help="run the targets even if nothing changed")
    run.add_argument("--name", default="statewright", help="name of the Prefect flow")
    run.set_defaults(command=_run)

    loop = commands.add_parser("loop", help="run, let the feedback stage revise params.yaml, run again")
    loop.add_argument("target", nargs="?", help="the feedback stage (default: the one with meta.journal)")
    loop.add_argument("--rounds", type=_positive, default=3, metavar="N", help="most rounds (default: 3)")
    loop.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, metavar="N", help="as in run")
    loop.set_defaults(command=_loop)

    check = commands.add_parser("check", help="do contracts, params and paths agree along every edge?")
    check.set_defaults(command=_check)

    doctor = commands.add_parser("doctor", help="what is installed, reachable and writable here?")
    doctor.set_defaults(command=_doctor)

    ui = commands.add_parser("ui", help="start a Prefect server and an MLflow server on this machine")
    ui.add_argument("--prefect-port", type=_positive, default=4200)
    ui.add_argument("--mlflow-port", type=_positive, default=5000)
    ui.set_defaults(command=_ui)

    fingerprint = commands.add_parser(
        "fingerprint", help="write the hash of the code that each stage reaches"
    )
    fingerprint.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    fingerprint.set_defaults(command=_fingerprint)
    return parser


def _add_targets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="stages or files (default: everything)")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number of 1 or more")
    return number


def _plan(options: argparse.Namespace) -> int:
    from statewright.display import print_plan, terminal
    from statewright.session import look

    session = look(Path.cwd(), options.targets)
    if options.json:
        print(json.dumps(session.plan.as_dict(), indent=2, default=str))
    else:
        print_plan(session.plan, terminal(stderr=False))
    return OK


def _run(options: argparse.Namespace) -> int:
    from statewright import session

    return session.run(
        Path.cwd(),
        options.targets,
        workers=options.workers,
        assignments=options.assignments,
        force=options.force,
        name=options.name,
    )


def _loop(options: argparse.Namespace) -> int:
    from statewright.loop import loop

    return loop(Path.cwd(), options.target, rounds=options.rounds, workers=options.workers)


def _check(options: argparse.Namespace) -> int:
    from statewright.checks import faults
    from statewright.repository import declare, open_repository

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    found = faults(repository.root, workflow)
    for fault in found:
        print(fault)
    print(f"{len(workflow.stages)} stages checked, {len(found)} faults")
    return FAILED if found else OK


def _doctor(options: argparse.Namespace) -> int:
    from statewright.doctor import examine

    findings = examine(Path.cwd())
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.text}")
    return OK if all(finding.ok for finding in findings) else FAILED


def _ui(options: argparse.Namespace) -> int:
    from statewright.servers import serve

    return serve(Path.cwd(), prefect_port=options.prefect_port, mlflow_port=options.mlflow_port)


def _fingerprint(options: argparse.Namespace) -> int:
    from statewright.files import save
    from statewright.fingerprint import fingerprints

    found: dict[str, Any] = fingerprints(Path.cwd())
    save(found, options.out)
    print(f"{options.out}: code of {len(found)} stages")
    return OK
