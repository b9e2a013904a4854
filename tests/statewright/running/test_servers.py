"""The choice of the Prefect server for a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from statewright.running import servers

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
    """A Prefect home with profiles, in which every named server is within reach."""
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"):
        monkeypatch.setenv(name, "")  # monkeypatch then also removes a value that the code sets
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setattr(servers, "_is_unreachable", lambda address: False)
    monkeypatch.setattr(servers, "_is_up", lambda address: False)
    (tmp_path / "profiles.toml").write_text(PROFILES)
    return tmp_path


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
    assert servers.use_running_server() is (expected is not None)
    assert os.environ.get("PREFECT_API_URL") == expected


@pytest.mark.parametrize("text", ["", "active = ", "active = 3", "[profiles]"])
def test_profiles_without_a_server_are_ignored(home: Path, text: str) -> None:
    (home / "profiles.toml").write_text(text)
    assert not servers.use_running_server()


def test_a_server_on_this_machine_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "profiles.toml").unlink()
    monkeypatch.setattr(servers, "_is_up", lambda address: address == "http://127.0.0.1:4200/api")
    assert servers.use_running_server()
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
