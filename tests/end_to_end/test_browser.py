"""What a person sees in a browser: the flow run, the tree of MLflow runs, the report.

Screenshots are kept in tests/screenshots (ignored by git).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("end_to_end")]

SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page of a headless Chromium that notes every address it asks for."""
    if CHROMIUM is None:
        pytest.skip(
            "no Chromium here: install it (Debian: apt-get install chromium) to run the browser tests"
        )
    from playwright.sync_api import sync_playwright

    SCREENSHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(WAIT_MS)
        yield page
        browser.close()


def test_prefect_shows_the_flow_run_and_its_stages(servers: Any, flow_run: dict[str, Any], page: Any) -> None:
    page.goto(f"{servers.prefect_url}/runs/flow-run/{flow_run['id']}")
    page.get_by_text(flow_run["name"]).first.wait_for()
    page.get_by_text("Completed").first.wait_for()
    page.get_by_role("tab", name="Task Runs").click()
    page.get_by_text("emotion-report").first.wait_for()
    page.screenshot(path=SCREENSHOTS / "prefect_flow_run.png")


def test_mlflow_shows_the_tree_of_runs(servers: Any, flow_run: dict[str, Any], page: Any) -> None:
    from mlflow import MlflowClient

    experiment = MlflowClient(servers.mlflow_url).get_experiment_by_name("statewright")
    assert experiment is not None
    page.goto(f"{servers.mlflow_url}/#/experiments/{experiment.experiment_id}/runs")
    page.get_by_text("emotion").first.wait_for()
    page.screenshot(path=SCREENSHOTS / "mlflow_runs.png")
    client = MlflowClient(servers.mlflow_url)
    run = client.search_runs([experiment.experiment_id], "attributes.run_name = 'emotion-evaluate'")[0]
    page.goto(f"{servers.mlflow_url}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}")
    page.get_by_text("statewright.reason").first.wait_for()
    page.screenshot(path=SCREENSHOTS / "mlflow_stage.png")


def test_the_report_reads_without_a_network(servers: Any, flow_run: dict[str, Any], page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((servers.checkout / "data/emotion/report.html").as_uri())
    page.locator("h1").first.wait_for()
    assert page.locator("svg").count() >= 5
    assert page.locator("table").count() >= 3
    assert all(url.startswith(("file:", "data:")) for url in asked), asked
    page.screenshot(path=SCREENSHOTS / "report.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 800})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 400, "the report scrolls sideways on a phone"
