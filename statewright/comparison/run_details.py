"""One recorded run in detail: what it did, what it changed, where its logs are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from statewright.comparison.causes import as_dict, repeat_commands, why
from statewright.comparison.difference import RevisionDifference
from statewright.comparison.runs import after, after_failures, before, compare_results
from statewright.files import file_name
from statewright.git import git
from statewright.record.transitions.lookup import find, is_relative, matches, open_transitions
from statewright.record.transitions.model import Transition, Values
from statewright.repository.cached_sizes import sizes_in_cache
from statewright.repository.declaration import open_repository
from statewright.repository.revisions import WORKSPACE
from statewright.workflow import WorkflowError

LAST = "last"
SLACK_S = 0.001
"""Rounding of the start in the record, in seconds."""

_ID = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True)
class RunDetails:
    """A run with what it changed.

    Parameters
    ----------
    changes : RevisionDifference
        Difference between the results before and after the run.
    logs : mapping of str to Path
        Stage -> log of its last attempt, if it still exists.
    """

    run: Transition
    values: Mapping[str, Values]
    changes: RevisionDifference
    logs: Mapping[str, Path]

    def as_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        stages = {
            stage.stage: {
                "status": stage.status,
                "seconds": stage.seconds,
                "why": why(stage),
                "log": str(self.logs[stage.stage]) if stage.stage in self.logs else None,
                "mlflow": None if "/" in stage.run_id else stage.run_id,
            }
            for stage in self.run.stages
        }
        changes = self.changes.as_dict()
        outputs = [out for stage in changes["stages"].values() for out in stage["outputs"]]
        return {
            **as_dict(self.run, self.values),
            "stages": stages,
            "params_changed": changes["params"].get("", {}),
            "metrics_changed": changes["metrics"],
            "outputs": outputs,
            "repeat": repeat_commands(self.run),
            "link": self.run.run.link,
            "prefect": prefect_page(self.run),
        }


def find_logs(root: Path, run: Transition) -> dict[str, Path]:
    """Return the log of each stage of a run, of those that still exist.

    The folder of a run is named by the time at which its logs began, just before its record does.
    """
    named = {}
    for folder in (root / ".statewright" / "logs").glob("*-*-*"):
        try:
            named[datetime.strptime(folder.name, "%Y%m%d-%H%M%S-%f").timestamp()] = folder
        except ValueError:  # not the logs of a run
            continue
    begun = [at for at in named if at <= run.started + SLACK_S]
    if not begun:
        return {}
    folder = named[max(begun)]
    logs = {stage.stage: folder / file_name(stage.stage, ".log") for stage in run.stages}
    return {stage: path for stage, path in logs.items() if path.is_file()}


def details_of(root: Path, name: str) -> RunDetails:
    """Return the details of the run that `name` means; see `find`."""
    store = open_transitions(root)
    run = find(store, name)
    sizes = sizes_in_cache(open_repository(root))
    results = after_failures(after(store, run), run)
    changes = _of_run(compare_results(store, before(store, run), results, sizes), run)
    values = store.values(run.run_ids)
    return RunDetails(run, values, changes, find_logs(root, run))


def _of_run(changes: RevisionDifference, run: Transition) -> RevisionDifference:
    """Leave out what a run has not changed.

    These are the params of stages that had no results before, and the metrics of stages that failed.
    """
    params = {key: change for key, change in changes.params.get("", {}).items() if change["old"] is not None}
    failed = {stage.stage for stage in run.stages if stage.status == "failed"}
    metrics = {stage: values for stage, values in changes.metrics.items() if stage not in failed}
    return replace(changes, params={"": params} if params else {}, metrics=metrics)


def diff_of_runs(root: Path, old: str, new: str) -> RevisionDifference | None:
    """Compare two recorded runs; return None if the names mean revisions of git.

    The name of a revision wins. A run alone is compared with the last one, and the last one with the
    run before it.

    Raises
    ------
    WorkflowError
        If one of the names means a run and the other does not.
    """
    names = [old, *([] if new == WORKSPACE else [new])]
    likely = [name for name in names if _may_be_run(root, name)]
    if not likely:
        return None
    store = open_transitions(root)
    rows = store.newest()
    are_runs = {name: is_relative(name) or bool(matches(rows, name)) for name in likely}
    if not any(are_runs.values()):
        return None
    if others := [name for name in names if not are_runs.get(name)]:
        run = next(name for name, is_run in are_runs.items() if is_run)
        raise WorkflowError(
            f"{run} is a recorded run, and {others[0]} is not; compare two runs (`statewright history` lists "
            "them) or two revisions"
        )
    first = find(store, old)
    second = find(store, LAST if new == WORKSPACE else new)
    if new == WORKSPACE and first.id == second.id:
        first = find(store, f"{LAST}~1")
    sizes = sizes_in_cache(open_repository(root))
    return compare_results(store, after(store, first), after(store, second), sizes)


def _may_be_run(root: Path, name: str) -> bool:
    if not (is_relative(name) or _ID.fullmatch(name)):
        return False
    return not git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()


def prefect_page(run: Transition) -> str | None:
    """Return the address of a run's page in Prefect, or the id of its flow run."""
    return run.run.tags.get("prefect.link") or run.run.tags.get("prefect.flow_run")
