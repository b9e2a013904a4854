"""Intervals of forecasts that adapt from year to year.

Music changes after the validation years, so a radius that was calibrated on them covers too little or too
much later. An adaptive radius uses the errors of earlier test years, and only those: it is what someone
could have used who forecasts each year when the years before it are over. The forecasts themselves do not
change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Floats = np.ndarray

GAMMA, DECAY = 0.01, 0.99**10
"""Step of the level for one target, and weight of a score relative to one a year later."""


@dataclass(frozen=True)
class Errors:
    """Errors, standard deviations and times (years) of forecasts, (n,) float each."""

    error: Floats
    sd: Floats
    time: Floats


def adaptive_radius(known: Errors, new: Errors, level: float) -> Floats:
    """Return the half-widths of new forecasts, from errors of earlier years.

    The targets of one year share the level and the scores of earlier years: none of them is known before
    the others.

    Parameters
    ----------
    known, new : Errors
        Errors of the validation years, and of the later years that the intervals are for.
    level : float
        Nominal coverage, strictly between 0 and 1.
    """
    from methods.trust.drift import Scores, block_radii

    scores = [Scores(np.abs(part.error) / part.sd, np.floor(part.time)) for part in (known, new)]
    return new.sd * block_radii(*scores, 1 - level, gamma=GAMMA, decay=DECAY)
