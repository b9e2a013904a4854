"""Resources of workers, and the stages that need more or cannot leave the coordinator.

`meta:` of a stage demands `cpu`, `ram_gb` and `gpu`. A worker offers amounts under the same names as
Dask's abstract resources; the scheduler starts a stage where enough of each is free.
"""

from __future__ import annotations

import os

from statewright.remote.cluster_file import Cluster
from statewright.running.limits import installed_gpus, installed_ram_gb

DEFAULT_RAM_GB = 2.0


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
