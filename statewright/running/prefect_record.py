"""Record a run in Prefect from a separate process, without delay for the run.

::

    run  --- states, output, artifacts --->  reporter  --- HTTP --->  Prefect's server
     |   <--- id of the flow run; problem -------'  '-- starts a temporary server, if there is none

The work never waits for Prefect, and never fails with it: a server may be slow, damaged or dead. Each
stage appears on Prefect's page as a task run of a flow run, with the times of the stage itself, also if
the server is ready only after the stage. `prefect_reporter.py` is the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from statewright.planning.plan import SKIP, Plan
from statewright.repository.declaration import Repository
from statewright.running.prefect_content import Artifact, describe, plan_artifact
from statewright.running.prefect_events import NAMES, Task
from statewright.running.prefect_reporter import Assignment
from statewright.running.servers import find_server
from statewright.running.stage_events import StageEvent
from statewright.terminal.plan_table import why
from statewright.workflow import Stage, Workflow

WAIT_S = 10.0
"""Seconds that a finished run waits for its record in Prefect."""
MOST_UP_TO_DATE = 200
"""Number of stages up to date above which none is shown as a task run; the plan lists them."""


def start_record(
    repository: Repository, workflow: Workflow, plan: Plan, name: str, prefect: str, log: Path
) -> PrefectRecord | None:
    """Start the record of a run in Prefect, if setting and servers ask for it.

    Parameters
    ----------
    name : str
        Name of the run, see `describe`.
    prefect : str
        The setting.
    log : Path
        File for the output of a temporary server.
    """
    if prefect == "never":
        return None
    address, named = find_server()
    always = prefect == "always"
    if address is None and not always:
        return None
    root = repository.root
    description = describe(root, workflow, plan, repository.request, name)
    tasks = tasks_of(workflow, plan)
    record = PrefectRecord(
        Assignment(
            description, tasks, str(root), str(log), time.time(), address, named or always, fallback=always
        )
    )
    record.artifact(plan_artifact(description.flow, plan))
    return record


def tasks_of(workflow: Workflow, plan: Plan) -> tuple[Task, ...]:
    """Return the stages to show: those with work, and some up to date."""
    done = [address for address, decision in plan.decisions.items() if decision.verdict == SKIP]
    shown = {*plan.work, *(done if len(done) <= MOST_UP_TO_DATE else ())}
    return tuple(
        Task(
            address,
            tuple(workflow.upstream[address]),
            int(workflow.stages[address].number("retries", 0)),
            causes(plan, address),
            up_to_date=address not in plan.work,
        )
        for address in plan.decisions
        if address in shown
    )


def causes(plan: Plan, address: str) -> str:
    """Return why a stage has work."""
    return why(r for r in plan.decisions[address].reasons if not r.kind.startswith("passing"))


def blocked_message(address: str) -> dict[str, Any]:
    """Return the message about a stage that will not start, after a failure."""
    state = {"state": "CANCELLED", "name": NAMES["blocked"], "message": "not started after a failure"}
    return {"do": "ended", "address": address, **state}


class PrefectRecord:
    """The run's end of the pipe to the reporting process.

    Parameters
    ----------
    flow_run : dict of str to str
        Tags for MLflow that name the flow run; filled as soon as the server has created it.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.flow = assignment.description.flow
        self.flow_run: dict[str, str] = {}
        self._answer: dict[str, Any] = {}
        self._mutex = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "statewright.running.prefect_reporter"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._write(asdict(assignment))

    def running(self, stage: Stage) -> None:
        """Report the start of an attempt at a stage."""
        self._send({"do": "running", "address": stage.address})

    def completed(self, stage: Stage, outcome: str) -> None:
        """Report that a stage is up to date."""
        message = {"address": stage.address, "message": outcome}
        self._send({"do": "ended", "state": "COMPLETED", "name": NAMES[outcome], **message})

    def failed(self, stage: Stage, error: str, *, final: bool) -> None:
        """Report a failed attempt; after one that is not final, another follows."""
        message = {"address": stage.address, "message": error}
        ended = {"do": "ended", "state": "FAILED", "name": "Failed"}
        self._send({**ended, **message} if final else {"do": "waiting", **message})

    def blocked(self, address: str) -> None:
        """Report a stage that will not start, after a failure."""
        self._send(blocked_message(address))

    def log(self, address: str, lines: Sequence[str], failed: bool) -> None:
        """Report output of a stage, see `live_log.Send`."""
        self._send({"do": "log", "address": address, "lines": lines, "failed": failed})

    def artifact(self, artifact: Artifact) -> None:
        """Report a text for the page of the flow run."""
        self._send({"do": "artifact", "artifact": asdict(artifact)})

    def event(self, event: StageEvent) -> None:
        """Emit an event that a stage declares."""
        self._send({"do": "event", "event": asdict(event)})

    def close(self, state: str, message: str = "") -> str | None:
        """Report the end of the run; return what Prefect lacks, or None.

        If the temporary server is still starting after `WAIT_S`, the reporter continues in the background.
        After an interrupt, the run does not wait.
        """
        self._send({"do": "end", "state": state, "message": message})
        with self._mutex:
            self._close_input()
        if state == "CANCELLED":
            return None
        self._reader.join(WAIT_S)
        if "problem" in self._answer:
            problem: str | None = self._answer["problem"]
            return problem
        if self._reader.is_alive():
            if not self.flow_run:
                return f"no server has answered within {WAIT_S:.0f} s; if one does, the record is completed"
            self._process.kill()
            return f"the server has not answered within {WAIT_S:.0f} s"
        return "the reporting process was killed"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            self.flow_run.update(answer.pop("tags", {}))
            self._answer |= answer

    def _send(self, message: Mapping[str, Any]) -> None:
        self._write({**message, "time": time.time()})

    def _write(self, values: Mapping[str, Any]) -> None:
        with self._mutex:
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps(values, default=str) + "\n")
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError):  # `close` reports it
                return

    def _close_input(self) -> None:
        try:
            assert self._process.stdin is not None
            self._process.stdin.close()
        except BrokenPipeError:
            return
