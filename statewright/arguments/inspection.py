"""Commands that check or explain a repository."""

from __future__ import annotations

from statewright.arguments.shared import Subcommands, add_selection, add_targets
from statewright.commands import inspection


def add_params(subcommands: Subcommands) -> None:
    """Add the command `params`."""
    params = subcommands.add_parser("params", help="list the params of stages: value, type, range, meaning")
    add_targets(params)
    params.add_argument("--json", action="store_true", help="print the list as JSON")
    params.set_defaults(command=inspection.params)


def add_check(subcommands: Subcommands) -> None:
    """Add the command `check`."""
    check = subcommands.add_parser("check", help="check that contracts, params and paths agree on every edge")
    check.add_argument(
        "--reads", action="store_true", help="list instead what stages were seen to read without declaring it"
    )
    check.add_argument(
        "--fix", action="store_true", help="print a patch of dvc.yaml that declares these reads"
    )
    check.add_argument("--write", action="store_true", help="with --fix, apply the patch")
    check.set_defaults(command=inspection.check)


def add_config(subcommands: Subcommands) -> None:
    """Add the command `config`."""
    config = subcommands.add_parser(
        "config",
        help="print the settings of this repository, and where each comes from",
        description="Settings stand in .statewright.toml, or in pyproject.toml under [tool.statewright]. "
        "docs/reference/settings.md describes each of them.",
    )
    config.add_argument("--json", action="store_true", help="print the settings as JSON")
    config.set_defaults(command=inspection.config)


def add_doctor(subcommands: Subcommands) -> None:
    """Add the command `doctor`."""
    doctor = subcommands.add_parser("doctor", help="check versions, servers and write permissions")
    doctor.set_defaults(command=inspection.doctor)


def add_trace(subcommands: Subcommands) -> None:
    """Add the command `trace`."""
    trace = subcommands.add_parser(
        "trace", help="show the origin of a file, metric or stage, and what depends on it"
    )
    trace.add_argument("subject", metavar="WHAT", help="a file or folder, a metric, a stage, or a hash")
    trace.add_argument("--json", action="store_true", help="print the whole trace as JSON")
    trace.add_argument("--all", action="store_true", help="print all params, not only the 20 most relevant")
    trace.set_defaults(command=inspection.trace)


def add_verify(subcommands: Subcommands) -> None:
    """Add the command `verify`."""
    verify = subcommands.add_parser(
        "verify", help="check that stages are reproducible: run them twice in scratch copies"
    )
    add_selection(verify, "each without the stages that it needs")
    verify.add_argument(
        "--against",
        metavar="REV",
        help="run each stage once, as REV declares it, and compare with the outputs that REV records: same "
        "bytes, same numbers within meta.tolerance (default: 1e-6 relative), or how different",
    )
    verify.add_argument(
        "--no-run",
        action="store_true",
        help="with --against: run nothing, compare the files of the workspace",
    )
    verify.add_argument("--json", action="store_true", help="print the results as JSON")
    verify.set_defaults(command=inspection.verify)
