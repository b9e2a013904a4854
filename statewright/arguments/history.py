"""Commands about recorded runs."""

from __future__ import annotations

from statewright.arguments.shared import Subcommands, positive
from statewright.commands import history


def add_history(subcommands: Subcommands) -> None:
    """Add the command `history`."""
    past = subcommands.add_parser(
        "history",
        help="list the recorded runs, the newest first: cause, outcome, duration, metrics that changed",
        description="List the runs that are recorded in MLflow, and those that are being recorded. A local "
        "store needs no server. `statewright show RUN` shows one of them, `statewright diff RUN RUN2` "
        "compares two.",
    )
    past.add_argument(
        "--limit",
        type=positive,
        default=20,
        metavar="N",
        help="maximum number of runs (default: %(default)s)",
    )
    form = past.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the runs as JSON")
    form.add_argument(
        "--ids",
        action="store_true",
        help="print id and cause of every run of the local store, divided by a tab; for shell completion",
    )
    past.set_defaults(command=history.history)


def add_show(subcommands: Subcommands) -> None:
    """Add the command `show`."""
    show = subcommands.add_parser(
        "show",
        help="show one recorded run: what ran and why, what it changed, its logs, how to repeat it",
        description="Show one recorded run: its stages with their causes, the params, metrics and outputs "
        "that differ from the results before it, the paths of its logs, and the commands that repeat it.",
    )
    show.add_argument(
        "run",
        nargs="?",
        default="last",
        metavar="RUN",
        help="the beginning of an id in `statewright history` or in MLflow; or last, last~1 (default: last)",
    )
    show.add_argument("--json", action="store_true", help="print the run as JSON")
    show.set_defaults(command=history.show)
