"""Benchmarks of symmetric information fields.

``python -m benchmarks.sifa [PART ...]``. Each part prints tables in Markdown, and stores them in
`benchmarks/figures/sifa` and in MLflow. No threshold makes it fail.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.sifa", __doc__ or "")
