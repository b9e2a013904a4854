"""Share the results of a run: fetch, lease and push around each stage.

::

    fetch what the remote has  --all-->  restore
            | not all
    take the lease  --held by somebody-->  wait, and fetch what they have made
            | taken
    run the command, push in the background, then release the lease

Whatever fails here, the stage runs as it would without a remote; what could not be pushed is said at the end
and stays in a list, with which the next run with ``--push`` begins.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from statewright.repository import leases
from statewright.repository.declaration import Repository
from statewright.repository.lock_writer import LockWriter
from statewright.repository.rates import save_rate
from statewright.repository.remote_results import Made, Wanted, fetch_result, made, push_result, wanted
from statewright.repository.remote_sharing import DamagedError, Moved, Remote, reason_of
from statewright.repository.unpushed import Unpushed
from statewright.terminal.words import counted, megabytes

PUSHERS = 2
"""Number of stages whose results are pushed at the same time."""
FAILURES = 3
"""Number of failed pushes in a row after which the others are left to the next run."""
POLL_S = (0.5, 5.0)
"""Shortest and longest pause between two looks at somebody else's lease."""
SILENCE_S = 2.0
"""Seconds of waiting at the end of a run before a line says why."""

Say = Callable[[str], None]


@dataclass
class Shared:
    """Summary of what a run has exchanged with the remote."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unpushed: int = 0


class Sharing:
    """Exchange with the remote during one run.

    Parameters
    ----------
    pull, push : bool
        Whether to fetch and to push. Leases need both: who does not push leaves others waiting for a
        result that never comes, and who does not pull would wait for one that it does not take.
    """

    def __init__(self, root: Path, remote: Remote, cancelled: threading.Event, *, pull: bool, push: bool):
        self.root, self.remote, self.cancelled = root, remote, cancelled
        self.pull, self.push = pull, push
        self.fetched, self.pushed = Moved(), Moved()
        self.fetched_stages: dict[str, float] = {}
        self.pushed_stages: set[str] = set()
        self.problems: list[str] = []
        self.damaged: list[str] = []
        self.pull_problem: str | None = None
        self._held: dict[str, leases.Lease] = {}
        self._mutex = threading.Lock()
        self._ended = threading.Event()
        self._jobs: queue.SimpleQueue[Made | None] = queue.SimpleQueue()
        self._waiting = 0
        self._idle = threading.Condition(self._mutex)
        self._failures = 0
        self._unpushed = Unpushed(root)
        self._threads: list[threading.Thread] = []
        if push:
            for result in self._unpushed.read():
                self._enqueue(result)

    def prepare(self, writer: LockWriter, address: str, say: Say) -> None:
        """Fetch what makes the command of a stage unnecessary, or take its lease.

        An error of the remote is noted, and the stage runs as without one.
        """
        if not self.pull or self.pull_problem:
            return
        try:
            need = wanted(writer, address)
            if need is None or self._fetch(writer, address, need):
                return
            if self.push and need.key is not None and self.remote.has_runs:
                self._lease(writer, address, need, say)
        except Exception as error:
            with self._mutex:
                self.pull_problem = self.pull_problem or reason_of(error)

    def _fetch(self, writer: LockWriter, address: str, need: Wanted) -> bool:
        began = time.monotonic()
        try:
            moved = fetch_result(self.remote, writer, need)
        except (DamagedError, FileNotFoundError) as error:  # of this result only
            with self._mutex:
                self.damaged.append(f"{address} was not restored: {reason_of(error)}")
            return False
        if moved is None:
            return False
        if moved.files:
            with self._mutex:
                self.fetched.add(moved)
                self.fetched_stages[address] = time.monotonic() - began
        return True

    def _lease(self, writer: LockWriter, address: str, need: Wanted, say: Say) -> None:
        """Take the lease of a stage, or wait until somebody else's result is here."""
        key, pause = str(need.key), POLL_S[0]
        told: tuple[int, str] | None = None
        seen: tuple[leases.Holder, float] | None = None
        while not self.cancelled.is_set():
            held = leases.acquire(self.remote, key, address)
            if isinstance(held, leases.Holder):
                now = time.monotonic()
                if seen is None or (seen[0].number, seen[0].data) != (held.number, held.data):
                    seen = (held, now)
                if told != (held.number, held.owner):
                    told = (held.number, held.owner)
                    say(f"waiting for {leases.describe(held, time.time())}; runs here if the lease expires")
                if now - seen[1] < held.ttl_s:
                    self.cancelled.wait(pause)
                    pause = min(POLL_S[1], 1.5 * pause)
                    continue
                taken = leases.take_over(self.remote, key, address, held)
                if taken is None:
                    continue
                say(f"the lease of {held.owner} has expired")
                held = taken
            # The last owner may have pushed its result after the look above, and before the release.
            if self._fetch(writer, address, need):
                leases.release(self.remote, held)
                return
            with self._mutex:
                self._held[address] = held
            self._start("leases", self._renew)
            return

    def _renew(self) -> None:
        """Renew the leases that are held, until the run has ended."""
        while not self._ended.wait(leases.TTL_S / 4):
            for address, lease in list(self._held.items()):
                with suppress(Exception):  # not in time, it expires: a second run costs time, and no result
                    renewed = leases.renew(self.remote, lease)
                    with self._mutex:
                        if self._held.get(address) is lease:
                            if renewed:
                                self._held[address] = renewed
                            else:
                                del self._held[address]

    def finish(self, writer: LockWriter, address: str, outcome: str) -> None:
        """Push the result of a stage in the background, or release its lease."""
        if self.push and outcome in ("ran", "restored", "done") and address not in self.fetched_stages:
            try:
                result = made(writer, address)
            except Exception as error:
                result = None
                self.problems.append(f"{address}: {reason_of(error)}")
            if result is not None:
                self._unpushed.add(result)
                self._enqueue(result)
                return
        self._release(address)

    def _release(self, address: str) -> None:
        with self._mutex:
            lease = self._held.pop(address, None)
        if lease is not None:
            with suppress(Exception):  # not released, it expires
                leases.release(self.remote, lease)

    def _enqueue(self, result: Made) -> None:
        with self._mutex:
            self._waiting += 1
        self._jobs.put(result)
        for number in range(PUSHERS):
            self._start(f"push-{number}", self._push_all)

    def _start(self, name: str, target: Callable[[], None]) -> None:
        with self._mutex:
            if name not in (thread.name for thread in self._threads):
                # A daemon: a remote that never answers must not keep the process.
                self._threads.append(threading.Thread(target=target, name=name, daemon=True))
                self._threads[-1].start()

    def _push_all(self) -> None:
        while (result := self._jobs.get()) is not None:
            moved = Moved(errors=["not tried, because the pushes before it failed"])
            if self._failures < FAILURES:
                try:
                    moved = push_result(self.remote, result)
                except Exception as error:
                    moved = Moved(errors=[reason_of(error)])
            self._release(result.address)
            with self._mutex:
                self._failures = self._failures + 1 if moved.errors else 0
                self.pushed.add(moved)
                if moved.errors:
                    self.problems.append(f"{result.address}: {moved.errors[0]}")
                else:
                    self.pushed_stages |= {result.address} if moved.files else set()
                    self._unpushed.remove(result)
                self._waiting -= 1
                self._idle.notify_all()

    def close(self, say: Say) -> Shared:
        """Wait for the pushes, release the leases, and return what was exchanged."""
        self._wait(say)
        for address in list(self._held):
            self._release(address)
        self._ended.set()
        for _ in range(PUSHERS):
            self._jobs.put(None)
        save_rate(self.root, self.remote.name, self.fetched.bytes, sum(self.fetched_stages.values()))
        return self._summary()

    def _wait(self, say: Say) -> None:
        began, told = time.monotonic(), False
        with self._idle:
            while self._waiting and not self.cancelled.is_set():
                if not told and time.monotonic() - began > SILENCE_S:
                    told = True
                    say(
                        f"pushing {counted(self._waiting, 'result')} to '{self.remote.name}'; Ctrl-C leaves "
                        "them to the next `statewright run --push`"
                    )
                self._idle.wait(0.2)

    def _summary(self) -> Shared:
        name = self.remote.name
        shared = Shared(unpushed=self._waiting + len(self.problems))
        for verb, moved, stages in (
            (f"fetched from '{name}'", self.fetched, len(self.fetched_stages)),
            (f"pushed to '{name}'", self.pushed, len(self.pushed_stages)),
        ):
            if moved.files:
                size = megabytes(moved.bytes)
                shared.lines.append(
                    f"{verb}: {counted(moved.files, 'file')}, {size}, of {counted(stages, 'stage')}"
                )
        if self.pull_problem:
            shared.problems.append(
                f"the remote '{name}' failed, and the run went on without fetching: {self.pull_problem}"
            )
        shared.problems += self.damaged
        shared.problems += [f"not pushed: {problem}" for problem in self.problems]
        if self._waiting:
            shared.problems.append(
                f"not pushed: {counted(self._waiting, 'result')}, because the run was stopped"
            )
        if shared.unpushed:
            shared.problems.append(
                "`statewright run --push` pushes what is left, `dvc push --run-cache` everything"
            )
        return shared


def push_left_over(repository: Repository, say: Say) -> Shared | None:
    """Push what earlier runs have left, when no stage has work."""
    if repository.remote is None or not repository.request.push:
        return None
    sharing = Sharing(repository.root, repository.remote.remote, repository.stopped, pull=False, push=True)
    return sharing.close(say)
