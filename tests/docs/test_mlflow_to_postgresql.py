"""The script of docs/operations.md that copies MLflow's database to PostgreSQL."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres import PROGRAMS, postgresql

from statewright.record.experiment import open_record
from statewright.record.store import local_uri

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAMS, reason="PostgreSQL is not installed: apt-get install postgresql"),
]
SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "mlflow_to_postgresql.py"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as address:
        yield f"{address}/postgres"


def migrate(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


def content(client: Any, before: str = "", after: str = "") -> list[Any]:
    """Return everything that a client reads, with another start of the locations."""
    experiments = client.search_experiments(order_by=["experiment_id"])
    runs = client.search_runs([e.experiment_id for e in experiments], order_by=["start_time"])
    models = client.search_logged_models([e.experiment_id for e in experiments])
    history = [client.get_metric_history(run.info.run_id, "loss") for run in runs]
    found = [
        *map(vars, experiments),
        *(run.to_dictionary() for run in runs),
        *(m.to_dictionary() for m in models),
    ]
    return [str(found).replace(before, after), [[vars(metric) for metric in run] for run in history]]


def test_a_store_is_copied_and_continues(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "houses"
    root.mkdir()
    record = open_record(root, experiment="houses")
    client = record.client
    run = client.create_run(record.experiment_id, tags={"owner": "Zoë"}).info.run_id
    values = (0.5, math.inf, -1e-300)
    client.log_batch(run, metrics=[Metric("loss", value, 1000 + i, i) for i, value in enumerate(values)])
    client.log_param(run, "rate", "0.1")
    client.create_logged_model(record.experiment_id, "prices", source_run_id=run, params={"depth": "3"})
    client.set_terminated(run)
    former = (root / ".statewright" / "mlflow" / "artifacts").as_uri()
    store = local_uri(root).removeprefix("sqlite:///")
    before = Path(store).read_bytes()

    status, output = migrate(store, database, "--artifacts", former, "s3://bucket/mlflow")
    assert status == 0 and "complete: " in output, output
    assert "runs: 1" in output and "metrics: 3" in output
    assert Path(store).read_bytes() == before
    moved = MlflowClient(database)
    assert content(moved) == content(client, former, "s3://bucket/mlflow")
    assert moved.get_run(run).info.artifact_uri.startswith("s3://bucket/mlflow/")
    new = moved.create_experiment("next")  # its number follows the copied ones
    assert int(new) > int(record.experiment_id)

    status, output = migrate(store, database)
    assert status == 1 and "PostgreSQL holds 1 runs already" in output, output
    assert len(moved.search_runs([record.experiment_id])) == 1


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("absent.db", "postgresql://127.0.0.1/x", "absent.db is not a file"),
        (__file__, "mysql://127.0.0.1/x", "mysql is not PostgreSQL"),
    ],
)
def test_wrong_arguments_are_explained(source: str, target: str, message: str) -> None:
    status, output = migrate(source, target)
    assert status == 1 and message in output
