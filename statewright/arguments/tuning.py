"""The command that searches for params."""

from __future__ import annotations

import argparse
import math

from statewright.arguments.shared import Subcommands, positive
from statewright.commands import tune

EXAMPLE = """\
example:
  statewright tune train --metric loss --space space.yaml --budget 50 --workers 2

  with space.yaml:
    train.lr: {low: 0.001, high: 0.3, log: true}    # a key of params.yaml with its range
    train.depth: {low: 2, high: 12}                 # whole numbers
    train.model: [ridge, forest]                    # one of these
    train.trees: {low: 10, high: 300, when: {train.model: forest}}
    conf/data.yaml:window: [7, 14, 28]              # a key of another params file

Each trial runs the stages that TARGET needs in a scratch checkout, uncommitted changes included.
What a param does not change comes from DVC's cache. Your files stay as they are: the best params
come as a patch, which --apply writes. The first trial has the params as they stand.
Ctrl-C, or a kill, loses nothing: `statewright tune --name NAME --resume` continues.
"""


def add_tune(subcommands: Subcommands) -> None:
    """Add the command `tune`."""
    parser = subcommands.add_parser(
        "tune",
        help="search for the params that give the best metric",
        description="Search for the params of a pipeline that give the best metric. It works on any DVC\n"
        "repository, with commands of any language.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "target", nargs="?", metavar="TARGET", help="the stage that each trial brings up to date"
    )
    search = parser.add_argument_group("what to search")
    search.add_argument(
        "--metric", metavar="M", help="FILE:KEY of a metrics file of TARGET, or its end if unique"
    )
    search.add_argument("--space", metavar="FILE", help="the params to try, with their ranges; see below")
    search.add_argument(
        "--direction",
        choices=("min", "max"),
        help="the better direction (default: told by a name such as loss or accuracy, else required)",
    )
    search.add_argument(
        "--seed-param",
        metavar="KEY",
        help="the param with the seed of the pipeline: the best params run again with other seeds, and their "
        "mean counts",
    )
    how = parser.add_argument_group("how to search")
    how.add_argument("--sampler", metavar="NAME", help="hybrid (default), random, tpe, cmaes, gp or genetic")
    how.add_argument("--seed", type=whole, metavar="N", help="seed of the sampler (default: 0)")
    how.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="trials that run side by side (default: 1)"
    )
    how.add_argument(
        "--prune",
        nargs="?",
        const="",
        metavar="FILE:COLUMN",
        help="stop poor trials by the intermediate values in a CSV or TSV file that a stage appends to "
        "(default file: DVCLive's for the metric)",
    )
    how.add_argument(
        "--no-experiments",
        dest="experiments",
        action="store_false",
        help="do not keep each trial as a DVC experiment",
    )
    ends = parser.add_argument_group("when to stop")
    ends.add_argument(
        "--budget",
        type=positive,
        metavar="N",
        help="maximum number of trials, the first included (default: 50)",
    )
    ends.add_argument(
        "--patience", type=positive, metavar="N", help="stop after N trials without a better value"
    )
    ends.add_argument(
        "--target",
        dest="stop_at",
        type=number,
        metavar="VALUE",
        help="stop when the metric is at least as good as this value",
    )
    parser.add_argument("--name", metavar="NAME", help="name of the study (default: that of TARGET)")
    parser.add_argument(
        "--resume", action="store_true", help="continue a study; options that are not given stay as they were"
    )
    parser.add_argument(
        "--apply", action="store_true", help="write the best params to their files at the end; comments stay"
    )
    parser.add_argument(
        "-q",
        "--quiet",
        dest="verbosity",
        action="store_const",
        const=-1,
        default=0,
        help="print the result and errors only",
    )
    parser.set_defaults(command=tune.tune)


def whole(text: str) -> int:
    """Return a whole number of 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number of 0 or more")
    return int(text)


def number(text: str) -> float:
    """Return a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}': expected a number")
    return value
