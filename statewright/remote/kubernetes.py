"""Start workers as pods of Kubernetes, by the operator of dask-kubernetes.

The manifest is a `DaskCluster`: the operator makes a deployment of it for the scheduler and for each
worker. The pods are those of an ordinary user: no root, no privileges, no token of a service account, a
root file system that is read-only. A worker writes below ``/tmp``, which ends with its pod.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from statewright.remote.cluster_file import Cluster
from statewright.remote.resources import threads, worker_resources
from statewright.workflow import WorkflowError

SCRATCH = "/tmp"
IDLE_S = 3600
"""Seconds without a stage after which the operator removes a cluster that its run has left behind."""
DEATH_TIMEOUT_S = 60
SCHEDULER = {"cpu": 1.0, "ram_gb": 2.0, "gpu": 0.0}
"""Resources of the scheduler's pod."""


def manifest(cluster: Cluster, workers: int, name: str = "statewright") -> dict[str, Any]:
    """Return the `DaskCluster` of a description.

    Parameters
    ----------
    workers : int
        Number of workers, unless the description says it.
    name : str
        Name of the cluster in its namespace.
    """
    number = cluster.adaptive.minimum if cluster.adaptive else cluster.workers or workers
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": name, "namespace": cluster.namespace},
        "spec": {
            "idleTimeout": IDLE_S,
            "worker": {"replicas": number, "spec": _pod(cluster, _worker(cluster))},
            "scheduler": {"spec": _pod(cluster, _scheduler(cluster)), "service": _service(name)},
        },
    }


@contextmanager
def open_pods(cluster: Cluster, workers: int) -> Iterator[Any]:
    """Create a cluster, yield it, and delete it at the end.

    Raises
    ------
    WorkflowError
        If Kubernetes cannot be reached or does not start the scheduler; with the command to look at it.
    """
    try:
        from dask_kubernetes.operator import KubeCluster
    except ModuleNotFoundError as error:
        raise WorkflowError(
            "kind: kubernetes needs dask-kubernetes: pip install 'statewright[cluster]'"
        ) from error
    name = f"statewright-{uuid.uuid4().hex[:8]}"
    try:
        pods = KubeCluster(
            custom_cluster_spec=manifest(cluster, workers, name),
            namespace=cluster.namespace,
            resource_timeout=math.ceil(cluster.wait),
            shutdown_on_close=True,
            quiet=True,
        )
    except Exception as error:  # its libraries share no base class
        raise WorkflowError(
            f"Kubernetes did not start the cluster {name}: {type(error).__name__}: {error}; "
            f"`kubectl -n {cluster.namespace} get daskclusters,pods,events` shows why"
        ) from error
    try:
        if cluster.adaptive:
            pods.adapt(minimum=cluster.adaptive.minimum, maximum=cluster.adaptive.maximum)
        yield pods
    finally:
        pods.close()


def waiting_advice(cluster: Cluster) -> str:
    """Return what to do about pods that do not start."""
    return f"`kubectl -n {cluster.namespace} get pods,events` shows the pods that wait, and why"


def _pod(cluster: Cluster, container: dict[str, Any]) -> dict[str, Any]:
    """Return the specification of a pod with one container."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": cluster.user,
            "runAsGroup": cluster.user,
            "fsGroup": cluster.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                **container,
                "image": cluster.image,
                "workingDir": SCRATCH,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH}],
            }
        ],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }


def _worker(cluster: Cluster) -> dict[str, Any]:
    offered = worker_resources(cluster, 1)
    named = " ".join(f"{name}={amount:g}" for name, amount in offered.items())
    return {
        "name": "worker",
        "args": [
            "python", "-m", "distributed.cli.dask_worker",
            "--name", "$(DASK_WORKER_NAME)",
            "--nthreads", str(threads(cluster, 1)),
            "--no-nanny",
            "--no-dashboard",
            "--death-timeout", str(DEATH_TIMEOUT_S),
            "--local-directory", SCRATCH,
            "--resources", named,
        ],
        "env": [{"name": "HOME", "value": SCRATCH}],
        "envFrom": [{"secretRef": {"name": secret}} for secret in cluster.secrets],
        "resources": _requests(offered),
    }  # fmt: skip


def _scheduler(cluster: Cluster) -> dict[str, Any]:
    health = {"httpGet": {"port": "http-dashboard", "path": "/health"}}
    return {
        "name": "scheduler",
        "args": ["python", "-m", "distributed.cli.dask_scheduler", "--host", "0.0.0.0"],
        "env": [{"name": "HOME", "value": SCRATCH}],
        "resources": _requests(SCHEDULER),
        "ports": [
            {"name": "tcp-comm", "containerPort": 8786, "protocol": "TCP"},
            {"name": "http-dashboard", "containerPort": 8787, "protocol": "TCP"},
        ],
        "readinessProbe": {**health, "periodSeconds": 1, "timeoutSeconds": 10},
        "livenessProbe": {**health, "initialDelaySeconds": 15, "periodSeconds": 20},
    }


def _service(name: str) -> dict[str, Any]:
    ports = {"tcp-comm": 8786, "http-dashboard": 8787}
    return {
        "type": "ClusterIP",
        "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
        "ports": [
            {"name": port, "protocol": "TCP", "port": number, "targetPort": port}
            for port, number in ports.items()
        ],
    }


def _requests(amounts: dict[str, float]) -> dict[str, dict[str, str]]:
    """Return equal requests and limits: a worker has what it offers."""
    values = {"cpu": f"{amounts['cpu']:g}", "memory": f"{math.ceil(amounts['ram_gb'] * 1024)}Mi"}
    if amounts["gpu"]:
        values["nvidia.com/gpu"] = f"{math.ceil(amounts['gpu'])}"
    return {"requests": values, "limits": dict(values)}
