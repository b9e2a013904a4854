"""Registration, the champion, and the model that MLflow serves."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.registry import ALIAS, NAME, fetch_champion, promote

pytestmark = pytest.mark.slow


@pytest.fixture
def store(pipeline_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stages' outputs, with an empty MLflow store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return pipeline_root


def set_accuracy(root: Path, right: float) -> None:
    """Change the accuracy in the outputs of the evaluation."""
    path = root / "data" / "releaf" / "evaluate.json"
    evaluation = json.loads(path.read_text())
    evaluation["names"]["right"] = right
    path.write_text(json.dumps(evaluation))


def test_a_worse_version_becomes_champion_only_by_force(store: Path) -> None:
    first = promote(store)
    assert first.version == "1" and "is champion" in first.message
    assert promote(store).message == "version 1 is already champion and has the same files and code"
    before = fetch_champion(store)
    set_accuracy(store, 0.01)
    worse = promote(store)
    assert worse.version == "2" and "the champion stays" in worse.message
    assert fetch_champion(store) == before
    assert promote(store).version == "2"  # not registered again
    assert "version 2 is champion" in promote(store, force=True).message
    assert fetch_champion(store) != before


def test_mlflow_serves_the_same_answers(store: Path, client: TestClient) -> None:
    import io

    import mlflow
    import pandas as pd
    from PIL import Image

    promote(store, force=True)
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@{ALIAS}")
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "green").save(stream, "PNG")
    rows: list[dict[str, Any]] = [
        {"question": "wine bottles", "city": "Toronto", "picture": None},
        {"question": None, "city": "Seattle", "picture": base64.b64encode(stream.getvalue()).decode()},
        {"question": None, "city": "Seattle", "picture": "bm90IGEgcGljdHVyZQ=="},
        {"question": "jar", "city": "Atlantis", "picture": None},
        {"question": " ", "city": "Toronto", "picture": None},
    ]
    words, photograph, *rejected = model.predict(pd.DataFrame(rows))
    asked = client.post("/v1/ask", json={"question": "wine bottles", "city": "Toronto"}).json()
    assert words == {key: asked[key] for key in words}
    looked = client.post("/v1/look", files={"picture": stream.getvalue()}, data={"city": "Seattle"}).json()
    assert photograph == {key: looked[key] for key in photograph}
    invalid, unknown, empty = (row["error"] for row in rejected)
    assert invalid.startswith("picture: ") and "expected one of JPEG" in invalid
    assert unknown.startswith("city 'Atlantis' is not supported; choose one of ")
    assert empty == "the row has no question and no picture; expected at least one of them"


def test_mlflow_models_serve_gives_the_same_answers(store: Path, client: TestClient, tmp_path: Path) -> None:
    promote(store, force=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@{ALIAS}"]
    log = tmp_path / "server.log"
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [*command, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)],
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        )
    try:
        row = {"question": "wine bottles", "city": "Toronto", "picture": None}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps({"dataframe_records": [row]}).encode(),
            {"content-type": "application/json"},
        )
        answer = _post(request, server, log)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    (words,) = answer["predictions"]
    asked = client.post("/v1/ask", json={"question": "wine bottles", "city": "Toronto"}).json()
    assert words == {key: asked[key] for key in words}


def _post(request: urllib.request.Request, server: subprocess.Popen[bytes], log: Path) -> Any:
    """Send a request as soon as the server listens and return the decoded response."""
    deadline = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except urllib.error.URLError:
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
