"""Bytes of the inputs that stages read, as their lock files record them."""

from __future__ import annotations

from statewright.repository.declaration import Repository
from statewright.repository.observation import lock_entries


def recorded_inputs(repository: Repository) -> dict[str, dict[str, int]]:
    """Return stage -> dependency -> bytes; a stage that has never run has none.

    A dependency whose size is not recorded counts as 0 bytes.
    """
    inputs = {}
    with repository.locked():
        for address, entry in lock_entries(repository.stages.values()).items():
            inputs[address] = {dep["path"]: int(dep.get("size") or 0) for dep in entry.get("deps") or ()}
    return inputs
