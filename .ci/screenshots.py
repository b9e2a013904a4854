"""Take the pictures of README.md and docs/ from present results.

    python .ci/screenshots.py [NAME ...]     # default: all; NAME is the start of a picture's name

The reports come from data/, the assistant from the stages of releaf, and the pages of Prefect, MLflow,
the graph and the search of params from the repository that docs/tutorial.md builds. A picture whose
source is missing is left as it is; the pictures that were left are printed at the end, with the reason.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

from PIL import Image
from record_session import build, clean_environment

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
PIPELINES = ("emotion", "releaf", "fusion", "sifa", "tuner")
DESK, PHONE = {"width": 1200, "height": 1300}, {"width": 390, "height": 844}
COLOURS = 128
"""Colours of a picture; few of them make it small."""
LIMIT_S = 240
"""Seconds in which a server must answer, or a command end."""
saved: set[str] = set()
why: dict[str, str] = {}
"""Beginning of the name of pictures -> why they could not be taken."""
SPACE = "fit.degree: {low: 1, high: 9}\nclean.min_humidity: {low: 10, high: 40}\n"


def main() -> int:
    """Take the pictures and return 1 if one could not be taken."""
    from playwright.sync_api import sync_playwright

    wanted = tuple(sys.argv[1:]) or ("",)
    PICTURES.mkdir(parents=True, exist_ok=True)
    failed = 0
    with sync_playwright() as playwright:
        program = which("chromium") or which("chromium-browser") or which("google-chrome")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name, take in (("report", reports), ("assistant", assistant), ("run", runs)):
            if not any(name.startswith(start) or start.startswith(name) for start in wanted):
                continue
            before = len(saved)
            try:
                take(browser)
            except Exception as error:  # the other pictures are still wanted
                failed = 1
                why[name] = f"{type(error).__name__}: {error}"
            if len(saved) == before:
                why.setdefault(name, "its source is missing")
        browser.close()
    for path in sorted(PICTURES.glob("*.png")):
        cause = [text for name, text in why.items() if path.stem.startswith(name)]
        if path.stem.startswith(wanted) and path.stem not in saved:
            print(
                f"{path.relative_to(ROOT)} was left as it was: {(cause or ['not taken'])[-1]}",
                file=sys.stderr,
            )
    return failed


def reports(browser: Any) -> None:
    """Take the opening of each report on a desk, and of the first one on a phone."""
    for pipeline in PIPELINES:
        report = ROOT / "data" / pipeline / "report.html"
        if not report.is_file():
            why[f"report-{pipeline}"] = f"{report.relative_to(ROOT)} is missing; statewright run {pipeline}"
            continue
        views = {"": DESK, "-phone": PHONE} if pipeline == PIPELINES[0] else {"": DESK}
        for end, view in views.items():
            with opened(browser, report.as_uri(), view) as page:
                page.wait_for_timeout(1500)  # charts are drawn when they come near the window
                save(page, f"report-{pipeline}{end}")


def assistant(browser: Any) -> None:
    """Take the answer of the assistant to a question, on a desk and on a phone."""
    if not (ROOT / "data" / "releaf" / "stream_model.safetensors").is_file():  # no metric, which git has
        why["assistant"] = "data/releaf/stream_model.safetensors is missing; statewright run releaf"
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "HF_HUB_OFFLINE": "1",
        }
        subprocess.run(
            [sys.executable, "-m", "service", "promote"],
            cwd=ROOT,
            env=environment,
            check=True,
            timeout=LIMIT_S,
        )
        port = free_port()
        command = [sys.executable, "-m", "service", "serve", "--port", str(port)]
        address = f"http://127.0.0.1:{port}"
        with server(command, ROOT, environment, [f"{address}/ready"]):
            for end, view in (("", {"width": 1200, "height": 1450}), ("-phone", PHONE)):
                with opened(browser, address, view) as page:
                    page.wait_for_selector("#city option", state="attached")
                    page.fill("#question", "broken wine glass")
                    page.click("#ask")
                    page.wait_for_selector("#answer:not([hidden])")
                    page.wait_for_timeout(1000)
                    if not end:
                        page.evaluate("scrollTo(0, 0)")
                    save(page, f"assistant{end}")


def runs(browser: Any) -> None:
    """Take the pages of Prefect, MLflow, a search of params and the graph."""
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "weather"
        ports = free_port(), free_port()
        prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
        environment = clean_environment(Path(folder)) | {"PREFECT_API_URL": f"{prefect}/api"}
        build(repository, clean_environment(Path(folder)))
        command = ["statewright", "ui", "--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1])]
        with server(command, repository, environment, [f"{prefect}/api/health", f"{mlflow}/health"]):
            for degree in (2, 4):
                call(["statewright", "run", "--set", f"fit.degree={degree}"], repository, environment)
            flow_runs = post(f"{prefect}/api/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
            attempt("run-prefect", lambda: prefect_page(browser, prefect, flow_runs[0]["id"]))
            attempt("run-mlflow", lambda: mlflow_page(browser, mlflow))
        attempt("run-graph", lambda: graph_page(browser, repository, environment))
        attempt("run-tune", lambda: tune_page(browser, repository, environment))


def prefect_page(browser: Any, address: str, flow_run: str) -> None:
    """Take the page of a flow run."""
    with opened(browser, f"{address}/runs/flow-run/{flow_run}", {"width": 1300, "height": 900}) as page:
        page.get_by_text("Completed").first.wait_for()
        page.wait_for_timeout(4000)  # the graph of the run is drawn last
        save(page, "run-prefect")


def mlflow_page(browser: Any, address: str) -> None:
    """Take the list of runs of the newest experiment that has some."""
    query = {"max_results": 20, "order_by": ["last_update_time DESC"]}
    experiments = post(f"{address}/api/2.0/mlflow/experiments/search", query)["experiments"]
    found = {e["experiment_id"]: e["name"] for e in experiments if e["name"] != "Default"}
    with opened(
        browser, f"{address}/#/experiments/{next(iter(found))}/runs", {"width": 1300, "height": 700}
    ) as page:
        page.get_by_role("gridcell").first.wait_for()
        page.wait_for_timeout(3000)
        beside = page.get_by_role("button", name="Close")
        if beside.count():  # an offer of MLflow's that covers a fourth of the page
            beside.first.click()
            page.wait_for_timeout(500)
        save(page, "run-mlflow")


def graph_page(browser: Any, repository: Path, environment: dict[str, str]) -> None:
    """Take the graph of the stages."""
    path = repository.parent / "graph.html"
    call(["statewright", "graph", "--html", "--output", str(path)], repository, environment)
    with opened(browser, path.as_uri(), {"width": 1200, "height": 640}) as page:
        page.wait_for_timeout(500)
        save(page, "run-graph")


def tune_page(browser: Any, repository: Path, environment: dict[str, str]) -> None:
    """Take the page of a search of params."""
    (repository / "space.yaml").write_text(SPACE, encoding="utf-8")
    call(["git", "add", "-A"], repository, environment)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    call(["git", *identity, "commit", "-qm", "A space of params"], repository, environment)
    options = ["--metric", "rmse", "--direction", "min", "--space", "space.yaml", "--budget", "16"]
    environment = {k: v for k, v in environment.items() if k != "PREFECT_API_URL"}
    call(["statewright", "tune", "score", *options], repository, environment)
    (page_path,) = (repository / ".statewright" / "tune").glob("*.html")
    with opened(browser, page_path.as_uri(), {"width": 940, "height": 1000}) as page:
        save(page, "run-tune")


def attempt(name: str, take: Callable[[], None]) -> None:
    """Take a picture; if that fails, keep the reason and go on."""
    try:
        take()
    except Exception as error:  # the other pictures are still wanted
        why[name] = f"{type(error).__name__}: {error}"


def save(page: Any, name: str) -> None:
    """Write what the window shows as a small PNG."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    path = PICTURES / f"{name}.png"
    saved.add(name)
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {picture.width} x {picture.height}, {path.stat().st_size / 1e3:.0f} kB")


@contextmanager
def opened(browser: Any, address: str, view: dict[str, int]) -> Iterator[Any]:
    """Open a page in light mode."""
    context = browser.new_context(viewport=view, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    yield page
    context.close()


@contextmanager
def server(
    command: list[str], folder: Path, environment: dict[str, str], addresses: list[str]
) -> Iterator[None]:
    """Run a server until the end of the block; wait until it answers."""
    program = which(command[0], path=environment["PATH"]) or command[0]
    output = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the process
    process = subprocess.Popen(
        [program, *command[1:]], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
    )
    try:
        limit = time.monotonic() + LIMIT_S
        while not all(answers(address) for address in addresses):
            if process.poll() is not None or time.monotonic() > limit:
                output.seek(0)
                said = output.read().decode(errors="replace")[-1000:].strip()
                raise TimeoutError(f"{' '.join(command)} does not answer; its output: {said or 'none'}")
            time.sleep(0.5)
        yield
    finally:
        process.send_signal(signal.SIGINT if command[0] == "statewright" else signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def answers(address: str) -> bool:
    """Return whether a server answers, and says that it is ready."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200 and b'"starting"' not in response.read())
    except OSError:
        return False


def post(address: str, body: dict[str, Any]) -> Any:
    """Send JSON and return the answer."""
    request = urllib.request.Request(
        address, json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def call(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run a command and return its output.

    Raises
    ------
    RuntimeError
        The command fails.
    """
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-1000:]}")
    return done.stdout


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
