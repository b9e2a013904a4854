"""Planning and running a repository, for the command line, the loop and flows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from rich.console import Console

from statewright import meta, parameters
from statewright.configuration import read_configuration
from statewright.drift import Environments
from statewright.masking import mask_arguments, mask_text, mask_value
from statewright.planning.absent import AbsentData, absent_data, advice
from statewright.planning.plan import SKIP, Fetch, Plan, decide, note_drift, note_fetches
from statewright.reads.store import load_reads
from statewright.reads.undeclared import ordering_of
from statewright.record.store import note_on_user_store
from statewright.repository.declaration import (
    Repository,
    declare,
    find_root,
    is_interactive,
    open_repository,
)
from statewright.repository.errors import unusable_command
from statewright.repository.lock_writer import track_changes
from statewright.repository.metrics_diff import metric_changes
from statewright.repository.observation import observe
from statewright.repository.pulling import fetch_run_cache
from statewright.repository.rates import read_rate
from statewright.repository.remote_runs import RemoteRuns, without_unavailable
from statewright.repository.remote_sharing import RemoteError, open_remote
from statewright.repository.scope import labels, select
from statewright.repository.what_if import overlay_state, overlay_texts
from statewright.request import Request, as_request
from statewright.running.failure import print_failure
from statewright.running.limits import Limits, limits_of
from statewright.running.prefect_runner import name_idle_flow_run
from statewright.running.recorder import resume
from statewright.running.servers import find_server, in_flow_run
from statewright.running.sharing import Shared, push_left_over
from statewright.scheduling import durations
from statewright.scheduling.prediction import Prediction, schedule_plan
from statewright.settled import logging_accesses, store
from statewright.state import State
from statewright.terminal.display import ENDED, new_board
from statewright.terminal.metrics_table import print_metrics
from statewright.terminal.plan_table import print_short_plan
from statewright.terminal.results import print_up_to_date, show_figures
from statewright.terminal.words import clock, terminal
from statewright.workflow import Workflow, WorkflowError
from statewright.workspace import WORKING_LOCK, control_folder

if TYPE_CHECKING:
    from statewright.remote.coordinator import RemoteRunner


@dataclass(frozen=True)
class Session:
    """Open repository with its workflow, its state and the plan."""

    repository: Repository
    workflow: Workflow
    state: State
    plan: Plan
    targets: tuple[str, ...] = ()


def open_session(directory: Path, wanted: Request | Sequence[str], *, assumed: Sequence[str] = ()) -> Session:
    """Declare, observe and decide.

    Parameters
    ----------
    wanted : Request or sequence of str
        Stages to take, see `as_request`.
    assumed : sequence of str
        Assignments such as ``train.lr=1e-3`` to plan with; no file is changed.
    """
    request = as_request(wanted)
    with logging_accesses() as log:
        session, environments = _open(directory, request, assumed)
    if not assumed:
        store(log, session.repository, session.workflow, session.plan, environments)
    return session


def _check_assignments(root: Path, assignments: Sequence[str]) -> None:
    """Raise an error if the declarations or a params model reject the new values."""
    from statewright.functions.checks import value_faults  # with pydantic, which few runs need

    repository = open_repository(root)
    texts = {f: t for f, (patches, t) in parameters.assigned(root, assignments).items() if patches}
    overlay_texts(repository, texts)
    if faults := value_faults(root, declare(repository)):
        options = [word for assignment in assignments for word in ("--set", assignment)]
        raise WorkflowError(f"{mask_arguments(options)}: {faults[0]}; no file was changed")


def _open(directory: Path, request: Request, assumed: Sequence[str]) -> tuple[Session, Environments]:
    repository = open_repository(directory, request)
    texts = {f: t for f, (patches, t) in parameters.assigned(repository.root, assumed).items() if patches}
    if texts:
        overlay_texts(repository, texts)
    workflow = declare(repository)
    _warn(meta.warning({address: stage.settings for address, stage in workflow.stages.items()}))
    scope = select(repository, request)
    # Data of other pipelines is not hashed, as in `dvc repro`.
    state = observe(repository, workflow, None if request.targets else scope.order)
    _open_remote(repository)
    if repository.remote and repository.request.pull:
        state = without_unavailable(repository, state, repository.remote, scope.order)
    state = replace(state, request=repository.request)
    if texts:
        state = overlay_state(repository, state, texts)
    environments = Environments(repository.root)
    drift = environments.drifted(
        {a: state.stages[a].outs_was for a, stage in workflow.stages.items() if stage.cmd and stage.plain}
    )
    seconds = durations.ranges(repository.root, workflow)

    def plan_once() -> Plan:
        return decide(
            workflow,
            state,
            order=scope.order,
            force=scope.order if request.force else (),
            seconds=seconds,
            drift=drift if request.strict_environment else None,
        )

    plan = plan_once()
    while repository.remote and repository.remote.next_round():
        plan = plan_once()
    plan = note_fetches(note_drift(plan, drift), _fetches(repository))
    plan = replace(plan, labels=labels(repository))
    for address in plan.work:
        if problem := unusable_command(repository.stages[address]):
            _warn(f"stage '{plan.label(address)}' will fail: {problem}")
    return Session(repository, workflow, state, plan, scope.named), environments


def with_settings(request: Request, root: Path) -> Request:
    """Return a request with the settings where it leaves `pull` and `push` open."""
    configuration = read_configuration(root)
    pull = configuration.pull if request.pull is None else request.pull
    push = configuration.push if request.push is None else request.push
    return replace(request, pull=pull, push=push)


def _open_remote(repository: Repository) -> None:
    """Open the remote that `--pull` and `--push` need.

    If it cannot be reached, the command goes on as without these options, and says so.
    """
    request = repository.request
    if not (request.pull or request.push):
        return
    try:
        remote = open_remote(repository)
    except RemoteError as error:
        _warn(f"{error}; nothing is fetched or pushed")
        repository.request = replace(request, pull=False, push=False)
        return
    if remote is not None:
        repository.remote = RemoteRuns(remote, read_rate(repository.root, remote.name))
        if not remote.has_runs and request.run_cache:
            _warn(
                f"the remote '{remote.name}' cannot list files, so recorded outputs are exchanged with it, "
                "but no results of other runs"
            )
        return
    if request.push:
        _warn(
            "--push does nothing: the default remote keeps versions by itself (version_aware or worktree); "
            "`dvc push` pushes to it"
        )
    if request.pull and request.run_cache and (problem := fetch_run_cache(repository)):
        _warn(problem)


def _fetches(repository: Repository) -> dict[str, Fetch]:
    """Return what each stage gets from the remote if it is restored."""
    runs = repository.remote
    if runs is None:
        return {}
    if runs.problem:
        _warn(f"the remote '{runs.remote.name}' failed, and nothing is fetched: {runs.problem}")
    return {
        address: Fetch(runs.remote.name, *runs.expected(address), runs.rate.source)
        for address, files in runs.fetches.items()
        if files
    }


@cache
def _warn(text: str) -> None:
    """Print a warning; a command that plans several times prints it once."""
    if text:
        print(f"statewright: {text}", file=sys.stderr, flush=True)


def run(
    directory: Path,
    wanted: Request | Sequence[str] = (),
    *,
    workers: int | str | None = None,
    assignments: Sequence[str] = (),
    keep_going: bool = True,
    name: str = "statewright",
    verbosity: int = 0,
    on: str | None = None,
) -> int:
    """Make the plan, print it, run it and print the outcome.

    Parameters
    ----------
    wanted : Request or sequence of str
        Stages to take, see `as_request`.
    workers : int or str, optional
        Cores to use, or ``auto`` (default: the setting of the repository).
    assignments : sequence of str
        Changes of params files to write first, such as ``train.lr=1e-3``.
    keep_going : bool
        Whether to start stages that do not need a failed stage.
    on : str, optional
        The cluster that runs the stages, as after ``--on``.
    verbosity : int
        1 prints the output of the stages also in a terminal, -1 prints errors only.

    Returns
    -------
    int
        0 if every stage is up to date at the end, 1 if a stage failed.
    """
    # Opening a repository changes to its root, and targets are relative to the user's folder.
    directory = directory.absolute()
    root = find_root(directory)
    asked = as_request(wanted)
    request = with_settings(asked, root)
    if request.push and not request.commit:
        raise WorkflowError(
            "--push sends outputs from the cache, and --no-commit stores none there; leave one of them out"
        )
    if is_interactive(root):
        request = replace(request, interactive=True)
    if request.interactive:
        workers = 1  # one question after the other
    # A question is printed below the last line, where a live table would overwrite it.
    console = terminal(quiet=verbosity < 0, live=not request.interactive)
    with exclusive_run(root, console):
        if assignments:
            _check_assignments(root, assignments)
            for file, patch in parameters.assign(root, assignments):
                was, now = (mask_value(patch.key, value) for value in (patch.was, patch.now))
                console.print(f"{file}: {patch.key} {was} -> {now}", highlight=False, markup=False)
        session = open_session(directory, request)
        if not session.plan.work:
            if not console.quiet:
                print_up_to_date(root, session.workflow, session.plan, console)
                print_metrics(metric_changes(session.repository, session.workflow, session.state), console)
            if in_flow_run():
                name_idle_flow_run()
            resume(root)
            shared = push_left_over(session.repository, partial(_print, console))
            return int(_print_shared(shared, console) and bool(asked.push))
        print_short_plan(session.plan.labelled, console, predict(session, limits_of(root, workers)))
        for line in advice(missing_data(session)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        if note := note_on_user_store(root):
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        with _elsewhere(session, on, workers, console) as elsewhere:
            return carry_out(
                session,
                workers=workers,
                keep_going=keep_going,
                name=name,
                console=console,
                verbose=verbosity > 0,
                strict_push=bool(asked.push),
                elsewhere=elsewhere,
            )


@contextmanager
def _elsewhere(
    session: Session, on: str | None, workers: int | str | None, console: Console
) -> Iterator[RemoteRunner | None]:
    """Yield what runs stages on the cluster that `on` names; None without one."""
    if on is None:
        yield None
        return
    from statewright.remote.coordinator import connect_runner

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    with connect_runner(session.repository, session.workflow, session.plan, on, workers, say) as runner:
        yield runner


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def predict(session: Session, limits: Limits) -> Prediction:
    """Return the predicted schedule, in the order of a run."""
    reads = load_reads(session.repository.root)
    after = ordering_of(session.workflow, session.plan, reads, limits.workers).after()
    return schedule_plan(session.workflow, session.plan, limits.as_dict(), after)


def missing_data(session: Session) -> list[AbsentData]:
    """Return the data that is missing, unless the request says what to do about it."""
    request = session.repository.request
    if request.pull or request.allow_missing:
        return []
    return absent_data(session.workflow, session.state, session.plan)


@contextmanager
def exclusive_run(root: Path, console: Console) -> Iterator[None]:
    """Hold the run lock of the repository for the block.

    The function waits until no other run, and no process of a killed run, is active.
    """
    control = control_folder(root / ".statewright")
    holder = control / "run.by"
    with _waiting(
        FileLock(control / "run.lock"), lambda: f"{_read(holder)} is running in this repository", console
    ):
        holder.write_text(f"process {os.getpid()}: {mask_arguments(sys.argv)}", encoding="utf-8")
        working = FileLock(control / WORKING_LOCK)
        with _waiting(working, lambda: "processes of a killed run are still ending", console):
            working.release()
        yield


@contextmanager
def _waiting(lock: FileLock, reason: Callable[[], str], console: Console) -> Iterator[None]:
    """Hold a lock for the block; print the reason if it is not free."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f"{reason()}; waiting", markup=False)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else "another run"


def carry_out(
    session: Session,
    *,
    workers: int | str | None = None,
    name: str,
    console: Console,
    keep_going: bool = True,
    verbose: bool = False,
    strict_push: bool = False,
    elsewhere: RemoteRunner | None = None,
) -> int:
    """Carry out a session's plan, print the outcome and return the exit status.

    Parameters
    ----------
    strict_push : bool
        Whether the status is 1 if a result could not be pushed.
    """
    from statewright.transition import transition

    if hint := _watch_hint(session):
        console.print(hint, style="bright_black", markup=False, highlight=False)
    board = new_board(session.plan, console, verbose=verbose)
    result = transition(
        session.repository,
        session.workflow,
        session.state,
        session.plan,
        elsewhere.limits if elsewhere else limits_of(session.repository.root, workers),
        name=name,
        keep_going=keep_going,
        board=board,
        replay=replay,
        elsewhere=elsewhere,
    )
    counts = {status: list(result.outcomes.values()).count(status) for status in result.outcomes.values()}
    times = result.schedule
    duration = f" in {clock(times.actual)}" if times else ""
    # Without past runs, the prediction would be made of assumptions only.
    if times and any(session.plan.decisions[address].seconds for address in session.plan.work):
        duration += f", predicted {clock(times.predicted)}"
    console.print(", ".join(f"{counts[state]} {state}" for state in ENDED if state in counts) + duration)
    if result.unrecorded:
        problem = mask_text(result.unrecorded)
        console.print(f"MLflow record is incomplete: {problem}", style="yellow", markup=False)
    if result.prefect_problem:
        problem = f"Prefect record is incomplete: {mask_text(result.prefect_problem)}"
        console.print(problem, style="yellow", markup=False, soft_wrap=True)
    for notice in result.notices:
        console.print(notice, style="yellow", markup=False, highlight=False, soft_wrap=True)
    unpushed = _print_shared(result.shared, console)
    errors = terminal()  # also if the run is quiet
    for address, error in result.errors.items():
        text = error.replace(f"stage '{address}'", f"stage '{session.plan.label(address)}'")
        print_failure(text, errors)
    ignored = result.failed and session.repository.request.ignore_errors
    if not result.failed or ignored:
        track_changes(session.repository)
    if ignored:
        console.print("these errors are ignored, as requested: the stages are not recorded as up to date")
    elif result.failed:
        console.print("fix the error and run again; completed stages are skipped")
        return 1
    remaining = new_work(session, result.state)
    if remaining.work:
        console.print("planning again: inputs differ from what the run cache predicted")
        again = replace(session, state=result.state, plan=remaining)
        again_status = carry_out(
            again,
            workers=workers,
            name=name,
            console=console,
            keep_going=keep_going,
            verbose=verbose,
            strict_push=strict_push,
            elsewhere=elsewhere,
        )
        return max(again_status, int(strict_push and unpushed))
    if not console.quiet:
        show_results(session)
        print_metrics(metric_changes(session.repository, session.workflow, result.state), console)
    return int(strict_push and unpushed)


def _print_shared(shared: Shared | None, console: Console) -> bool:
    """Print the exchange with the remote; return whether a push failed."""
    if shared is None:
        return False
    for line in shared.lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for problem in shared.problems:  # also if the run is quiet
        terminal().print(problem, style="yellow", markup=False, highlight=False, soft_wrap=True)
    return shared.unpushed > 0


def replay(*arguments: Any) -> bool:
    """Return whether a stage makes its changes again in a copy."""
    from statewright.verify.replay import repeats_changes

    return repeats_changes(*arguments)


def _watch_hint(session: Session, at_least_s: float = 30) -> str | None:
    """Return how to watch a run in a browser, unless it is short."""
    expected = [session.plan.decisions[address].seconds for address in session.plan.work]
    known = [seconds for seconds in expected if seconds]
    if len(known) == len(expected) and sum(high for _, high in known) < at_least_s:
        return None
    if read_configuration(session.repository.root).prefect != "auto" or in_flow_run() or find_server()[0]:
        return None
    return "to watch runs in a browser, start `statewright ui` first"


def new_work(session: Session, state: State) -> Plan:
    """Return a plan for skipped stages that have work now, because a restore failed."""
    now = decide(session.workflow, state, order=tuple(session.plan.decisions))
    skipped = [a for a, decision in session.plan.decisions.items() if decision.verdict == SKIP]
    work = {address: now.decisions[address] for address in skipped if address in now.work}
    return replace(session.plan, decisions=work)


def show_results(session: Session) -> None:
    """Print the figures and paths that `meta.show` of the stages names."""
    show_figures(session.repository.root, session.workflow, session.plan)
