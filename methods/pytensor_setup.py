"""Configuration of PyTensor, for use before a model is compiled."""

from __future__ import annotations


def configure_pytensor() -> None:
    """Compile without a search for BLAS, and with sums in one order.

    PyTensor searches for a BLAS library to link C code to, and warns. No model here needs one: numba compiles
    them and calls SciPy's BLAS. Its fast math reorders sums, and how depends on whether numba has just
    compiled a function or loads it from its cache; a sampler turns the last digit into another chain.
    """
    import pytensor

    pytensor.config.blas__ldflags = ""
    pytensor.config.numba__fastmath = False
