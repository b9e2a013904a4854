"""Run trials in a scratch checkout: the process of a worker.

DVC reads a repository relative to the working directory, and a process has one. So each checkout has a
process, which opens the repository for one trial after the other::

    driver  -- {"number": 3, "changes": {"params.yaml": [["lr", 0.1]]}, ...} -->  worker
            <-- {"number": 3, "status": "done", "metrics": {...}, ...} ---------

The worker ends when its input does, also after a kill of the driver; its stages end with it.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import re
import shutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from statewright import parameters
from statewright.environment import quiet
from statewright.files import file_name
from statewright.planning.holdout import require_unread
from statewright.reads.store import load_reads
from statewright.repository.declaration import open_repository
from statewright.repository.experiments import check_out
from statewright.running.limits import Limits
from statewright.running.process import GRACE_S
from statewright.session import Session, new_work, open_session, replay
from statewright.terminal.display import new_board
from statewright.terminal.words import terminal
from statewright.transition import Result, transition
from statewright.tuning.sources import sources_of
from statewright.workflow import WorkflowError

DONE, FAILED, STOPPED, REFUSED = "done", "failed", "stopped", "refused"
MOST_PASSES = 5
"""Maximum number of transitions of a trial: a stage that could not be restored runs in the next."""
_LOG = re.compile(r"; log: (\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Task:
    """The task of a worker: checkout, stages, and the params that trials set.

    Parameters
    ----------
    root : str
        The repository in the scratch checkout.
    space : list of str
        Params that the trials set, that of the seed included.
    outputs : list of str
        Outputs to restore from the cache before the first trial.
    texts : dict of str to str
        Params files that the trials change, as they are without a trial.
    """

    root: str
    targets: list[str]
    space: list[str]
    outputs: list[str]
    texts: dict[str, str]
    workers: int | str


@dataclass(frozen=True)
class Job:
    """One trial.

    Parameters
    ----------
    changes : dict
        Params file -> list of key and value.
    logs : str
        Folder for the logs of failed stages.
    """

    number: int
    changes: dict[str, list[list[Any]]]
    logs: str


@dataclass(frozen=True)
class Outcome:
    """Result of a trial, or of the start of a worker.

    Parameters
    ----------
    stages : dict of str to str
        Address -> ran, restored, skipped, ...
    sources : dict of str to str
        Of the start: what the checkout holds, see `sources_of`.
    """

    number: int
    status: str
    metrics: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    stages: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


READY = -1
"""Number of the outcome that a worker sends when its checkout is ready."""


class _Current:
    """The repository of the running trial, which a request can stop."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._event: threading.Event | None = None
        self._number: int | None = None
        self.stopped = False

    def begin(self, number: int) -> None:
        with self._mutex:
            self._number, self._event, self.stopped = number, None, False

    def opened(self, event: threading.Event) -> None:
        """Note the event that stops the transition."""
        with self._mutex:
            self._event = event
            if self.stopped:
                event.set()

    def stop(self, number: int | None = None) -> None:
        """Stop the trial with this number, or any."""
        with self._mutex:
            if number is None or number == self._number:
                self.stopped = True
                if self._event:
                    self._event.set()


def run_trial(task: Task, job: Job, current: _Current) -> Outcome:
    """Set the params of a trial and bring the stages up to date."""
    root = Path(task.root)
    current.begin(job.number)
    _reset(task)
    for file, changes in job.changes.items():
        parameters.apply(root / file, [(key, value) for key, value in changes])
    gc.collect()  # DVC's objects form cycles, and keep its databases open
    stages: dict[str, str] = {}
    session = open_session(root, task.targets)
    metrics: Mapping[str, float] = session.state.metrics
    stages.update(dict.fromkeys(session.plan.decisions, "skipped"))
    for _ in range(MOST_PASSES):
        if not session.plan.work:
            break
        current.opened(session.repository.stopped)
        result = _transition(session, task)
        stages.update(result.outcomes)
        metrics = result.state.metrics
        if current.stopped:
            return Outcome(job.number, STOPPED, dict(metrics), "", stages)
        if result.failed:
            return Outcome(job.number, FAILED, {}, _reason(result, Path(job.logs)), stages)
        session = replace(session, state=result.state, plan=new_work(session, result.state))
    try:
        require_unread(session.workflow, session.targets, load_reads(root).known(session.workflow))
    except WorkflowError as error:  # a read that was observed in this trial
        return Outcome(job.number, REFUSED, {}, str(error), stages)
    return Outcome(job.number, DONE, dict(metrics), "", stages)


def _reset(task: Task) -> None:
    for file, text in task.texts.items():
        parameters.write(Path(task.root) / file, text)


def _transition(session: Session, task: Task) -> Result:
    board = new_board(session.plan, terminal(quiet=True, live=False))
    return transition(
        session.repository,
        session.workflow,
        session.state,
        session.plan,
        Limits(workers=task.workers),
        board=board,
        replay=replay,
        recorded=False,
    )


def _reason(result: Result, logs: Path) -> str:
    """Return the errors of a transition, with their logs copied to where they stay."""
    texts = []
    for address, text in result.errors.items():
        if match := _LOG.search(text):
            logs.mkdir(parents=True, exist_ok=True)
            kept = logs / file_name(address, ".log")
            if Path(match[1]).is_file():
                shutil.copyfile(match[1], kept)
            text = f"{text[: match.start()]}; log: {kept}"
        texts.append(text)
    return "\n".join(texts)


def _prepare(task: Task) -> Outcome:
    """Restore the outputs of the checkout, and return what it holds."""
    root = Path(task.root)
    _reset(task)
    check_out(open_repository(root), task.outputs)
    session = open_session(root, task.targets)
    return Outcome(READY, DONE, sources=sources_of(session, task.space))


def _requests(lines: IO[str], jobs: queue.SimpleQueue[Job | None], current: _Current) -> None:
    """Pass jobs on; stop the running trial if asked to or if the driver has died."""
    for line in lines:
        message = json.loads(line)
        if "stop" in message:
            current.stop(message["stop"])
        else:
            jobs.put(Job(**message))
    jobs.put(None)
    current.stop()
    # A trial that cannot be stopped must not outlive the driver.
    killer = threading.Timer(3 * GRACE_S, os._exit, (1,))
    killer.daemon = True
    killer.start()


def serve(task: Task, lines: IO[str], answers: IO[str]) -> None:
    """Run trials until the requests end."""

    def answer(outcome: Outcome) -> None:
        print(json.dumps(asdict(outcome)), file=answers, flush=True)

    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    current = _Current()
    threading.Thread(target=_requests, args=(lines, jobs, current), daemon=True).start()
    try:
        ready = _prepare(task)
    except Exception as error:
        answer(Outcome(READY, FAILED, reason=_text_of(error)))
        return
    answer(ready)
    while job := jobs.get():
        try:
            outcome = run_trial(task, job, current)
        except Exception as error:
            outcome = Outcome(job.number, STOPPED if current.stopped else FAILED, reason=_text_of(error))
        answer(outcome)


def _text_of(error: Exception) -> str:
    return str(error) or type(error).__name__


def main() -> None:
    """Run the trials of a worker; its task is the first line of the input, as JSON."""
    quiet()
    task = Task(**json.loads(sys.stdin.readline()))
    # Libraries print to the standard output, which is the channel to the driver: it gets another number.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(task, sys.stdin, answers)


if __name__ == "__main__":
    from statewright.running.supervisor import exit_now

    main()
    exit_now(0)
