"""Benchmarks of many stages and of several hosts.

``python -m benchmarks.scale [PART ...]``. Each part measures whole processes beside their peers in one run,
prints tables in Markdown, and stores them in `benchmarks/figures/scale` and in MLflow. On a machine that does
other work, compare CPU seconds and the ratios within a table. No threshold makes it fail.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.scale", __doc__ or "")
