"""Benchmarks of the fusion of modalities.

``python -m benchmarks.fusion [PART ...]``. Each part measures the operators and their baselines on one data
set in one run, prints tables in Markdown, and stores them in `benchmarks/figures/fusion` and in MLflow. No
threshold makes it fail.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.fusion", __doc__ or "")
