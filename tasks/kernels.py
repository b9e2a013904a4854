"""Pin the kernels of the numeric libraries, for equal digits on machines.

PyTorch, MKL, NumPy, oneDNN and OpenBLAS choose a kernel by the processor, and kernels add in different
orders. The variables below select the kernels for AVX2, which all x86 processors of the last ten years
have; for MKL, those that are equal on all. Most of them are read when a library is loaded. This module
must therefore be imported before NumPy and PyTorch: `tasks/__main__.py` does so, and `meta.preload` in
`dvc.yaml` names it first. A value that the caller has set is kept. The number of threads, the other
reason for another order, is `meta.cpu`.
"""

from __future__ import annotations

import os
import sys

PINS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    # On a processor that is not Intel's, MKL accepts no other value that also holds on Intel's.
    "MKL_CBWR": "COMPATIBLE",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""Variables of PyTorch's own kernels, MKL, NumPy, oneDNN, and the OpenBLAS in NumPy and SciPy."""

LATE = any(name not in os.environ for name in PINS) and not {"numpy", "torch"}.isdisjoint(sys.modules)
"""Whether a library was loaded before its kernels were pinned."""


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
    if LATE:
        os.execv(sys.executable, [sys.executable, "-m", package, *sys.argv[1:]])


pin()
