"""Run one stage on a worker of a Dask cluster.

::

    request -> source files -> fetch and check out the inputs -> compare their hashes with the request
            -> commands, under a supervisor -> hash and push the outputs -> answer

The supervisor is a process of its own: it kills the command when this worker dies, so no command goes on
while Dask starts the stage elsewhere. The command also ends when Dask no longer wants the result, because
the run was stopped, its process was killed, or the scheduler has gone.
"""

from __future__ import annotations

import os
import socket
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from statewright.masking import mask_text, secret_values
from statewright.record.masking import mask_log
from statewright.remote.checkout import NoSourceError, Slot, WorkerFolder
from statewright.remote.output_stream import OutputStream
from statewright.remote.request import FAILED, NO_SOURCE, RAN, REPEATED, SourceName, StageAnswer, StageRequest
from statewright.repository.errors import explain
from statewright.repository.objects import Objects, fetch_objects, open_objects, push_objects
from statewright.repository.remote_stages import WorkerStage, open_worker_repository, own_settings, stage_in
from statewright.running.launcher import Launcher, Usage
from statewright.running.process import LOG, StageFailedError, run_commands


@dataclass(frozen=True)
class Here:
    """This worker process, and the task that runs.

    Parameters
    ----------
    wanted : callable
        Returns whether Dask still wants the result of the task.
    """

    folder: WorkerFolder
    host: str
    worker: str
    send: Callable[[dict[str, Any]], None]
    wanted: Callable[[], bool]


def run_stage(values: dict[str, Any]) -> dict[str, Any]:
    """Run the stage of a request and return the answer, both as plain data.

    Every failure is an answer, not an exception: an exception would have to be unpickled.
    """
    request = StageRequest.from_dict(values)
    here = _here(request)
    answer = StageAnswer(request.token, REPEATED, here.host, here.worker)
    if not _claim(request.token):
        return answer.as_dict()
    try:
        with here.folder.slot(request.source) as slot:
            here.send({"token": request.token, "host": here.host, "worker": here.worker})
            return _run(request, here, slot, answer).as_dict()
    except NoSourceError:
        _release(request.token)
        return replace(answer, status=NO_SOURCE).as_dict()
    except Exception as error:
        cause = mask_text(explain(error) or type(error).__name__, secret_values(os.environ))
        return replace(answer, status=FAILED, error=cause).as_dict()


def keep_source(name: dict[str, str], pack: bytes, dask_worker: Any) -> None:
    """Keep the source files of a run on this worker; Dask sets `dask_worker`."""
    _folder(str(dask_worker.local_directory)).keep_source(SourceName(**name), pack)


def _run(request: StageRequest, here: Here, slot: Slot, answer: StageAnswer) -> StageAnswer:
    root = slot.top / request.source.below
    settings = {
        **own_settings(Path(request.store.local_config), request.store.name),
        **request.store.settings,
    }
    if absent := [name for name in request.variables if name not in os.environ]:
        raise StageFailedError(
            f"params refer to {', '.join(absent)}, which the environment of the worker does not set"
        )
    with open_worker_repository(root, here.folder.cache, request.store.name, settings) as repo:
        objects = open_objects(repo)
        stage = stage_in(repo, request.address, root / request.wdir, request.entry)
        _bring_inputs(request, objects, stage)
        for folder in request.folders:
            (root / request.wdir / folder).mkdir(parents=True, exist_ok=True)
        log = slot.folder / "output.log"
        secrets = secret_values(os.environ, *request.entry.get("params", {}).values())
        try:
            usage, error = _run_commands(request, here, stage, log, secrets), ""
        except StageFailedError as failure:
            usage, error = Usage(), mask_text(str(failure).partition(LOG)[0], secrets)
        mask_log(log, secrets)
        output = zlib.compress(log.read_bytes()) if log.is_file() else b""
        if error:
            return replace(answer, status=FAILED, error=error, log=output)
        outs = stage.save_outputs()
        push_objects(objects, outs)
    return replace(answer, status=RAN, outs=outs, log=output, ram_gb=usage.ram_gb, cpu_s=usage.cpu_s)


def _bring_inputs(request: StageRequest, objects: Objects, stage: WorkerStage) -> None:
    fetch_objects(objects, request.inputs)
    stage.fetch_inputs([dict(item) for item in request.inputs])
    if differing := stage.differing(request.entry):
        raise StageFailedError(
            f"{', '.join(differing)} differs on the worker: it has changed since the run started, or git "
            "converts its line ends there; run again"
        )


def _run_commands(
    request: StageRequest, here: Here, stage: WorkerStage, log: Path, secrets: tuple[str, ...]
) -> Usage:
    stream = OutputStream(
        lambda lines, unfinished: here.send(
            {"token": request.token, "lines": lines, "unfinished": unfinished}
        ),
        secrets,
    )

    def cancelled() -> bool:
        stream.flush()  # called several times a second, also while the command prints nothing
        return not here.wanted()

    try:
        return run_commands(
            request.address,
            stage.command_lines(),
            log,
            launcher=_launcher(),
            timeout_s=request.timeout_s or None,
            watch=stream.output,
            cancelled=cancelled,
        )
    finally:
        stream.flush(last=True)


def _here(request: StageRequest) -> Here:
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        # Dask cannot stop a task that runs, and tells nobody but the state of the worker.
        task = worker.state.tasks.get(key)
        running = worker.status.name in ("running", "paused")  # else it has lost its scheduler, or is closed
        return running and task is not None and task.state in ("executing", "long-running")

    def send(message: dict[str, Any]) -> None:
        worker.log_event(request.topic, message)

    folder = _folder(str(worker.local_directory))
    return Here(folder, socket.gethostname(), worker.address, send, wanted)


def _claim(token: str) -> bool:
    """Return whether no worker has started this attempt.

    A scheduler starts the task of a lost worker again, unless its `allowed-failures` is 0. Whether the
    stage runs once more is the decision of `meta.retries`.
    """
    from distributed import Event, get_client

    event = Event(token, client=get_client())
    if event.is_set():
        return False
    event.set()
    return True


def _release(token: str) -> None:
    from distributed import Event, get_client

    Event(token, client=get_client()).clear()


_mutex = threading.Lock()


@cache
def _folder_of(directory: str) -> WorkerFolder:
    return WorkerFolder(Path(directory) / "statewright")


def _folder(directory: str) -> WorkerFolder:
    with _mutex:
        return _folder_of(directory)


@cache
def _new_launcher() -> Launcher:
    return Launcher()


def _launcher() -> Launcher:
    """Return the supervisor of this worker process; it ends with the process."""
    with _mutex:
        return _new_launcher()
