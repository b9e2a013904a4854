"""Benchmarks of the samplers.

``python -m benchmarks.search [PART ...]``. Each part measures samplers and their peers in one run, prints
tables in Markdown, and stores them in `benchmarks/figures/search` and in MLflow. No threshold makes it fail.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.search", __doc__ or "")
