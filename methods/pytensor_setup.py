"""How PyTensor is set up here; imported where PyMC is used, for it takes seconds to import."""

from __future__ import annotations


def without_blas() -> None:
    """Tell PyTensor that its C code has no BLAS to link to, before it searches and warns.

    Nothing here needs one: the models are compiled by numba, which calls SciPy's own.
    """
    import pytensor

    pytensor.config.blas__ldflags = ""
