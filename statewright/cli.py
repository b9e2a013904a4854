"""Command line `statewright COMMAND`, a thin layer over the engine."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from statewright.environment import quiet
from statewright.workflow import WorkflowError

OK, FAILED, UNUSABLE = 0, 1, 2


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
        sys.exit(command(options))
    except _user_errors() as error:
        print(f"statewright: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)
    except KeyboardInterrupt:
        print("statewright: interrupted; `statewright run` resumes", file=sys.stderr)
        sys.exit(130)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="statewright",
        description="Run a DVC pipeline as a state machine: planned with reasons, carried out by Prefect, "
        "recorded in MLflow. It reads any dvc.yaml and writes the same dvc.lock as `dvc repro`.",
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    parser.add_argument("-C", dest="directory", metavar="DIR", help="change to this folder first")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    graph = commands.add_parser("graph", help="list the stages in order, with their inputs and outputs")
    _add_targets(graph)
    graph.add_argument("--json", action="store_true", help="print stages, edges and order as JSON")
    graph.set_defaults(command=_graph)

    plan = commands.add_parser("plan", help="show which stages would run and why, without running them")
    _add_targets(plan)
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.add_argument("--explain", metavar="STAGE", help="show the chain of causes of one stage")
    plan.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="[FILE:]KEY=VALUE",
        help="plan as if this params value were set (see run --set); no file is changed",
    )
    plan.add_argument("--schedule", action="store_true", help="draw the predicted schedule")
    plan.add_argument("--svg", type=Path, metavar="FILE", help="write the schedule to this file as SVG")
    plan.add_argument(
        "--workers",
        type=_positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="cores to plan with (default: all, %(default)s)",
    )
    plan.set_defaults(command=_plan)

    run = commands.add_parser("run", help="run the stages that are not up to date, as a Prefect flow")
    _add_targets(run)
    run.add_argument(
        "--workers",
        type=_positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="cores to use, which limits the number of parallel stages (default: all, %(default)s)",
    )
    run.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="[FILE:]KEY=VALUE",
        help="first change a value in params.yaml, or in FILE: --set train.lr=1e-3; repeatable",
    )
    run.add_argument(
        "--at",
        type=_positive,
        metavar="ROUND",
        help="restore this round of the loop: its params, its journal, and its outputs from the cache",
    )
    run.add_argument("--force", action="store_true", help="run the targets even if nothing changed")
    run.add_argument(
        "--keep-going",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="after a failure, still start the stages that do not need the failed one (default: yes)",
    )
    run.add_argument("--name", default="statewright", help="name of the Prefect flow (default: %(default)s)")
    run.set_defaults(command=_run)

    loop = commands.add_parser(
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
    loop.add_argument(
        "--workers",
        type=_positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="cores to use (default: all, %(default)s)",
    )
    loop.set_defaults(command=_loop)

    params = commands.add_parser("params", help="list the params of stages: value, type, range, meaning")
    _add_targets(params)
    params.add_argument("--json", action="store_true", help="print the list as JSON")
    params.set_defaults(command=_params)

    init = commands.add_parser(
        "init",
        help="write the skeleton of a pipeline whose stages are Python functions",
        description="Write tasks/PIPELINE/ with two stages, declare them in dvc.yaml, add their params to "
        "params.yaml and a test. No file that exists is changed, except that dvc.yaml and params.yaml "
        "get new entries. `statewright run PIPELINE` then runs it.",
    )
    init.add_argument("pipeline", help="name of the pipeline: a Python identifier, such as churn")
    init.set_defaults(command=_init)

    check = commands.add_parser("check", help="check that contracts, params and paths agree on every edge")
    check.set_defaults(command=_check)

    schedule = commands.add_parser(
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
    schedule.set_defaults(command=_schedule)

    doctor = commands.add_parser("doctor", help="check versions, servers and write permissions")
    doctor.set_defaults(command=_doctor)

    ui = commands.add_parser("ui", help="start a Prefect server and, with the extra `ui`, an MLflow server")
    ui.add_argument(
        "--prefect-port", type=_positive, default=4200, metavar="PORT", help="default: %(default)s"
    )
    ui.add_argument(
        "--mlflow-port", type=_positive, default=5000, metavar="PORT", help="default: %(default)s"
    )
    ui.set_defaults(command=_ui)

    trace = commands.add_parser(
        "trace", help="show the origin of a file, metric or stage, and what depends on it"
    )
    trace.add_argument("subject", metavar="WHAT", help="a file or folder, a metric, a stage, or a hash")
    trace.add_argument("--json", action="store_true", help="print the whole trace as JSON")
    trace.set_defaults(command=_trace)

    verify = commands.add_parser(
        "verify", help="check that stages are reproducible: run them twice in scratch copies"
    )
    verify.add_argument("targets", nargs="*", metavar="STAGE", help="stages or files (default: every stage)")
    verify.add_argument("--json", action="store_true", help="print the results as JSON")
    verify.set_defaults(command=_verify)

    fingerprint = commands.add_parser("fingerprint", help="write the hashes of the code that each stage uses")
    fingerprint.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    fingerprint.set_defaults(command=_fingerprint)
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


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number of 1 or more")
    return number


def _duration(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("expected a number of 0 or more")
    return number


def _graph(options: argparse.Namespace) -> int:
    from statewright.repository.declaration import declare, describe, open_repository, targets
    from statewright.terminal.display import terminal
    from statewright.terminal.graph import print_graph, select

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    named = targets(repository, options.targets)
    wanted = workflow.ancestors(named) if named else set(workflow.stages)
    if options.json:
        print(json.dumps(select(describe(repository), wanted), indent=2, default=str))
    else:
        print_graph(workflow, wanted, terminal(stderr=False))
    return OK


def _plan(options: argparse.Namespace) -> int:
    from statewright.scheduling.prediction import schedule_plan
    from statewright.settled import recall
    from statewright.terminal.display import print_plan, terminal

    names = [options.explain] if options.explain else options.targets
    session: Any = None if options.explain or options.assignments else recall(Path.cwd(), names)
    capacities: dict[str, float] = {}
    if session is None:
        from statewright.session import open_session
        from statewright.transition import Limits

        session = open_session(Path.cwd(), names, assumed=options.assignments)
        capacities = Limits(workers=options.workers).as_dict()
    prediction = schedule_plan(session.workflow, session.plan, capacities)
    if options.json:
        values = {**session.plan.as_dict(), **prediction.as_dict(), "workers": options.workers}
        print(json.dumps(values, indent=2, allow_nan=False))
    elif options.explain:
        from statewright.terminal.explain import print_causes

        for address in session.targets:
            print_causes(session.workflow, session.plan, address, terminal(stderr=False))
    else:
        print_plan(session.plan, terminal(stderr=False), prediction, options.workers)
    if session.plan.work and (options.schedule or options.svg):
        _draw_plan(options, prediction)
    return OK


def _draw_plan(options: argparse.Namespace, prediction: Any) -> None:
    from statewright.terminal.display import terminal
    from statewright.terminal.gantt import plan_chart, save_svg, show

    chart = plan_chart(prediction, options.workers)
    if options.svg:
        save_svg(chart, options.svg)
    if not options.json:
        show(chart, terminal(stderr=False))


def _schedule(options: argparse.Namespace) -> int:
    from statewright.scheduling.psplib import read_psplib
    from statewright.scheduling.schedule import solve
    from statewright.terminal.display import terminal
    from statewright.terminal.gantt import problem_chart, save_svg, show

    problem = read_psplib(options.file)
    schedule = solve(problem, seconds=options.seconds, workers=options.workers)
    chart = problem_chart(problem, schedule, options.file.name)
    if options.svg:
        save_svg(chart, options.svg)
    if options.json:
        print(json.dumps(schedule.as_dict()))
    else:
        show(chart, terminal(stderr=False))
    return OK


def _run(options: argparse.Namespace) -> int:
    from statewright.settled import recall
    from statewright.terminal.display import terminal
    from statewright.terminal.results import print_up_to_date

    usual = not (options.at or options.assignments or options.force)
    if usual and (settled := recall(Path.cwd(), options.targets)):
        print_up_to_date(settled.root, settled.workflow, settled.plan, terminal())
        return OK

    from statewright import session

    if options.at:
        from statewright.loop.restore import run_at

        if options.targets or options.assignments or options.force:
            raise WorkflowError(
                f"run --at {options.at} restores a whole round; it takes no TARGET, --set or --force"
            )
        return run_at(Path.cwd(), options.at, workers=options.workers)
    return session.run(
        Path.cwd(),
        options.targets,
        workers=options.workers,
        assignments=options.assignments,
        force=options.force,
        keep_going=options.keep_going,
        name=options.name,
    )


def _loop(options: argparse.Namespace) -> int:
    from statewright.loop.approval import select_prompt
    from statewright.loop.driver import loop
    from statewright.loop.judge import StopConditions, parse_target

    stops = StopConditions(
        rounds=options.rounds,
        budget_s=options.budget * 60 if options.budget is not None else None,
        patience=options.patience,
        target=parse_target(options.until) if options.until else None,
    )
    ask = select_prompt() if options.ask else None
    return loop(Path.cwd(), options.target, stops=stops, workers=options.workers, ask=ask)


def _params(options: argparse.Namespace) -> int:
    from statewright.functions.describe import describe_params
    from statewright.repository.declaration import declare, open_repository, targets
    from statewright.terminal.display import terminal
    from statewright.terminal.parameters import print_parameters

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    addresses = targets(repository, options.targets) or tuple(workflow.stages)
    parameters = describe_params(repository.root, workflow, addresses)
    if options.json:
        print(json.dumps([parameter.as_dict() for parameter in parameters], indent=2, default=str))
    else:
        print_parameters(parameters, terminal(stderr=False))
    return OK


def _init(options: argparse.Namespace) -> int:
    from statewright.functions.skeleton import write_pipeline

    for path in write_pipeline(Path.cwd(), options.pipeline):
        print(path)
    print(f"next: statewright check, then statewright run {options.pipeline}")
    return OK


def _check(options: argparse.Namespace) -> int:
    from statewright.functions.checks import faults
    from statewright.repository.declaration import declare, open_repository
    from statewright.terminal.display import counted

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    all_faults = faults(repository.root, workflow)
    for fault in all_faults:
        print(fault)
    print(f"{counted(len(workflow.stages), 'stage')} checked, {counted(len(all_faults), 'fault')}")
    return FAILED if all_faults else OK


def _trace(options: argparse.Namespace) -> int:
    from statewright.lineage.display import print_trace
    from statewright.lineage.provenance import trace
    from statewright.terminal.display import terminal

    result = trace(Path.cwd(), options.subject)
    if options.json:
        print(json.dumps(result.as_dict(), indent=2, default=str))
    else:
        print_trace(result, terminal(stderr=False))
    return OK


def _verify(options: argparse.Namespace) -> int:
    from statewright.lineage.display import print_verification
    from statewright.running.process import StageFailedError
    from statewright.terminal.display import terminal
    from statewright.verify.reproduction import Verification, verify_stages

    results: list[Verification] = []
    progress, console = terminal(), terminal(stderr=False)

    def report(result: Verification) -> None:
        results.append(result)
        if not options.json:
            print_verification(result, console)

    try:
        identical = verify_stages(
            Path.cwd(),
            options.targets,
            lambda line: progress.print(line, highlight=False, markup=False),
            report,
        )
    except StageFailedError as error:
        progress.print(str(error), style="red", markup=False, soft_wrap=True)
        return FAILED
    if options.json:
        print(json.dumps({"stages": [result.as_dict() for result in results]}, indent=2))
    return OK if identical else FAILED


def _doctor(options: argparse.Namespace) -> int:
    from statewright.doctor import examine

    findings = examine(Path.cwd())
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.text}")
    return OK if all(finding.ok for finding in findings) else FAILED


def _ui(options: argparse.Namespace) -> int:
    from statewright.running.servers import serve

    return serve(Path.cwd(), prefect_port=options.prefect_port, mlflow_port=options.mlflow_port)


def _fingerprint(options: argparse.Namespace) -> int:
    from statewright.files import save
    from statewright.fingerprint import fingerprints
    from statewright.terminal.display import counted

    hashes: dict[str, Any] = fingerprints(Path.cwd())
    save(hashes, options.out)
    print(f"{options.out}: code of {counted(len(hashes), 'stage')}")
    return OK
