"""The parser of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from statewright.arguments import (
    authoring,
    cluster,
    completion,
    history,
    inspection,
    planning,
    running,
    tuning,
)
from statewright.commands import start


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="statewright",
        description="Run a DVC pipeline as a state machine: planned with reasons, recorded in MLflow and, "
        "where a server is configured or running, shown by Prefect. It reads any dvc.yaml and writes the "
        "same dvc.lock as `dvc repro`.",
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    parser.add_argument("-C", dest="directory", metavar="DIR", help="change to this folder first")
    parser.set_defaults(command=start.start)  # without a command
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in (
        planning.add_graph,
        planning.add_plan,
        planning.add_diff,
        running.add_run,
        history.add_history,
        history.add_show,
        running.add_loop,
        tuning.add_tune,
        inspection.add_params,
        authoring.add_init,
        inspection.add_check,
        planning.add_schedule,
        inspection.add_config,
        planning.add_durations,
        cluster.add_cluster,
        running.add_record,
        inspection.add_doctor,
        running.add_ui,
        inspection.add_trace,
        inspection.add_verify,
        authoring.add_fingerprint,
    ):
        add(subcommands)
    completion.add_completion(subcommands, build_parser)
    return parser


class _Version(argparse.Action):
    """Option that prints the version.

    The version is read only when the option is used: the lookup takes longer than most commands take to
    start.
    """

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print the version and exit."""
        from importlib.metadata import version

        print(f"statewright {version('statewright')}")
        parser.exit()
