"""The transition `f`: carry out a plan, the only impure step.

It opens what the stages of a run share, selects a runner for them, and closes the record of the run.
`running/dispatch.py` decides which stage starts when.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from statewright.configuration import read_configuration
from statewright.planning.plan import Plan
from statewright.reads.store import load_reads, save_reads
from statewright.reads.tracked import tracked_files
from statewright.reads.undeclared import observed_holdout_reads, ordering_of, report, undeclared_reads
from statewright.record.parents import ParentEnd
from statewright.repository import declaration as dvc
from statewright.repository import lock_writer
from statewright.repository.locks import WaitStoppedError
from statewright.repository.observation import observe
from statewright.request import AUTO
from statewright.running.changed_inputs import Replay
from statewright.running.launcher import open_launcher
from statewright.running.limits import Limits
from statewright.running.live_log import LiveLog
from statewright.running.local_runner import run_locally
from statewright.running.output import remove_old_logs
from statewright.running.parents import parent_ends, parent_records, pipeline_runs
from statewright.running.prefect_content import Outcome, result_artifact
from statewright.running.prefect_record import PrefectRecord, start_record
from statewright.running.prefect_runner import FlowRunPage, flow_tags, log_in_task, run_in_prefect
from statewright.running.recorder import Recorder
from statewright.running.servers import in_flow_run
from statewright.running.watch import open_watch
from statewright.running.work import Elsewhere, Work
from statewright.scheduling.prediction import Comparison, compare, schedule_plan
from statewright.state import State
from statewright.terminal.display import Board, live_board, new_board
from statewright.workflow import Workflow
from statewright.workspace import WORKING_LOCK, control_folder

__all__ = ["Limits", "Result", "TransitionFailedError", "transition"]


@dataclass
class Result:
    """Result of a transition.

    Parameters
    ----------
    state : State
        State of the repository after the transition.
    outcomes : mapping of str to str
        Address -> ran, restored, done, skipped, failed or blocked.
    errors : mapping of str to str
        Address -> error message.
    times : mapping of str to (float, float)
        Address -> start and end in seconds of a monotonic clock.
    schedule : Comparison or None
        Actual durations compared with the predicted ones.
    record : str or None
        Beginning of the tag `statewright.record` of the runs in MLflow, which are written in the background.
    unrecorded : str or None
        Reason why this record, or an earlier one, is missing or incomplete.
    prefect_problem : str or None
        What the record in Prefect lacks.
    notices : list of str
        Sentences for the user: stages that ran again, and reads that are not declared.
    """

    state: State
    outcomes: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    schedule: Comparison | None = None
    record: str | None = None
    unrecorded: str | None = None
    prefect_problem: str | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """True if a stage failed."""
        return bool(self.errors)


class TransitionFailedError(RuntimeError):
    """Failure of stages; the message names each stage with cause and log."""


def transition(
    repository: dvc.Repository,
    workflow: Workflow,
    state: State,
    plan: Plan,
    limits: Limits,
    *,
    name: str = "statewright",
    tags: Mapping[str, str] | None = None,
    keep_going: bool = True,
    board: Board | None = None,
    replay: Replay | None = None,
    elsewhere: Elsewhere | None = None,
    recorded: bool = True,
) -> Result:
    """Carry out `plan` and return the outcome of each stage and the new state.

    Inside a Prefect flow, the stages become tasks of that flow. Otherwise they run in threads of this
    process, and a Prefect server, if there is one, shows them as a run of the flow `name`.

    Parameters
    ----------
    tags : mapping of str to str, optional
        Tags for the run in MLflow.
    keep_going : bool
        Whether to start, after a failure, the stages that do not need the failed one.
    replay : Replay, optional
        Decides whether a stage itself has changed a dependency (default: such a stage fails).
    elsewhere : Elsewhere, optional
        Runs stages on other machines.
    recorded : bool
        Whether MLflow and Prefect get a run; without, the caller records the transition.

    Raises
    ------
    TransitionFailedError
        If a stage failed inside a Prefect flow, which fails with it.
    """
    stages = [workflow.stages[address] for address in plan.work]
    result = Result(state)
    if not plan.work:
        return result
    control = control_folder(repository.root / ".statewright")
    lock = control / WORKING_LOCK
    reads = load_reads(repository.root)
    if elsewhere:
        confined = [address for address in plan.work if elsewhere.takes(address)]
        ordering = ordering_of(workflow, plan, reads, AUTO, confined)
    else:
        ordering = ordering_of(workflow, plan, reads, limits.workers)
    preload = dict.fromkeys(name for stage in stages for name in stage.preload)
    logs = control / "logs" / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    record: PrefectRecord | None = None
    if recorded and not in_flow_run():
        prefect = read_configuration(repository.root).prefect
        record = start_record(repository, workflow, plan, name, prefect, logs / "prefect-server.log")
    remove_old_logs(control / "logs")
    with ExitStack() as stack:
        recorder = Recorder(repository.root, silent=not recorded)
        stack.callback(_close_record, recorder, result)
        warm = stack.enter_context(open_launcher([*preload], lock)) if preload else None
        plain = stack.enter_context(open_launcher(lock=lock))
        work = Work(
            name=name,
            writer=lock_writer.open_lock_writer(
                repository, list(dict.fromkeys([*plan.decisions, *workflow.stages]))
            ),
            workflow=workflow,
            plan=plan,
            board=board or new_board(plan),
            logs=logs,
            recorder=recorder,
            launcher=plain,
            warm=warm or plain,
            live=LiveLog(log_in_task if in_flow_run() else record.log if record else lambda *_: None),
            flow_run=flow_tags() if in_flow_run() else record.flow_run if record else {},
            cancelled=repository.stopped,
            ordering=ordering,
            replay=replay,
            elsewhere=elsewhere,
            reads=reads,
            times=result.times,
            outcomes=result.outcomes,
            errors=result.errors,
            notices=result.notices,
        )
        stack.enter_context(_watching(work, repository.root))
        stack.enter_context(live_board(work.board))
        if in_flow_run():
            page = FlowRunPage(work) if recorded else None
            _carry_out(work, limits, result, tags or {}, partial(run_in_prefect, keep_going=keep_going), page)
            if result.failed and not repository.request.ignore_errors:
                raise TransitionFailedError("\n".join(result.errors.values()))
        else:
            run = partial(run_locally, keep_going=keep_going, record=record)
            _carry_out(work, limits, result, tags or {}, run, record)
    return result


@contextmanager
def _watching(work: Work, root: Path) -> Iterator[None]:
    """Observe what stages read during the block; then save and report it."""
    if not read_configuration(root).watch:
        yield
        return
    tracked = tracked_files(root, work.workflow)
    rereading = {a for a, s in work.workflow.stages.items() if (known := work.reads.of(s)) and known.own}
    work.watch, problem = open_watch(root, work.workflow, work.ordering, rereading=rereading, tracked=tracked)
    try:
        yield
    finally:
        if work.watch:
            work.watch.close()
            if work.watch.problem:
                work.notices.append(f"some files of stages are not observed: {work.watch.problem}")
        else:
            work.notices.append(
                f"what stages read cannot be observed here ({problem}); with --workers auto they run "
                "one by one, in DVC's order"
            )
        try:
            save_reads(root, work.reads, work.workflow.stages)
        except OSError as error:  # such as a full disk: the stages are observed again
            work.notices.append(f"the reads of stages could not be saved: {error.strerror or error}")
        ran = [address for address, outcome in work.outcomes.items() if outcome == "ran"]
        work.notices += [r.text for r in observed_holdout_reads(work.workflow, work.reads) if r.stage in ran]
        work.notices += report(undeclared_reads(work.workflow, work.reads, ran))


def _close_record(recorder: Recorder, result: Result) -> None:
    result.record, result.unrecorded = recorder.close()


def _carry_out(
    work: Work,
    limits: Limits,
    result: Result,
    tags: Mapping[str, str],
    run: Callable[[Work, Limits], None],
    prefect: PrefectRecord | FlowRunPage | None = None,
) -> None:
    """Open the records, run the stages and close the records."""
    before = {
        "statewright.state.before": result.state.digest,
        "statewright.workflow": work.workflow.digest,
    }
    root, workflow, plan = work.writer.repository.root, work.workflow, work.plan
    with work.recorder.noting_problems():
        tags = {**before, **work.flow_run, **tags}
        parents = parent_records(root, workflow, plan, name=work.name, tags=tags, request=work.request)
        parts = {address: part.name for part in pipeline_runs(workflow, plan) for address in part.work}
        work.recorder.start(parents, parts)
    lock_writer.begin_run(work.writer)
    try:
        run(work, limits)
        lock_writer.end_run(work.writer)
    finally:
        ended_at = time.time()  # a Prefect server can take seconds to close its record
        with suppress(WaitStoppedError):
            result.state = observe(work.writer.repository, work.workflow, work.plan.decisions)
        predicted = schedule_plan(work.workflow, work.plan, limits.as_dict(), work.ordering.after()).schedule
        result.schedule = compare(predicted, work.times)
        if prefect:
            done = Outcome(work.outcomes, work.errors, work.times, result.schedule.actual, work.logs)
            prefect.artifact(result_artifact(prefect.flow, work.workflow, work.plan, done))
            for address, outcome in work.outcomes.items():
                if outcome == "blocked":
                    prefect.blocked(address)
            state = "CANCELLED" if work.cancelled.is_set() else "FAILED" if result.failed else "COMPLETED"
            result.prefect_problem = prefect.close(state, "\n".join(result.errors.values()))
        ended = ParentEnd(
            failed=result.failed or work.cancelled.is_set(),
            tags={"statewright.state.after": result.state.digest, **work.flow_run},
            schedule=result.schedule.as_dict(),
            times=work.times,
            outcomes=work.outcomes,
        )
        with work.recorder.noting_problems():
            work.recorder.end(parent_ends(root, workflow, plan, ended, result.state.metrics), ended_at)
