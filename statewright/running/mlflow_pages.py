"""Addresses of MLflow's pages, found through its REST API.

MLflow 3 opens its pages for language models first, which are empty for pipelines. The part
`workflowType` of an address selects the pages for trainings.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from statewright.environment import basic_authorization

TRAININGS = "workflowType=machine_learning"
TIMEOUT_S = 10.0
MOST_EXPERIMENTS = 1000
MOST_PARENTS = 50
"""Number of pipelines in one run of Prefect, each of which has a parent run in MLflow."""


@dataclass(frozen=True)
class Mlflow:
    """A server of MLflow.

    Parameters
    ----------
    url : str
        Address at which it is asked.
    page : str
        Address of its pages in a browser (default: the same).
    credentials : str
        Login such as ``user:password``; empty for a server without one.
    """

    url: str
    page: str = ""
    credentials: str = field(default="", repr=False)

    @property
    def pages(self) -> str:
        """Return the address of its pages."""
        return self.page or self.url


def latest_runs_page(server: Mlflow) -> tuple[str, int]:
    """Return the page with the latest run, and the number of used experiments.

    Without a run, the page is the list of experiments.

    Raises
    ------
    OSError
        If the server does not answer.
    """
    runs = [run for each in _experiments(server) for run in _search(server, [each], "", most=1)]
    if not runs:
        return f"{server.pages}/#/experiments?{TRAININGS}", 0
    latest = max(runs, key=lambda run: int(run["info"].get("start_time") or 0))
    return f"{server.pages}/#/experiments/{latest['info']['experiment_id']}/runs?{TRAININGS}", len(runs)


def find_run_page(server: Mlflow, flow_run: str, stage: str = "", file: str = "") -> str | None:
    """Return the page of the run of a flow run of Prefect, or None.

    Parameters
    ----------
    stage, file : str
        A stage, to get the page of its own run, and the name of a file of it to show.
    """
    wanted = f"tags.`prefect.flow_run` = {_text(flow_run)} AND tags.`statewright.kind` = 'transition'"
    try:
        runs = _search(server, _experiments(server), wanted, most=MOST_PARENTS)
        if stage:
            runs = [each for parent in runs for each in _stages(server, parent["info"], stage)]
    except OSError:
        return None
    if not runs:
        return None
    info = runs[0]["info"]
    shown = f"/artifacts/{quote(file)}" if file else ""
    return f"{server.pages}/#/experiments/{info['experiment_id']}/runs/{info['run_id']}{shown}?{TRAININGS}"


def _stages(server: Mlflow, parent: dict[str, Any], stage: str) -> list[dict[str, Any]]:
    """Return the run of a stage below a parent run, if there is one.

    A stage may have ended before the flow run had an id: then only the parent has it as a tag.
    """
    below = f"tags.`mlflow.parentRunId` = {_text(parent['run_id'])}"
    wanted = f"{below} AND tags.`statewright.stage` = {_text(stage)}"
    return _search(server, [parent["experiment_id"]], wanted, most=1)


def _experiments(server: Mlflow) -> list[str]:
    found = _ask(server, "experiments/search", {"max_results": MOST_EXPERIMENTS}).get("experiments", [])
    return [str(experiment["experiment_id"]) for experiment in found]


def _search(server: Mlflow, experiments: list[str], wanted: str, *, most: int) -> list[dict[str, Any]]:
    order = ["attributes.start_time DESC"]
    body = {"experiment_ids": experiments, "filter": wanted, "max_results": most, "order_by": order}
    runs: list[dict[str, Any]] = _ask(server, "runs/search", body).get("runs", [])
    return runs


def _ask(server: Mlflow, what: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if server.credentials:
        headers["Authorization"] = basic_authorization(server.credentials)
    address = f"{server.url}/api/2.0/mlflow/{what}"
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        values: dict[str, Any] = json.loads(answer.read())
    return values


def _text(value: str) -> str:
    """Return a text for a filter, which has no escape for a quote."""
    quote = '"' if "'" in value else "'"
    return f"{quote}{value.replace(quote, '_')}{quote}"
