"""Connect to the cluster that `--on` names.

====================  ==============================================================
``dask``              workers on this machine, each a process of its own
``dask=ADDRESS``      a scheduler that runs already: ``tcp://HOST:8786``, ``tls://...``
``dask=FILE``         a description of a cluster, see `cluster_file`
====================  ==============================================================

A worker has a thread a core, so it can run that many stages at once. Its cores, memory and GPUs are
Dask's abstract resources `cpu`, `ram_gb` and `gpu`, see `resources`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statewright.remote.cluster_file import JOB_KINDS, Cluster, check_address, read_cluster
from statewright.remote.environment import check_later_workers, check_workers, packages_of
from statewright.remote.resources import described, expected_offers, threads, worker_resources
from statewright.remote.security import security_of, warnings_of
from statewright.terminal.words import counted
from statewright.workflow import WorkflowError

if TYPE_CHECKING:
    from distributed import Client

LOOPBACK = "127.0.0.1"

QUIET = "import logging; logging.getLogger('distributed').setLevel(logging.WARNING)"
"""Code with which a worker of this machine starts, see `_warnings_only`."""

Say = Callable[[str], None]
"""Function that prints a line for the user."""


def parse_on(text: str) -> Cluster:
    """Return the cluster that the value of `--on` names.

    Raises
    ------
    WorkflowError
        If the text is not ``dask``, ``dask=ADDRESS`` or ``dask=FILE``, or the file has a fault.
    """
    engine, _, place = text.partition("=")
    if engine != "dask" or text.endswith("="):
        raise WorkflowError(f"--on {text}: expected dask, dask=tcp://HOST:PORT or dask=FILE.yaml")
    if not place:
        return Cluster(kind="local")
    if "://" not in place:
        return read_cluster(Path(place), place)
    try:
        return Cluster(kind="address", address=check_address(place))
    except ValueError as error:
        raise WorkflowError(f"--on {text}: expected tcp://HOST:PORT or tls://HOST:PORT") from error


@contextmanager
def connect(
    cluster: Cluster, *, workers: int, root: Path | None = None, say: Say | None = None
) -> Iterator[Client]:
    """Yield a client of the cluster, with at least one worker.

    Workers that Statewright started end with the block; those of an address stay.

    Parameters
    ----------
    workers : int
        Number of workers, unless the description of the cluster says it.
    root : Path, optional
        Root of the repository (default: the working directory).
    say : function, optional
        Prints a line for the user: links and warnings (default: on standard error).

    Raises
    ------
    WorkflowError
        If Dask is not installed, the scheduler cannot be reached, no worker starts in time, or a worker
        has another environment.
    """
    say = say or _print
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise WorkflowError("--on dask needs distributed: pip install 'statewright[dask]'") from error
    root = root or Path.cwd()
    for line in warnings_of(cluster):
        say(line)
    with _warnings_only(), _opened(cluster, workers, root) as (scheduler, security):
        try:
            client = distributed.Client(scheduler, security=security, timeout=min(cluster.wait, 30))
        except (OSError, TimeoutError) as error:
            raise WorkflowError(
                f"no scheduler answers at {scheduler}; start one with `dask scheduler`, or check the address"
            ) from error
        with client:
            say(f"Dask: {client.dashboard_link.removesuffix('/status')}")
            _wait(client, cluster)
            _check_environment(client, cluster, root, say)
            yield client


@contextmanager
def _warnings_only() -> Iterator[None]:
    """Keep Dask's messages about connections out of the block's output.

    Inside a flow, Prefect prints what other libraries log.
    """
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _check_environment(client: Client, cluster: Cluster, root: Path, say: Say) -> None:
    """Refuse workers with another environment; those on this machine run this Python."""
    if cluster.kind == "local":
        return
    packages = packages_of(root)
    if cluster.kind != "address":
        check_later_workers(client, packages, cluster.allow, say)
    check_workers(client, packages, cluster.allow, say)


@contextmanager
def _opened(cluster: Cluster, workers: int, root: Path) -> Iterator[tuple[Any, Any]]:
    """Yield a running cluster, or its address, and its security."""
    if cluster.kind == "address":
        yield cluster.address, security_of(cluster)
    elif cluster.kind == "local":
        with _local(cluster, workers) as local:
            yield local, local.security
    elif cluster.kind in JOB_KINDS:
        from statewright.remote.jobqueue import open_jobs

        with open_jobs(cluster, workers, root) as jobs:
            yield jobs, jobs.security
    else:
        from statewright.remote.kubernetes import open_pods

        with open_pods(cluster, workers) as pods:
            yield pods, None


def _local(cluster: Cluster, workers: int) -> Any:
    """Start workers on this machine, reachable over loopback only."""
    import dask
    import distributed

    number = cluster.workers or (cluster.adaptive.maximum if cluster.adaptive else workers)
    # Dask sets variables such as OMP_NUM_THREADS for its workers, and PYTHONHASHSEED also in this process.
    # A stage gets the caller's environment. `random` is what Python does without the variable.
    seed = os.environ.get("PYTHONHASHSEED")
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {"PYTHONHASHSEED": "random"}}):
        local = distributed.LocalCluster(
            n_workers=number if not cluster.adaptive else cluster.adaptive.minimum,
            threads_per_worker=threads(cluster, number),
            processes=True,
            host=LOOPBACK,
            dashboard_address=f"{LOOPBACK}:0",
            security=security_of(cluster),
            # The stage is a process of its own: its memory is not the worker's, and Dask must not
            # restart the worker for its own.
            memory_limit=0,
            local_directory=cluster.folder,
            env={"PYTHONHASHSEED": seed} if seed else {},
            preload=[QUIET] if seed else [QUIET, "import os; os.environ.pop('PYTHONHASHSEED', None)"],
            resources=worker_resources(cluster, number),
        )
    os.environ.pop("PYTHONHASHSEED", None)
    os.environ.update({"PYTHONHASHSEED": seed} if seed else {})
    if cluster.adaptive:
        local.adapt(minimum=cluster.adaptive.minimum, maximum=cluster.adaptive.maximum)
    return local


def _wait(client: Client, cluster: Cluster) -> None:
    """Wait for the first worker."""
    try:
        client.wait_for_workers(1, timeout=cluster.wait)
    except TimeoutError as error:
        raise WorkflowError(f"no worker has started within {cluster.wait:g} s; {_advice(cluster)}") from error


def _advice(cluster: Cluster) -> str:
    if cluster.kind == "address":
        return f"start one with `dask worker {cluster.address} --nthreads 1`"
    if cluster.kind in JOB_KINDS:
        from statewright.remote import jobqueue

        return jobqueue.waiting_advice(cluster)
    if cluster.kind == "kubernetes":
        from statewright.remote import kubernetes

        return kubernetes.waiting_advice(cluster)
    return "raise `wait` in the description of the cluster"


def summary(cluster: Cluster, workers: int) -> str:
    """Return kind, number and resources of the workers in words."""
    if cluster.kind == "address":
        return f"the scheduler at {cluster.address}"
    offers = expected_offers(cluster, workers)
    number = f"up to {len(offers)} workers" if cluster.adaptive else counted(len(offers), "worker")
    return f"{cluster.kind}, {number} with {described(offers[0])} each"


def _print(line: str) -> None:
    print(line, file=sys.stderr)
