"""Pin the kernels of the numeric libraries, for equal digits on all machines.

PyTorch, MKL, NumPy, oneDNN and OpenBLAS choose a kernel by the processor, and kernels add in different
orders. The variables below select the kernels for AVX2, which all x86 processors of the last ten years
have; for MKL, those that are equal on all. Some of them are read when a library is loaded. This module
must therefore be imported before NumPy and PyTorch: `tasks/__main__.py` does so, and `meta.preload` in
`dvc.yaml` names it first. A value that the caller has set is kept. The number of threads, the other
reason for another order, is `meta.cpu`.
"""

from __future__ import annotations

import os
import sys

PINS = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""Variables that NumPy, and the OpenBLAS in NumPy and SciPy, read when they are loaded."""

PINNED_PIPELINE = "emotion-"
TORCH_PINS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    # On a processor that is not Intel's, MKL accepts no other value that also holds on Intel's.
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
"""Variables that PyTorch, MKL and oneDNN read at their first operation, for the stages of one pipeline.

They make the language model of releaf ten times slower, since AVX2 has no operations on 16-bit numbers.
"""

LATE = any(name not in os.environ for name in PINS) and not {"numpy", "torch"}.isdisjoint(sys.modules)
"""True if a library was loaded before its kernels were pinned."""


def pin() -> None:
    """Set the variables of `PINS` that the caller's environment does not set."""
    for name, value in PINS.items():
        os.environ.setdefault(name, value)


def start(package: str) -> None:
    """Pin the kernels; start Python again if a library was loaded too early.

    A stage that is a fork of a process with preloaded modules has the environment of its caller, but the
    libraries of that process. If that process has imported this module first, they are pinned.
    """
    pin()
    if sys.argv[1:] and sys.argv[1].startswith(PINNED_PIPELINE):
        for name, value in TORCH_PINS.items():
            os.environ.setdefault(name, value)
    if LATE:
        os.execv(sys.executable, [sys.executable, "-m", package, *sys.argv[1:]])


pin()
