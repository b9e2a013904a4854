"""Benchmarks of symmetric information fields: every variant on each set.

``python -m benchmarks.sifa [SET ...] --seeds 10`` trains every variant of the sets with each seed, prints
tables in Markdown, and stores them in `benchmarks/figures/sifa` and in MLflow. A finished cell is kept, so
that a command that was stopped resumes. The other parts (``layers``, ``shakespeare``) take ``--repeat``.
No threshold makes it fail.
"""

from __future__ import annotations

import sys

from benchmarks.parts import run, run_part
from benchmarks.sifa._study import GOALS, study

USAGE = "python -m benchmarks.sifa SET ... --seeds N: "


def main(words: list[str]) -> None:
    """Run the sets with their seeds, and other parts as every benchmark does."""
    sets = [word for word in words if word in GOALS]
    if not sets and "--seeds" not in words:
        run("benchmarks.sifa", __doc__ or "")
        return
    try:
        seeds = int(words[words.index("--seeds") + 1]) if "--seeds" in words else 10
    except (IndexError, ValueError):
        sys.exit(f"{USAGE}--seeds needs a whole number of 2 or more, such as --seeds 10")
    left = [word for word in words if word not in {*sets, "--seeds", str(seeds)}]
    if left or seeds < 2:
        found = left[0] if left else f"--seeds {seeds}"
        sys.exit(f"{USAGE}found '{found}', expected sets of {', '.join(GOALS)} and 2 seeds or more")
    for name in sets or GOALS:
        run_part("sifa", name, study(name, seeds), f"python -m benchmarks.sifa {name} --seeds {seeds}")


if __name__ == "__main__":
    main(sys.argv[1:])
