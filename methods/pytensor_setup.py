"""Configuration of PyTensor, for use before PyMC is imported."""

from __future__ import annotations


def without_blas() -> None:
    """Stop PyTensor from searching for a BLAS library to link C code to.

    Otherwise it searches and warns. No model here needs one: numba compiles them and calls SciPy's BLAS.
    """
    import pytensor

    pytensor.config.blas__ldflags = ""
