"""The loop of a study: propose, run, tell, until a stop condition holds.

::

    space.yaml, params.yaml --> checks --> checkouts, one a worker
                                              |
    sampler -- config --> journal: asked --> worker: a transition --> journal: trial --> sampler
                                              |
                                        stop? --> best params as a patch

The user's tree is read once and never written, unless the best params are to be applied.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from statewright.files import file_name
from statewright.masking import mask_arguments
from statewright.planning.metric_names import find_metric
from statewright.repository.declaration import open_repository
from statewright.request import AUTO
from statewright.session import Session
from statewright.terminal.words import joined, terminal
from statewright.tuning.checkout import folder_of, make_checkout
from statewright.tuning.metric import OPTION
from statewright.tuning.missing_file import advice, lacking_file
from statewright.tuning.pool import Pool, Worker
from statewright.tuning.proposals import Proposals, earlier, repeated, tell
from statewright.tuning.report import print_end
from statewright.tuning.setup import Prepared, Search, prepare, study_name
from statewright.tuning.sources import changed_sources, split_name
from statewright.tuning.space_file import changes_of
from statewright.tuning.stops import all_failed, stop_reason
from statewright.tuning.study import (
    DEFAULT,
    DONE,
    FAILED,
    PRUNED,
    SEARCH,
    Journal,
    Study,
    Trial,
    in_flight,
    study_path,
)
from statewright.tuning.table import Board, live_table
from statewright.tuning.trial import READY, REFUSED, Job, Outcome, Task
from statewright.workflow import WorkflowError
from statewright.workspace import control_folder

FAILURE, INTERRUPTED = 1, 130
TICK_S = 0.25
"""Seconds between two looks at intermediate metrics."""


@dataclass(frozen=True)
class Prune:
    """The decision to stop a poor trial: the last intermediate value, and why."""

    value: float | None
    reason: str


@dataclass(frozen=True)
class Hooks:
    """Functions that a study calls.

    Parameters
    ----------
    begun : tuple of callables
        Called with the study before the first trial, also when it resumes.
    finished : tuple of callables
        Called with study, trial and checkout after each trial that ran, before it is in the journal; they
        return the trial, possibly with the name of an experiment.
    ended : tuple of callables
        Called with the study at its end; they return lines to print.
    prune : callable, optional
        Called several times a second with study, running trial and checkout; returns whether to stop it.
    """

    begun: tuple[Callable[[Path, Study], None], ...] = ()
    finished: tuple[Callable[[Path, Study, Trial, Path], Trial], ...] = ()
    ended: tuple[Callable[[Path, Study], list[str]], ...] = ()
    prune: Callable[[Study, Trial, Path], Prune | None] | None = None


@dataclass
class _Work:
    """State that the steps of one study share.

    Parameters
    ----------
    repeats : list of Trial
        Trials with the params of a running one; they are answered when it has finished.
    pruned : dict of int to Prune
        Trials that were asked to stop.
    """

    root: Path
    study: Study
    hooks: Hooks
    journal: Journal
    proposals: Proposals
    board: Board
    pool: Pool
    session: Session
    running: dict[int, Trial] = field(default_factory=dict)
    repeats: list[Trial] = field(default_factory=list)
    pruned: dict[int, Prune] = field(default_factory=dict)


def tune(directory: Path, search: Search, hooks: Hooks = Hooks()) -> int:
    """Search for the params with the best metric, and print them as a patch.

    Returns
    -------
    int
        0 if the study ended, 1 if all trials failed, 130 if it was interrupted.

    Raises
    ------
    WorkflowError
        If the space, the metric or the target cannot be used, before the first trial; or if another
        process runs the study.
    """
    console = terminal(quiet=search.quiet)
    root = open_repository(directory).root
    name = study_name(root, search)
    with _exclusive(root, name):
        try:
            prepared = prepare(directory, root, search, console)
            study = prepared.study
            reason = stop_reason(study)
            if reason is None:
                study, reason = _run(root, search, prepared, hooks, console)
        except KeyboardInterrupt:
            begun = study_path(root, name).exists()
            text = f"interrupted; `statewright tune --name {name} --resume` resumes"
            text = text if begun else "interrupted before the first trial"
            terminal().print(text, highlight=False, markup=False, soft_wrap=True)
            return INTERRUPTED
        lines = [line for hook in hooks.ended for line in hook(root, study)]
        return print_end(root, study, reason, search.apply, lines)


@contextmanager
def _exclusive(root: Path, name: str) -> Iterator[None]:
    """Hold the lock of a study for the block.

    Raises
    ------
    WorkflowError
        If another process holds it.
    """
    folder = control_folder(root / ".statewright") / "tune"
    folder.mkdir(exist_ok=True)
    lock, holder = FileLock(folder / f"{name}.lock"), folder / f"{name}.by"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        raise WorkflowError(
            f"study '{name}' is running: {who}; `--name OTHER` starts another study beside it"
        ) from None
    try:
        holder.write_text(f"process {os.getpid()}: {mask_arguments(sys.argv)}", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _run(root: Path, search: Search, prepared: Prepared, hooks: Hooks, console: Console) -> tuple[Study, str]:
    """Run trials until a stop condition holds; return the study and the reason."""
    study = prepared.study
    unfinished = deque(() if prepared.is_new else in_flight(root, study.name))
    proposals = Proposals(
        prepared.sampler,
        prepared.default,
        prepared.seed,
        unfinished,
        len(study.trials) + len(unfinished),
    )
    journal, pool = Journal(root, study.name, new=prepared.is_new), Pool()
    work = _Work(
        root,
        study,
        hooks,
        journal,
        proposals,
        Board(study, console),
        pool,
        prepared.session,
    )
    try:
        if prepared.is_new:
            journal.begin(study)
        else:
            journal.resume(study)
        _start_workers(work, prepared, min(search.workers, study.budget - len(study.trials)))
        for hook in hooks.begun:
            hook(root, study)
        with live_table(work.board):
            reason = _search(work)
        return work.study, reason
    finally:
        pool.close()
        journal.close()
        for path in folder_of(root, study.name).glob("checkout-*"):
            shutil.rmtree(path, ignore_errors=True)


def _start_workers(work: _Work, prepared: Prepared, count: int) -> None:
    """Copy the checkout for each worker and start it.

    All copies are made before the first trial: an edit in the meantime is noticed, and later ones are not
    part of the study.
    """
    study, session = work.study, prepared.session
    space = [*study.space, *([study.seed_param] if study.seed_param else [])]
    files = dict.fromkeys(split_name(name)[0] for name in space)
    texts = {file: (work.root / file).read_bytes().decode("utf-8") for file in files}
    folder = folder_of(work.root, study.name)
    checkouts = [make_checkout(session, folder / f"checkout-{number}") for number in range(1, count + 1)]
    for number, checkout in enumerate(checkouts, 1):
        task = Task(
            root=str(checkout.root),
            targets=list(session.targets),
            space=space,
            outputs=list(checkout.outputs),
            texts=texts,
            # Trials run side by side already; alone, one may use all cores.
            workers=AUTO if count == 1 else 1,
        )
        work.pool.start(task, folder / "logs" / f"worker-{number}.log")


def _search(work: _Work) -> str:
    """Run trials and return why the study ends."""
    while True:
        reason = _stop_reason(work)
        if reason is None:
            _dispatch(work)
        elif not work.running:
            return reason
        for outcome in list(work.pool.outcomes(TICK_S if work.running or not reason else 0)):
            _take(work, outcome)
        _prune(work)


def _stop_reason(work: _Work) -> str | None:
    if all_failed(work.study):
        return "all trials failed"
    return stop_reason(work.study)


def _dispatch(work: _Work) -> None:
    """Give a trial to each worker that waits."""
    idle = deque(work.pool.idle())
    while idle and (trial := work.proposals.next(work.study, work.running)):
        work.journal.ask(trial)
        if first := earlier(work.study, trial):
            _finish(work, repeated(trial, first))
            if _stop_reason(work):
                return
        elif any(_same(other, trial) for other in work.running.values()):
            work.repeats.append(trial)
        else:
            worker = idle.popleft()
            logs = folder_of(work.root, work.study.name) / "logs" / f"trial-{trial.number:04}"
            work.running[trial.number] = trial
            work.board.started(trial)
            work.pool.send(worker, Job(trial.number, changes_of(_params(work.study, trial)), str(logs)))


def _same(one: Trial, two: Trial) -> bool:
    return (one.config, one.seed) == (two.config, two.seed)


def _params(study: Study, trial: Trial) -> Mapping[str, object]:
    """Return the params to set: those of the trial, and its seed."""
    if study.seed_param is None:
        return trial.config
    return {**trial.config, study.seed_param: trial.seed}


def _take(work: _Work, outcome: Outcome) -> None:
    """Take the answer of a worker: a finished trial, or a checkout that is ready.

    Raises
    ------
    WorkflowError
        If a checkout cannot be used, or a stage reads what no search may read.
    """
    if outcome.status == REFUSED:
        raise WorkflowError(outcome.reason)
    if outcome.number == READY:
        _check_ready(work, outcome)
        return
    trial = work.running[outcome.number]
    worker = next(worker for worker in work.pool.workers if worker.last == outcome.number)
    finished = time.time()
    trial = replace(trial, metrics=outcome.metrics, finished=finished, seconds=finished - trial.started)
    trial = _judged(work, trial, outcome)
    if trial.status == FAILED and trial.kind == DEFAULT:
        _refuse_undeclared(work, trial, worker)
    for hook in work.hooks.finished:
        trial = hook(work.root, work.study, trial, worker.root)
    del work.running[trial.number]
    _finish(work, trial)
    for other in [other for other in work.repeats if _same(other, trial)]:
        work.repeats.remove(other)
        _finish(work, repeated(other, trial))


def _judged(work: _Work, trial: Trial, outcome: Outcome) -> Trial:
    """Return a trial with status, value and reason."""
    prune = work.pruned.pop(trial.number, None)
    if prune and outcome.status != DONE:
        return replace(trial, status=PRUNED, value=prune.value, reason=prune.reason)
    if outcome.status != DONE:
        reason = outcome.reason.replace(f"{work.root}/", "")
        return replace(trial, status=FAILED, reason=reason or "the trial was stopped")
    if trial.kind == DEFAULT and work.study.metric not in outcome.metrics:
        _complete_metric(work, outcome)
    value = outcome.metrics.get(work.study.metric)
    if value is None:
        return replace(trial, status=FAILED, reason=_no_metric(work.study, outcome))
    if not math.isfinite(value):
        return replace(trial, status=FAILED, reason=f"{work.study.metric} is {value}")
    return replace(trial, status=DONE, value=value)


def _complete_metric(work: _Work, outcome: Outcome) -> None:
    """Complete the name of a metric whose file the first trial has written.

    Raises
    ------
    WorkflowError
        If the file has no such metric, or several.
    """
    study = work.study
    file, _, key = study.metric.rpartition(":")
    written = [name for name in outcome.metrics if name.startswith(f"{file}:")]
    metric = find_metric(key, written, OPTION)
    if metric is None:
        raise WorkflowError(f"{OPTION} {study.metric}: {_no_metric(study, outcome)}")
    work.study = replace(study, metric=metric)
    work.journal.resolve(metric)


def _no_metric(study: Study, outcome: Outcome) -> str:
    file = study.metric.rpartition(":")[0]
    keys = [name.rpartition(":")[2] for name in outcome.metrics if name.startswith(f"{file}:")]
    there = f"it has {', '.join(keys[:8])}" if keys else "the file has no numbers"
    return f"the stages ran and wrote no number {study.metric}; {there}"


def _check_ready(work: _Work, outcome: Outcome) -> None:
    if outcome.status != DONE:
        raise WorkflowError(f"a scratch checkout cannot be used: {outcome.reason}")
    if changed := changed_sources(work.study.sources, outcome.sources):
        shown = joined(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
        raise WorkflowError(
            f"a scratch checkout differs from the repository in {shown}: a file changed while it was copied, "
            f"or git does not list it; `statewright tune --name {work.study.name} --resume` tries again"
        )


def _refuse_undeclared(work: _Work, trial: Trial, worker: Worker) -> None:
    """Raise an error if the defaults failed because a checkout lacks a file."""
    logs = folder_of(work.root, work.study.name) / "logs" / f"trial-{trial.number:04}"
    for log in sorted(logs.glob("*.log")):
        for address in work.session.plan.decisions:
            if log.name != file_name(address, ".log"):
                continue
            stage = work.session.workflow.stages[address]
            if path := lacking_file(log, stage, work.root, worker.root):
                raise WorkflowError(f"{advice(address, path)}; log: {log.relative_to(work.root)}")


def _finish(work: _Work, trial: Trial) -> None:
    """Write a finished trial to the journal and tell the sampler."""
    work.journal.tell(trial)
    work.study = replace(work.study, trials=(*work.study.trials, trial))
    tell(work.proposals.sampler, work.study, trial)
    work.board.finished(work.study, trial)


def _prune(work: _Work) -> None:
    """Stop the running trials that the hook finds poor."""
    if work.hooks.prune is None:
        return
    for number, worker in work.pool.running().items():
        trial = work.running[number]
        if number in work.pruned or trial.kind != SEARCH:
            continue
        if prune := work.hooks.prune(work.study, trial, worker.root):
            work.pruned[number] = prune
            work.pool.stop(number)
