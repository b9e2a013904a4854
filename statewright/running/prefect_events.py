"""A flow run with its task runs, as requests to Prefect's REST API.

Prefect's engine sends the states of a task run as events, and its server makes the task run from them.
An event has a time, so the record shows the stage as it ran, however late it is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from statewright.running.prefect_api import PrefectApi
from statewright.running.prefect_content import Description

Links = Callable[[str, Mapping[str, str]], str]
"""Returns Markdown with links to the record of a flow run, and to its reports."""

TERMINAL = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
INFO, WARNING, ERROR = 20, 30, 40
LOGS = 500
"""Number of log lines in a request."""

NAMES = {
    "ran": "Completed",
    "restored": "Restored",
    "skipped": "Skipped",
    "done": "Recorded",
    "blocked": "Blocked",
}
"""Outcome of a stage -> name of the state of its task run."""


@dataclass(frozen=True)
class Task:
    """A stage as Prefect shows it.

    Parameters
    ----------
    why : str
        Reasons to run, the first line of its log.
    up_to_date : bool
        Whether the plan skips the stage, which is then shown as such.
    """

    address: str
    upstream: tuple[str, ...] = ()
    retries: int = 0
    why: str = ""
    up_to_date: bool = False


@dataclass
class TaskRun:
    """A task run and its latest state."""

    task: Task
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    seconds: float = 0.0
    state: dict[str, Any] | None = None
    since: float = 0.0


class FlowRun:
    """A flow run: what is to be sent, and what the server has accepted.

    Parameters
    ----------
    description : Description
        Names, tags and parameters.
    links : callable
        Returns Markdown with links for the reports of an artifact, see `prefect_links.py`.
    id : str or None
        Identifier of the flow run, once it is created.
    closed : bool
        Whether the server has accepted the end of the run.
    """

    def __init__(self, description: Description, tasks: Sequence[Task], links: Links) -> None:
        self.description = description
        self.id: str | None = None
        self.closed = False
        self._flow: str | None = None
        self._links = links
        self._runs = {task.address: TaskRun(task) for task in tasks}
        self._events: list[dict[str, Any]] = []
        self._logs: list[dict[str, Any]] = []
        self._logged = 0.0
        self._artifacts: list[dict[str, Any]] = []
        self._end: dict[str, Any] | None = None
        # If the answer to the first request is lost, the same key leads to the same flow run.
        self._key = str(uuid.uuid4())

    def create(self, api: PrefectApi) -> None:
        """Create the flow and the flow run."""
        self._flow = self._flow or api.post("/flows/", {"name": self.description.flow})["id"]
        body = {
            "flow_id": self._flow,
            "name": self.description.run,
            "tags": self.description.tags,
            "parameters": self.description.parameters,
            "state": {"type": "RUNNING", "name": "Running"},
        }
        self.id = api.post("/flow_runs/", {**body, "idempotency_key": self._key})["id"]

    def attach(self, flow: str, id: str) -> None:
        """Report to a flow run that Prefect's engine has created and will end."""
        self._flow, self.id = flow, id

    def show_up_to_date(self, at: float) -> None:
        """Show the stages that the plan skips."""
        for run in self._runs.values():
            if run.task.up_to_date:
                run.started = run.ended = at
                message = "up to date before the run"
                self._event(run, {"type": "COMPLETED", "name": "Skipped", "message": message}, at)

    def add(self, messages: Sequence[dict[str, Any]]) -> None:
        """Translate messages of the run to requests."""
        for message in messages:
            at = message["time"]
            if message["do"] == "end":
                state = {"type": message["state"], "message": message["message"] or None}
                self._end = {"state": state, "force": True}
                if message["message"]:
                    self._log(message["message"].splitlines(), ERROR, at)
                continue
            if message["do"] == "artifact":
                self._artifacts.append(message["artifact"])
                continue
            if message["do"] == "event":
                self._emit(message["event"], at)
                continue
            run = self._runs[message["address"]]
            if message["do"] == "running":
                run.attempts += 1
                if run.attempts == 1:
                    run.started = at
                    self._event(run, {"type": "PENDING", "name": "Pending"}, at)
                    if run.task.why:
                        self._log([f"why: {run.task.why}"], INFO, at, run)
                name = "Running" if run.attempts == 1 else "Retrying"
                self._event(run, {"type": "RUNNING", "name": name}, at)
            elif message["do"] == "waiting":
                state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": message["message"]}
                self._event(run, state, at)
                self._log([message["message"]], WARNING, at, run)
            elif message["do"] == "ended":
                run.started, run.ended = run.started or at, at
                state = {"type": message["state"], "name": message["name"]}
                self._event(run, {**state, "message": message["message"]}, at)
                if message["state"] == "FAILED":
                    self._log([message["message"]], ERROR, at, run)
            else:
                self._log(message["lines"], ERROR if message["failed"] else INFO, at, run)

    def send(self, api: PrefectApi) -> None:
        """Send what the server has not accepted yet."""
        if self._events:
            api.post("/events", self._events)
            self._events = []
        while self._logs:
            api.post("/logs/", [{**log, "flow_run_id": self.id} for log in self._logs[:LOGS]])
            del self._logs[:LOGS]
        while self._artifacts:
            api.post("/artifacts/", self._body(self._artifacts[0]))
            del self._artifacts[0]
        if self._end:
            api.post(f"/flow_runs/{self.id}/set_state", self._end)
            self._end, self.closed = None, True

    def check(self, api: PrefectApi) -> None:
        """Check that the server has stored the end of every task run.

        Raises
        ------
        OSError
            If it has not, because it stores events a moment after it accepts them.
        """
        ended = [run for run in self._runs.values() if run.ended]
        wanted = {
            "flow_runs": {"id": {"any_": [self.id]}},
            "task_runs": {"state": {"type": {"any_": [*TERMINAL]}}},
        }
        stored = api.post("/task_runs/count", wanted) if ended else 0
        if stored < len(ended):
            raise OSError(f"{len(ended) - stored} of {len(ended)} task runs are not stored")

    def lacks(self) -> str:
        """Return a sentence about the part of the run that the server has not accepted."""
        if self.id is None:
            return "no part of this run is on the Prefect server"
        late = sorted({event["resource"]["prefect.resource.name"] for event in self._events})
        names = f"{', '.join(late[:3])}{', ...' * (len(late) > 3)}"
        parts = [f"the latest states of {len(late)} stages ({names})"] * bool(late)
        parts += ["the end of the run"] * (not self.closed)
        return f"the Prefect server lacks {' and '.join(parts) or 'the last events'}"

    def _event(self, run: TaskRun, state: dict[str, Any], at: float) -> None:
        # The server rejects two states of one task run with the same time.
        at = max(at, run.since + 1e-5)
        if run.state and run.state["type"] == "RUNNING":
            run.seconds += at - run.since
        before, run.state, run.since = run.state, state, at
        address = run.task.address
        upstream = [self._runs[up] for up in run.task.upstream if up in self._runs]
        values = {
            "name": address,
            "task_key": address,
            "dynamic_key": "0",
            "run_count": run.attempts,
            "flow_run_run_count": 1,
            "empirical_policy": {"retries": run.task.retries},
            "expected_start_time": _iso(run.started or at),
            "start_time": _iso(run.started or at),
            "total_run_time": run.seconds,
            "tags": [],
            "task_inputs": {"wait_for": [{"input_type": "task_run", "id": up.id} for up in upstream]},
        }
        if run.ended:
            values["end_time"] = _iso(run.ended)
        self._events.append(
            {
                "id": str(uuid.uuid4()),
                "occurred": _iso(at),
                "event": f"prefect.task-run.{state['name']}",
                "resource": {
                    "prefect.resource.id": f"prefect.task-run.{run.id}",
                    "prefect.resource.name": address,
                    "prefect.run-count": str(run.attempts),
                    "prefect.state-message": state.get("message") or "",
                    "prefect.state-name": state["name"],
                    "prefect.state-timestamp": _iso(at),
                    "prefect.state-type": state["type"],
                    "prefect.orchestration": "client",
                },
                "related": [
                    _related("flow-run", str(self.id), self.description.run),
                    _related("flow", str(self._flow), self.description.flow),
                ],
                "payload": {
                    "intended": {"from": before and before["type"], "to": state["type"]},
                    "initial_state": before,
                    "validated_state": {"state_details": {}, "data": None, **state},
                    "task_run": values,
                },
            }
        )

    def _emit(self, event: Mapping[str, Any], at: float) -> None:
        """Add an event that a stage declares, for automations."""
        tags = [
            {"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"}
            for tag in self.description.tags
        ]
        self._events.append(
            {
                "id": str(uuid.uuid4()),
                "occurred": _iso(at),
                "event": event["name"],
                "resource": {
                    "prefect.resource.id": f"statewright.stage.{event['stage']}",
                    "prefect.resource.name": event["stage"],
                },
                "related": [
                    _related("flow-run", str(self.id), self.description.run),
                    _related("flow", str(self._flow), self.description.flow),
                    *tags,
                ],
                "payload": {"stage": event["stage"], "metrics": event["metrics"]},
            }
        )

    def _log(self, lines: Sequence[str], level: int, at: float, run: TaskRun | None = None) -> None:
        name = "prefect.task_runs" if run else "prefect.flow_runs"
        log = {"name": name, "level": level, "task_run_id": run.id if run else None}
        for line in lines:
            # Prefect's page sorts lines by their time, which has microseconds: one could be lost in rounding.
            self._logged = max(at, self._logged + 2e-6)
            self._logs.append({**log, "timestamp": _iso(self._logged), "message": line})

    def _body(self, artifact: dict[str, Any]) -> dict[str, Any]:
        reports = artifact["reports"]
        links = [] if reports is None else [self._links(str(self.id), reports)]
        text = "\n\n".join([artifact["head"], *links, artifact["text"]])
        named = {key: artifact[key] for key in ("key", "description")}
        return {**named, "type": "markdown", "data": text, "flow_run_id": self.id}


def _related(role: str, id: str, name: str) -> dict[str, str]:
    return {
        "prefect.resource.id": f"prefect.{role}.{id}",
        "prefect.resource.role": role,
        "prefect.resource.name": name,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
