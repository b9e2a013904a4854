"""The process that reports a run to Prefect's server.

Task runs are sent as the events that Prefect's own engine emits, because an event has a time: a stage
that ended before the server was ready still has its true start and end. Messages wait in a queue while
the server does not answer, and are sent in order when it does. After the end of the run, the process
ends within `PATIENCE_S`, and says what it could not send. `prefect_record.py` is its client.
"""

from __future__ import annotations

import json
import math
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError

from statewright.environment import quiet
from statewright.running.launcher import Command, open_launcher
from statewright.running.prefect_api import NotPrefectError, PrefectApi, page
from statewright.running.prefect_content import Description, branch_tags
from statewright.running.prefect_events import FlowRun, Task
from statewright.running.prefect_links import links_of
from statewright.running.process import end
from statewright.running.servers import START_S, start_temporary_server, wait_for_server

PATIENCE_S = 9.0
"""Seconds after the end of the run in which a server that does not answer is asked again."""
REFUSED_S = 2.0
"""Seconds in which a server that refuses connections must come up."""
PAUSE_S = 0.3
BATCH = 200

Message = dict[str, Any]


@dataclass(frozen=True)
class Assignment:
    """The run to report, and the server to report it to.

    Parameters
    ----------
    root : str
        The repository.
    began : float
        Start of the run, in seconds of the epoch.
    address : str or None
        API of a server; None starts a temporary one.
    named : bool
        Whether the user named the server, so that its absence is a problem.
    fallback : bool
        Whether to start a temporary server if there is none at `address`.
    log : str
        File for the output of a temporary server.
    """

    description: Description
    tasks: tuple[Task, ...]
    root: str
    log: str
    began: float
    address: str | None = None
    named: bool = True
    fallback: bool = False


class Inbox:
    """Messages of the run, and how long the process may still wait for Prefect.

    Parameters
    ----------
    stream : text stream
        One message a line. Its end is the end of the run, which may have been killed.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._ended_at: float | None = None
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def remaining(self) -> float:
        """Return the seconds left, which are without limit until the run has ended."""
        return math.inf if self._ended_at is None else self._ended_at + PATIENCE_S - time.monotonic()

    def take(self) -> list[Message]:
        """Wait for messages and return all that have arrived; none after the last one."""
        first = self._messages.get()
        if first is None:
            return []
        batch = [first]
        while len(batch) < BATCH and not self._messages.empty():
            message = self._messages.get()
            if message is None:
                self._messages.put(None)
                break
            batch.append(message)
        return batch

    def rest(self) -> list[Message]:
        """Return all that have arrived, without waiting."""
        rest = []
        while not self._messages.empty():
            rest.append(self._messages.get())
        return [message for message in rest if message is not None]

    def _read(self, stream: IO[str]) -> None:
        last: Message = {}
        for line in stream:
            last = json.loads(line)
            self._messages.put(last)
        if last.get("do") != "end":
            killed = {"do": "end", "state": "CRASHED", "message": "the run was killed", "time": time.time()}
            self._messages.put(killed)
        self._ended_at = time.monotonic()
        self._messages.put(None)


def main() -> None:
    """Report the messages on standard input; print tags for MLflow and any problem.

    The first line is the assignment: the command line of a process is limited, and everybody can read it.
    """
    quiet()
    assignment = _assignment(json.loads(sys.stdin.readline()))
    with ExitStack() as stack:
        problem = report(assignment, Inbox(sys.stdin), stack, _print)
    _print({"problem": problem})


def _assignment(values: dict[str, Any]) -> Assignment:
    tasks = tuple(Task(**{**task, "upstream": tuple(task["upstream"])}) for task in values["tasks"])
    return Assignment(**{**values, "tasks": tasks, "description": Description(**values["description"])})


def _print(answer: Message) -> None:
    with suppress(BrokenPipeError):  # the run no longer waits
        print(json.dumps(answer), flush=True)


def report(
    assignment: Assignment, inbox: Inbox, stack: ExitStack, answer: Callable[[Message], None]
) -> str | None:
    """Send all messages; return what Prefect lacks, or None.

    Parameters
    ----------
    stack : ExitStack
        Ends a temporary server.
    answer : callable
        Called with the tags that name the flow run.
    """
    try:
        api, server = _connect(assignment, inbox, stack)
    except (OSError, NotPrefectError) as error:
        return f"{error}; no part of this run is on a Prefect server" if assignment.named else None
    alive = (lambda: not server.wait(0.01)) if server else (lambda: True)
    root, found = Path(assignment.root), assignment.description
    description = replace(found, tags=(*found.tags, *branch_tags(root)))
    flow_run = FlowRun(description, assignment.tasks, links_of(page(api.address), root))
    try:
        _retry(lambda: flow_run.create(api), api, inbox, alive)
        answer({"tags": _tags(api, flow_run, temporary=server is not None)})
        flow_run.show_up_to_date(assignment.began)
        while messages := inbox.take():
            flow_run.add(messages)
            _retry(lambda: flow_run.send(api), api, inbox, alive)
        _retry(lambda: flow_run.check(api), api, inbox, alive)
    except (OSError, ValueError) as error:
        flow_run.add(inbox.rest())
        return f"{flow_run.lacks()}: {error}"
    return None


def _tags(api: PrefectApi, flow_run: FlowRun, *, temporary: bool) -> dict[str, str]:
    tags = {"prefect.flow_run": str(flow_run.id)}
    link = None if temporary else page(api.address)  # a temporary server has no pages
    return {**tags, "prefect.link": f"{link}/runs/flow-run/{flow_run.id}"} if link else tags


def _connect(assignment: Assignment, inbox: Inbox, stack: ExitStack) -> tuple[PrefectApi, Command | None]:
    """Return the server, and the command of a temporary one."""
    if assignment.address:
        api = PrefectApi(assignment.address)
        try:
            wait_for_server(api, REFUSED_S, lambda: True)
            return api, None
        except (OSError, NotPrefectError) as error:
            if not assignment.fallback:
                raise OSError(f"Prefect at {assignment.address} does not answer: {error}") from error
    launcher = stack.enter_context(open_launcher())
    api, server = start_temporary_server(launcher, Path(assignment.log))
    stack.callback(end, server)
    try:
        wait_for_server(api, START_S, lambda: not server.wait(0.01))
    except OSError as error:
        raise OSError(f"Prefect's temporary server did not start; see its log: {assignment.log}") from error
    return api, server


def _retry(send: Callable[[], None], api: PrefectApi, inbox: Inbox, alive: Callable[[], bool]) -> None:
    """Call `send` until the server accepts it, or no time is left."""
    while True:
        api.timeout_s = max(0.5, min(5.0, inbox.remaining()))
        try:
            return send()
        except OSError as error:
            final = isinstance(error, HTTPError) and error.code < 500
            if final or inbox.remaining() < PAUSE_S or not alive():
                raise
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
