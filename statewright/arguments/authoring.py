"""Commands that write files of a pipeline."""

from __future__ import annotations

from pathlib import Path

from statewright.arguments.shared import Subcommands
from statewright.commands import authoring


def add_init(subcommands: Subcommands) -> None:
    """Add the command `init`."""
    init = subcommands.add_parser(
        "init",
        help="write the skeleton of a pipeline whose stages are Python functions",
        description="Write tasks/PIPELINE/ with two stages, declare them in dvc.yaml, add their params to "
        "params.yaml and a test. No file that exists is changed, except that dvc.yaml and params.yaml "
        "get new entries. `statewright run PIPELINE` then runs it.",
    )
    init.add_argument("pipeline", help="name of the pipeline: a Python identifier, such as churn")
    init.set_defaults(command=authoring.init)


def add_fingerprint(subcommands: Subcommands) -> None:
    """Add the command `fingerprint`."""
    fingerprint = subcommands.add_parser(
        "fingerprint", help="write the hashes of the code that each stage uses"
    )
    fingerprint.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    fingerprint.set_defaults(command=authoring.fingerprint)
