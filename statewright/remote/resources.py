"""Resources of workers, and the stages that must stay on the coordinator.

`meta:` of a stage demands `cpu`, `ram_gb` and `gpu`. A worker offers amounts under the same names as
Dask's abstract resources; the scheduler starts a stage where enough of each is free.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence

from statewright.remote.cluster_file import Cluster
from statewright.repository.declaration import Repository
from statewright.repository.untracked import Shared, ignored_file, leaving_link, shared_files
from statewright.running.limits import installed_gpus, installed_ram_gb
from statewright.scheduling.prediction import DEMANDS
from statewright.workflow import Stage, Workflow, WorkflowError

DEFAULT_RAM_GB = 2.0
Amounts = Mapping[str, float]
"""`cpu`, `ram_gb`, `gpu` -> amount."""


def worker_resources(cluster: Cluster, workers: int) -> dict[str, float]:
    """Return what one worker offers: cores, GiB of memory and GPUs.

    Workers on this machine share it equally where the description does not say how.
    """
    if cluster.kind == "local":
        cpu = max(1, (os.cpu_count() or 1) // workers)
        ram_gb, gpu = installed_ram_gb() / workers, installed_gpus() // workers
    else:
        cpu, ram_gb, gpu = 1, DEFAULT_RAM_GB, 0
    return {
        "cpu": cluster.cpu or cpu,
        "ram_gb": cluster.ram_gb or ram_gb,
        "gpu": cluster.gpu or gpu,
    }


def threads(cluster: Cluster, workers: int) -> int:
    """Return how many stages one worker can run at once: one a core."""
    return max(1, math.ceil(worker_resources(cluster, workers)["cpu"]))


def demands(stage: Stage, offers: Sequence[Amounts]) -> dict[str, float]:
    """Return the resources that a stage asks Dask for.

    Cores and memory count only if some worker offers them by name: a worker of a scheduler that runs
    already may offer nothing, and then runs as many stages as it has threads.
    """
    asked = {name: stage.number(name, usual) for name, usual in DEMANDS.items()}
    named = {name for offer in offers for name in offer} | {"gpu"}
    return {name: amount for name, amount in asked.items() if amount and name in named}


def check_fits(workflow: Workflow, addresses: Iterable[str], offers: Sequence[Amounts]) -> None:
    """Refuse stages that fit no worker.

    Parameters
    ----------
    addresses : iterable of str
        Stages that will run on workers.
    offers : sequence of mappings
        Resources of each worker.

    Raises
    ------
    WorkflowError
        If a stage asks for more than every worker has, with both amounts.
    """
    faults = []
    for address in addresses:
        asked = demands(workflow.stages[address], offers)
        if not any(all(offer.get(name, 0) >= amount for name, amount in asked.items()) for offer in offers):
            faults.append(f"stage '{address}' asks for {described(asked)}")
    if faults:
        largest = max(offers, key=lambda offer: [offer.get(name, 0) for name in ("gpu", "cpu", "ram_gb")])
        raise WorkflowError(
            f"{'; '.join(faults)}; the largest worker has {described(largest)}: lower `meta:` of the stage, "
            "raise cpu, ram_gb or gpu in the description of the cluster, or set `meta: {travel: false}`"
        )


def described(amounts: Amounts) -> str:
    """Return amounts in words: ``2 cores, 16 GiB, 1 GPU``."""
    words = {"cpu": "{:g} cores", "ram_gb": "{:.3g} GiB", "gpu": "{:g} GPUs"}
    texts = [text.format(amounts[name]) for name, text in words.items() if amounts.get(name)]
    singular = (text[:-1] if text.startswith("1 ") and text.endswith("s") else text for text in texts)
    return ", ".join(singular) or "no named resources"


def cannot_travel(repository: Repository, workflow: Workflow) -> dict[str, str]:
    """Return the stages that must run on the coordinator, with a reason each."""
    outputs = frozenset(out.path for stage in workflow.stages.values() for out in stage.outs)
    shared = shared_files(repository.root, outputs)
    reasons = {address: _reason(repository, stage, shared) for address, stage in workflow.stages.items()}
    return {address: reason for address, reason in reasons.items() if reason}


def _reason(repository: Repository, stage: Stage, shared: Shared) -> str:
    """Return why a stage cannot travel; empty if it can."""
    if not stage.cmd:
        return "it has no command"
    if stage.frozen or not stage.plain:
        return "it is frozen or an import"
    if stage.settings.travel is False:
        return "meta.travel is false"
    if stage.rewrites:
        return f"its command changes its dependency {stage.rewrites[0]} (meta.rewrites)"
    for out in stage.outs:
        if out.persist:
            return f"its output {out.path} is kept from run to run (persist: true)"
    named = {
        "folder": [stage.wdir],
        "output": [out.path for out in stage.outs],
        "dependency": [*stage.deps, *stage.params],
    }
    for kind, paths in named.items():
        for path in paths:
            if reason := _obstacle(repository, path, shared):
                return f"its {kind} {path} {reason}"
    return ""


def _obstacle(repository: Repository, path: str, shared: Shared) -> str:
    """Return why a file or folder cannot travel; empty if it can."""
    if path.startswith(("/", "../")) or path == ".." or "://" in path:
        return "is outside the repository"
    if link := leaving_link(repository, path, shared):
        return f"leads outside the repository by the symbolic link {link}"
    if path != "." and not shared.has(path) and (file := ignored_file(repository, path, shared)):
        holder = "is" if file == path else f"holds {file}, which is"
        return f"{holder} ignored by git and not tracked by DVC"
    return ""
