"""Commands about recorded runs."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from statewright.commands import OK
from statewright.workflow import WorkflowError


def history(options: argparse.Namespace) -> int:
    """List the recorded runs, the newest first."""
    if options.ids:
        return _print_ids()
    from statewright.comparison.causes import as_dict
    from statewright.comparison.run_display import print_history
    from statewright.record.transitions.lookup import open_transitions
    from statewright.record.transitions.model import NO_RUN
    from statewright.terminal.words import terminal

    store = open_transitions(_root())
    rows = store.newest()
    # One more than is shown, to compare the metrics of the last one.
    wanted = store.with_stages(rows[: options.limit + 1])
    values = store.values([run_id for run in wanted for run_id in run.run_ids])
    runs = wanted[: options.limit]
    if options.json:
        print(json.dumps({"runs": [as_dict(run, values) for run in runs], "recorded": len(rows)}, indent=2))
    elif runs:
        print_history(wanted, values, terminal(stderr=False), len(rows), options.limit)
    else:
        print(store.absent or NO_RUN)
    return OK


def _print_ids() -> int:
    from statewright.record.transitions.lookup import local_runs

    for run in local_runs(_root()):
        print(run.id, " ".join(run.name.split()), sep="\t")
    return OK


def show(options: argparse.Namespace) -> int:
    """Show one recorded run."""
    from statewright.comparison.run_details import details_of
    from statewright.comparison.run_display import print_run
    from statewright.terminal.words import terminal

    details = details_of(_root(), options.run)
    if options.json:
        print(json.dumps(details.as_dict(), indent=2, allow_nan=False))
    else:
        print_run(details, terminal(stderr=False))
    return OK


def _root() -> Path:
    """Return the root of the repository, without the import of DVC."""
    from statewright.unchanged import find_root

    here = os.path.realpath(Path.cwd())
    root = find_root(here)
    if root is None:
        raise WorkflowError(f"{here}: not a DVC repository; `dvc init` creates one")
    return Path(root)
