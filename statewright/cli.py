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

from statewright.workflow import WorkflowError

OK, FAILED, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the command, exit with its status."""
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
    except _complaints() as error:
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

    graph = commands.add_parser("graph", help="list the stages in order, what each needs and makes")
    _add_targets(graph)
    graph.add_argument("--json", action="store_true", help="print stages, edges and order as JSON")
    graph.set_defaults(command=_graph)

    plan = commands.add_parser("plan", help="say what would run, and why, without running anything")
    _add_targets(plan)
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.add_argument("--explain", metavar="STAGE", help="the causes of one stage, down to the first")
    plan.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="[FILE:]KEY=VALUE",
        help="what if? As in run, but no file is touched",
    )
    plan.add_argument("--schedule", action="store_true", help="draw when each stage will run")
    plan.add_argument("--svg", type=Path, metavar="FILE", help="draw the schedule into this file as well")
    plan.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, metavar="N", help="as in run")
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
        metavar="[FILE:]KEY=VALUE",
        help="change params.yaml, or FILE, first, as in --set train.lr=1e-3; may be repeated",
    )
    run.add_argument(
        "--at",
        type=_positive,
        metavar="ROUND",
        help="bring this round of the loop back: its params, journal and outputs, from the cache",
    )
    run.add_argument("--force", action="store_true", help="run the targets even if nothing changed")
    run.add_argument(
        "--keep-going",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="after a failure, still start what does not need the failed stage (default: yes)",
    )
    run.add_argument("--name", default="statewright", help="name of the Prefect flow")
    run.set_defaults(command=_run)

    loop = commands.add_parser(
        "loop",
        help="run, let the feedback stage revise params.yaml, run again",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A feedback stage is any stage with `meta: {journal: FILE.json}` that depends on that file\n"
        '(the rounds so far) and writes a JSON file {"stop": false, "reason": "why", "score": 0.3,\n'
        '"patch": [{"key": "train.lr", "was": 0.1, "now": 0.05}]}: the lower the score the better.\n'
        "When the loop ends the best round's state stands; `statewright run --at ROUND` brings any\n"
        "other back.",
    )
    loop.add_argument("target", nargs="?", help="the feedback stage (default: the one with meta.journal)")
    loop.add_argument("--rounds", type=_positive, default=3, metavar="N", help="most rounds (default: 3)")
    loop.add_argument(
        "--budget", type=_duration, metavar="MINUTES", help="start no new round once these have passed"
    )
    loop.add_argument(
        "--until", metavar="'METRIC<=X'", help="stop once a metric (FILE:KEY, or the end of it) is there"
    )
    loop.add_argument("--patience", type=_positive, metavar="K", help="stop after K rounds without a gain")
    loop.add_argument("--ask", action="store_true", help="ask a person before each patch, here or in Prefect")
    loop.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, metavar="N", help="as in run")
    loop.set_defaults(command=_loop)

    check = commands.add_parser("check", help="do contracts, params and paths agree along every edge?")
    check.set_defaults(command=_check)

    schedule = commands.add_parser(
        "schedule",
        help="find the shortest schedule of a PSPLIB file (.sm)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="FILE is a project in PSPLIB's single-mode format: jobs with durations, the jobs that follow\n"
        "each, and what they hold of renewable resources. --json prints\n"
        '{"makespan": 43, "lower_bound": 43, "optimal": true, "start": {"1": 0, "2": 0, "3": 8}}:\n'
        "`start` maps every job number, dummies included, to the time at which the job starts.",
    )
    schedule.add_argument("file", type=Path, metavar="FILE", help="the file to read")
    schedule.add_argument(
        "--seconds",
        type=_duration,
        default=10.0,
        metavar="N",
        help="time for the search; with 0 only rules are tried (default: 10)",
    )
    schedule.add_argument(
        "--workers",
        type=_positive,
        default=max(1, (os.cpu_count() or 1) // 2),
        metavar="N",
        help="threads of the search (default: half the cores, %(default)s)",
    )
    schedule.add_argument("--json", action="store_true", help="print the schedule as JSON")
    schedule.add_argument("--svg", type=Path, metavar="FILE", help="draw the schedule into this file as well")
    schedule.set_defaults(command=_schedule)

    doctor = commands.add_parser("doctor", help="what is installed, reachable and writable here?")
    doctor.set_defaults(command=_doctor)

    ui = commands.add_parser("ui", help="start a Prefect server and an MLflow server on this machine")
    ui.add_argument("--prefect-port", type=_positive, default=4200)
    ui.add_argument("--mlflow-port", type=_positive, default=5000)
    ui.set_defaults(command=_ui)

    trace = commands.add_parser("trace", help="what made a file, a metric or a stage, and what depends on it")
    trace.add_argument("subject", metavar="WHAT", help="a file or folder, a metric, a stage, or a hash")
    trace.add_argument("--json", action="store_true", help="print the trace as JSON, whole")
    trace.set_defaults(command=_trace)

    verify = commands.add_parser("verify", help="run stages twice in scratch copies: do they write the same?")
    verify.add_argument("targets", nargs="*", metavar="STAGE", help="stages or files (default: every stage)")
    verify.add_argument("--json", action="store_true", help="print what was found as JSON")
    verify.set_defaults(command=_verify)

    fingerprint = commands.add_parser(
        "fingerprint", help="write the hash of the code that each stage reaches"
    )
    fingerprint.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    fingerprint.set_defaults(command=_fingerprint)
    return parser


def _complaints() -> tuple[type[Exception], ...]:
    """The errors that are meant for a person; of modules not imported (it takes time) none can come."""
    kinds = {"contracts": "ContractError", "files": "FileError", "fingerprint": "FingerprintError"}
    loaded = {name: sys.modules.get(f"statewright.{name}") for name in kinds}
    return (WorkflowError, *(getattr(module, kinds[name]) for name, module in loaded.items() if module))


def _enter(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise WorkflowError(f"-C {directory}: {error.strerror}; expected a folder to work in") from error


def _add_targets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="stages, files, or a pipeline: the name before the hyphen of its stages (default: everything)",
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
    from statewright.settled import glance
    from statewright.terminal.display import print_plan, terminal

    names = [options.explain] if options.explain else options.targets
    session: Any = None if options.explain or options.assignments else glance(Path.cwd(), names)
    capacities: dict[str, float] = {}
    if session is None:
        from statewright.session import look
        from statewright.transition import Limits

        session = look(Path.cwd(), names, supposed=options.assignments)
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
    found = solve(problem, seconds=options.seconds, workers=options.workers)
    chart = problem_chart(problem, found, options.file.name)
    if options.svg:
        save_svg(chart, options.svg)
    if options.json:
        print(json.dumps(found.as_dict()))
    else:
        show(chart, terminal(stderr=False))
    return OK


def _run(options: argparse.Namespace) -> int:
    from statewright.settled import glance
    from statewright.terminal.display import terminal
    from statewright.terminal.results import say_nothing_to_do

    usual = not (options.at or options.assignments or options.force)
    if usual and (found := glance(Path.cwd(), options.targets)):
        say_nothing_to_do(found.root, found.workflow, found.plan, terminal())
        return OK

    from statewright import session

    if options.at:
        from statewright.loop.restore import run_at

        if options.targets or options.assignments or options.force:
            raise WorkflowError(f"run --at {options.at} brings a round back whole: no TARGET, --set, --force")
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


def _check(options: argparse.Namespace) -> int:
    from statewright.functions.checks import faults
    from statewright.repository.declaration import declare, open_repository

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    found = faults(repository.root, workflow)
    for fault in found:
        print(fault)
    print(f"{len(workflow.stages)} stages checked, {len(found)} faults")
    return FAILED if found else OK


def _trace(options: argparse.Namespace) -> int:
    from statewright.lineage.display import print_trace
    from statewright.lineage.provenance import trace
    from statewright.terminal.display import terminal

    found = trace(Path.cwd(), options.subject)
    if options.json:
        print(json.dumps(found.as_dict(), indent=2, default=str))
    else:
        print_trace(found, terminal(stderr=False))
    return OK


def _verify(options: argparse.Namespace) -> int:
    from statewright.lineage.display import print_verification
    from statewright.running.process import StageFailedError
    from statewright.terminal.display import terminal
    from statewright.verify.reproduction import Verification, verify_stages

    found: list[Verification] = []
    say, console = terminal(), terminal(stderr=False)

    def done(result: Verification) -> None:
        found.append(result)
        if not options.json:
            print_verification(result, console)

    try:
        identical = verify_stages(
            Path.cwd(), options.targets, lambda line: say.print(line, highlight=False, markup=False), done
        )
    except StageFailedError as error:
        say.print(str(error), style="red", markup=False, soft_wrap=True)
        return FAILED
    if options.json:
        print(json.dumps({"stages": [result.as_dict() for result in found]}, indent=2))
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

    found: dict[str, Any] = fingerprints(Path.cwd())
    save(found, options.out)
    print(f"{options.out}: code of {len(found)} stages")
    return OK
