"""Compare a program with its specification by a smoothed divergence.

::

    alignment = -KL(p_output || p_target),    p = (count + a) / (total + a k)

Without smoothing (`a` = 0) the divergence of a program that is written by a template is 0 or infinite: 0 if
it has exactly the operations that were asked for, infinite as soon as it has one more. With `a` > 0 it is
finite, at most 0, and 0 only for equal shares.

References
----------
Specification 5 §6, as corrected. Chen and Goodman (1999), An Empirical Study of Smoothing Techniques for
Language Modeling: additive smoothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SMOOTHING = 0.5


def alignment(output: Mapping[str, int], target: Mapping[str, int], *, smoothing: float = SMOOTHING) -> float:
    """Return ``-KL(output || target)`` in nats over the names of both, at most 0.

    Parameters
    ----------
    output, target : mapping
        How often each operation occurs in the program and in the specification.
    smoothing : float
        Pseudo-count `a` of each name, above 0.

    Raises
    ------
    ValueError
        If the smoothing is not above 0, or both are empty.
    """
    if not smoothing > 0:
        raise ValueError(f"smoothing is {smoothing}; expected a number above 0, else the result is infinite")
    names = sorted(output.keys() | target.keys())
    if not names:
        raise ValueError("neither the program nor the specification has an operation")
    p, q = (
        (counts + smoothing) / (counts + smoothing).sum()
        for counts in (np.array([side.get(name, 0) for name in names], float) for side in (output, target))
    )
    return -float(np.sum(p * np.log(p / q)))
