"""The waste assistant beside published figures: ``python -m benchmarks.releaf [PART ...]``.

Each part prints tables in Markdown and says where its data set is absent; it fails nothing.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

PARTS = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main() -> None:
    """Print the tables of the parts asked for, each as soon as it is there."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.releaf", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="times each figure is taken")
    options = parser.parse_args()
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    for part in options.parts or PARTS:
        print(import_module(f"benchmarks.releaf.{part}").tables(options.repeat), flush=True)


if __name__ == "__main__":
    main()
