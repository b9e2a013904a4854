"""Command line `statewright COMMAND`, a thin layer over the engine."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from statewright import commands
from statewright.environment import quiet
from statewright.masking import mask_command
from statewright.planning.ordering import AUTO
from statewright.workflow import WorkflowError

UNUSABLE, INTERRUPTED, PIPE_CLOSED = 2, 130, 128 + signal.SIGPIPE


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the command and exit with its status."""
    quiet()
    parser = build_parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        if options.directory:
            _enter(options.directory)
        status = command(options)
        sys.stdout.flush()
        sys.exit(status)
    except BrokenPipeError:
        # `statewright plan | head`: the reader has seen enough. Python would report it again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except _user_errors() as error:
        print(f"statewright: {mask_command(str(error))}", file=sys.stderr)
        sys.exit(UNUSABLE)
    except KeyboardInterrupt:
        print("statewright: interrupted; `statewright run` resumes", file=sys.stderr)
        sys.exit(INTERRUPTED)


def run_and_exit() -> None:
    """Run the command line, and end the process without the interpreter's teardown.

    The teardown of the imported libraries takes longer than many stages.
    """
    from statewright.running.supervisor import exit_now

    try:
        main()
    except SystemExit as end:
        exit_now(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="statewright",
        description="Run a DVC pipeline as a state machine: planned with reasons, recorded in MLflow and, "
        "where a server is configured or running, shown by Prefect. It reads any dvc.yaml and writes the "
        "same dvc.lock as `dvc repro`.",
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    parser.add_argument("-C", dest="directory", metavar="DIR", help="change to this folder first")
    subcommands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    graph = subcommands.add_parser("graph", help="list the stages in order, with their inputs and outputs")
    _add_targets(graph)
    graph.add_argument("--json", action="store_true", help="print stages, edges and order as JSON")
    graph.set_defaults(command=commands.graph)

    plan = subcommands.add_parser("plan", help="show which stages would run and why, without running them")
    _add_selection(plan)
    _add_reproduction(plan)
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.add_argument("--explain", metavar="STAGE", help="show the chain of causes of one stage")
    _add_assignments(plan, "plan as if this params value were set (see run --set); no file is changed")
    plan.add_argument("--schedule", action="store_true", help="draw the predicted schedule")
    plan.add_argument("--svg", type=Path, metavar="FILE", help="write the schedule to this file as SVG")
    _add_workers(plan, "cores to plan with")
    _add_strict(plan)
    plan.add_argument("-v", "--verbose", action="store_true", help="print every stage with all its causes")
    plan.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 if dvc.lock does not agree with dvc.yaml, params and files; data may be missing",
    )
    plan.set_defaults(command=commands.plan)

    diff = subcommands.add_parser(
        "diff",
        help="show which stages run or changed between two revisions, params, metrics and sizes",
        description="Compare two revisions without a checkout. A stage would run if the second revision's "
        "dvc.lock does not agree with its declarations, params and source files; it changed if the records "
        "of the two revisions differ. The data need not be on this machine.",
    )
    diff.add_argument("old", nargs="?", default="HEAD", metavar="REV", help="commit, branch or tag")
    diff.add_argument(
        "new", nargs="?", default="workspace", metavar="REV2", help="compare with it (default: the workspace)"
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
    diff.set_defaults(command=commands.diff)

    run = subcommands.add_parser("run", help="run the stages that are not up to date")
    _add_selection(run)
    _add_carrying_out(_add_reproduction(run))
    run.add_argument("--dry", action="store_true", help="print the plan and run nothing: `statewright plan`")
    _add_workers(run, "cores to use, which limits the number of parallel stages")
    _add_assignments(run, "first change a value in params.yaml, or in FILE: --set train.lr=1e-3; repeatable")
    run.add_argument(
        "--at",
        type=_positive,
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
    _add_strict(run)
    run.add_argument(
        "--name", default="statewright", help="name of the run in MLflow and Prefect (default: %(default)s)"
    )
    _add_verbosity(run)
    run.set_defaults(
        command=commands.run, json=False, explain=None, schedule=False, svg=None, verbose=False, check=False
    )

    loop = subcommands.add_parser(
        "loop",
        help="run in rounds: after each, a feedback stage changes params.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A feedback stage is any stage with `meta: {journal: FILE.json}` that depends on that file\n"
        '(the journal of past rounds) and writes a JSON file {"stop": false, "reason": "why", "score": 0.3,\n'
        '"patch": [{"key": "train.lr", "was": 0.1, "now": 0.05}]}. A lower score is better.\n'
        "When the loop ends, the state of the best round is restored. `statewright run --at ROUND`\n"
        "restores any other round.",
    )
    loop.add_argument("target", nargs="?", help="the feedback stage (default: the one with meta.journal)")
    loop.add_argument(
        "--rounds", type=_positive, default=3, metavar="N", help="maximum number of rounds (default: 3)"
    )
    loop.add_argument(
        "--budget", type=_duration, metavar="MINUTES", help="start no new round after this time"
    )
    loop.add_argument(
        "--until", metavar="'METRIC<=X'", help="stop when a metric (FILE:KEY, or its end) meets this bound"
    )
    loop.add_argument(
        "--patience", type=_positive, metavar="K", help="stop after K rounds without improvement"
    )
    loop.add_argument(
        "--ask", action="store_true", help="ask for approval of each patch, here or on Prefect's page"
    )
    _add_workers(loop, "cores to use")
    loop.set_defaults(command=commands.loop)

    params = subcommands.add_parser("params", help="list the params of stages: value, type, range, meaning")
    _add_targets(params)
    params.add_argument("--json", action="store_true", help="print the list as JSON")
    params.set_defaults(command=commands.params)

    init = subcommands.add_parser(
        "init",
        help="write the skeleton of a pipeline whose stages are Python functions",
        description="Write tasks/PIPELINE/ with two stages, declare them in dvc.yaml, add their params to "
        "params.yaml and a test. No file that exists is changed, except that dvc.yaml and params.yaml "
        "get new entries. `statewright run PIPELINE` then runs it.",
    )
    init.add_argument("pipeline", help="name of the pipeline: a Python identifier, such as churn")
    init.set_defaults(command=commands.init)

    check = subcommands.add_parser("check", help="check that contracts, params and paths agree on every edge")
    check.add_argument(
        "--reads", action="store_true", help="list instead what stages were seen to read without declaring it"
    )
    check.add_argument(
        "--fix", action="store_true", help="print a patch of dvc.yaml that declares these reads"
    )
    check.add_argument("--write", action="store_true", help="with --fix, apply the patch")
    check.set_defaults(command=commands.check)

    schedule = subcommands.add_parser(
        "schedule",
        help="find the shortest schedule of a PSPLIB file (.sm)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="FILE is a project in PSPLIB's single-mode format: jobs with durations, successors and\n"
        "demands for renewable resources. --json prints\n"
        '{"makespan": 43, "lower_bound": 43, "optimal": true, "start": {"1": 0, "2": 0, "3": 8}},\n'
        "where `start` maps each job number, including dummy jobs, to the start time of the job.",
    )
    schedule.add_argument("file", type=Path, metavar="FILE", help="the PSPLIB file")
    schedule.add_argument(
        "--seconds",
        type=_duration,
        default=10.0,
        metavar="N",
        help="time limit of the search; 0 uses priority rules only (default: 10)",
    )
    schedule.add_argument(
        "--workers",
        type=_positive,
        default=max(1, (os.cpu_count() or 1) // 2),
        metavar="N",
        help="threads of the search (default: half the cores, %(default)s)",
    )
    schedule.add_argument("--json", action="store_true", help="print the schedule as JSON")
    schedule.add_argument("--svg", type=Path, metavar="FILE", help="write the schedule to this file as SVG")
    schedule.set_defaults(command=commands.schedule)

    config = subcommands.add_parser(
        "config",
        help="print the settings of this repository, and where each comes from",
        description="Settings stand in .statewright.toml, or in pyproject.toml under [tool.statewright]. "
        "docs/reference/settings.md describes each of them.",
    )
    config.add_argument("--json", action="store_true", help="print the settings as JSON")
    config.set_defaults(command=commands.config)

    durations = subcommands.add_parser(
        "durations",
        help="print the expected seconds of stages, and where each comes from",
        description="Past runs here win over the file .statewright.durations.json, and the file over "
        "`meta.seconds` of a stage. Commit the file, so that the first run of a clone is predicted and "
        "scheduled by it.",
    )
    durations.add_argument("--write", action="store_true", help="write the file from past runs here")
    durations.add_argument("--json", action="store_true", help="print the durations as JSON")
    durations.set_defaults(command=commands.durations)

    record = subcommands.add_parser(
        "record",
        help="wait until every run is in MLflow",
        description="A run returns when its files are final, and MLflow is written in the background. This "
        "command waits for it, and writes what a killed process left. Use it at the end of a job whose "
        "machine or container ends with it, such as a job of continuous integration. The exit status is 1 "
        "if a run could not be recorded.",
    )
    record.set_defaults(command=commands.record)

    doctor = subcommands.add_parser("doctor", help="check versions, servers and write permissions")
    doctor.set_defaults(command=commands.doctor)

    ui = subcommands.add_parser(
        "ui", help="start a Prefect server and, with the extra `ui`, an MLflow server"
    )
    ui.add_argument(
        "--prefect-port", type=_positive, default=4200, metavar="PORT", help="default: %(default)s"
    )
    ui.add_argument(
        "--mlflow-port", type=_positive, default=5000, metavar="PORT", help="default: %(default)s"
    )
    ui.set_defaults(command=commands.ui)

    trace = subcommands.add_parser(
        "trace", help="show the origin of a file, metric or stage, and what depends on it"
    )
    trace.add_argument("subject", metavar="WHAT", help="a file or folder, a metric, a stage, or a hash")
    trace.add_argument("--json", action="store_true", help="print the whole trace as JSON")
    trace.add_argument("--all", action="store_true", help="print all params, not only the 20 most relevant")
    trace.set_defaults(command=commands.trace)

    verify = subcommands.add_parser(
        "verify", help="check that stages are reproducible: run them twice in scratch copies"
    )
    _add_selection(verify, "each without the stages that it needs")
    verify.add_argument(
        "--against",
        metavar="REV",
        help="run each stage once, as REV declares it, and compare with the outputs that REV records: same "
        "bytes, same numbers within meta.tolerance (default: 1e-6 relative), or how different",
    )
    verify.add_argument(
        "--no-run",
        action="store_true",
        help="with --against: run nothing, compare the files of the workspace",
    )
    verify.add_argument("--json", action="store_true", help="print the results as JSON")
    verify.set_defaults(command=commands.verify)

    fingerprint = subcommands.add_parser(
        "fingerprint", help="write the hashes of the code that each stage uses"
    )
    fingerprint.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    fingerprint.set_defaults(command=commands.fingerprint)
    return parser


class _Version(argparse.Action):
    """Option that prints the version.

    The version is read only when the option is used: the lookup takes longer than most commands take to
    start.
    """

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print the version and exit."""
        from importlib.metadata import version

        print(f"statewright {version('statewright')}")
        parser.exit()


def _user_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions to report as one message, without a traceback.

    A module that is not imported cannot have raised its error. It is not imported here, because
    that takes time.
    """
    kinds = {"contracts": "ContractError", "files": "FileError", "fingerprint": "FingerprintError"}
    loaded = {name: sys.modules.get(f"statewright.{name}") for name in kinds}
    return (WorkflowError, *(getattr(module, kinds[name]) for name, module in loaded.items() if module))


def _enter(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise WorkflowError(f"-C {directory}: {error.strerror}; expected an existing folder") from error


def _add_targets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="stages, files, or pipelines (the part before the hyphen in stage names); default: everything",
    )


def _add_selection(
    parser: argparse.ArgumentParser, taken: str = "each with the stages that it needs"
) -> None:
    """Add the targets, and the options that select stages, as ``dvc repro`` has them."""
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="a stage, a dvc.yaml or .dvc file, FILE:STAGE, an output, or a pipeline (the part before the "
        f"hyphen in stage names), {taken}; default: the dvc.yaml of this folder and what it needs, as "
        "`dvc repro`",
    )
    group = parser.add_argument_group("which stages", "These options have the meaning of `dvc repro`.")
    group.add_argument(
        "-P", "--all-pipelines", action="store_true", help="take every stage of the repository"
    )
    group.add_argument(
        "-p", "--pipeline", action="store_true", help="take all stages connected with the targets"
    )
    group.add_argument(
        "-s", "--single-item", action="store_true", help="take the targets only, not the stages they need"
    )
    group.add_argument(
        "--downstream",
        action="store_true",
        help="take the targets and the stages that depend on them, not those that they need",
    )
    group.add_argument(
        "-R", "--recursive", action="store_true", help="take the stages in the folders that TARGET names"
    )
    group.add_argument(
        "--glob", action="store_true", help="read TARGET as a pattern of stage names, such as 'train-*'"
    )


def _add_reproduction(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options of ``dvc repro`` that a plan has, and return their group."""
    group = parser.add_argument_group("how they run", "These options have the meaning of `dvc repro`.")
    group.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="run every selected stage, even if nothing changed; with -s only the targets",
    )
    group.add_argument(
        "--force-downstream",
        action="store_true",
        help="also run the stages that depend on a stage that ran, even if their inputs did not change",
    )
    group.add_argument(
        "--pull", action="store_true", help="fetch missing data and earlier results from the DVC remote"
    )
    group.add_argument(
        "--allow-missing",
        action="store_true",
        help="skip a stage if missing data is its only change: for CI without `dvc pull`",
    )
    group.add_argument(
        "--no-run-cache",
        dest="run_cache",
        action="store_false",
        help="run a changed stage even if the run cache has the result of the same command and inputs",
    )
    return group


def _add_carrying_out(group: argparse._ArgumentGroup) -> None:
    """Add the options of ``dvc repro`` that only a run has."""
    group.add_argument(
        "--ignore-errors",
        action="store_true",
        help="after a failure, start also the stages that need the failed one; the exit status is 0",
    )
    group.add_argument(
        "--no-commit",
        dest="commit",
        action="store_false",
        help="record the outputs in dvc.lock, but do not store them in the cache; `dvc commit` does it later",
    )
    group.add_argument(
        "-i", "--interactive", action="store_true", help="ask before each stage; stages run one by one"
    )


def _add_workers(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help=f"{purpose}; auto: all, but a stage runs alone, in the order of `dvc repro`, until its reads "
        "are known; 1: exactly that order; N: trust the declarations (default: the setting `workers`, auto)",
    )


def _add_assignments(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="[FILE:]KEY=VALUE", help=purpose
    )


def _add_strict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict-environment",
        action="store_true",
        help="also run stages whose outputs were made with other versions of Python or its packages",
    )


def _add_verbosity(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-v",
        "--verbose",
        dest="verbosity",
        action="store_const",
        const=1,
        default=0,
        help="print all output of the stages also in a terminal, which else shows the last line of each",
    )
    group.add_argument(
        "-q", "--quiet", dest="verbosity", action="store_const", const=-1, help="print errors only"
    )


def _workers(text: str) -> int | str:
    return text if text == AUTO else _positive(text)


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number of 1 or more")
    return int(text)


def _duration(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of 0 or more")
    return number
