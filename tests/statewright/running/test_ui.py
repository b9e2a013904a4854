"""`statewright ui`: its lines, the pages to which they lead, ports, its end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from toys import HERE, commit, make_repository, statewright

from statewright.running import ui
from statewright.workflow import WorkflowError
from tests.conftest import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_S = 240


@contextmanager
def listening(answers: dict[str, Any], received: list[Any] | None = None) -> Iterator[int]:
    """Yield the port of a server that answers some paths, and 404 elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if received is not None:
                received.append(json.loads(body))
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path)).encode())

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


PROGRAMS: dict[str, tuple[dict[str, Any], str]] = {
    "ours": (
        {"/statewright/ui": {"name": "music", "repository": "0a"}, "/api/admin/version": "3.8.8"},
        "`statewright ui` of the repository 'music' runs there; open http://127.0.0.1:PORT",
    ),
    "another Prefect": (
        {"/api/admin/version": "3.8.8"},
        "a Prefect server, version 3.8.8, runs there; open http://127.0.0.1:PORT",
    ),
    "MLflow": (
        {"/api/2.0/mlflow/experiments/search": {"experiments": []}, "/version": "3.17.2"},
        "an MLflow server runs there; open http://127.0.0.1:PORT",
    ),
    "another program": ({}, "another program runs there"),
}


@pytest.mark.parametrize("option", ["--prefect-port", "--mlflow-port"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_user_of_a_port_is_named(tmp_path: Path, program: str, option: str) -> None:
    answers, expected = PROGRAMS[program]
    with listening(answers) as port:
        ports = {"prefect_port": free_port(), "mlflow_port": free_port()}
        ports[option.removeprefix("--").replace("-", "_")] = port
        with pytest.raises(WorkflowError) as error:
            ui.serve(tmp_path, **ports)
    start, _, other = str(error.value).partition(f"; to start another: statewright ui {option} ")
    assert start == f"port {port} is in use: {expected.replace('PORT', str(port))}"
    assert port < int(other) < 65536


def test_both_servers_need_a_port_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(WorkflowError, match=f"are both {port}; expected two ports"):
        ui.serve(tmp_path, prefect_port=port, mlflow_port=port)


def test_a_port_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"port 70000 cannot be used .*; expected 1024 to 65535"):
        ui.serve(tmp_path, prefect_port=70000, mlflow_port=free_port())


HOLD = """
import sys, time
from pathlib import Path
from statewright.running import ui
# A server in a shell is a child of the command, as MLflow's workers are.
command = ["sh", "-c", "python3 -m http.server --bind 127.0.0.1 $0; true", sys.argv[1]]
url = "http://127.0.0.1:" + sys.argv[1]
with ui._started([ui._Server("files", url, url, command, Path("log"))], {"PATH": sys.argv[2]}) as started:
    ui._wait(ui._Server("files", url, url, command, Path("log")), *started)
    print("up", flush=True)
    time.sleep(60)
"""


def test_the_servers_end_with_a_killed_command(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", HOLD, str(port), os.environ["PATH"]]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        assert not ui._is_free(port)
        process.kill()
    deadline = time.monotonic() + 30
    while not ui._is_free(port):
        assert time.monotonic() < deadline, "a server outlives the command that started it"
        time.sleep(0.1)
    assert "GET /" in (tmp_path / "log").read_text()


FILES = {
    "dvc.yaml": """
        stages:
          train:
            cmd: echo "rate $(cat rate.txt)"; cp rate.txt model.txt; echo "{}" > report.html
            deps: [rate.txt]
            outs: [model.txt, report.html]
          judge:
            cmd: echo judging; grep -q 1 model.txt && echo > good.txt || (echo too high >&2; exit 3)
            deps: [model.txt]
            outs: [good.txt]
          page:
            cmd: cp good.txt page.txt
            deps: [good.txt]
            outs: [page.txt]
          words: {cmd: echo hello | tee words.txt, outs: [words.txt]}
        """,
    "rate.txt": "1\n",
}


@dataclass
class Shown:
    """A running `statewright ui`, and a moved repository with two runs.

    Parameters
    ----------
    moved : str
        First line on the screen, about the store.
    screen : str
        The lines after it.
    """

    root: Path
    process: subprocess.Popen[bytes]
    terminal: int
    moved: str
    screen: str
    prefect: str
    mlflow: str

    def ask(self, what: str, body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.prefect}/api/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def read_screen(outer: int, process: subprocess.Popen[bytes], last: str) -> str:
    """Return the output of a program up to a line with the text `last`."""
    text, deadline = "", time.monotonic() + WAIT_S
    while not re.search(f"{last}.*\n", text):
        assert time.monotonic() < deadline and process.poll() is None, text
        if select.select([outer], [], [], 1)[0]:
            with suppress(OSError):
                text += os.read(outer, 65536).decode()
    return text


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("ui")
    former, root = make_repository(folder / "former" / "repo", FILES), folder / "repo"
    commit(former)
    ports = free_port(), free_port()
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {folder}/opened\n')
    browser.chmod(0o755)
    prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
    words = [sys.executable, "-m", "statewright", "ui", "--open"]
    words += ["--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(folder / "prefect"))
        patch.setenv("PREFECT_API_URL", f"{prefect}/api")
        patch.delenv("PREFECT_API_AUTH_STRING", raising=False)
        # One run before the servers: MLflow's page is to show it.
        assert statewright(former, "run", "words", environment={"PREFECT_API_URL": ""}).returncode == 0
        assert statewright(former, "record").returncode == 0
        former.rename(root)
        outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        environment = {**os.environ, "BROWSER": f"{browser} %s", "PYTHONPATH": str(HERE), "TERM": "xterm"}
        process = subprocess.Popen(  # the terminal then sends the signal of Ctrl-C
            words, cwd=root, env=environment, preexec_fn=lambda: os.login_tty(inner)
        )
        os.close(inner)
        try:
            moved, _, screen = read_screen(outer, process, "Ctrl-C").partition("\n")
            assert statewright(root, "run").returncode == 0
            (root / "rate.txt").write_text("2\n")
            assert statewright(root, "run", "-q").returncode == 1
            assert statewright(root, "record").returncode == 0
            yield Shown(root, process, outer, moved, screen, prefect, mlflow)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
            os.close(outer)


@pytest.mark.end_to_end
class TestPages:
    def test_the_start_prints_three_lines_that_lead_to_runs(self, shown: Shown) -> None:
        prefect, mlflow, hint = shown.screen.splitlines()
        assert prefect == f"Prefect: {shown.prefect}/runs"
        assert re.fullmatch(rf"MLflow:  {shown.mlflow}/#/experiments/\d+/runs\?workflowType=\S+", mlflow)
        named = f"export PREFECT_API_URL={shown.prefect}/api"
        assert hint == f"for runs to appear live: {named}   (Ctrl-C stops both servers)"
        opened = (shown.root.parent / "opened").read_text().split()
        assert opened == [prefect.split()[1], mlflow.split()[1]]

    def test_files_of_runs_before_the_move_are_shown(self, shown: Shown) -> None:
        former = shown.root.parent / "former"
        assert shown.moved.startswith("the MLflow store was moved or copied: ")
        assert f"changed from {former}/" in shown.moved and f"to {shown.root}/" in shown.moved
        from mlflow import MlflowClient

        client = MlflowClient(shown.mlflow)
        runs = client.search_runs(["1"], "tags.`statewright.stage` = 'words'", order_by=["start_time"])
        files = {file.path for file in client.list_artifacts(runs[0].info.run_id)}
        address = f"{shown.mlflow}/get-artifact?path=words.log&run_uuid={runs[0].info.run_id}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert (files, answer.read()) == ({"words.log"}, b"hello\n")
        assert not former.exists() or not list(former.iterdir())

    def test_a_flow_run_has_cause_tags_and_parameters(self, shown: Shown) -> None:
        failed, first = shown.ask("flow_runs/filter", {"sort": "START_TIME_DESC"})
        assert (first["name"], first["state_type"]) == ("first run of train, judge, page", "COMPLETED")
        assert (failed["name"], failed["state_type"]) == ("rate.txt changed", "FAILED")
        branch = subprocess.run(
            ["git", "rev-parse", "--abbrev-ref", "HEAD"], cwd=shown.root, capture_output=True, text=True
        ).stdout.strip()
        assert set(failed["tags"]) == {"repository: repo", f"branch: {branch}"}
        (flow,) = shown.ask("flows/filter", {})
        assert flow["name"] == "repo"

    def test_each_stage_shows_what_became_of_it(self, shown: Shown) -> None:
        (failed, _) = shown.ask("flow_runs/filter", {"sort": "START_TIME_DESC"})
        own = {"flow_runs": {"id": {"any_": [failed["id"]]}}}
        states = {task["name"]: task["state_name"] for task in shown.ask("task_runs/filter", own)}
        assert states == {"train": "Completed", "judge": "Failed", "page": "Blocked", "words": "Skipped"}
        logs = shown.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [failed["id"]]}}})
        texts = [(log["level"], log["message"]) for log in logs]
        assert (20, "rate 2") in texts and (20, "too high") in texts
        (tail,) = (text for level, text in texts if level == 40 and text.startswith("the last lines"))
        assert tail.splitlines()[1:] == ["judging", "too high"]

    def test_artifacts_lead_to_mlflow_and_to_the_report(self, shown: Shown) -> None:
        failed, _ = shown.ask("flow_runs/filter", {"sort": "START_TIME_DESC"})
        own = {"flow_runs": {"id": {"any_": [failed["id"]]}}}
        texts = {artifact["key"]: artifact["data"] for artifact in shown.ask("artifacts/filter", own)}
        assert set(texts) == {"repo-plan", "repo-result"}
        assert "| page | blocked |" in texts["repo-result"]
        run, report = re.findall(r"\]\((http[^)]*)\)", texts["repo-result"])
        from mlflow import MlflowClient

        client = MlflowClient(shown.mlflow)
        for link, kind, file in ((run, "transition", ""), (report, "stage", "report.html")):
            target = landing(link)
            run_id = target.partition("/runs/")[2].partition("?")[0].partition("/")[0]
            recorded = client.get_run(run_id)
            assert recorded.data.tags["statewright.kind"] == kind
            assert not file or file in {item.path for item in client.list_artifacts(run_id)}
            assert target.endswith(f"{'/artifacts/' if file else ''}{file}?workflowType=machine_learning")

    def test_the_pages_show_the_runs_in_a_browser(self, shown: Shown) -> None:
        if CHROMIUM is None:
            pytest.skip("no Chromium here")
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1300, "height": 950})
            page.set_default_timeout(60_000)
            page.goto(shown.screen.splitlines()[0].split()[1])
            page.get_by_text("rate.txt changed").first.wait_for()
            page.goto(shown.screen.splitlines()[1].split()[1])
            page.get_by_text(re.compile(r"[1-9]\d* matching runs")).wait_for()
            browser.close()

    def test_a_failure_calls_the_webhook_of_the_template(self, shown: Shown) -> None:
        template = (HERE / "docs" / "examples" / "notify-on-failure.yaml").read_text()
        calls: list[Any] = []
        with listening({"/hook": "ok"}, calls) as port:
            save = (
                "from prefect.blocks.webhook import Webhook; "
                f"print(Webhook(url='http://127.0.0.1:{port}/hook').save('failed-runs'))"
            )
            block = run_in(shown.root.parent, sys.executable, "-c", save).split()[-1]
            (shown.root.parent / "notify.yaml").write_text(template.replace("WEBHOOK_ID", block))
            prefect = str(Path(sys.executable).with_name("prefect"))
            run_in(shown.root.parent, prefect, "automation", "create", "--from-file", "notify.yaml")
            (shown.root / "rate.txt").write_text("3\n")
            assert statewright(shown.root, "run", "-q").returncode == 1
            deadline = time.monotonic() + 60
            while not calls:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        (call,) = calls
        assert call["text"].startswith("repo failed (rate.txt changed): stage 'judge' ended with status 3")
        assert call["text"].splitlines()[1].startswith(f"{shown.prefect}/runs/flow-run/")

    def test_ctrl_c_ends_both_servers(self, shown: Shown) -> None:
        os.write(shown.terminal, b"\x03")
        assert shown.process.wait(60) == 0
        assert all(ui._is_free(int(url.rpartition(":")[2])) for url in (shown.prefect, shown.mlflow))
        ignored = subprocess.run(["git", "status", "--short"], cwd=shown.root, capture_output=True, text=True)
        assert ".statewright" not in ignored.stdout


def run_in(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def landing(link: str) -> str:
    """Return the address to which a link leads."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    try:
        urllib.request.build_opener(Stay).open(link, timeout=30)
    except urllib.error.HTTPError as answer:
        assert answer.code == 302, answer.read()
        return str(answer.headers["location"])
    raise AssertionError(f"{link} leads nowhere")
