"""Commands that show what would run."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from statewright.commands import FAILED, OK
from statewright.request import Request
from statewright.workflow import WorkflowError


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

    request = request_of(options)
    if options.explain:
        request = replace(request, targets=(options.explain,))
    session: Any = None if options.explain or options.assignments else recall(Path.cwd(), request)
    if opened := session is None:
        from statewright.repository.declaration import find_root
        from statewright.session import missing_data, open_session, predict, with_settings

        request = replace(with_settings(request, find_root(Path.cwd())), push=False)
        session = open_session(Path.cwd(), request, assumed=options.assignments)
        limits = limits_of(session.repository.root, options.workers)
        prediction = predict(session, limits)
    else:
        limits = limits_of(session.root, options.workers)
        prediction = schedule_plan(session.workflow, session.plan, limits.as_dict())
    cores = limits.cores
    stays = _stays(options, session) if options.on else {}
    if options.json:
        missing = [asdict(data) for data in missing_data(session)] if opened else []
        values = {**session.plan.as_dict(), **prediction.as_dict(), "workers": cores, "missing": missing}
        if options.on:
            values["stays"] = stays
        print(json.dumps(values, indent=2, allow_nan=False))
    elif options.explain:
        from statewright.terminal.explain import print_causes

        for address in session.targets:
            print_causes(session.workflow, session.plan, address, terminal(stderr=False))
    else:
        console = terminal(stderr=False)
        print_plan(session.plan.labelled, console, prediction, cores, verbose=options.verbose)
        if opened:
            for line in [*_stay_lines(stays), *advice(missing_data(session))]:
                console.print(line, highlight=False, markup=False, soft_wrap=True)
        if not options.assignments:
            print_differing_metrics(session, console)
    if session.plan.work and (options.schedule or options.svg):
        _draw_plan(options, prediction, cores)
    return OK


def _stays(options: argparse.Namespace, session: Any) -> dict[str, str]:
    """Return the planned stages that cannot run on a cluster.

    A stage that fits no worker is an error.
    """
    from statewright.reads.store import load_reads
    from statewright.remote.clusters import parse_on
    from statewright.remote.resources import check_fits, expected_offers
    from statewright.remote.travel import cannot_travel
    from statewright.settled import SettledPlan

    cluster = parse_on(options.on)
    if isinstance(session, SettledPlan):  # nothing will run
        return {}
    repository, workflow, work = session.repository, session.workflow, session.plan.work
    stays = cannot_travel(repository, workflow, load_reads(repository.root))
    workers = options.workers if isinstance(options.workers, int) else os.cpu_count() or 1
    if offers := expected_offers(cluster, workers):
        check_fits(workflow, [address for address in work if address not in stays], offers)
    return {address: stays[address] for address in work if address in stays}


def _stay_lines(stays: Mapping[str, str]) -> list[str]:
    from statewright.remote.travel import sentences

    return sentences(stays, list(stays)) if stays else []


def request_of(options: argparse.Namespace) -> Request:
    """Return the stages that the options select, and how they are treated."""
    values = {field.name: getattr(options, field.name) for field in fields(Request) if field.name in options}
    return Request(**{**values, "targets": tuple(options.targets)})


def print_differing_metrics(session: Any, console: Any) -> None:
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

    checked = check_recorded(Path.cwd(), request_of(options))
    if options.json:
        print(json.dumps(checked.as_dict(), indent=2, allow_nan=False))
    else:
        print_check(checked, terminal(stderr=False))
    return FAILED if checked.work else OK


def diff(options: argparse.Namespace) -> int:
    """Compare two revisions, or two recorded runs."""
    from statewright.comparison.difference import diff as compare_revisions
    from statewright.comparison.display import markdown, print_difference
    from statewright.comparison.run_details import diff_of_runs
    from statewright.repository.declaration import find_root
    from statewright.terminal.words import terminal

    difference = diff_of_runs(find_root(Path.cwd()), options.old, options.new)
    if difference is None:
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
    """Solve a scheduling problem from a PSPLIB file, or place the stages on hosts."""
    if options.hosts:
        return _schedule_on_hosts(options)
    if options.file is None:
        raise WorkflowError(
            "expected a PSPLIB file, or --hosts to schedule the stages of this repository: "
            "statewright schedule --hosts 4:cpu=8,ram_gb=32"
        )
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


def _schedule_on_hosts(options: argparse.Namespace) -> int:
    """Place the stages of this repository on hosts."""
    from statewright.repository.declaration import declare, open_repository
    from statewright.repository.recorded_files import recorded_inputs
    from statewright.scheduling import durations as expected
    from statewright.scheduling import hosts
    from statewright.scheduling.optimization import graph_of
    from statewright.scheduling.problem import Problem
    from statewright.terminal.gantt import placement_chart, save_svg, show
    from statewright.terminal.words import terminal

    if options.file is not None:
        raise WorkflowError("--hosts schedules the stages of this repository; leave FILE out")
    machines = hosts.parse_hosts(options.hosts)
    offered = {name for host in machines for name in host.capacities}
    repository = open_repository(Path.cwd())
    workflow = declare(repository)
    known = expected.expected_durations(repository.root, workflow)
    graph = graph_of(workflow, workflow.stages, {a: d.expected for a, d in known.items()})
    demands = {a: {k: n for k, n in ns.items() if k in offered} for a, ns in graph.demands.items()}
    cluster = hosts.Cluster(
        machines,
        recorded_inputs(repository),
        {a: [out.path for out in stage.outs] for a, stage in workflow.stages.items()},
        options.bandwidth * 1e6,
        options.latency,
    )
    placement = hosts.place(Problem(graph.seconds, graph.after, demands), cluster)
    assumed = [a for a, stage in workflow.stages.items() if stage.cmd and a not in known]
    chart = placement_chart(placement, len(machines), assumed)
    if options.svg:
        save_svg(chart, options.svg)
    if options.json:
        print(json.dumps(hosts.as_dict(placement)))
    else:
        show(chart, terminal(stderr=False))
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
