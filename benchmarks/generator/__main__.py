"""Benchmarks of the generator of data pipelines.

``python -m benchmarks.generator [PART ...]``. Each part measures every program of the pipeline's
specifications in turns, prints tables in Markdown, and stores them in `benchmarks/figures/generator` and in
MLflow. No threshold makes it fail.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.generator", __doc__ or "")
