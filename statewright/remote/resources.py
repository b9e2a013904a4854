"""Resources of workers, and what stages demand of them.

`meta:` of a stage demands `cpu`, `ram_gb` and `gpu`. A worker offers amounts under the same names as
Dask's abstract resources; the scheduler starts a stage where enough of each is free.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from statewright.remote.cluster_file import Cluster
from statewright.running.limits import Limits, installed_gpus, installed_ram_gb
from statewright.scheduling.prediction import DEMANDS
from statewright.workflow import Stage, Workflow, WorkflowError

if TYPE_CHECKING:
    from distributed import Client

DEFAULT_RAM_GB = 2.0
NO_LIMIT_GB = 1e6
"""Memory of workers that do not say how much they have; a schedule needs a finite number."""
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


def expected_offers(cluster: Cluster, workers: int) -> list[Amounts]:
    """Return what each worker of a cluster that Statewright starts will offer.

    Empty for a scheduler that runs already. Jobs may wait in a queue, so a run is planned for all workers
    of the description, not for those that have started.
    """
    if cluster.kind == "address":
        return []
    number = cluster.workers or (cluster.adaptive.maximum if cluster.adaptive else workers)
    return [worker_resources(cluster, number)] * number


def offers_of(client: Client) -> list[Amounts]:
    """Return what each connected worker offers."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return [worker.get("resources", {}) for worker in workers]


def capacity(offers: Sequence[Amounts], threads: int) -> Limits:
    """Return what all workers have together.

    Parameters
    ----------
    threads : int
        Number of stages that they can run at once, for workers that offer no cores by name.
    """
    total = {name: sum(offer.get(name, 0.0) for offer in offers) for name in DEMANDS}
    cores = int(total["cpu"]) or threads
    return Limits(max(1, cores), total["ram_gb"] or NO_LIMIT_GB, total["gpu"])


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
