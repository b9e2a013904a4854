"""The pages of MLflow after two runs of a small pipeline, in a browser.

The screenshots are in tests/screenshots, which git ignores.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_pipeline import SCREENSHOTS, WAIT_MS
from toys import commit, dvc, make_repository, statewright

from statewright.environment import SETTINGS
from statewright.running.process import stop
from statewright.running.recorder import recorder_lock, wait_until_recorded
from tests.browser import CHROMIUM, FLAGS
from tests.conftest import free_port

pytestmark = pytest.mark.end_to_end
START_S = 180
FILES = {
    "raw.csv": "area,rooms,price\n50,2,1.5\n80,3,2.25\n120,5,4.0\n",
    "train.py": """
        import json, pathlib
        lr = json.loads(pathlib.Path("params.json").read_text())["train"]["lr"]
        pathlib.Path("model.txt").write_text(str(lr))
        losses = {f"epoch {n}": lr**n for n in range(30)}
        pathlib.Path("train.json").write_text(json.dumps({"loss": losses}))
    """,
    "score.py": """
        import pathlib
        lr = float(pathlib.Path("model.txt").read_text())
        pathlib.Path("score.json").write_text('{"rmse": %s}' % (1 - lr / 2))
        pathlib.Path("report.html").write_text(f"<h1>Prices at lr {lr}</h1>")
    """,
    "params.json": '{"train": {"lr": 0.2, "depth": 3}}',
    "dvc.yaml": """
        stages:
          train:
            cmd: python train.py
            deps: [train.py, raw.csv]
            params: [{params.json: [train]}]
            outs: [model.txt]
            metrics: [{train.json: {cache: false}}]
            meta: {model: {file: model.txt, name: prices, example: raw.csv, target: price}}
          score:
            cmd: python score.py
            deps: [score.py, model.txt]
            outs: [report.html]
            metrics: [{score.json: {cache: false}}]
            meta: {headline: rmse}
    """,
}


@dataclass(frozen=True)
class Store:
    """A server on the record of two runs, and the two transitions."""

    url: str
    experiment: str
    first: Any
    second: Any

    def page(self, path: str) -> str:
        """Return the address of a page of the experiment."""
        return f"{self.url}/#/experiments/{self.experiment}/{path}?workflowType=machine_learning"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install it (Debian: apt-get install chromium)")
    root = make_repository(tmp_path_factory.mktemp("two") / "houses", FILES)
    dvc(root, "add", "--quiet", "raw.csv")
    commit(root)
    settings = {**SETTINGS, "PREFECT_API_URL": "", "MLFLOW_TRACKING_URI": ""}
    lock = recorder_lock(root)
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:  # one recorder for both runs
        fcntl.flock(held, fcntl.LOCK_EX)
        for arguments in (["run"], ["run", "--set", "params.json:train.lr=0.7"]):
            done = statewright(root, *arguments, environment=settings)
            assert done.returncode == 0, done.stderr
    assert wait_until_recorded(root, timeout_s=START_S) is None
    with _server(root) as url:
        from mlflow import MlflowClient

        client = MlflowClient(url)
        experiment = client.get_experiment_by_name("houses")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], "tags.`statewright.kind` = 'transition'")
        second, first = (client.get_run(run.info.run_id) for run in runs)
        yield Store(url, experiment.experiment_id, first, second)


@contextmanager
def _server(root: Path) -> Iterator[str]:
    """Serve the store of a repository."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    folder = root / ".statewright" / "mlflow"
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--default-artifact-root", (folder / "artifacts").as_uri()]
    with (root.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **SETTINGS}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, log.name
                time.sleep(0.2)
        yield url
    finally:
        stop(process)


@pytest.fixture(scope="module")
def browser(store: Store) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    SCREENSHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.set_default_timeout(WAIT_MS)
        yield page
        browser.close()


def test_runs_are_named_by_their_cause(store: Store, browser: Any) -> None:
    browser.goto(store.page("runs"))
    browser.get_by_role("link", name="train.lr 0.2 -> 0.7", exact=True).wait_for()
    assert browser.get_by_role("link", name="first run", exact=True).count() == 1
    assert browser.get_by_role("link", name="score", exact=True).count() == 0  # folded below its transition
    browser.screenshot(path=SCREENSHOTS / "mlflow_transitions.png")


def test_two_transitions_are_compared_by_params_and_metrics(store: Store, browser: Any) -> None:
    runs = f"%5B%22{store.first.info.run_id}%22,%22{store.second.info.run_id}%22%5D"
    browser.goto(f"{store.url}/#/compare-runs?runs={runs}&experiments=%5B%22{store.experiment}%22%5D")
    browser.get_by_text("Comparing 2 Runs from 1 Experiment").wait_for()
    row = browser.locator("tr").filter(has=browser.locator("th", has_text="train.lr"))
    assert row.inner_text().split() == ["train.lr", "0.2", "0.7"]
    browser.get_by_title("Plot chart").get_by_text("rmse").scroll_into_view_if_needed()
    grids = [grid.inner_text().split() for grid in browser.get_by_role("grid").all()]
    place = next(grid.index("rmse") for grid in grids if "rmse" in grid)
    values = next(grid for grid in grids if "0.65" in grid)
    assert values[2 * place : 2 * place + 2] == ["0.9", "0.65"]
    # The 30 losses are at the run of their stage.
    assert browser.get_by_text("loss.epoch 7").count() == 0
    browser.screenshot(path=SCREENSHOTS / "mlflow_compare.png")


def test_a_transition_shows_how_to_repeat_it_its_data_and_its_model(store: Store, browser: Any) -> None:
    browser.goto(store.page(f"runs/{store.second.info.run_id}"))
    browser.get_by_text("statewright run --set params.json:train.lr=0.7").first.wait_for()
    browser.get_by_role("link", name="prices").first.wait_for()
    (data,) = store.first.inputs.dataset_inputs
    assert (data.dataset.name, len(data.dataset.digest)) == ("raw.csv", 32)
    browser.screenshot(path=SCREENSHOTS / "mlflow_transition.png")


def test_the_report_and_the_chart_are_artifacts(store: Store, browser: Any) -> None:
    browser.goto(store.page(f"runs/{store.second.info.run_id}/artifacts/report/report.html"))
    browser.frame_locator("iframe").get_by_text("Prices at lr 0.7").wait_for()
    browser.get_by_text("plan.md").first.click()
    browser.get_by_role("cell", name="params.json: train.lr 0.2 -> 0.7").wait_for()
    browser.get_by_text("gantt.svg").first.click()
    browser.get_by_alt_text("gantt.svg").wait_for()
    browser.screenshot(path=SCREENSHOTS / "mlflow_gantt.png")
