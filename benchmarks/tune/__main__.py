"""Benchmarks of `statewright tune` on pipelines.

``python -m benchmarks.tune [PART ...]``. Each part tunes a pipeline with several samplers at equal
evaluations, then compares their best params with the defaults on data that the search never saw.
"""

from __future__ import annotations

from benchmarks.parts import run

if __name__ == "__main__":
    run("benchmarks.tune", __doc__ or "")
