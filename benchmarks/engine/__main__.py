"""Measure the engine beside DVC: ``python -m benchmarks.engine``.

Each figure is the median wall time of whole processes, run alternately (engine, DVC, engine, ...) in
generated repositories. The output is tables in Markdown. There are no thresholds.
"""

from __future__ import annotations

import argparse
import compileall
import tempfile
from pathlib import Path

import statewright
from benchmarks.engine import growth, phases, small
from benchmarks.engine.repositories import prefect_server

PARTS = ("small", "phases", "growth", "wide")


def main() -> None:
    """Create the repositories, measure the times and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[8, 50, 200], metavar="N", help="numbers of stages"
    )
    parser.add_argument(
        "--largest",
        type=int,
        default=800,
        metavar="N",
        help="stages of the largest repository, for the growth; 0 skips it",
    )
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each command")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="cores for statewright run")
    options = parser.parse_args()
    parts = options.parts or PARTS
    # As the installer has compiled DVC: with PYTHONDONTWRITEBYTECODE, each process would do it again.
    compileall.compile_dir(statewright.__path__[0], quiet=1)
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        root = Path(folder)
        if "small" in parts:
            small.print_comparison(root, options.repeat)
        if "phases" in parts:
            phases.print_phases(root, options.repeat)
        if {"growth", "wide"}.isdisjoint(parts):
            return
        with prefect_server(root) as server:
            if "growth" in parts:
                growth.print_tables(root, options, server)
            if "wide" in parts:
                growth.wide(root, options.workers, server)


if __name__ == "__main__":
    main()
