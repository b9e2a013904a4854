"""Options that several commands have, and the types of their values."""

from __future__ import annotations

import argparse
import math
from typing import TypeAlias

from statewright.request import AUTO

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Object to which a command is added."""


def add_targets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="stages, files, or pipelines (the part before the hyphen in stage names); default: everything",
    )


def add_selection(parser: argparse.ArgumentParser, taken: str = "each with the stages that it needs") -> None:
    """Add the targets, and the options that select stages, as ``dvc repro`` has them."""
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="a stage, a dvc.yaml or .dvc file, FILE:STAGE, an output, or a pipeline (the part before the "
        f"hyphen in stage names), {taken}; default: the dvc.yaml of this folder and what it needs, as "
        "`dvc repro`",
    )
    group = parser.add_argument_group("which stages", "These options have the meaning of `dvc repro`.")
    group.add_argument(
        "-P", "--all-pipelines", action="store_true", help="take every stage of the repository"
    )
    group.add_argument(
        "-p", "--pipeline", action="store_true", help="take all stages connected with the targets"
    )
    group.add_argument(
        "-s", "--single-item", action="store_true", help="take the targets only, not the stages they need"
    )
    group.add_argument(
        "--downstream",
        action="store_true",
        help="take the targets and the stages that depend on them, not those that they need",
    )
    group.add_argument(
        "-R", "--recursive", action="store_true", help="take the stages in the folders that TARGET names"
    )
    group.add_argument(
        "--glob", action="store_true", help="read TARGET as a pattern of stage names, such as 'train-*'"
    )


def add_reproduction(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options of ``dvc repro`` that a plan has, and return their group."""
    group = parser.add_argument_group("how they run", "These options have the meaning of `dvc repro`.")
    group.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="run every selected stage, even if nothing changed; with -s only the targets",
    )
    group.add_argument(
        "--force-downstream",
        action="store_true",
        help="also run the stages that depend on a stage that ran, even if their inputs did not change",
    )
    group.add_argument(
        "--pull",
        action=argparse.BooleanOptionalAction,
        help="restore what the DVC remote has, missing data and results of colleagues and of CI, instead of "
        "computing it; fetch only what the stages need (default: the setting `pull`, no)",
    )
    group.add_argument(
        "--allow-missing",
        action="store_true",
        help="skip a stage if missing data is its only change: for CI without `dvc pull`",
    )
    group.add_argument(
        "--no-run-cache",
        dest="run_cache",
        action="store_false",
        help="run a changed stage even if the run cache has the result of the same command and inputs",
    )
    return group


def add_carrying_out(group: argparse._ArgumentGroup) -> None:
    """Add the options of ``dvc repro`` that only a run has."""
    group.add_argument(
        "--ignore-errors",
        action="store_true",
        help="after a failure, start also the stages that need the failed one; the exit status is 0",
    )
    group.add_argument(
        "--no-commit",
        dest="commit",
        action="store_false",
        help="record the outputs in dvc.lock, but do not store them in the cache; `dvc commit` does it later",
    )
    group.add_argument(
        "-i", "--interactive", action="store_true", help="ask before each stage; stages run one by one"
    )


def add_push(parser: argparse.ArgumentParser) -> None:
    """Add the option that shares the results of a run."""
    parser.add_argument(
        "--push",
        action=argparse.BooleanOptionalAction,
        help="send the outputs of each stage, and its entry in the run cache, to the DVC remote when it "
        "finishes, while the next ones run; with --pull also hold a lease there: a stage that two "
        "people start at once runs once (default: the setting `push`, no)",
    )


def add_workers(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument(
        "--workers",
        type=workers,
        metavar="N",
        help=f"{purpose}; auto: all, but a stage runs alone, in the order of `dvc repro`, until its reads "
        "are known; 1: exactly that order; N: trust the declarations (default: the setting `workers`, auto)",
    )


def add_on(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument(
        "--on",
        metavar="dask[=ADDRESS|FILE]",
        help=f"{purpose} on a Dask cluster: on new workers of this machine, on those of a scheduler such as "
        "dask=tcp://HOST:8786, or as a YAML file describes; files travel through the DVC remote",
    )


def add_assignments(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument(
        "--set", dest="assignments", action="append", default=[], metavar="[FILE:]KEY=VALUE", help=purpose
    )


def add_strict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict-environment",
        action="store_true",
        help="also run stages whose outputs were made with other versions of Python or its packages",
    )


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-v",
        "--verbose",
        dest="verbosity",
        action="store_const",
        const=1,
        default=0,
        help="print all output of the stages also in a terminal, which else shows the last line of each",
    )
    group.add_argument(
        "-q", "--quiet", dest="verbosity", action="store_const", const=-1, help="print errors only"
    )


def workers(text: str) -> int | str:
    return text if text == AUTO else positive(text)


def positive(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number of 1 or more")
    return int(text)


def duration(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of 0 or more")
    return number


def above_zero(text: str) -> float:
    if not (number := duration(text)):
        raise argparse.ArgumentTypeError(f"'{text}': expected a number above 0")
    return number
