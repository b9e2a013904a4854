"""Run the parts of a folder of benchmarks that are asked for."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path


def run(package: str, description: str) -> None:
    """Print the tables of the parts asked for on the command line, each as soon as it is there.

    Parameters
    ----------
    package : a folder below this one, as `benchmarks.releaf`; each of its modules is a part, with a function
        `tables` of how often a figure is taken.
    description : its first line heads the help.
    """
    parts = sorted(
        path.stem for path in (Path(__file__).parent / package.rpartition(".")[2]).glob("[!_]*.py")
    )
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)} (default: all)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="times each figure is taken")
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(parts)):
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(parts)}")
    for part in options.parts or parts:
        print(import_module(f"{package}.{part}").tables(options.repeat), flush=True)
