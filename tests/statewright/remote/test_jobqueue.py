"""Workers as jobs of a queue whose commands start a job in the background."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import dask
import distributed  # before a change of its settings, which its import would replace
import pytest

from statewright.remote.clusters import connect, parse_on
from statewright.remote.jobqueue import job_script
from statewright.workflow import WorkflowError

SUBMIT = """#!/bin/bash
# The queue accepts each job; it starts none while the file `full` exists.
cp "$1" "{folder}/script-$$"
[ -e "{folder}/full" ] && echo "Submitted batch job 999999" && exit
setsid bash "{folder}/script-$$" >"{folder}/log-$$" 2>&1 </dev/null &
echo "Submitted batch job $!"
"""
CANCEL = """#!/bin/bash
echo "$1" >>"{folder}/cancelled"
kill -- -"$1" 2>/dev/null
exit 0
"""


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    """Put the commands of queues on PATH; return their folder."""
    folder = tmp_path_factory.mktemp("queue")
    for name, text in {"sbatch": SUBMIT, "qsub": SUBMIT, "scancel": CANCEL, "qdel": CANCEL}.items():
        command = folder / name
        command.write_text(text.format(folder=folder))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield folder


def described(root: Path, text: str):
    (root / "requirements.lock").write_text("dask==1\n")
    (root / "cluster.yaml").write_text(text)
    return parse_on(f"dask={root / 'cluster.yaml'}")


def job_processes() -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "distributed.cli.dask_worker" in line]


@pytest.mark.slow
def test_a_job_runs_a_function_and_a_lost_job_is_replaced(queue, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cluster = described(
        tmp_path,
        "kind: slurm\nworkers: 1\ncpu: 2\nram_gb: 1\ninterface: lo\nwait: 60\n"
        "prepare: ['export PREPARED=\"by $(basename $0 | cut -c1-6)\"']\n",
    )
    lines: list[str] = []

    def environment():  # a nested function travels by value: the job does not know this module
        return os.getpid(), os.environ.get("PREPARED"), os.environ.get("OMP_NUM_THREADS")

    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "500ms"}),
        connect(cluster, workers=1, root=tmp_path, say=lines.append) as client,
    ):
        assert isinstance(client, distributed.Client)
        assert client.scheduler.address.startswith("tls://")
        assert not any(line.startswith("warning") for line in lines)
        first, prepared, threads = client.submit(environment, pure=False).result(timeout=60)
        assert (prepared, threads) == ("by script", None)
        worker = next(iter(client.scheduler_info()["workers"].values()))
        assert (worker["nthreads"], worker["resources"]) == (2, {"cpu": 2, "ram_gb": 1, "gpu": 0})
        os.killpg(os.getpgid(first), signal.SIGKILL)
        second, *_ = client.submit(environment, pure=False, resources={"cpu": 2}).result(timeout=90)
        assert second != first
    assert (queue / "cancelled").read_text()
    for _ in range(100):
        if not (left := [line for line in job_processes() if str(tmp_path) in line]):
            break
        time.sleep(0.1)
    assert left == []
    assert not list((tmp_path / ".statewright" / "jobs").iterdir())  # the certificates


def test_jobs_that_never_start_end_with_the_command_that_lists_them(queue, tmp_path):
    (queue / "full").touch()
    cluster = described(tmp_path, "kind: pbs\nworkers: 1\ninterface: lo\nwait: 1\nsecurity: none\n")
    lines: list[str] = []
    try:
        with (
            pytest.raises(WorkflowError, match=r"within 1 s; `qstat -u \$USER` shows the jobs that wait"),
            connect(cluster, workers=1, root=tmp_path, say=lines.append),
        ):
            pass
    finally:
        (queue / "full").unlink()
    assert "999999" in (queue / "cancelled").read_text()
    assert lines[0].startswith("warning: security is none")


def test_a_machine_without_the_queue_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    cluster = described(tmp_path, "kind: slurm\n")
    with (
        pytest.raises(WorkflowError, match="needs the command sbatch, which is not on PATH"),
        connect(cluster, workers=1, root=tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("slurm", ["#SBATCH -p normal", "#SBATCH --cpus-per-task=4", "#SBATCH --mem=16G",
                   "#SBATCH -t 26:00:00", "#SBATCH --gres=gpu:1", "#SBATCH -A physics", "#SBATCH -x a"]),
        ("pbs", ["#PBS -q normal", "#PBS -l select=1:ncpus=4:mem=16384mb:ngpus=1", "#PBS -A physics",
                 "#PBS -l walltime=26:00:00", "#PBS -x a"]),
        ("sge", ["#$ -q normal", "#$ -P physics", "#$ -l h_rt=26:00:00", "#$ -x a"]),
    ],
)  # fmt: skip
def test_a_job_script_has_the_keys_of_the_description(tmp_path, kind, expected):
    gpu = "" if kind == "sge" else "gpu: 1\n"
    cluster = described(
        tmp_path,
        f"kind: {kind}\ncpu: 4\nram_gb: 16\n{gpu}queue: normal\naccount: physics\nwalltime: 26h\n"
        'directives: ["-x a"]\nprepare: [module load x]\nfolder: $TMPDIR/a "b"\n',
    )
    lines = job_script(cluster, tmp_path).splitlines()
    assert set(expected) <= set(lines)
    assert lines.index(expected[-1]) < lines.index("module load x") < len(lines) - 1
    worker = next(line for line in lines if "dask_worker" in line)
    assert '--local-directory "$TMPDIR/a \\"b\\""' in worker
    assert "--nthreads 4" in worker
    assert "--death-timeout 60" in worker
    syntax = subprocess.run(["bash", "-n"], input=job_script(cluster, tmp_path), text=True, check=False)
    assert syntax.returncode == 0


def test_without_a_walltime_the_default_of_the_queue_applies(tmp_path):
    assert "#SBATCH -t" not in job_script(described(tmp_path, "kind: slurm\n"), tmp_path)
