"""The login of `statewright ui`: who is refused, and what works with it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_ui import FILES, WAIT_S, landing
from toys import HERE, commit, make_repository, statewright

from statewright.environment import PASSWORD, caller_environment, quiet
from statewright.running import access, prefect_guard
from statewright.running.mlflow_pages import Mlflow, latest_runs_page
from statewright.running.prefect_api import NotPrefectError, PrefectApi
from statewright.running.process import stop
from statewright.workflow import WorkflowError
from tests.conftest import free_port

COMPLETED = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
SECRET = "secret-of-this-test-0123"


def test_other_machines_need_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    with pytest.raises(WorkflowError, match=r"--host 0.0.0.0 .* export STATEWRIGHT_PASSWORD="):
        access.read_access("0.0.0.0", (), with_mlflow=False)
    for host in ("127.0.0.1", "localhost"):
        assert access.read_access(host, (), with_mlflow=True).credentials == ""


def test_a_short_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "short")
    with pytest.raises(WorkflowError, match="has 5 characters; expected 12 or more"):
        access.read_access("127.0.0.1", (), with_mlflow=False)


def test_mlflow_without_its_login_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)
    monkeypatch.setattr(access, "find_spec", lambda name: None)
    with pytest.raises(WorkflowError, match=r"Flask-WTF.*uv pip install 'mlflow\[auth\]'"):
        access.read_access("127.0.0.1", (), with_mlflow=True)


def test_an_address_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)
    with pytest.raises(WorkflowError, match=r"--host 192.0.2.1 cannot be used"):
        access.read_access("192.0.2.1", (), with_mlflow=False)


def test_the_password_is_not_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, SECRET)
    allowed = access.read_access("0.0.0.0", ["team.example.org"], with_mlflow=False)
    assert SECRET not in repr(allowed) and SECRET not in repr(Mlflow("http://x", credentials=SECRET))
    assert socket.gethostname().lower() in allowed.names and "team.example.org" in allowed.names


def test_further_names_are_answered() -> None:
    names = prefect_guard.LOOPBACK | {"team.example.org"}
    own = "team.example.org:4200", "http://team.example.org:4200"
    assert prefect_guard.fault(*own, names=names) is None
    assert prefect_guard.fault(*own)
    other = prefect_guard.fault("evil.example.org:4200", None, names=names)
    assert other and "--allow-host NAME" in other


@pytest.mark.parametrize(
    ("own", "added"),
    [
        ({}, {"PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}),
        ({"PREFECT_API_KEY": "mine"}, {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}),
        ({"MLFLOW_TRACKING_TOKEN": "mine"}, {"PREFECT_API_AUTH_STRING"}),
        ({"PREFECT_API_AUTH_STRING": "mine", "MLFLOW_TRACKING_USERNAME": "mine"}, set()),
    ],
)
def test_clients_log_in_and_stages_do_not_see_it(
    monkeypatch: pytest.MonkeyPatch, own: dict[str, str], added: set[str]
) -> None:
    for name in list(os.environ):
        if name.startswith(("PREFECT_API_", "MLFLOW_TRACKING_")):
            monkeypatch.delenv(name)
    before = {**os.environ, **own, PASSWORD: SECRET}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", dict(before))
        patch.setattr("statewright.environment._added", {})
        quiet()
        found = {name for name in os.environ if name.startswith(("PREFECT_API_", "MLFLOW_TRACKING_"))}
        assert found - set(own) == added
        assert caller_environment(os.environ).keys() <= before.keys()


@dataclass(frozen=True)
class Shared:
    """A running `statewright ui --host 0.0.0.0`, and the pages that it printed."""

    root: Path
    log: Path
    prefect: str
    mlflow: str
    port: int


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    if find_spec("flask_wtf") is None:
        pytest.skip("MLflow's login needs Flask-WTF: uv pip install 'mlflow[auth]'")
    folder = tmp_path_factory.mktemp("access")
    root = make_repository(folder / "repo", FILES)
    commit(root)
    ports = free_port(), free_port()
    words = ["ui", "--host", "0.0.0.0", "--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD, SECRET)
        patch.setenv("PREFECT_HOME", str(folder / "prefect"))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
        log = folder / "ui.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "statewright", *words],
                cwd=root,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for_text(log, process)
            first, second = re.findall(r"http://\S+", log.read_text())[:2]
            yield Shared(root, log, first.partition("/runs")[0], second.partition("/#")[0], ports[0])
        finally:
            stop(process)


def wait_for_text(log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_S
    while "Ctrl-C" not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.end_to_end
class TestLogin:
    def test_a_request_without_login_or_with_another_name_is_refused(self, shared: Shared) -> None:
        with pytest.raises(NotPrefectError, match="demands a login"):
            PrefectApi(f"{shared.prefect}/api", token="").identify()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            latest_runs_page(Mlflow(shared.mlflow))
        request = urllib.request.Request(f"{shared.prefect}/api/health", headers={"Host": "evil.example.org"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request, timeout=30)

    def test_a_run_is_recorded_and_linked(self, shared: Shared) -> None:
        variables = {"PREFECT_API_URL": f"{shared.prefect}/api", "MLFLOW_TRACKING_URI": shared.mlflow}
        ran = statewright(shared.root, "run", environment=variables)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert statewright(shared.root, "record", environment=variables).returncode == 0
        api = PrefectApi(f"{shared.prefect}/api", token=f"statewright:{SECRET}")
        deadline = time.monotonic() + WAIT_S
        while not (completed := api.post("/flow_runs/filter", COMPLETED)):
            assert time.monotonic() < deadline, ran.stdout + ran.stderr
            time.sleep(0.2)
        (run,) = completed
        target = landing(f"{shared.prefect}/statewright/runs/{run['id']}?stage=train&file=report.html")
        assert target.startswith(f"{shared.mlflow}/#/experiments/") and "report.html" in target
        named = json.loads(urllib.request.urlopen(f"{shared.prefect}/statewright/ui", timeout=30).read())
        assert named["name"] == "repo"

    def test_the_password_is_in_no_argument_log_or_record(self, shared: Shared) -> None:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                assert SECRET not in (folder / "cmdline").read_text(errors="replace")
        for path in [shared.log, *(shared.root / ".statewright").rglob("*")]:
            assert not path.is_file() or SECRET not in path.read_text(errors="replace"), path
