"""Commands about the cluster on which stages run."""

from __future__ import annotations

from statewright.arguments.shared import Subcommands, positive
from statewright.commands import cluster as command


def add_cluster(subcommands: Subcommands) -> None:
    """Add the command `cluster`."""
    cluster = subcommands.add_parser(
        "cluster",
        help="show or check the description of a cluster, and submit nothing",
        description="Commands for the cluster of `statewright run --on dask=FILE`. "
        "docs/reference/cluster.md describes the keys of the file.",
    )
    actions = cluster.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = actions.add_parser(
        "show", help="print the job script or the manifest that a run would submit, and submit nothing"
    )
    show.add_argument("cluster", metavar="FILE", help="the description of the cluster, a YAML file")
    show.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="number of workers, if FILE does not set it"
    )
    show.set_defaults(command=command.show)
    check = actions.add_parser(
        "check",
        help="check the description, the stages that fit, and what submits jobs; the exit status is 1 if not",
        description="Check the description of a cluster against this machine and the stages of this "
        "repository: keys and values, the command that submits jobs, certificates, stages that fit no "
        "worker. For a scheduler that runs already, also its workers: resources and environment.",
    )
    check.add_argument(
        "cluster", metavar="FILE|ADDRESS", help="the description of the cluster, or tcp://HOST:PORT"
    )
    check.set_defaults(command=command.check)
