"""The record of a run in Prefect, with a server that can hang, fail or die."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from toys import make_repository, run_here

from statewright.planning.plan import Plan
from statewright.repository.declaration import Repository
from statewright.running import prefect_record
from statewright.running.live_log import LiveLog
from statewright.running.prefect_events import ERROR, INFO, WARNING
from statewright.running.prefect_record import PrefectRecord, start_record
from statewright.running.stage_events import StageEvent
from statewright.session import open_session
from statewright.workflow import Workflow

FILES = {
    "dvc.yaml": """
stages:
  first: {cmd: echo 1 > a, outs: [a]}
  second: {cmd: echo 2 > b, deps: [a], outs: [b], params: [rate, token], meta: {retries: 1}}
""",
    "params.yaml": "rate: 0.5\ntoken: abc\n",
}

Planned = tuple[Repository, Workflow, Plan]


@dataclass
class Server:
    """Requests that a stand-in for Prefect has received, and how it behaves."""

    http: ThreadingHTTPServer
    requests: list[tuple[str, Any]] = field(default_factory=list)
    status: int = 200
    hang: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/api"

    def sent(self, path: str) -> list[Any]:
        """Return the items of all bodies that were sent to a path."""
        return [item for at, body in self.requests if at == path for item in body]

    def states(self) -> list[tuple[str, str]]:
        """Return stage and state of each event."""
        return [
            (event["resource"]["prefect.resource.name"], event["payload"]["validated_state"]["name"])
            for event in self.sent("/events")
            if event["event"].startswith("prefect.")
        ]

    def answer(self, path: str, body: Any) -> Any:
        self.requests.append((path, body))
        if path == "/task_runs/count":
            ended = ("Completed", "Skipped", "Failed")
            return len([name for _, name in self.states() if name in ended])
        return {"/admin/version": "3.8.8", "/flows/": {"id": "flow"}, "/flow_runs/": {"id": "run"}}.get(path)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if server.hang.is_set():
                time.sleep(30)
            path = self.path.removeprefix("/api").partition("?")[0]
            status = 422 if path == "/csrf-token" else server.status
            answer = server.answer(path, json.loads(body or b"null")) if status == 200 else None
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads, http.block_on_close = True, False
    server = Server(http)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield server
    http.shutdown()
    http.server_close()


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    session = open_session(make_repository(tmp_path / "repo", FILES), ())
    return session.repository, session.workflow, session.plan


def begin(
    planned: Planned, server: Server, patch: pytest.MonkeyPatch, prefect: str = "auto"
) -> PrefectRecord:
    patch.setenv("PREFECT_API_URL", server.address)
    record = start_record(*planned, "toy", prefect, Path("server.log"))
    assert record is not None
    return record


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_states_times_and_logs_arrive_in_order(
    planned: Planned, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = time.time()
    record = begin(planned, server, monkeypatch)
    first, second = (planned[1].stages[name] for name in ("first", "second"))
    live = LiveLog(record.log)
    (tmp_path / "log").write_text("10%\r100%\n\nwritten\n")
    record.running(first)
    live.output("first", ["100%", "", "written"])
    live.end("first", tmp_path / "log", failed=False)
    record.completed(first, "ran")
    record.running(second)
    record.failed(second, "no", final=False)
    record.running(second)
    live.end("second", tmp_path / "log", failed=True)
    record.failed(second, "no again", final=True)
    assert record.close("FAILED", "stage 'second': no again") is None
    assert server.states() == [
        ("first", "Pending"),
        ("first", "Running"),
        ("first", "Completed"),
        ("second", "Pending"),
        ("second", "Running"),
        ("second", "AwaitingRetry"),
        ("second", "Retrying"),
        ("second", "Failed"),
    ]
    events = server.sent("/events")
    for name in ("first", "second"):
        times = [e["occurred"] for e in events if e["resource"]["prefect.resource.name"] == name]
        assert times == sorted(set(times))
    last = events[-1]["payload"]["task_run"]
    assert last["run_count"] == 2 and last["empirical_policy"] == {"retries": 1}
    first_id = events[0]["resource"]["prefect.resource.id"].removeprefix("prefect.task-run.")
    assert last["task_inputs"]["wait_for"] == [{"input_type": "task_run", "id": first_id}]
    assert 0 <= last["total_run_time"] <= time.time() - before
    logs = server.sent("/logs/")
    assert [(log["level"], log["message"]) for log in logs if log["task_run_id"] == first_id] == [
        (INFO, "why: never run here"),
        (INFO, "100%"),
        (INFO, "written"),
    ]
    assert [(log["level"], log["message"]) for log in logs if log["task_run_id"] != first_id] == [
        (INFO, "why: never run here; after first"),
        (WARNING, "no"),
        (ERROR, f"the last lines of {tmp_path}/log:\n10%\n100%\nwritten"),
        (ERROR, "no again"),
        (ERROR, "stage 'second': no again"),
    ]
    times = [log["timestamp"] for log in logs]
    assert times == sorted(set(times))  # Prefect's page sorts by time
    (end,) = (body for path, body in server.requests if path == "/flow_runs/run/set_state")
    assert end["state"]["type"] == "FAILED"
    assert record.flow_run == {
        "prefect.flow_run": "run",
        "prefect.link": f"{server.address.removesuffix('/api')}/runs/flow-run/run",
    }


def test_an_event_of_a_stage_leads_to_its_run(
    planned: Planned, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begin(planned, server, monkeypatch)
    record.event(StageEvent("statewright.drift", "first", {"a.json:alarm": 1.0}))
    assert record.close("COMPLETED") is None
    (event,) = (event for event in server.sent("/events") if event["event"] == "statewright.drift")
    assert event["resource"]["prefect.resource.id"] == "statewright.stage.first"
    assert event["payload"] == {"stage": "first", "metrics": {"a.json:alarm": 1.0}}
    related = {(item["prefect.resource.role"], item["prefect.resource.id"]) for item in event["related"]}
    repository = f"prefect.tag.repository: {planned[0].root.name}"
    assert {("flow-run", "prefect.flow-run.run"), ("tag", repository)} <= related


def body(server: Server, path: str) -> Any:
    (found,) = (body for at, body in server.requests if at == path)
    return found


def test_names_tags_and_parameters_say_what_runs(
    planned: Planned, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "checkout", "-q", "-b", "trial"], cwd=planned[0].root, check=True)
    record = begin(planned, server, monkeypatch)
    assert record.close("COMPLETED") is None
    assert body(server, "/flows/") == {"name": "repo: toy"}
    run = body(server, "/flow_runs/")
    assert run["name"] == "first run"
    assert run["tags"] == ["repository: repo", "branch: trial"]
    assert run["parameters"] == {
        "options": {"all_pipelines": True},
        "params": {"params.yaml": {"rate": 0.5, "token": "***"}},
    }


def test_a_stage_that_is_up_to_date_is_shown_as_skipped(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path / "repo", FILES)
    run_here(root)
    (root / "params.yaml").write_text("rate: 0.7\ntoken: abc\n")
    session = open_session(root, ["second"])
    monkeypatch.setenv("PREFECT_API_URL", server.address)
    record = start_record(
        session.repository, session.workflow, session.plan, "statewright", "auto", Path("log")
    )
    assert record is not None
    assert record.close("COMPLETED") is None
    assert server.states() == [("first", "Skipped")]
    assert body(server, "/flows/") == {"name": "repo"}
    run = body(server, "/flow_runs/")
    assert (run["name"], run["tags"][:2]) == ("rate 0.5 -> 0.7", ["repository: repo", "target: second"])
    plan = body(server, "/artifacts/")
    assert (plan["key"], plan["type"], plan["flow_run_id"]) == ("repo-plan", "markdown", "run")
    assert "| second | must |" in plan["data"] and "| first | skip |" in plan["data"]


def test_a_server_that_fails_for_a_while_loses_nothing(
    planned: Planned, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begin(planned, server, monkeypatch)
    wait_for(lambda: record.flow_run)
    server.status = 503
    stage = planned[1].stages["first"]
    record.running(stage)
    record.completed(stage, "ran")
    threading.Timer(1, lambda: setattr(server, "status", 200)).start()
    assert record.close("COMPLETED") is None
    assert server.states() == [("first", "Pending"), ("first", "Running"), ("first", "Completed")]


@pytest.mark.parametrize("how", ["hangs", "answers 503"])
def test_what_a_server_lacks_is_named_after_a_bounded_wait(
    planned: Planned, server: Server, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    record = begin(planned, server, monkeypatch)
    wait_for(lambda: record.flow_run)
    if how == "hangs":
        server.hang.set()
    else:
        server.status = 503
    record.running(planned[1].stages["first"])
    problem = record.close("COMPLETED")
    assert problem is not None
    assert "lacks the latest states of 1 stages (first) and the end of the run" in problem


def test_another_program_on_the_port_is_left_alone(
    planned: Planned, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "answer", lambda path, body: server.requests.append((path, body)))
    record = begin(planned, server, monkeypatch)
    problem = record.close("COMPLETED")
    assert problem is not None and "does not answer" in problem and "expected version 3" in problem
    assert {path for path, _ in server.requests} == {"/admin/version"}


def test_a_killed_run_is_shown_as_crashed(
    planned: Planned, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = begin(planned, server, monkeypatch)
    wait_for(lambda: record.flow_run)
    assert record._process.stdin is not None
    record._process.stdin.close()
    wait_for(lambda: any(path.endswith("/set_state") for path, _ in server.requests))
    (end,) = (body for path, body in server.requests if path.endswith("/set_state"))
    assert end["state"]["type"] == "CRASHED"


@pytest.mark.parametrize(
    ("prefect", "server_address", "is_recorded"),
    [("never", "http://127.0.0.1:9/api", False), ("auto", None, False), ("auto", "named", True)],
)
def test_the_setting_decides_whether_there_is_a_record(
    planned: Planned,
    monkeypatch: pytest.MonkeyPatch,
    prefect: str,
    server_address: str | None,
    is_recorded: bool,
) -> None:
    monkeypatch.setattr(prefect_record, "find_server", lambda: (server_address, server_address is not None))
    monkeypatch.setattr(prefect_record, "PrefectRecord", lambda _: Mock())
    record = start_record(*planned, "toy", prefect, Path("server.log"))
    assert (record is not None) is is_recorded
