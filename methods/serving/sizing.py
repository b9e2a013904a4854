"""Best batch size under a memory limit, and a linear model of batch time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class BatchTime:
    """Time of a batch, ``T(B) = overhead_s + per_item_s B`` seconds.

    The throughput tends to ``1 / per_item_s``.

    Attributes
    ----------
    overhead_s, per_item_s : float
    r2 : float
        Share of the variance of the measured times that the line explains; 1 if all times are equal.
    """

    overhead_s: float
    per_item_s: float
    r2: float

    def seconds(self, batch: int) -> float:
        """Return the seconds of a batch of that size."""
        return self.overhead_s + self.per_item_s * batch


def optimal_batch(batches: ArrayLike, throughputs: ArrayLike, memory: ArrayLike, limit: float) -> int:
    """Return the batch size ``argmax_B throughput(B) s.t. M(B) <= limit``.

    Parameters
    ----------
    batches : (n,) of int
        Sizes that were measured, each one once.
    throughputs : (n,) of float
        Items per second.
    memory : (n,) of float
        Memory of model, batch, caches and overhead together, in the unit of `limit`.
    limit : float
        Available memory.

    Returns
    -------
    int
        The size with the highest throughput; the smallest of equals.

    Raises
    ------
    ValueError
        If no batch fits, if the shapes differ, or if a value is not finite.

    References
    ----------
    Specification 2 §7.7.
    """
    sizes, speeds, needs = np.asarray(batches), np.asarray(throughputs, float), np.asarray(memory, float)
    if not (sizes.ndim == 1 and sizes.shape == speeds.shape == needs.shape and sizes.size):
        raise ValueError(
            f"batches, throughputs and memory have shapes {sizes.shape}, {speeds.shape}, {needs.shape}; "
            "expected one throughput and one memory for each size"
        )
    if not (np.isfinite(speeds).all() and np.isfinite(needs).all()):
        raise ValueError("a throughput or a memory is not finite; measure that size again")
    fits = needs <= limit
    if not fits.any():
        smallest = int(needs.argmin())
        raise ValueError(
            f"no batch fits into a memory of {limit:g}: batch size {sizes[smallest]} needs the least, "
            f"{needs[smallest]:g}; raise the limit or measure smaller batches"
        )
    return int(min(zip(-speeds[fits], sizes[fits], strict=True))[1])


def fit_batch_time(batches: ArrayLike, seconds: ArrayLike) -> BatchTime:
    """Fit overhead and time per item to measured times by least squares.

    The specification (§7.5) states ``T_single / B + overhead`` for the time of one item, ``T(B) / B``. Its
    two terms are interchanged: the items of a batch share the overhead.

    Parameters
    ----------
    batches : (n,) of int
        At least two different sizes.
    seconds : (n,) of float
        Time of a whole batch.

    Raises
    ------
    ValueError
        If there are fewer than two different sizes, or if the shapes differ.
    """
    sizes, times = np.asarray(batches, float), np.asarray(seconds, float)
    if sizes.ndim != 1 or sizes.shape != times.shape or len(np.unique(sizes)) < 2:
        raise ValueError(
            f"batches has shape {sizes.shape}, seconds {times.shape}; expected one time for each size "
            "and at least two different sizes"
        )
    design = np.column_stack([np.ones_like(sizes), sizes])
    (overhead, per_item), *_ = np.linalg.lstsq(design, times, rcond=None)
    residuals = times - design @ [overhead, per_item]
    variation = float(((times - times.mean()) ** 2).sum())
    return BatchTime(
        float(overhead), float(per_item), 1.0 - float((residuals**2).sum()) / variation if variation else 1.0
    )
