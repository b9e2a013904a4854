"""Prefect's server answers its own pages and programs, and no other web page."""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from statewright.environment import caller_environment
from statewright.running import servers
from statewright.running.launcher import open_launcher
from statewright.running.prefect_api import PrefectApi
from statewright.running.prefect_guard import fault
from statewright.running.process import end


@pytest.mark.parametrize(
    ("host", "origin", "site"),
    [
        ("127.0.0.1:4200", None, None),
        ("localhost:4200", None, "same-origin"),
        ("localhost", None, "none"),
        ("[::1]:4200", None, None),
        ("127.0.0.1:4200", "http://127.0.0.1:4200", "same-origin"),
        ("127.0.0.1:4200", "http://localhost:4200", "cross-site"),
        ("localhost:9000", "http://localhost:9000", None),
    ],
)
def test_own_requests_are_answered(host: str, origin: str | None, site: str | None) -> None:
    assert fault(host, origin, site) is None


@pytest.mark.parametrize(
    ("host", "origin", "site"),
    [
        ("127.0.0.1:4200", "https://example.org", None),
        ("127.0.0.1:4200", "null", None),
        ("127.0.0.1:4200", "http://127.0.0.1:8888", None),
        ("127.0.0.1:4200", "http://127.0.0.1.example.org:4200", None),
        ("127.0.0.1:4200", "http://127.0.0.1:4200@example.org", None),
        ("127.0.0.1:4200", None, "cross-site"),
        ("127.0.0.1:4200", "", None),
        ("example.org:4200", None, None),
        ("example.org:4200", "http://example.org:4200", "same-origin"),
        ("127.0.0.1.example.org", None, None),
        ("", None, None),
        ("[", None, None),
    ],
)
def test_other_requests_are_refused(host: str, origin: str | None, site: str | None) -> None:
    assert fault(host, origin, site)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectApi]:
    """A temporary server."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch, open_launcher() as launcher:
        patch.setenv("PREFECT_HOME", str(home))
        for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
            patch.delenv(name, raising=False)
        api, command = servers.start_temporary_server(launcher, home / "log")
        try:
            servers.wait_for_server(api, servers.START_S, lambda: not command.wait(0))
            yield api
        finally:
            end(command)


def ask(api: PrefectApi, path: str, headers: dict[str, str], body: Any = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(api.address + path, data, headers), timeout=20
        ) as a:
            return int(a.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


@pytest.mark.slow
def test_only_the_run_can_use_its_temporary_server(server: PrefectApi) -> None:
    flow, known = {"name": "intruder"}, {"Authorization": server.headers["Authorization"]}
    assert len(server.token) > 30
    assert ask(server, "/flows/", {}, flow) == 401
    assert ask(server, "/flows/", {"Authorization": "Basic eDp5"}, flow) == 401
    assert ask(server, "/flows/", {**known, "Origin": "https://example.org"}, flow) == 403
    assert ask(server, "/health", {"Host": "example.org"}) == 403
    assert ask(server, "/flows/filter", {**known, "Content-Type": "application/json"}, {}) == 200
    assert server.post("/flows/", {"name": "ours"})["name"] == "ours"
    names = [found["name"] for found in server.post("/flows/filter", {})]
    assert names == ["ours"]


@pytest.mark.slow
def test_a_page_of_another_origin_cannot_open_a_web_socket(server: PrefectApi) -> None:
    port = int(server.address.split(":")[2].split("/")[0])

    def status(origin: str) -> str:
        lines = [
            "GET /api/events/in HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            f"Origin: {origin}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: prefect",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            return connection.recv(1000).decode().split("\r\n")[0]

    assert "403" in status("https://example.org")
    assert "101" in status(f"http://127.0.0.1:{port}")


@pytest.mark.slow
def test_the_token_is_on_no_command_line(server: PrefectApi) -> None:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes()
        except OSError:
            continue
        assert server.token.encode() not in words
    assert "PREFECT_API_AUTH_STRING" not in os.environ


def test_credentials_are_for_the_server_that_the_user_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ada:hunter2")
    monkeypatch.setenv("PREFECT_PROFILES_PATH", "/absent")
    assert PrefectApi("https://prefect.example.org/api").headers["Authorization"] == "Basic YWRhOmh1bnRlcjI="
    assert "Authorization" not in PrefectApi("http://127.0.0.1:4200/api").headers
    assert "hunter2" not in repr(PrefectApi("https://prefect.example.org/api"))


@pytest.mark.slow
def test_the_rounds_of_a_loop_share_a_server_that_stages_do_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setattr(servers, "use_running_server", lambda: False)
    before = dict(os.environ)
    with open_launcher() as launcher, servers.hold_server(launcher, tmp_path / "log"):
        PrefectApi(os.environ["PREFECT_API_URL"]).post("/flows/", {"name": "ours"})
        assert os.environ["PREFECT_API_AUTH_STRING"]
        assert caller_environment(os.environ) == caller_environment(before)
    assert dict(os.environ) == before
