"""The choice of the Prefect server for a run."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from statewright.running import servers
from statewright.running.prefect_api import NotPrefectError, PrefectApi

PROFILES = """
active = "work"
[profiles.work]
PREFECT_API_URL = "http://127.0.0.1:9/work/api"
[profiles.home]
PREFECT_API_URL = "http://127.0.0.1:9/home/api"
[profiles.bare]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Prefect home with profiles."""
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.setenv(name, "")  # monkeypatch then also removes a value that the code sets
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    (tmp_path / "profiles.toml").write_text(PROFILES)
    return tmp_path


@contextmanager
def answering(status: int, body: Any) -> Iterator[str]:
    """Yield the address of a server that gives one answer to all requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "http://127.0.0.1:9/work/api"),
        ({"PREFECT_PROFILE": "home"}, "http://127.0.0.1:9/home/api"),
        ({"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "http://127.0.0.1:9/api"),
        ({"PREFECT_PROFILE": "bare"}, None),
        ({"PREFECT_PROFILE": "no such profile"}, None),
    ],
)
def test_the_environment_has_priority_over_the_profile(
    home: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], expected: str | None
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert servers.find_server(port=9) == (expected, expected is not None)


@pytest.mark.parametrize("text", ["", "active = ", "active = 3", "[profiles]"])
def test_profiles_without_a_server_are_ignored(home: Path, text: str) -> None:
    (home / "profiles.toml").write_text(text)
    assert servers.find_server(port=9) == (None, False)


def test_a_server_on_this_machine_is_used(home: Path) -> None:
    (home / "profiles.toml").unlink()
    with answering(200, "3.1.0") as address:
        port = int(address.split(":")[2].split("/")[0])
        assert servers.find_server(port) == (address, False)
        assert servers.use_running_server(port)
        assert os.environ["PREFECT_API_URL"] == address
    del os.environ["PREFECT_API_URL"]
    assert servers.find_server(port) == (None, False)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"<html>", "is not Prefect's API"),
        (200, {"version": "3.1"}, "expected version 3"),
        (200, "2.20.3", "is Prefect 2.20.3; expected version 3"),
        (200, "4.0.0", "is Prefect 4.0.0; expected version 3"),
        (404, b"", "answers 404 Not Found; expected Prefect's API"),
        (401, b"", "demands a login; export STATEWRIGHT_PASSWORD"),
    ],
)
def test_only_a_compatible_prefect_is_used(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: Any,
    message: str,
) -> None:
    with answering(status, body) as address:
        with pytest.raises(NotPrefectError, match=message):
            PrefectApi(address).identify()
        monkeypatch.setenv("PREFECT_API_URL", address)
        assert not servers.use_running_server()
    assert message in capsys.readouterr().err


def test_a_server_that_is_not_ready_may_be_asked_again(home: Path) -> None:
    with answering(503, b"") as address, pytest.raises(OSError, match="503"):
        PrefectApi(address).identify()
