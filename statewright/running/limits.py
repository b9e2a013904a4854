"""Capacities of this machine that parallel stages share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from statewright.configuration import read_configuration


def installed_ram_gb() -> float:
    """Return the memory of this machine in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def installed_gpus() -> int:
    """Return the number of GPUs in `CUDA_VISIBLE_DEVICES`, else of NVIDIA's driver."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len([device for device in named.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


@dataclass(frozen=True)
class Limits:
    """Capacities that parallel stages share.

    A stage that demands more than a capacity, or a GPU where there is none, runs alone.

    Parameters
    ----------
    workers : int or str
        Number of cores; ``auto`` for all cores of this machine, with the order of `planning/ordering.py`.
    """

    workers: int | str = 2
    ram_gb: float = field(default_factory=installed_ram_gb)
    gpu: float = field(default_factory=installed_gpus)

    @property
    def cores(self) -> int:
        """Number of cores."""
        return self.workers if isinstance(self.workers, int) else os.cpu_count() or 1

    def as_dict(self) -> dict[str, float]:
        """Return the capacities under the names that `meta:` uses."""
        return {"cpu": self.cores, "ram_gb": self.ram_gb, "gpu": self.gpu}


def limits_of(root: Path, workers: int | str | None) -> Limits:
    """Return the limits of a run; `workers` is None for the repository's setting."""
    return Limits(workers=workers or read_configuration(root).workers)
