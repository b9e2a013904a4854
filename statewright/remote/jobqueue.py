"""Start workers as jobs of Slurm, PBS or SGE, by dask-jobqueue.

Each worker is one job. The scheduler runs in this process, so the jobs must reach this machine over the
network, and they share a folder with it: that of the jobs' logs and of the certificates for TLS.
"""

from __future__ import annotations

import math
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from statewright.remote.cluster_file import Cluster
from statewright.remote.resources import worker_resources
from statewright.remote.security import shared_security
from statewright.workflow import WorkflowError
from statewright.workspace import control_folder

SUBMIT = {"slurm": "sbatch", "pbs": "qsub", "sge": "qsub"}
QUEUE = {"slurm": "squeue --me", "pbs": "qstat -u $USER", "sge": "qstat -u $USER"}
"""Command with which a user looks at waiting jobs."""
NAME = "statewright"
DEATH_TIMEOUT_S = 60
"""Seconds after which a job ends by itself if it has lost the scheduler."""
STAGE_S = "60s"
"""Assumed duration of a stage, for the number of adaptive workers."""


def job_script(cluster: Cluster, root: Path) -> str:
    """Return the job script of one worker, with placeholders for what only a run knows."""
    library = _library(cluster)
    with _settings(cluster):
        job = library.job_cls(scheduler="SCHEDULER", name="NAME", **_job(cluster, root))
        return str(job.job_script())


def check_commands(cluster: Cluster) -> None:
    """Raise an error if the commands of the queue are not on this machine.

    Raises
    ------
    WorkflowError
        With the name of the command that is missing.
    """
    command = SUBMIT[cluster.kind]
    if not shutil.which(command):
        raise WorkflowError(
            f"kind: {cluster.kind} needs the command {command}, which is not on PATH; run on a machine from "
            "which jobs can be submitted, such as the login node"
        )


@contextmanager
def open_jobs(cluster: Cluster, workers: int, root: Path) -> Iterator[Any]:
    """Submit a job a worker, yield the cluster, and cancel the jobs at the end.

    A job that ends, by its walltime or with its host, is replaced.

    Raises
    ------
    WorkflowError
        If the queue does not accept a job; with its message.
    """
    check_commands(cluster)
    library = _library(cluster)
    with _settings(cluster), shared_security(cluster, _folder(root)) as security:
        jobs = library(
            **_job(cluster, root),
            interface=cluster.interface,
            security=security if security.require_encryption else None,
            scheduler_options={"dashboard_address": "127.0.0.1:0"},
            n_workers=0,
        )
        try:
            bounds = cluster.adaptive
            number = cluster.workers or workers
            jobs.adapt(
                minimum=bounds.minimum if bounds else number,
                maximum=bounds.maximum if bounds else number,
                target_duration=STAGE_S,
            )
            yield jobs
        finally:
            jobs.close()


def waiting_advice(cluster: Cluster) -> str:
    """Return what to do about jobs that do not start."""
    return (
        f"`{QUEUE[cluster.kind]}` shows the jobs that wait, .statewright/jobs the logs of those that ended; "
        "raise `wait` in the description of the cluster if the queue is long"
    )


def _library(cluster: Cluster) -> Any:
    try:
        import dask_jobqueue
    except ModuleNotFoundError as error:
        raise WorkflowError(
            f"kind: {cluster.kind} needs dask-jobqueue: pip install 'statewright[cluster]'"
        ) from error
    names = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster"}
    return getattr(dask_jobqueue, names[cluster.kind])


@contextmanager
def _settings(cluster: Cluster) -> Iterator[None]:
    """Hold the settings of Dask that jobs need, also those that are submitted later.

    The library is imported before: its import replaces what is set here.
    """
    import dask

    with dask.config.set(
        {
            # Without `walltime`, the queue's default applies, not the half hour of the library.
            f"jobqueue.{cluster.kind}.walltime": None,
            "distributed.scheduler.unknown-task-duration": STAGE_S,
        }
    ):
        yield


def _job(cluster: Cluster, root: Path) -> dict[str, Any]:
    """Return the arguments of dask-jobqueue for one job, which is one worker."""
    offered = worker_resources(cluster, 1)
    cores, memory_gb = math.ceil(offered["cpu"]), offered["ram_gb"]
    named = " ".join(f"{name}={amount:g}" for name, amount in offered.items())
    values: dict[str, Any] = {
        "cores": cores,
        "memory": f"{math.ceil(memory_gb * 1024)}MiB",
        "processes": 1,
        "job_name": NAME,
        "queue": cluster.queue,
        "walltime": _clock(cluster.walltime),
        "python": _quoted(cluster.python) if cluster.python else None,
        "local_directory": _quoted(cluster.folder) if cluster.folder else None,
        # Without Dask's second process, a dead worker ends its job, and stages get no variables of Dask.
        "nanny": False,
        "death_timeout": DEATH_TIMEOUT_S,
        "log_directory": str(_folder(root)),
        "job_directives_skip": [],
        "job_extra_directives": list(cluster.directives),
        "job_script_prologue": list(cluster.prepare),
        # The resources of a worker; no page of its own.
        "worker_extra_args": ["--resources", shlex.quote(named), "--no-dashboard"],
    }
    values["project" if cluster.kind == "sge" else "account"] = cluster.account
    if cluster.kind == "slurm" and cluster.gpu:
        values["job_extra_directives"].insert(0, f"--gres=gpu:{cluster.gpu:g}")
    if cluster.kind == "pbs":
        gpus = f":ngpus={cluster.gpu:g}" if cluster.gpu else ""
        values["resource_spec"] = f"select=1:ncpus={cores}:mem={math.ceil(memory_gb * 1024)}mb{gpus}"
    return values


def _quoted(text: str) -> str:
    """Return a text for the job script, in which the job's own variables are replaced."""
    return '"' + re.sub(r'([\\"`])', r"\\\1", text) + '"'


def _clock(seconds: float | None) -> str | None:
    """Return a walltime as ``HH:MM:SS``."""
    if not seconds:
        return None
    whole = math.ceil(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _folder(root: Path) -> Path:
    """Return the folder of the jobs' logs and certificates, which git ignores."""
    if len(str(root).split()) != 1:
        raise WorkflowError(f"{root} has a space, which job scripts cannot hold; move the repository")
    folder = control_folder(root / ".statewright") / "jobs"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder.resolve()
