"""Data that a stage recorded and that is not on disk, as after a fresh clone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from statewright.planning.plan import Plan
from statewright.state import State
from statewright.workflow import Workflow


@dataclass(frozen=True)
class AbsentData:
    """File or folder that is not on disk.

    Parameters
    ----------
    remote : str or None
        Name of the remote storage that may have it; None if none is configured.
    cached : bool
        Whether DVC's cache has it.
    """

    path: str
    remote: str | None
    cached: bool


def absent_data(workflow: Workflow, state: State, plan: Plan) -> list[AbsentData]:
    """Return the missing data of a plan that DVC can fetch or check out."""
    found = []
    for address in plan.decisions:
        stage, observed = workflow.stages[address], state.stages[address]
        found += [AbsentData(path, remote, False) for path, remote in observed.not_cached.items()]
        if stage.records_only:
            stored = {out.path for out in stage.outs if out.cached and observed.outs_was.get(out.path)}
            cached = sorted(stored & observed.not_on_disk - set(observed.not_cached))
            found += [AbsentData(path, None, True) for path in cached]
    return found


def advice(missing: Iterable[AbsentData], most: int = 4) -> list[str]:
    """Return lines about missing data: paths, remote, and what to type."""
    missing = list(missing)
    lines = []
    lost = [data for data in missing if not data.cached]
    for remote in dict.fromkeys(data.remote for data in lost):
        paths = _listed([data.path for data in lost if data.remote == remote], most)
        if remote is None:
            fetch = "no remote storage is configured; `dvc remote add -d NAME URL` adds one"
        else:
            fetch = f"`dvc pull` or `statewright run --pull` fetches what the remote '{remote}' has"
        lines += [f"not here and not in the cache: {paths}", f"  {fetch}"]
    if cached := [data.path for data in missing if data.cached]:
        lines += [f"not here, but in the cache: {_listed(cached, most)}", "  `dvc checkout` restores it"]
    return lines


def _listed(paths: list[str], most: int) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more
