"""Command line of the generator: ``python -m tasks.tuner generate --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.tuner.generator.configuration import (
    DEFAULT_EXECUTION,
    ENGINES,
    EXECUTIONS,
    FILTERS,
    READS,
    Configuration,
)
from tasks.tuner.generator.generate import generate, load_plan
from tasks.tuner.generator.spec import SpecError

DESCRIPTION = (
    "Generate the Python program of a data pipeline. docs/generate-a-pipeline.md describes SPEC.yaml."
)
EXAMPLE = """example:
  python -m tasks.tuner generate revenue.yaml --engine polars --out revenue.py
  python revenue.py --data tables --out revenue.parquet
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tasks.tuner", description="Generator of data pipelines.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="generate")
    generator = commands.add_parser(
        "generate",
        help="write the program of a specification for one engine",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    generator.add_argument("spec", type=Path, metavar="SPEC.yaml", help="the specification")
    generator.add_argument("--engine", required=True, choices=ENGINES, help="library that computes")
    generator.add_argument("--out", required=True, type=Path, metavar="FILE.py", help="program to write")
    generator.add_argument("--threads", type=int, default=1, help="threads of the library (default: 1)")
    generator.add_argument(
        "--batch-size",
        type=int,
        default=0,
        metavar="ROWS",
        help="rows of a batch; 0: no batches (default: 0)",
    )
    executions = "; ".join(f"{engine}: {', '.join(names)}" for engine, names in EXECUTIONS.items())
    defaults = ", ".join(f"{name} for {engine}" for engine, name in DEFAULT_EXECUTION.items())
    generator.add_argument(
        "--execution",
        default="",
        metavar="NAME",
        help=f"operators, by engine: {executions} (default: {defaults})",
    )
    generator.add_argument(
        "--read", choices=READS, default="used", help="columns read from each source (default: used)"
    )
    generator.add_argument(
        "--filters",
        choices=FILTERS,
        default="early",
        help="early: before joins where possible; written: as in the specification (default: early)",
    )
    return parser


def main(words: Sequence[str] | None = None) -> None:
    """Write the program, or stop with one sentence that says what to change."""
    arguments = build_parser().parse_args(words)
    try:
        configuration = Configuration(
            arguments.engine,
            arguments.execution,
            arguments.threads,
            arguments.batch_size,
            arguments.read,
            arguments.filters,
        )
        text = generate(load_plan(arguments.spec), configuration)
    except SpecError as error:
        sys.exit(str(error))
    except ValueError as error:
        sys.exit(f"{error}; see python -m tasks.tuner generate --help")
    try:
        arguments.out.write_text(text, encoding="utf-8")
    except OSError as error:
        sys.exit(f"{arguments.out} cannot be written: {error.strerror}; name a file in a folder that exists")


if __name__ == "__main__":
    main()
