"""Record a run in Prefect from a separate process, without delay for the run.

::

    run  --- states and logs of stages --->  reporter  --- HTTP --->  Prefect's server
     |   <--- id of the flow run; problem ------'   '-- starts a temporary server, if there is none

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
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from statewright.planning.plan import Plan
from statewright.running.prefect_events import Task
from statewright.running.prefect_reporter import Assignment, log_tail
from statewright.running.servers import find_server
from statewright.workflow import Stage, Workflow

WAIT_S = 10.0
"""Seconds that a finished run waits for its record in Prefect."""


def start_record(name: str, workflow: Workflow, plan: Plan, prefect: str, log: Path) -> PrefectRecord | None:
    """Start the record of a run in Prefect, if setting and servers ask for it.

    Parameters
    ----------
    log : Path
        File for the output of a temporary server.
    """
    if prefect == "never":
        return None
    address, named = find_server()
    always = prefect == "always"
    if address is None and not always:
        return None
    planned = [workflow.stages[stage] for stage in plan.work]
    tasks = tuple(
        Task(stage.address, tuple(workflow.upstream[stage.address]), int(stage.number("retries", 0)))
        for stage in planned
    )
    return PrefectRecord(Assignment(name, tasks, str(log), address, named or always, fallback=always))


class PrefectRecord:
    """The run's end of the pipe to the reporting process.

    Parameters
    ----------
    flow_run : dict of str to str
        Tags for MLflow that name the flow run; filled as soon as the server has created it.
    """

    def __init__(self, assignment: Assignment) -> None:
        self.flow_run: dict[str, str] = {}
        self._answer: dict[str, Any] = {}
        self._mutex = threading.Lock()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "statewright.running.prefect_reporter",
                json.dumps(asdict(assignment)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def running(self, stage: Stage) -> None:
        """Report the start of an attempt at a stage."""
        self._send({"do": "running", "address": stage.address})

    def completed(self, stage: Stage, outcome: str) -> None:
        """Report that a stage is up to date."""
        self._send({"do": "ended", "address": stage.address, "state": "COMPLETED", "message": outcome})

    def failed(self, stage: Stage, error: str, *, final: bool) -> None:
        """Report a failed attempt; after one that is not final, another follows."""
        message = {"address": stage.address, "message": error}
        self._send({"do": "ended", "state": "FAILED", **message} if final else {"do": "waiting", **message})

    def log(self, address: str, log: Path) -> None:
        """Report the end of the log of an attempt."""
        if lines := log_tail(log):
            self._send({"do": "log", "address": address, "lines": lines})

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
        line = json.dumps({**message, "time": time.time()}) + "\n"
        with self._mutex:
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError):  # `close` reports it
                return

    def _close_input(self) -> None:
        try:
            assert self._process.stdin is not None
            self._process.stdin.close()
        except BrokenPipeError:
            return
