"""Benchmarks of the learning methods.

``python -m benchmarks.learning [PART ...]``. Each part measures ours and the installed peers in one run,
prints tables in Markdown, and stores them in `benchmarks/figures/learning` and in MLflow. No threshold
makes it fail.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.learning", __doc__ or "")
