"""The header ``Host``: names of this machine and addresses, but no other name."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.hosts import is_known, known_hosts


@pytest.mark.parametrize(
    "header",
    [
        "localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.0.0.1:8000", "192.168.1.5:80", "[::1]",
        "[::1]:8000", "waste.example.org", "Waste.Example.org:443", socket.gethostname(),
    ],
)  # fmt: skip
def test_addresses_and_known_names_are_accepted(header: str) -> None:
    assert is_known(header, known_hosts(["waste.example.org"]))


@pytest.mark.parametrize(
    "header",
    [
        "", ":8000", "evil.example", "evil.example:8000", "localhost.evil.example", "evil.localhost.example",
        "127.0.0.1.evil.example", "localhost:80@evil.example", "localhost:evil", "[::1].evil.example", "[::1",
        "::1",
    ],
)  # fmt: skip
def test_other_names_are_rejected(header: str) -> None:
    assert not is_known(header, known_hosts(["waste.example.org"]))


def test_a_request_with_another_name_is_rejected_and_counted() -> None:
    def load_engine() -> Any:
        raise ValueError("this test needs no model")

    app = create_app(load_engine, hosts=["waste.example.org"])
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/health", headers={"host": "Waste.example.org:8000"}).status_code == 200
        rejected = client.get("/health", headers={"host": "evil.example"})
        assert rejected.status_code == 400
        assert "--allow-host" in rejected.json()["error"]
        assert rejected.headers["content-security-policy"]
        assert 'status="400"} 1.0' in client.get("/metrics").text
