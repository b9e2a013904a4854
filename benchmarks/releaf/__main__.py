"""The waste assistant beside published figures: ``python -m benchmarks.releaf [PART ...]``.

Each part prints tables in Markdown, keeps them in `benchmarks/figures/releaf` and in MLflow, and says where
its data set is absent; it fails nothing.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.releaf", __doc__ or "")
