"""Links from a flow run of Prefect to MLflow, and the server that follows them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from statewright.running import mlflow_pages, prefect_links
from statewright.running.mlflow_pages import TRAININGS, latest_runs_page
from statewright.running.prefect_links import links_of, repository_digest
from statewright.running.run_pages import wrap

RUN = "e69c87e4-d978-405c-a670-867b314160f0"


@dataclass
class Mlflow:
    """Stand-in for MLflow's server, with the runs of two experiments."""

    http: ThreadingHTTPServer
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    filters: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        if path.endswith("experiments/search"):
            return {"experiments": [{"experiment_id": each} for each in self.runs]} if self.runs else {}
        self.filters.append(body["filter"])
        runs = [run for each in body["experiment_ids"] for run in self.runs[each]]
        return {"runs": runs[: body["max_results"]]} if runs else {}


@pytest.fixture
def mlflow() -> Iterator[Mlflow]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(server.answer(self.path, body)).encode())

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Mlflow(http)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield server
    http.shutdown()
    http.server_close()


def run(experiment: str, number: int) -> dict[str, Any]:
    return {"info": {"run_id": f"r{number}", "experiment_id": experiment, "start_time": number}}


def test_the_start_page_is_the_experiment_with_the_latest_run(mlflow: Mlflow) -> None:
    assert latest_runs_page(mlflow_pages.Mlflow(mlflow.url)) == (f"{mlflow.url}/#/experiments?{TRAININGS}", 0)
    mlflow.runs = {"0": [], "3": [run("3", 30)], "2": [run("2", 20)]}
    assert latest_runs_page(mlflow_pages.Mlflow(mlflow.url)) == (
        f"{mlflow.url}/#/experiments/3/runs?{TRAININGS}",
        2,
    )


def get(path: str, root: Path, mlflow: str | None, query: str = "") -> tuple[int, dict[str, str], str]:
    """Return the answer of the pages to a request; the server below answers 418."""
    sent: list[Any] = []

    async def below(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    app = wrap(below, json.dumps({"root": str(root), "mlflow": mlflow and {"url": mlflow}}))
    scope = {"type": "http", "path": path, "query_string": query.encode()}
    asyncio.run(app(scope, None, send))  # type: ignore[arg-type, func-returns-value]
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"].decode()


def test_a_link_leads_to_the_run_in_mlflow(mlflow: Mlflow, tmp_path: Path) -> None:
    mlflow.runs = {"7": [run("7", 1)]}
    status, headers, _ = get(f"/statewright/runs/{RUN}", tmp_path, mlflow.url)
    assert (status, headers["location"]) == (302, f"{mlflow.url}/#/experiments/7/runs/r1?{TRAININGS}")
    assert mlflow.filters == [f"tags.`prefect.flow_run` = '{RUN}' AND tags.`statewright.kind` = 'transition'"]
    mlflow.filters.clear()
    query = "stage=it%27s&file=a%20b.html"
    status, headers, _ = get(f"/statewright/runs/{RUN}", tmp_path, mlflow.url, query)
    assert headers["location"] == f"{mlflow.url}/#/experiments/7/runs/r1/artifacts/a%20b.html?{TRAININGS}"
    assert mlflow.filters[1] == "tags.`mlflow.parentRunId` = 'r1' AND tags.`statewright.stage` = \"it's\""


def test_a_run_that_is_not_recorded_yet_is_asked_for_again(mlflow: Mlflow, tmp_path: Path) -> None:
    status, headers, text = get(f"/statewright/runs/{RUN}", tmp_path, mlflow.url)
    assert status == 404 and headers["refresh"] and "not in MLflow yet" in text


@pytest.mark.parametrize("path", ["/statewright/runs/x", f"/statewright/runs/{RUN}/x", "/statewright/other"])
def test_other_pages_do_not_exist(path: str, tmp_path: Path) -> None:
    assert get(path, tmp_path, "http://127.0.0.1:9")[0] == 404


def test_requests_for_prefect_are_passed_on(tmp_path: Path) -> None:
    assert get("/api/health", tmp_path, None)[0] == 418
    assert get("/statewrights", tmp_path, None)[0] == 418


def test_the_server_names_its_repository_without_its_path(tmp_path: Path) -> None:
    status, _, text = get("/statewright/ui", tmp_path, None)
    assert status == 200
    assert json.loads(text) == {"name": tmp_path.name, "repository": repository_digest(tmp_path)}
    assert str(tmp_path) not in text


@pytest.mark.parametrize("known", [True, False])
def test_links_are_for_the_repository_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    served = tmp_path if known else tmp_path / "another"
    answer = {"name": "x", "repository": repository_digest(served)}
    monkeypatch.setattr(prefect_links, "ask_ui", lambda page: answer)
    text = links_of("http://127.0.0.1:4200", tmp_path)(RUN, {"out/report page.html": "make report"})
    base = f"http://127.0.0.1:4200/statewright/runs/{RUN}"
    assert (f"]({base})" in text) == known
    assert (f"]({base}?stage=make%20report&file=report%20page.html)" in text) == known
    assert ("`statewright ui --open`" in text) != known
    assert f"`{tmp_path}/out/report page.html`" in text
    command = f"`statewright -C {tmp_path} ui --prefect-port 4200`"
    assert (f"The links work while this command runs: {command}" in text) == known


def test_a_store_on_a_server_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ada:secret@mlflow.example.org")
    assert links_of(None, tmp_path)(RUN, {}) == "- MLflow: https://ada:***@mlflow.example.org"
