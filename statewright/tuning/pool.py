"""The workers of a study: processes with a scratch checkout each."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from statewright.environment import caller_environment
from statewright.running.process import GRACE_S
from statewright.tuning.trial import FAILED, READY, Job, Outcome, Task


@dataclass
class Worker:
    """A process that runs trials in its checkout.

    Parameters
    ----------
    log : Path
        Output of the process that is not an answer.
    job : int or None
        Number of the running trial; `READY` while the checkout is prepared, None if the worker waits.
    last : int or None
        Number of the trial that ran last.
    """

    task: Task
    log: Path
    process: subprocess.Popen[bytes]
    job: int | None = READY
    last: int | None = None
    pending: bytes = b""

    @property
    def root(self) -> Path:
        """The repository in the checkout."""
        return Path(self.task.root)


@dataclass
class Pool:
    """All workers of a study."""

    workers: list[Worker] = field(default_factory=list)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def start(self, task: Task, log: Path) -> None:
        """Start a worker; it answers with the number `READY`."""
        worker = Worker(task, log, _start(task, log))
        self.workers.append(worker)
        self._register(worker)

    def idle(self) -> list[Worker]:
        """Return the workers that wait for a trial."""
        return [worker for worker in self.workers if worker.job is None]

    def running(self) -> Mapping[int, Worker]:
        """Return the workers with a trial, by its number."""
        busy = ((worker.job, worker) for worker in self.workers)
        return {number: worker for number, worker in busy if number is not None and number != READY}

    def send(self, worker: Worker, job: Job) -> None:
        """Give a trial to a worker that waits."""
        worker.job = worker.last = job.number
        self._write(worker, asdict(job))

    def stop(self, number: int) -> None:
        """Stop a running trial; its outcome says that it was stopped."""
        self._write(self.running()[number], {"stop": number})

    def outcomes(self, timeout_s: float) -> Iterator[Outcome]:
        """Yield the outcomes that arrive in time.

        That of a dead worker is a failure, and the worker is started again.
        """
        for key, _ in self.selector.select(timeout_s):
            worker: Worker = key.data
            assert worker.process.stdout is not None
            chunk = os.read(worker.process.stdout.fileno(), 65536)
            if not chunk:
                yield from self._replace(worker)
                continue
            *lines, worker.pending = (worker.pending + chunk).split(b"\n")
            for line in lines:
                worker.job = None
                yield Outcome(**json.loads(line))

    def close(self) -> None:
        """End all workers and their stages."""
        for worker in self.workers:
            assert worker.process.stdin is not None
            with suppress(OSError):
                worker.process.stdin.close()
        for worker in self.workers:
            try:
                worker.process.wait(2 * GRACE_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            assert worker.process.stdout is not None
            worker.process.stdout.close()
        self.workers.clear()
        self.selector.close()

    def _register(self, worker: Worker) -> None:
        assert worker.process.stdout is not None
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)

    def _replace(self, worker: Worker) -> Iterator[Outcome]:
        """Yield the failure of a dead worker; start it again if it was ready."""
        assert worker.process.stdout is not None
        self.selector.unregister(worker.process.stdout)
        worker.process.stdout.close()
        code, number = worker.process.wait(), worker.job
        how = (
            f"was killed by signal {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        )
        reason = f"the process of the trial {how}; log: {worker.log}"
        if number != READY:
            worker.process, worker.job, worker.pending = _start(worker.task, worker.log), READY, b""
            self._register(worker)
        if number is not None:
            yield Outcome(number, FAILED, reason=reason)

    def _write(self, worker: Worker, message: Mapping[str, object]) -> None:
        assert worker.process.stdin is not None
        with suppress(BrokenPipeError):  # its end is noticed when its answer is read
            worker.process.stdin.write(json.dumps(message).encode() + b"\n")
            worker.process.stdin.flush()


def _start(task: Task, log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "statewright.tuning.trial"],
            cwd=task.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            env=caller_environment(os.environ),
            # A Ctrl-C is for the driver, which ends the trials itself.
            start_new_session=True,
        )
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
        process.stdin.flush()
    return process
