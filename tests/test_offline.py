"""No outgoing connection at run time: a pipeline under a guard on every socket."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import copy
from textwrap import dedent

import pytest

HERE = Path(__file__).parents[1]

# Runs at the start of every Python process that inherits PYTHONPATH. It notes each address
# that is not of this machine, and refuses it.
GUARD = """
import os, socket

LOG = os.environ["SOCKET_GUARD_LOG"]


def is_ours(host):
    if host in (None, "", "localhost", "::", "::1", "0.0.0.0", socket.gethostname()):
        return True
    return str(host).startswith("127.")


def check(host, what):
    if isinstance(host, bytes):
        host = host.decode()
    if not is_ours(host):
        with open(LOG, "a") as log:
            log.write(f"{what} {host} by {os.getpid()}\\n")
        raise OSError(f"no way out: {host}")


real_lookup = socket.getaddrinfo


def getaddrinfo(host, *args, **kwargs):
    check(host, "getaddrinfo")
    return real_lookup(host, *args, **kwargs)


def guarded(name):
    real = getattr(socket.socket, name)

    def method(self, address, *args):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            check(address[0], name)
        return real(self, address, *args)

    return method


socket.getaddrinfo = getaddrinfo
socket.socket.connect = guarded("connect")
socket.socket.connect_ex = guarded("connect_ex")
with open(LOG + ".on", "a") as log:
    log.write(f"{os.getpid()}\\n")
"""

PIPELINE = {
    "tasks/__init__.py": "",
    "tasks/song.py": """
        from __future__ import annotations
        import pandas as pd
        import pandera.pandas as pa
        from statewright.contracts import Document, Table

        class Counts(pa.DataFrameModel):
            year: int
            songs: int

        class Score(Document):
            mean: float

        def count() -> Table[Counts]:
            return pd.DataFrame({"year": [1990, 1991], "songs": [3, 4]})

        def score(counts: Table[Counts]) -> Score:
            return Score(mean=counts.songs.mean())
        """,
    "dvc.yaml": """
        stages:
          song-count: {cmd: python -m tasks song-count, outs: [counts.parquet]}
          song-score: {cmd: python -m tasks song-score, deps: [counts.parquet], metrics: [score.json]}
        """,
}

# Settings that would disable connections by themselves; CI often sets them.
QUIETING = (
    *("CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "DVC_NO_ANALYTICS", "DVC_TEST", "HF_HUB_DISABLE_TELEMETRY"),
    *(
        "HF_HUB_OFFLINE",
        "MLFLOW_DISABLE_TELEMETRY",
        "PREFECT_SERVER_ANALYTICS_ENABLED",
        "PYTEST_CURRENT_TEST",
    ),
    *("PREFECT_API_URL", "PREFECT_HOME", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "PYTEST_VERSION"),
)


def guarded(folder: Path) -> tuple[dict[str, str], Path]:
    """Return an environment without outgoing connections, and the log of attempts."""
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(GUARD)
    environment = {name: value for name, value in os.environ.items() if name not in QUIETING}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(folder / "guard"), str(HERE)]),
        "SOCKET_GUARD_LOG": str(folder / "log"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }
    return environment, folder / "log"


def pipeline(root: Path) -> Path:
    """Write the pipeline into a repository that is configured like this one."""
    for name, text in PIPELINE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(dedent(text))
    for name in ("__main__.py", "kernels.py"):
        copy(HERE / "tasks" / name, root / "tasks")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=root, check=True)
    copy(HERE / ".dvc" / "config", root / ".dvc")
    return root


def run(root: Path, environment: Mapping[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_guard_blocks_connections(tmp_path: Path) -> None:
    """Check the guard itself: without it, an empty log would prove nothing."""
    environment, log = guarded(tmp_path)
    script = (
        "import socket\n"
        "for host in ('example.org', '192.0.2.1'):\n"
        "    try: socket.create_connection((host, 80), timeout=1)\n"
        "    except OSError as error: assert 'no way out' in str(error)\n"
        "try: socket.socket().connect(('192.0.2.1', 80))\n"
        "except OSError as error: assert 'no way out' in str(error)\n"
        "try: socket.create_connection(('127.0.0.1', 9), timeout=1)\n"
        "except ConnectionRefusedError: pass\n"
    )
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    assert [line.split()[:2] for line in log.read_text().splitlines()] == [
        ["getaddrinfo", "example.org"],
        ["getaddrinfo", "192.0.2.1"],
        ["connect", "192.0.2.1"],
    ]


@pytest.mark.slow
def test_a_run_opens_no_outgoing_connection(tmp_path: Path) -> None:
    """Use the temporary server of Prefect and the default store of MLflow."""
    environment, log = guarded(tmp_path)
    root = pipeline(tmp_path / "repo")
    text = run(root, environment, "statewright", "run")
    assert "2 ran" in text and "record is incomplete" not in text
    assert len((tmp_path / "log.on").read_text().splitlines()) >= 3, "the guard was not in force"
    assert not log.exists(), log.read_text()


@pytest.mark.slow
def test_dvc_repro_opens_no_outgoing_connection(tmp_path: Path) -> None:
    """Include the record that each stage writes under `dvc repro`."""
    environment, log = guarded(tmp_path)
    root = pipeline(tmp_path / "repo")
    text = run(root, environment, "dvc", "repro")
    assert "not recorded" not in text
    assert (root / ".statewright" / "mlflow" / "mlflow.db").is_file()
    assert len((tmp_path / "log.on").read_text().splitlines()) >= 3, "the guard was not in force"
    assert not log.exists(), log.read_text()
