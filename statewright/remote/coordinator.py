"""Run stages on the workers of a Dask cluster.

This process decides, records, and alone writes `dvc.lock` and the run cache. A stage that can travel goes
to a worker instead of a process of this machine::

    coordinator                                      worker
    inputs that the DVC remote lacks  -- push -->
    request, see `request.py`         -- Dask -->    checkout, fetch, run, hash, push
    <-- output of the commands, in bounded pieces
    <-- answer: hashes of the outputs
    outputs  -- fetch, verify the hashes, check out; then record as a local run

Dask places the stages and notices lost workers. It never repeats a stage: an attempt has a token, which a
worker claims when it starts, and `meta.retries` decides about another attempt. So a late answer, of an
attempt that has been given up, has nobody who waits for it.
"""

from __future__ import annotations

import os
import queue
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.environment import referenced_variables
from statewright.planning.plan import Plan
from statewright.reads.store import load_reads
from statewright.remote.clusters import connect, parse_on
from statewright.remote.environment import fingerprint, packages_of
from statewright.remote.request import (
    FAILED,
    NO_SOURCE,
    REPEATED,
    RemoteStore,
    StageAnswer,
    StageRequest,
)
from statewright.remote.resources import capacity, check_fits, demands, expected_offers, offers_of
from statewright.remote.source import Source, take_source
from statewright.remote.travel import cannot_travel, sentences
from statewright.remote.worker import keep_source, run_stage
from statewright.repository.declaration import Repository
from statewright.repository.objects import Objects, fetch_objects, open_objects, public_settings, push_objects
from statewright.repository.remote_stages import describe_stage, plain, restore_outputs
from statewright.running.launcher import Usage
from statewright.running.limits import Limits
from statewright.running.process import LOG, StageFailedError, Watch
from statewright.workflow import Stage, Workflow, WorkflowError
from statewright.workspace import control_folder

if TYPE_CHECKING:
    from distributed import Client, Future

POLL_S = 0.1
"""Seconds between two looks at the output of a stage, and at whether the run was stopped."""
OWN_REMOTE = "statewright"
"""Name of the remote that connects the workers of this machine, if there is no other."""
LOST = "; `meta: {retries: N}` runs the stage again"


@dataclass(frozen=True)
class Transport:
    """Source files, remote and exceptions, the same for all stages of a run.

    Parameters
    ----------
    stays : mapping of str to str
        Stages that cannot travel -> reason.
    environment, allow
        Software that a worker must have, see `StageRequest`.
    """

    source: Source
    store: RemoteStore
    objects: Objects
    stays: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    allow: Sequence[str] = ()


@dataclass
class RemoteRunner:
    """Runs stages on a cluster.

    Parameters
    ----------
    limits : Limits
        What all workers have.
    scheduler : str
        Address of the scheduler.
    """

    client: Client
    repository: Repository
    transport: Transport
    limits: Limits
    scheduler: str
    topic: str = field(default_factory=lambda: f"statewright-{uuid.uuid4().hex}")
    _messages: dict[str, queue.SimpleQueue[dict[str, Any]]] = field(default_factory=dict)

    def takes(self, address: str) -> bool:
        """Return whether a stage runs on a worker."""
        return address not in self.transport.stays

    def run(self, stage: Stage, log: Path, watch: Watch, cancelled: Callable[[], bool]) -> Usage:
        """Run the commands of a stage on a worker, and check out its outputs here.

        The parameters are those of `run_commands`.

        Raises
        ------
        StageFailedError
            If a command fails, the worker or the scheduler is lost, or data cannot be moved.
        """
        travelling = describe_stage(self.repository, stage.address, self.transport.source.paths)
        push_objects(self.transport.objects, travelling.inputs)
        values = plain(travelling.entry.get("params", {}))
        request = StageRequest(
            address=stage.address,
            token=uuid.uuid4().hex,
            topic=self.topic,
            source=self.transport.source.name,
            store=self.transport.store,
            entry=travelling.entry,
            wdir=stage.wdir,
            inputs=[*travelling.inputs],
            folders=travelling.folders,
            variables=sorted(set(referenced_variables(values))),
            timeout_s=stage.number("timeout_s", 0),
            environment=dict(self.transport.environment),
            allow=list(self.transport.allow),
        )
        answer = self._attempt(request, stage, log, watch, cancelled)
        _write_log(log, answer)
        if answer.status == FAILED:
            raise StageFailedError(f"{_on(answer, stage)}: {_cause(answer, stage)}{LOG}{log}")
        fetch_objects(self.transport.objects, answer.outs)
        restore_outputs(self.repository, stage.address, [dict(out) for out in answer.outs])
        return Usage(answer.ram_gb, answer.cpu_s, answer.host)

    def _attempt(
        self,
        request: StageRequest,
        stage: Stage,
        log: Path,
        watch: Watch,
        cancelled: Callable[[], bool],
    ) -> StageAnswer:
        """Let Dask start an attempt; return the answer of the worker that ran it."""
        from distributed import Event

        messages = self._messages[request.token] = queue.SimpleQueue()
        log.parent.mkdir(parents=True, exist_ok=True)
        workers: list[str] | None = None
        try:
            with log.open("wb") as sink:
                reader = _Reader(messages, sink.write, watch)
                while True:
                    future = self._submit(request, stage, workers)
                    answer = self._wait(future, request, stage, reader, log, cancelled)
                    if answer.status == REPEATED:
                        raise StageFailedError(_lost(stage, reader.worker or "a worker", log))
                    if answer.status != NO_SOURCE:
                        return answer
                    self._send_source(answer.worker, stage, log)
                    workers = [answer.worker]
        finally:
            del self._messages[request.token]
            if self.client.status == "running":
                with suppress(OSError):  # the scheduler may have gone by now
                    Event(request.token, client=self.client).clear()

    def _submit(self, request: StageRequest, stage: Stage, workers: list[str] | None) -> Future:
        return self.client.submit(
            run_stage,
            request.as_dict(),
            key=f"{stage.address}-{uuid.uuid4().hex}",
            pure=False,
            retries=0,
            resources=demands(stage, offers_of(self.client)),
            workers=workers,
            allow_other_workers=bool(workers),
        )

    def _wait(
        self,
        future: Future,
        request: StageRequest,
        stage: Stage,
        reader: _Reader,
        log: Path,
        cancelled: Callable[[], bool],
    ) -> StageAnswer:
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        while not done.wait(POLL_S):
            reader.read()
            if cancelled():
                future.cancel()  # the worker notices, and ends the command
                raise StageFailedError(f"stage '{stage.address}' was stopped{LOG}{log}")
        reader.read()
        try:
            answer = StageAnswer.from_dict(future.result())
        except Exception as error:
            raise StageFailedError(self._explain(error, stage, reader, log)) from None
        finally:
            future.release()
        if answer.token != request.token:
            raise StageFailedError(f"stage '{stage.address}': an answer to another attempt came{LOG}{log}")
        return answer

    def _explain(self, error: Exception, stage: Stage, reader: _Reader, log: Path) -> str:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return _lost(stage, reader.worker or error.last_worker.address, log)
        if isinstance(error, CancelledError):
            return (
                f"stage '{stage.address}': the connection to the scheduler {self.scheduler} "
                f"was lost; what has finished is recorded, and the next run continues{LOG}{log}"
            )
        return (
            f"stage '{stage.address}': the worker cannot run stages: {type(error).__name__}: {error}; "
            f"install the same version of statewright there{LOG}{log}"
        )

    def _send_source(self, worker: str, stage: Stage, log: Path) -> None:
        source, problem = self.transport.source, "it has gone"
        try:
            answers = self.client.run(
                keep_source, asdict(source.name), source.pack, workers=[worker], on_error="return"
            )
        except (OSError, ValueError, KeyError) as error:  # the worker has ended, or the scheduler has
            problem = str(error) or problem
        else:
            if worker in answers and answers[worker] is None:
                return
            problem = str(answers.get(worker, problem))
        raise StageFailedError(
            f"stage '{stage.address}': the worker {worker} did not take the source files: {problem}{LOG}{log}"
        )

    def receive(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take a message of a worker; called in the thread of Dask's client."""
        if messages := self._messages.get(event[1]["token"]):
            messages.put(event[1])


@dataclass
class _Reader:
    """Passes the output of one attempt on, in the thread of its stage."""

    messages: queue.SimpleQueue[dict[str, Any]]
    write: Callable[[bytes], object]
    watch: Watch
    worker: str = ""

    def read(self) -> None:
        """Take the messages that have come."""
        while not self.messages.empty():
            message = self.messages.get()
            if "host" in message:
                self.worker = f"{message['host']} ({message['worker']})"
                self.watch([f"[statewright: runs on {self.worker}]"], "")
            else:
                self.write("".join(f"{line}\n" for line in message["lines"]).encode())
                self.watch(message["lines"], message["unfinished"])


def _write_log(log: Path, answer: StageAnswer) -> None:
    """Replace what was streamed by the whole log."""
    first = f"[statewright: ran on {answer.host} ({answer.worker})]\n"
    log.write_bytes(first.encode() + (zlib.decompress(answer.log) if answer.log else b""))


def _on(answer: StageAnswer, stage: Stage) -> str:
    return f"stage '{stage.address}' on {answer.host} ({answer.worker})"


def _cause(answer: StageAnswer, stage: Stage) -> str:
    return answer.error.removeprefix(f"stage '{stage.address}'").removeprefix(":").strip()


def _lost(stage: Stage, worker: str, log: Path) -> str:
    again = "" if stage.number("retries", 0) else LOST
    return f"stage '{stage.address}': the worker {worker} was lost while it ran the stage{again}{LOG}{log}"


def open_transport(repository: Repository, workflow: Workflow, *, local: bool) -> Transport:
    """Return what travels with all stages of a workflow.

    Parameters
    ----------
    local : bool
        Whether all workers are on this machine; then data travels through a folder if there is no remote.
    """
    repo = repository.repo
    name = repo.config["core"].get("remote")
    if not name and local:
        name = OWN_REMOTE
        folder = control_folder(repository.root / ".statewright") / "remote"
        repo.config["remote"][name] = {"url": str(folder)}
    objects = open_objects(repo, name)
    store = RemoteStore(name, public_settings(repo, name), str(Path(repo.dvc_dir) / "config.local"))
    outputs = [out.path for stage in workflow.stages.values() for out in stage.outs]
    source = take_source(repository.root, outputs)
    stays = cannot_travel(repository, workflow, load_reads(repository.root))
    return Transport(source, store, objects, stays)


@contextmanager
def connect_runner(
    repository: Repository,
    workflow: Workflow,
    plan: Plan,
    on: str,
    workers: int | str | None,
    say: Callable[[str], None],
) -> Iterator[RemoteRunner]:
    """Connect to a cluster and yield a runner for the stages of a plan.

    Parameters
    ----------
    on : str
        The cluster, as after ``--on``.
    workers : int, str or None
        Number of workers to start on this machine, unless the cluster says it.
    say : callable
        Prints a line for the user.

    Raises
    ------
    WorkflowError
        If the cluster cannot be reached, there is no DVC remote, or the request contradicts `--on`.
    """
    cluster = parse_on(on)
    request = repository.request
    if not request.commit:
        raise WorkflowError("--no-commit keeps outputs out of the cache, through which --on moves them")
    if request.interactive:
        raise WorkflowError("--interactive asks before each stage on this machine; leave it or --on out")
    number = workers if isinstance(workers, int) else os.cpu_count() or 1
    transport = open_transport(repository, workflow, local=cluster.kind == "local")
    if transport.store.name == OWN_REMOTE:
        say(f"no DVC remote is set: files travel through {transport.store.settings['url']}")
    for line in sentences(transport.stays, plan.work):
        say(line)
    if cluster.kind != "local":
        environment = fingerprint(packages_of(repository.root))
        transport = replace(transport, environment=environment, allow=cluster.allow)
    travelling = [address for address in plan.work if address not in transport.stays]
    if offers := expected_offers(cluster, number):
        check_fits(workflow, travelling, offers)
    with connect(cluster, workers=number, root=repository.root, say=say) as client:
        if not offers:
            offers = offers_of(client)
            check_fits(workflow, travelling, offers)
        limits = capacity(offers, sum(client.nthreads().values()))
        runner = RemoteRunner(client, repository, transport, limits, client.scheduler_info()["address"])
        client.subscribe_topic(runner.topic, runner.receive)
        yield runner
