"""Benchmarks of the statistics compared with other libraries.

``python -m benchmarks.statistics [PART ...]``. Each part measures ours and the installed peers in one run,
prints tables in Markdown, and stores them in `benchmarks/figures/statistics` and in MLflow. No threshold
makes it fail.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.statistics", __doc__ or "")
