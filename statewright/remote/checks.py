"""Check the description of a cluster against this machine, and submit nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from statewright.remote.cluster_file import JOB_KINDS, Cluster
from statewright.remote.clusters import Say, connect
from statewright.remote.jobqueue import check_commands, job_script
from statewright.remote.kubernetes import manifest
from statewright.remote.resources import Amounts, expected_offers, offers_of
from statewright.remote.security import security_of
from statewright.workflow import WorkflowError


def faults_of(cluster: Cluster, root: Path) -> list[str]:
    """Return a sentence for each fault that keeps a run from starting workers."""
    faults = []
    checks = [lambda: security_of(cluster)] if find_spec("distributed") else []
    if cluster.kind in JOB_KINDS:
        checks += [lambda: check_commands(cluster), lambda: job_script(cluster, root)]
    for check in checks:
        try:
            check()
        except WorkflowError as error:
            faults.append(str(error))
    if not checks:
        faults.append("--on dask needs distributed: pip install 'statewright[dask]'")
    if cluster.kind == "kubernetes":
        if not find_spec("dask_kubernetes"):
            faults.append("kind: kubernetes needs dask-kubernetes: pip install 'statewright[cluster]'")
        faults += _manifest_faults(manifest(cluster, 1))
    return faults


def _manifest_faults(values: dict[str, Any]) -> list[str]:
    """Return the faults that the schemas of Kubernetes find in the pods."""
    if not find_spec("kubernetes_validate"):
        return []
    import kubernetes_validate

    faults = []
    version = kubernetes_validate.latest_version()
    for part in ("worker", "scheduler"):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": part},
            "spec": values["spec"][part]["spec"],
        }
        try:
            kubernetes_validate.validate(pod, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            place = ".".join(map(str, error.path))
            faults.append(
                f"the pod of the {part} is not valid for Kubernetes {version}: {place}: {error.message}"
            )
    return faults


def offers_now(cluster: Cluster, workers: int, root: Path, say: Say) -> Sequence[Amounts]:
    """Return what each worker offers, of a scheduler that runs already by asking it.

    Raises
    ------
    WorkflowError
        If the scheduler or its workers cannot be used.
    """
    if offers := expected_offers(cluster, workers):
        return offers
    with connect(cluster, workers=workers, root=root, say=say) as client:
        return offers_of(client)
