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

import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from statewright.masking import mask_arguments
from statewright.repository.declaration import open_repository
from statewright.request import AUTO
from statewright.session import Session
from statewright.terminal.words import terminal
from statewright.tuning.checkout import folder_of, make_checkout
from statewright.tuning.hooks import Hooks, Prune
from statewright.tuning.journal import Journal
from statewright.tuning.outcomes import check_ready, completed_metric, judged, refuse_undeclared
from statewright.tuning.pool import Pool
from statewright.tuning.proposals import Proposals, earlier, repeated, tell
from statewright.tuning.report import print_end
from statewright.tuning.setup import Prepared, Search, prepare, study_name
from statewright.tuning.sources import split_name
from statewright.tuning.space_file import changes_of
from statewright.tuning.stops import all_failed, stop_reason
from statewright.tuning.study import (
    DEFAULT,
    DONE,
    FAILED,
    SEARCH,
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


def tune(directory: Path, search: Search, hooks: Hooks | None = None) -> int:
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
    hooks = hooks or Hooks()
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
            logs = _logs(work, trial)
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
        check_ready(work.study, outcome)
        return
    trial = work.running[outcome.number]
    worker = next(worker for worker in work.pool.workers if worker.last == outcome.number)
    finished = time.time()
    trial = replace(trial, metrics=outcome.metrics, finished=finished, seconds=finished - trial.started)
    if trial.kind == DEFAULT and outcome.status == DONE:
        _complete_metric(work, outcome)
    trial = judged(work.root, work.study, trial, outcome, work.pruned.pop(trial.number, None))
    if trial.status == FAILED and trial.kind == DEFAULT:
        refuse_undeclared(work.root, work.session, _logs(work, trial), worker.root)
    for hook in work.hooks.finished:
        trial = hook(work.root, work.study, trial, worker.root)
    del work.running[trial.number]
    _finish(work, trial)
    for other in [other for other in work.repeats if _same(other, trial)]:
        work.repeats.remove(other)
        _finish(work, repeated(other, trial))


def _complete_metric(work: _Work, outcome: Outcome) -> None:
    metric = completed_metric(work.study, outcome)
    if metric != work.study.metric:
        work.study = replace(work.study, metric=metric)
        work.journal.resolve(metric)


def _logs(work: _Work, trial: Trial) -> Path:
    """Return the folder for the logs of a trial's failed stages."""
    return folder_of(work.root, work.study.name) / "logs" / f"trial-{trial.number:04}"


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
