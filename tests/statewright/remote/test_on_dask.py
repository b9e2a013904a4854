"""Runs on a Dask cluster end with the lock of a serial `dvc repro`."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_processes import Processes, Proxy, is_running, wait_until
from local_runs import LOCAL, NoRecorder, files_of
from toys import HERE, commit, dvc, dvc_status, lock_files, make_repository, statewright, write

import statewright.transition
from statewright.session import run

pytestmark = pytest.mark.slow

PIPELINE = """
stages:
  wide:
    matrix: {i: [1, 2, 3]}
    cmd: python code/work.py ${item.i} > made/${item.i}.txt
    deps: [code]
    params: [scale]
    outs:
      - made/${item.i}.txt
  join:
    cmd: mkdir -p folder/below; cat made/*.txt > folder/below/all; echo '{"n":1}' > counts.json; echo joined
    deps: [made/1.txt, made/2.txt, made/3.txt, data.csv]
    outs: [folder]
    metrics: [{counts.json: {cache: false}}]
  outside:
    cmd: cat ../outside.txt folder/below/all > outside.txt
    deps: [../outside.txt, folder]
    outs: [outside.txt]
  last:
    cmd: cat folder/below/all counts.json outside.txt > last.txt
    deps: [folder, counts.json, outside.txt]
    outs: [last.txt]
"""

SECRET = "correct-horse-battery-staple"
SLOW = """
stages:
  first:
    cmd: echo 1 > first.txt
    deps: [code]
    outs: [first.txt]
  slow:
    cmd: echo $$ > $PIDS/slow-$$; sh code/wait.sh; cat first.txt > slow.txt
    deps: [code, first.txt]
    outs: [slow.txt]
    meta: {retries: RETRIES, retry_delay_s: 0}
  last:
    cmd: cat slow.txt > last.txt
    deps: [slow.txt]
    outs: [last.txt]
"""
"""The stage `slow` waits until the file `go` exists, which a test creates."""


@pytest.fixture(scope="module")
def pids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the commands write their process ids."""
    return tmp_path_factory.mktemp("pids")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, pids: Path) -> Iterator[Processes]:
    """A scheduler with two workers."""
    processes = Processes(tmp_path_factory.mktemp("cluster"), {"PIDS": str(pids)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIDS", str(pids))
        try:
            yield processes.start(2)
        finally:
            processes.close()


@pytest.fixture
def slow(cluster: Processes, tmp_path: Path, pids: Path) -> Path:
    """A repository whose stage `slow` waits for a file, without retries."""
    return _slow(tmp_path, pids, retries=0)


def _slow(folder: Path, pids: Path, *, retries: int) -> Path:
    for path in pids.iterdir():
        path.unlink()
    root = make_repository(
        folder / "repository",
        {
            "dvc.yaml": SLOW.replace("RETRIES", str(retries)),
            "code/wait.sh": 'while ! [ -e "$PIDS/go" ]; do sleep 0.05; done\n',
            "pyproject.toml": LOCAL,
        },
    )
    dvc(root, "remote", "add", "--quiet", "-d", "storage", str(folder / "storage"))
    commit(root)
    return root


def _run(root: Path, cluster: Processes, *, on: str = "") -> int:
    """Run a repository on a cluster in this process, without MLflow and Prefect."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statewright.transition, "Recorder", NoRecorder)
        try:
            return run(root, on=on or f"dask={cluster.address}", workers=2)
        finally:
            os.chdir(HERE)


def _started(pids: Path, number: int = 1) -> list[int]:
    """Wait until `number` commands have started, and return their process ids."""
    wait_until(lambda: len(list(pids.glob("slow-*"))) >= number)
    return sorted(int(path.name.partition("-")[2]) for path in pids.glob("slow-*"))


def _background(root: Path, cluster: Processes, *, on: str = "") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "statewright", "run", "--on", on or f"dask={cluster.address}"]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def _check(root: Path, pids: Path) -> None:
    """Check that the repository is as a serial ``dvc repro`` leaves it."""
    (pids / "go").touch()
    assert dvc_status(root) == {}
    copied = root.with_name("serial")
    shutil.copytree(root, copied, ignore=shutil.ignore_patterns("cache", ".statewright", "dvc.lock", "tmp"))
    for out in ("first.txt", "slow.txt", "last.txt", "folder", "outside.txt", "counts.json"):
        path = copied / out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert dvc(copied, "repro", "--quiet") == 0
    assert lock_files(root) == lock_files(copied)
    assert files_of(root) == files_of(copied)
    shutil.rmtree(copied)


def test_lock_equals_serial_run(
    cluster: Processes, tmp_path: Path, pids: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Run uncommitted files over a slow S3 remote; one stage cannot travel."""
    moto = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto.start()
    try:
        port = moto.get_host_and_port()[1]
        root = make_repository(
            tmp_path / "repository",
            {
                "dvc.yaml": PIPELINE,
                "params.yaml": "scale: 2\n",
                "code/work.py": "print('old')\n",
                "data.csv": "a,b\n1,2\n",
                "made/.gitkeep": "",
                "pyproject.toml": LOCAL,
                "../outside.txt": "outside\n",
            },
        )
        dvc(root, "add", "--quiet", "data.csv")
        dvc(root, "remote", "add", "--quiet", "-d", "storage", "s3://bucket/data")
        slow_port = Proxy(port, 0.01).port
        dvc(root, "remote", "modify", "--quiet", "storage", "endpointurl", f"http://127.0.0.1:{slow_port}")
        for key in ("access_key_id", "secret_access_key"):  # in .dvc/config.local, which does not travel
            dvc(root, "remote", "modify", "--quiet", "--local", "storage", key, SECRET)
        commit(root)
        write(
            root,
            {"code/work.py": "import sys\nfrom helper import scale\nprint(int(sys.argv[1]) * scale())\n"},
        )
        write(
            root,
            {
                "code/helper.py": """
                import yaml
                def scale(): return yaml.safe_load(open("params.yaml"))["scale"]
                """
            },
        )
        import boto3

        boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=SECRET,
            aws_secret_access_key=SECRET,
        ).create_bucket(Bucket="bucket")
        assert _run(root, cluster) == 0
        printed = capfd.readouterr().err
        assert "outside runs on this machine: its dependency" in printed
        assert "join | joined" in printed
        assert "join | [statewright: runs on" in printed
        assert SECRET not in printed + "".join(path.read_text() for path in cluster.folder.glob("*.log"))
        log = next((root / ".statewright" / "logs").glob("*/join.log")).read_text()
        assert log.endswith("joined\n") and log.startswith("[statewright: ran on")
        _check(root, pids)
    finally:
        moto.stop()


def test_killed_worker_takes_its_command_along_and_retries_decide(
    cluster: Processes, tmp_path: Path, pids: Path
) -> None:
    cluster.start(2)
    root = _slow(tmp_path, pids, retries=1)
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(_run(root, cluster)))
    thread.start()
    first = _started(pids)[0]
    cluster.running(first).kill()
    wait_until(lambda: not is_running(first), 5)
    _started(pids, 2)
    (pids / "go").touch()
    thread.join()
    assert results == [0]
    assert len(list(pids.glob("slow-*"))) == 2
    _check(root, pids)


def test_lost_worker_fails_the_stage_without_retries(
    cluster: Processes, slow: Path, pids: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Treat a worker that hangs as lost, and ignore its late answer."""
    cluster.start(2)
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(_run(slow, cluster)))
    thread.start()
    worker = cluster.running(_started(pids)[0])
    worker.send_signal(signal.SIGSTOP)
    thread.join(60)
    assert results == [1]
    printed = " ".join(capfd.readouterr().err.split())
    assert "was lost while it ran the stage; `meta: {retries: N}` runs the stage again" in printed
    (pids / "go").touch()
    worker.send_signal(signal.SIGCONT)
    assert len(list(pids.glob("slow-*"))) == 1, "Dask must not start the stage a second time"
    assert _run(slow, cluster) == 0
    _check(slow, pids)


def test_killed_coordinator_stops_its_commands_and_the_next_run_resumes(
    cluster: Processes, slow: Path, pids: Path
) -> None:
    cluster.start(2)
    process = _background(slow, cluster)
    pid = _started(pids)[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not is_running(pid), 20)
    process = _background(slow, cluster)
    second = _started(pids, 2)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode, output
    wait_until(lambda: not any(map(is_running, second)), 20)
    (pids / "go").touch()
    assert _run(slow, cluster) == 0
    _check(slow, pids)


def test_cut_connection_and_lost_scheduler(
    cluster: Processes, slow: Path, pids: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.start(2)
    proxy = Proxy(cluster.port)
    results: list[int] = []
    address = f"dask=tcp://127.0.0.1:{proxy.port}"
    thread = threading.Thread(target=lambda: results.append(_run(slow, cluster, on=address)))
    thread.start()
    pid = _started(pids)[0]
    proxy.cut()
    thread.join(60)
    assert results == [1]
    wait_until(lambda: not is_running(pid), 20)
    thread = threading.Thread(target=lambda: results.append(_run(slow, cluster)))
    thread.start()
    second = _started(pids, 2)
    assert cluster.scheduler is not None
    cluster.scheduler.kill()
    thread.join(60)
    assert results == [1, 1]
    wait_until(lambda: not any(map(is_running, second)), 20)
    cluster.start(2)
    (pids / "go").touch()
    assert _run(slow, cluster) == 0
    _check(slow, pids)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_full_disk_of_a_worker_and_time_limit(
    cluster: Processes, slow: Path, pids: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Run where the cache of a worker cannot take a copy of an output."""
    disk = slow.with_name("disk")
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=True)
    try:
        cluster.start(2)
        cluster.add_worker("full", disk, "gpu=1")  # no core: only a stage without one runs there
        cluster.start(3)
        text = (slow / "dvc.yaml").read_text()
        large = text.replace("echo 1 > first.txt", "head -c 2000000 /dev/zero > first.txt")
        write(
            slow,
            {"dvc.yaml": large.replace("outs: [first.txt]", "outs: [first.txt]\n    meta: {cpu: 0, gpu: 1}")},
        )
        assert _run(slow, cluster) == 1
        printed = " ".join(capfd.readouterr().err.split())
        assert "stage 'first' on" in printed and "No space left on device" in printed
        write(slow, {"dvc.yaml": large.replace("retries: 0", "timeout_s: 1")})
        assert _run(slow, cluster) == 1
        printed = " ".join(capfd.readouterr().err.split())
        assert "did not end within 1 s" in printed, printed
        wait_until(lambda: not any(map(is_running, _started(pids))), 20)
        write(slow, {"dvc.yaml": large})
        (pids / "go").touch()
        assert _run(slow, cluster) == 0
        _check(slow, pids)
    finally:
        cluster.workers.pop("full").kill()
        wait_until(lambda: subprocess.run(["umount", str(disk)], check=False).returncode == 0)


def test_two_coordinators_share_a_cluster(cluster: Processes, slow: Path, pids: Path) -> None:
    """Run two clones with one remote at once."""
    cluster.start(2)
    clone = slow.with_name("clone")
    shutil.copytree(slow, clone)
    process = _background(clone, cluster)
    _started(pids)
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(_run(slow, cluster)))
    thread.start()
    _started(pids, 2)
    (pids / "go").touch()
    thread.join(60)
    output = process.communicate(timeout=60)[0].decode()
    assert (process.returncode, results) == (0, [0]), output
    _check(slow, pids)
    assert lock_files(clone) == lock_files(slow)
