"""Registering, the champion, and the model that MLflow itself serves."""

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

from service.registry import ALIAS, NAME, champion, promote

pytestmark = pytest.mark.slow


@pytest.fixture
def store(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty MLflow store; the root that is promoted."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return made


def say(root: Path, right: float) -> None:
    """Let the evaluation have come out otherwise."""
    path = root / "data" / "releaf" / "evaluate.json"
    found = json.loads(path.read_text())
    found["names"]["right"] = right
    path.write_text(json.dumps(found))


def test_the_better_one_is_champion_unless_forced(store: Path) -> None:
    first = promote(store)
    assert first.version == "1" and "is champion" in first.said
    assert promote(store).said == "version 1 is champion already, of these files and this code"
    before = champion(store)
    say(store, 0.01)
    worse = promote(store)
    assert worse.version == "2" and "the champion stays" in worse.said
    assert champion(store) == before
    assert promote(store).version == "2"  # not registered once more
    assert "version 2 is champion" in promote(store, force=True).said
    assert champion(store) != before


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
    words, photograph, *refused = model.predict(pd.DataFrame(rows))
    asked = client.post("/v1/ask", json={"question": "wine bottles", "city": "Toronto"}).json()
    assert words == {key: asked[key] for key in words}
    looked = client.post("/v1/look", files={"picture": stream.getvalue()}, data={"city": "Seattle"}).json()
    assert photograph == {key: looked[key] for key in photograph}
    assert [row["error"].split(";")[0] for row in refused] == [
        "picture: the file is not a picture",
        "city 'Atlantis' is not known",
        "there is neither a question nor a picture",
    ]


def test_the_command_of_mlflow_serves_it(store: Path, client: TestClient, tmp_path: Path) -> None:
    promote(store, force=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@{ALIAS}"]
    said = tmp_path / "said"
    with said.open("wb") as sink:
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
        answer = _answer(request, server, said)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    (words,) = answer["predictions"]
    asked = client.post("/v1/ask", json={"question": "wine bottles", "city": "Toronto"}).json()
    assert words == {key: asked[key] for key in words}


def _answer(request: urllib.request.Request, server: subprocess.Popen[bytes], said: Path) -> Any:
    """What the server says once it listens."""
    deadline = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except urllib.error.URLError:
            assert server.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.2)
