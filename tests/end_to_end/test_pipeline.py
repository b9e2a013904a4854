"""The emotion pipeline on the shipped data, with every driver and real servers.

The tests of this file run one after the other on one checkout. A deployment runs the pipeline
without a cache. A browser opens the results (screenshots in tests/screenshots, ignored by git).
Then the other drivers and the plan must agree with them.
"""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from visit_assistant import a_photograph, service, visit

from statewright.running.recorder import wait_until_recorded
from tests.browser import chromium, page_faults

pytestmark = pytest.mark.end_to_end

SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"
WAIT_MS = 60_000


def test_every_flow_is_deployed_with_a_schedule(servers: Any, flow_run: dict[str, Any]) -> None:
    deployments = servers.prefect("/deployments/filter", {})
    crons = {d["entrypoint"]: d["schedules"][0]["schedule"]["cron"] for d in deployments}
    assert {d["name"] for d in deployments} == {"nightly"}
    assert crons == {
        "flows/emotion.py:emotion": "0 3 * * *",
        "flows/releaf.py:releaf": "30 3 * * *",
        "flows/fusion.py:fusion": "0 4 * * *",
        "flows/sifa.py:sifa": "30 4 * * *",
        "flows/tuner.py:tuner": "0 5 * * *",
    }


def test_a_worker_runs_the_deployment_to_completion(servers: Any, flow_run: dict[str, Any]) -> None:
    log = (servers.checkout.parent / "worker.log").read_text(errors="replace")
    assert flow_run["state_type"] == "COMPLETED", log[-5000:]
    tasks = servers.task_runs(flow_run["id"])
    names = {re.sub(r"-[0-9a-f]{3,}$", "", task["name"]) for task in tasks}
    assert {"code", "emotion-ingest", "emotion-fusion", "emotion-report"} <= names
    assert {task["state_type"] for task in tasks} == {"COMPLETED"}


def test_dvc_and_the_plan_agree_that_all_is_up_to_date(servers: Any, flow_run: dict[str, Any]) -> None:
    assert "up to date" in servers.run("dvc", "status")
    assert "Running stage" not in servers.run("dvc", "repro")
    assert set(servers.plan().values()) == {"skip"}
    started = time.monotonic()
    output = servers.run("statewright", "run")
    assert "nothing to do" in output
    assert "report: " in output
    assert time.monotonic() - started < 60


def test_mlflow_holds_a_parent_and_a_child_for_each_stage(servers: Any, flow_run: dict[str, Any]) -> None:
    from mlflow import MlflowClient

    assert wait_until_recorded(Path(servers.checkout)) is None
    client = MlflowClient(servers.mlflow_url)
    experiments = client.search_experiments(filter_string="name LIKE 'statewright/%'")
    assert sorted(experiment.name for experiment in experiments) == [
        "statewright/emotion",
        "statewright/fusion",
        "statewright/releaf",
        "statewright/sifa",
        "statewright/tuner",
    ]
    emotion = next(experiment for experiment in experiments if experiment.name == "statewright/emotion")
    runs = client.search_runs([emotion.experiment_id], max_results=2000)
    transitions = [run for run in runs if run.data.tags["statewright.kind"] == "transition"]
    (parent,) = transitions
    assert 1 <= len(parent.data.metrics) <= 20 and "audio.skill" in parent.data.metrics
    assert "emotion.fusion.width" in parent.data.params
    assert parent.data.tags["prefect.flow_run"] == flow_run["id"]
    assert flow_run["id"] in parent.data.tags["prefect.link"]
    children = {run.info.run_name: run for run in runs if run not in transitions}
    assert {"emotion-fusion", "emotion-train", "emotion-report"} <= set(children)
    fusion = children["emotion-fusion"]
    assert fusion.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert fusion.data.tags["output:data/emotion/states.parquet"] in Path(
        servers.checkout / "dvc.lock"
    ).read_text(encoding="utf-8")
    assert len(client.get_metric_history(fusion.info.run_id, "validation_loss")) > 1
    assert "emotion.fusion.width" in fusion.data.params
    files = {item.path for item in client.list_artifacts(children["emotion-report"].info.run_id)}
    assert "report.html" in files


def test_the_report_opens_offline(servers: Any, flow_run: dict[str, Any]) -> None:
    page = (servers.checkout / "data/emotion/report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']https?://""", page)
    assert "</html>" in page


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page of a headless Chromium."""
    SCREENSHOTS.mkdir(exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(WAIT_MS)
        yield page


def test_prefect_shows_the_flow_run_and_its_stages(servers: Any, flow_run: dict[str, Any], page: Any) -> None:
    page.goto(f"{servers.prefect_url}/runs/flow-run/{flow_run['id']}")
    page.get_by_text(flow_run["name"]).first.wait_for()
    page.get_by_text("Completed").first.wait_for()
    page.get_by_text("Task Runs", exact=True).click()
    page.get_by_text("emotion-report").first.wait_for()
    page.screenshot(path=SCREENSHOTS / "prefect_flow_run.png")


def test_mlflow_shows_the_tree_of_runs(servers: Any, flow_run: dict[str, Any], page: Any) -> None:
    from mlflow import MlflowClient

    experiment = MlflowClient(servers.mlflow_url).get_experiment_by_name("statewright/emotion")
    assert experiment is not None
    page.goto(f"{servers.mlflow_url}/#/experiments/{experiment.experiment_id}/runs")
    transition = MlflowClient(servers.mlflow_url).search_runs(
        [experiment.experiment_id], "tags.`statewright.kind` = 'transition'"
    )[0]
    link = page.get_by_role("link", name=transition.info.run_name, exact=True)
    parent = page.get_by_role("gridcell").filter(has=link)
    parent.first.get_by_role("button").first.click()
    page.get_by_text("emotion-report").first.wait_for()
    page.screenshot(path=SCREENSHOTS / "mlflow_runs.png")
    client = MlflowClient(servers.mlflow_url)
    run = client.search_runs([experiment.experiment_id], "attributes.run_name = 'emotion-evaluate'")[0]
    page.goto(f"{servers.mlflow_url}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}")
    page.get_by_text("statewright.reason").first.wait_for()
    page.screenshot(path=SCREENSHOTS / "mlflow_stage.png")


@pytest.mark.parametrize("pipeline", ["emotion", "releaf", "fusion", "sifa", "tuner"])
def test_the_report_has_no_fault_on_a_phone_and_on_a_desk(
    servers: Any, flow_run: dict[str, Any], page: Any, pipeline: str
) -> None:
    report = servers.checkout / "data" / pipeline / "report.html"
    pictures = SCREENSHOTS / pipeline
    pictures.mkdir(exist_ok=True)
    assert page_faults(page.context.browser, report.as_uri(), pictures) == []
    assert report.stat().st_size <= 4e6
    page.goto(report.as_uri())
    assert page.locator("header p").count() == 3
    assert page.locator("figure >> visible=true").count() == 3, "only the opening is unfolded"


def test_a_visit_to_the_assistant(servers: Any, flow_run: dict[str, Any], page: Any, tmp_path: Path) -> None:
    assert "version 1 is champion" in servers.run(sys.executable, "-m", "service", "promote")
    photograph = tmp_path / "photograph.jpg"
    photograph.write_bytes(a_photograph())
    with service(servers.checkout, servers.environment, Path(sys.executable)) as address:
        ratings = servers.checkout / "data/feedback/ratings.db"
        visit(page.context.browser, address, photograph, ratings, SCREENSHOTS)
        assert page_faults(page.context.browser, address) == []


@pytest.fixture
def restored_checkout(servers: Any, flow_run: dict[str, Any]) -> Any:
    """The checkout, in which the changes of a test are reverted after it."""
    yield servers
    servers.run("git", "checkout", "-q", ".")
    servers.run("statewright", "run")
    assert set(servers.plan().values()) == {"skip"}


def test_a_comment_reruns_nothing(restored_checkout: Any) -> None:
    servers = restored_checkout
    path = servers.checkout / "tasks/emotion/preprocess.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# a comment\n", encoding="utf-8")
    plan = servers.plan()
    assert plan.pop("code") == "must"
    assert set(plan.values()) == {"skip"}
    output = servers.run("statewright", "run")
    assert "1 ran" in output
    assert "emotion-preprocess: running" not in output


def test_a_helper_reruns_its_users_and_an_equal_result_stops_there(restored_checkout: Any) -> None:
    servers = restored_checkout
    path = servers.checkout / "tasks/emotion/contracts/raw.py"
    text = path.read_text(encoding="utf-8")
    line = "return Series[int], pa.Field(ge=low, le=high)"
    assert line in text
    helper = re.findall(r"^def (\w+)\(", text[: text.index(line)], re.MULTILINE)[-1]
    code = json.loads((servers.checkout / "data/code.json").read_text(encoding="utf-8"))
    users = {stage for stage, reached in code.items() if f"tasks/emotion/contracts/raw:{helper}" in reached}
    assert {"emotion-ingest", "emotion-preprocess"} <= users
    equal = "return Series[int], pa.Field(le=high, ge=low)"
    path.write_text(text.replace(line, equal), encoding="utf-8")
    plan = servers.plan()
    assert {stage for stage, verdict in plan.items() if verdict == "must"} == users | {"code"}
    assert plan["emotion-fusion"] == "may"
    output = servers.run("statewright", "run")
    assert "emotion-ingest: ran" in output
    assert "emotion-fusion: ran" not in output
    assert "emotion-fusion: skipped" in output


def test_a_parameter_reruns_its_stage_and_set_back_restores(restored_checkout: Any) -> None:
    servers = restored_checkout
    output = servers.run(
        "statewright", "run", "emotion-preprocess", "--set", "emotion.preprocess.thin_below=4"
    )
    assert "emotion.preprocess.thin_below 3 -> 4" in output
    assert "emotion-preprocess: ran" in output
    servers.run("git", "checkout", "-q", "params.yaml")
    plan = servers.plan()
    assert plan["emotion-preprocess"] == "restore"
    assert plan["emotion-ingest"] == "skip"
    assert plan["emotion-report"] == "skip"
    assert "emotion-preprocess: restored" in servers.run("statewright", "run", "emotion-preprocess")


def test_a_source_row_reruns_ingest(restored_checkout: Any) -> None:
    servers = restored_checkout
    path = servers.checkout / "data/source/album_lyrics.parquet"
    frame = pd.read_parquet(path)
    frame.loc[0, "joy_mean"] += 0.5
    frame.to_parquet(path, index=False)
    plan = servers.plan()
    assert plan["emotion-ingest"] == "must"
    assert plan["emotion-preprocess"] == "may"
    output = servers.run("statewright", "run", "emotion-preprocess")
    assert "emotion-ingest: ran" in output
    assert "emotion-preprocess: ran" in output


def test_mlflow_and_prefect_answer_on_loopback(servers: Any) -> None:
    for address in (f"{servers.prefect_url}/api/health", f"{servers.mlflow_url}/health"):
        with urllib.request.urlopen(address, timeout=10) as response:
            assert response.status == 200
