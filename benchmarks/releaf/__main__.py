"""Compare the waste assistant with published figures.

Run ``python -m benchmarks.releaf [PART ...]``. Each part prints tables in Markdown, and stores them in
`benchmarks/figures/releaf` and in MLflow. A part whose data set is missing is skipped, with the path that it
expected.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.releaf", __doc__ or "")
