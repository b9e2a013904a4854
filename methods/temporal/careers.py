"""Careers as short series of yearly means, and parameters of their covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.temporal.panel import Floats, Ints


@dataclass(frozen=True)
class Careers:
    """Yearly values of many careers, sorted by career and, within it, by time.

    Attributes
    ----------
    start : (units + 1,) int
        Rows of career i are ``start[i]`` to ``start[i + 1] - 1``.
    time : (n,) float
        Years.
    value : (n,) float
    noise : (n,) float
        Known sampling variance of each value, >= 0.
    mean : (n, p) float
        Covariates of the mean, X; include a column of ones for an intercept.
    own : (n, q) float
        Covariates whose coefficients vary between careers, Z; q >= 1.
    """

    start: Ints
    time: Floats
    value: Floats
    noise: Floats
    mean: Floats
    own: Floats

    def __post_init__(self) -> None:
        n = len(self.time)
        if self.start[0] != 0 or self.start[-1] != n or np.any(np.diff(self.start) < 1):
            raise ValueError(
                f"careers: start goes from {self.start[0]} to {self.start[-1]}; expected it to rise from 0 "
                "to the "
                f"number of rows, {n}, with at least one row per career"
            )
        for name in ("value", "noise", "mean", "own"):
            column = getattr(self, name)
            if len(column) != n or not np.isfinite(column).all():
                raise ValueError(
                    f"careers: expected {n} finite rows of {name}; drop rows with missing values"
                )
        backwards = np.diff(self.time) <= 0
        backwards[self.start[1:-1] - 1] = False
        if backwards.any():
            row = int(np.flatnonzero(backwards)[0])
            raise ValueError(
                f"careers: row {row + 1} is not later than row {row}; sort the rows of each career by time"
            )
        if (self.noise < 0).any():
            raise ValueError(f"careers: noise contains {self.noise.min()}; expected variances >= 0")

    @property
    def units(self) -> int:
        """Number of careers."""
        return len(self.start) - 1

    def unit(self) -> Ints:
        """Return the career of each row."""
        return np.repeat(np.arange(self.units), np.diff(self.start))

    def keep(self, rows: NDArray[np.bool_]) -> Careers:
        """Select rows; each career must keep at least one."""
        counts = np.bincount(self.unit()[rows], minlength=self.units)
        start = np.r_[0, np.cumsum(counts)].astype(np.int64)
        return Careers(
            start,
            self.time[rows],
            self.value[rows],
            self.noise[rows],
            self.mean[rows],
            self.own[rows],
        )


class Kernel(NamedTuple):
    """Parameters of the covariance of every career.

    Attributes
    ----------
    amplitude, length : (units,) float
        Standard deviation and length scale (years) of the process, > 0.
    own_variance : (q,) float
        tau^2.
    noise_variance : float
        sigma_n^2: variance from year to year beyond the sampling variance.
    """

    amplitude: Floats
    length: Floats
    own_variance: Floats
    noise_variance: float
