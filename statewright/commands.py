"""The commands of the command line: each a few lines over the engine.

Every function takes the parsed options and returns the exit status. Imports are local, so that a
command loads what it needs and no more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from statewright.masking import mask_command
from statewright.request import Request
from statewright.workflow import Workflow, WorkflowError

OK, FAILED = 0, 1
LONGEST_RECORD_S = 600.0
"""Seconds after which `statewright record` gives up."""


def graph(options: argparse.Namespace) -> int:
    """List the stages of the targets."""
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


def plan(options: argparse.Namespace) -> int:
    """Show the plan, its causes or its schedule."""
    if options.check:
        return _check_recorded(options)
    from statewright.planning.absent import advice
    from statewright.running.limits import limits_of
    from statewright.scheduling.prediction import schedule_plan
    from statewright.settled import recall
    from statewright.terminal.plan_table import print_plan
    from statewright.terminal.words import terminal

    request = _request(options)
    if options.explain:
        request = replace(request, targets=(options.explain,))
    session: Any = None if options.explain or options.assignments else recall(Path.cwd(), request)
    if opened := session is None:
        from statewright.session import missing_data, open_session, predict

        session = open_session(Path.cwd(), request, assumed=options.assignments)
        limits = limits_of(session.repository.root, options.workers)
        prediction = predict(session, limits)
    else:
        limits = limits_of(session.root, options.workers)
        prediction = schedule_plan(session.workflow, session.plan, limits.as_dict())
    cores = limits.cores
    if options.json:
        missing = [asdict(data) for data in missing_data(session)] if opened else []
        values = {**session.plan.as_dict(), **prediction.as_dict(), "workers": cores, "missing": missing}
        print(json.dumps(values, indent=2, allow_nan=False))
    elif options.explain:
        from statewright.terminal.explain import print_causes

        for address in session.targets:
            print_causes(session.workflow, session.plan, address, terminal(stderr=False))
    else:
        console = terminal(stderr=False)
        print_plan(session.plan.labelled, console, prediction, cores, verbose=options.verbose)
        if opened:
            for line in advice(missing_data(session)):
                console.print(line, highlight=False, markup=False, soft_wrap=True)
        if not options.assignments:
            _print_metrics(session, console)
    if session.plan.work and (options.schedule or options.svg):
        _draw_plan(options, prediction, cores)
    return OK


def _request(options: argparse.Namespace) -> Request:
    """Return the stages that the options select, and how they are treated."""
    values = {field.name: getattr(options, field.name) for field in fields(Request) if field.name in options}
    return Request(**{**values, "targets": tuple(options.targets)})


def _print_metrics(session: Any, console: Any) -> None:
    """Print the metrics that differ from the last commit."""
    from statewright.settled import SettledPlan

    if not isinstance(session, SettledPlan):
        from statewright.repository.metrics_diff import metric_changes
        from statewright.terminal.metrics_table import print_metrics

        print_metrics(metric_changes(session.repository, session.workflow, session.state), console)
    elif (session.root / ".statewright" / "metrics.json").exists():
        from statewright.repository.metrics_diff import stored_changes
        from statewright.terminal.metrics_table import print_metrics

        print_metrics(stored_changes(session.root), console)


def _check_recorded(options: argparse.Namespace) -> int:
    """Fail unless `dvc.lock` agrees with declarations, params and files."""
    from statewright.comparison.difference import check_recorded
    from statewright.comparison.display import print_check
    from statewright.terminal.words import terminal

    checked = check_recorded(Path.cwd(), _request(options))
    if options.json:
        print(json.dumps(checked.as_dict(), indent=2, allow_nan=False))
    else:
        print_check(checked, terminal(stderr=False))
    return FAILED if checked.work else OK


def diff(options: argparse.Namespace) -> int:
    """Compare two revisions."""
    from statewright.comparison.difference import diff as compare_revisions
    from statewright.comparison.display import markdown, print_difference
    from statewright.terminal.words import terminal

    difference = compare_revisions(Path.cwd(), options.old, options.new)
    if options.format == "json":
        print(json.dumps(difference.as_dict(), indent=2, allow_nan=False))
    elif options.format == "markdown":
        print(markdown(difference), end="")
    else:
        print_difference(difference, terminal(stderr=False))
    return FAILED if options.exit_code and difference.differs else OK


def _draw_plan(options: argparse.Namespace, prediction: Any, cores: int) -> None:
    from statewright.terminal.gantt import plan_chart, save_svg, show
    from statewright.terminal.words import terminal

    chart = plan_chart(prediction, cores)
    if options.svg:
        save_svg(chart, options.svg)
    if not options.json:
        show(chart, terminal(stderr=False))


def schedule(options: argparse.Namespace) -> int:
    """Solve a scheduling problem from a PSPLIB file."""
    from statewright.scheduling.psplib import read_psplib
    from statewright.scheduling.schedule import solve
    from statewright.terminal.gantt import problem_chart, save_svg, show
    from statewright.terminal.words import terminal

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


def run(options: argparse.Namespace) -> int:
    """Run what the plan says."""
    from statewright.record.journal import is_unfinished
    from statewright.settled import recall
    from statewright.terminal.results import print_up_to_date
    from statewright.terminal.words import terminal

    if options.dry and not options.at:
        return plan(options)
    request = _request(options)
    usual = not (options.at or options.assignments)
    if usual and (settled := recall(Path.cwd(), request)):
        if options.verbosity >= 0:
            print_up_to_date(settled.root, settled.workflow, settled.plan, terminal())
            _print_metrics(settled, terminal())
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


def params(options: argparse.Namespace) -> int:
    """List the params of stages."""
    from statewright.functions.describe import describe_params
    from statewright.repository.declaration import declare, open_repository
    from statewright.repository.scope import targets
    from statewright.terminal.parameters import print_parameters
    from statewright.terminal.words import terminal

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    addresses = targets(repository, options.targets) or tuple(workflow.stages)
    parameters = describe_params(repository.root, workflow, addresses)
    if options.json:
        print(json.dumps([parameter.as_dict() for parameter in parameters], indent=2, default=str))
    else:
        print_parameters(parameters, terminal(stderr=False))
    return OK


def init(options: argparse.Namespace) -> int:
    """Write the skeleton of a pipeline."""
    from statewright.functions.skeleton import write_pipeline

    for path in write_pipeline(Path.cwd(), options.pipeline):
        print(path)
    print(f"next: statewright check, then statewright run {options.pipeline}")
    return OK


def check(options: argparse.Namespace) -> int:
    """Check that declarations, contracts, params and files agree."""
    from statewright.functions.checks import faults
    from statewright.meta import ignored_values
    from statewright.repository.declaration import declare, open_repository
    from statewright.repository.errors import unusable_command
    from statewright.terminal.words import counted

    if options.write and not options.fix:
        raise WorkflowError("check --write applies the patch of --fix; use both")
    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    if options.reads or options.fix:
        return _check_reads(repository.root, workflow, fix=options.fix, write=options.write)
    commands = {address: unusable_command(stage) for address, stage in repository.stages.items()}
    all_faults = [f"{address}: {problem}" for address, problem in commands.items() if problem]
    all_faults += faults(repository.root, workflow)
    for note in ignored_values({address: stage.settings for address, stage in workflow.stages.items()}):
        print(f"note: {note}; the value is ignored")
    for fault in all_faults:
        print(fault)
    print(f"{counted(len(workflow.stages), 'stage')} checked, {counted(len(all_faults), 'fault')}")
    return FAILED if all_faults else OK


def _check_reads(root: Path, workflow: Workflow, *, fix: bool, write: bool) -> int:
    """List the undeclared reads, or print or apply a patch that declares them."""
    from collections import Counter

    from statewright.reads.fix import apply_fix, make_fix
    from statewright.reads.store import load_reads
    from statewright.reads.undeclared import declaration_of, undeclared_reads
    from statewright.repository.declaration import declare, open_repository
    from statewright.repository.what_if import overlay_texts
    from statewright.terminal.display import counted

    def accept(texts: Mapping[str, str]) -> None:
        changed = open_repository(root)
        overlay_texts(changed, texts)
        declare(changed)

    reads = load_reads(root)
    commands = [address for address, stage in workflow.stages.items() if stage.cmd]
    observed = reads.observed(workflow) & set(commands)
    undeclared = undeclared_reads(workflow, reads, commands)
    if not fix:
        for read in undeclared:
            print(read.text)
        print(
            f"{len(observed)} of {counted(len(commands), 'stage')} observed, "
            f"{counted(len(undeclared), 'undeclared read')}"
        )
        if len(observed) < len(commands):
            print("a stage is observed when it runs alone, as `statewright run` lets it run the first time")
        return FAILED if undeclared else OK
    changes = make_fix(root, undeclared, Counter(map(declaration_of, workflow.stages)), accept)
    if write:
        apply_fix(root, changes)
        for file in changes.texts:
            print(f"{file}: changed; the stages with new deps run once more")
    else:
        print(changes.patch, end="")
    for sentence in changes.by_hand:
        print(sentence, file=sys.stderr)
    if not undeclared:
        print("no undeclared read was observed", file=sys.stderr)
    return FAILED if changes.by_hand or (changes.texts and not write) else OK


def trace(options: argparse.Namespace) -> int:
    """Show the origin of a subject and its dependents."""
    from statewright.lineage.display import print_trace
    from statewright.lineage.params import MAX_PARAMS
    from statewright.lineage.provenance import trace as trace_subject
    from statewright.terminal.words import terminal

    result = trace_subject(Path.cwd(), options.subject)
    if options.json:
        print(json.dumps(result.as_dict(), indent=2, default=str))
    else:
        print_trace(result, terminal(stderr=False), most=None if options.all else MAX_PARAMS)
    return OK


def verify(options: argparse.Namespace) -> int:
    """Run stages twice and compare their outputs, or compare with a revision."""
    if options.against:
        return _verify_against(options)
    if options.no_run:
        raise WorkflowError("--no-run compares files with a revision; add --against REV")
    from statewright.lineage.display import print_verification
    from statewright.running.process import StageFailedError
    from statewright.terminal.words import terminal
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
            _request(options),
            lambda line: progress.print(line, highlight=False, markup=False),
            report,
        )
    except StageFailedError as error:
        progress.print(str(error), style="red", markup=False, soft_wrap=True)
        return FAILED
    if options.json:
        print(json.dumps({"stages": [result.as_dict() for result in results]}, indent=2))
    return OK if identical else FAILED


def _verify_against(options: argparse.Namespace) -> int:
    """Compare outputs with those that a revision records."""
    from statewright.lineage.display import print_agreement
    from statewright.running.process import StageFailedError
    from statewright.terminal.words import terminal
    from statewright.verify.against import Agreement, verify_against

    results: list[Agreement] = []
    progress, console = terminal(), terminal(stderr=False)

    def report(result: Agreement) -> None:
        results.append(result)
        if not options.json:
            print_agreement(result, console)

    try:
        agree = verify_against(
            Path.cwd(), options.against, _request(options), report, progress.print, run=not options.no_run
        )
    except StageFailedError as error:
        progress.print(str(error), style="red", soft_wrap=True)
        return FAILED
    if options.json:
        print(json.dumps({"stages": [result.as_dict() for result in results]}, indent=2))
    return OK if agree else FAILED


def config(options: argparse.Namespace) -> int:
    """Print the settings of the repository."""
    from statewright.configuration import read_configuration, settings
    from statewright.repository.declaration import open_repository
    from statewright.terminal.parameters import print_settings
    from statewright.terminal.words import terminal

    configuration = read_configuration(open_repository(Path.cwd()).root)
    if options.json:
        values = {
            name: {"value": getattr(configuration, name), "source": configuration.sources.get(name)}
            for name, _ in settings()
        }
        print(json.dumps(values, indent=2))
    else:
        print_settings(configuration, terminal(stderr=False))
    return OK


def durations(options: argparse.Namespace) -> int:
    """Print or write the expected durations of stages."""
    from statewright.repository.declaration import declare, open_repository
    from statewright.scheduling import durations as expected
    from statewright.terminal.parameters import print_durations
    from statewright.terminal.words import clock, counted, terminal

    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    if options.write:
        changed = expected.write_file(repository.root, workflow)
        for address, seconds in changed.items():
            print(f"{address}: {clock(seconds) if seconds else 'removed'}")
        print(f"{expected.FILE}: {counted(len(changed), 'change')}")
        return OK
    expected.read_file(repository.root)  # a damaged file is an error here only
    known = expected.expected_durations(repository.root, workflow)
    if options.json:
        print(json.dumps(expected.as_dict(known, workflow), indent=2))
    else:
        print_durations(known, workflow, terminal(stderr=False))
    return OK


def record(options: argparse.Namespace) -> int:
    """Wait until every run is in MLflow."""
    from statewright.repository.declaration import open_repository
    from statewright.running.recorder import wait_until_recorded

    problem = wait_until_recorded(open_repository(Path.cwd()).root, timeout_s=LONGEST_RECORD_S)
    print(f"MLflow record is incomplete: {problem}" if problem else "MLflow: every run is recorded")
    return FAILED if problem else OK


def doctor(options: argparse.Namespace) -> int:
    """Report what is installed, reachable and writable."""
    from statewright.doctor import examine

    findings = examine(Path.cwd())
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.subject}: {finding.text}")
    return OK if all(finding.ok for finding in findings) else FAILED


def ui(options: argparse.Namespace) -> int:
    """Start the servers."""
    from statewright.running.servers import serve

    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)
    return serve(root, prefect_port=options.prefect_port, mlflow_port=options.mlflow_port)


def fingerprint(options: argparse.Namespace) -> int:
    """Write the hashes of the code that each stage reaches."""
    from statewright.files import save
    from statewright.fingerprint import fingerprints
    from statewright.terminal.words import counted

    hashes: dict[str, Any] = fingerprints(Path.cwd())
    save(hashes, options.out)
    print(f"{options.out}: code of {counted(len(hashes), 'stage')}")
    return OK
