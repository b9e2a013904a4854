"""How large a batch should be: the measured optimum under a memory limit, and the model of its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class BatchTime:
    """``T(B) = overhead_s + per_item_s B`` seconds, so that throughput tends to ``1 / per_item_s``.

    Attributes
    ----------
    overhead_s, per_item_s : float
    r2 : float
        Share of the variance of the measured times that the line explains; 1 if they are all equal.
    """

    overhead_s: float
    per_item_s: float
    r2: float

    def seconds(self, batch: int) -> float:
        """Seconds of a batch of that size."""
        return self.overhead_s + self.per_item_s * batch


def optimal_batch(batches: ArrayLike, throughputs: ArrayLike, memory: ArrayLike, limit: float) -> int:
    """The batch of the highest throughput whose memory fits, ``argmax_B throughput(B) s.t. M(B) <= limit``.

    Parameters
    ----------
    batches : (n,) of int
        Sizes that were measured, each once.
    throughputs : (n,) of float
        Items a second.
    memory : (n,) of float
        Of the model, the batch, caches and overhead together, in the unit of `limit`.
    limit : float

    Returns
    -------
    int
        The smaller of two that are equally fast.

    Raises
    ------
    ValueError
        If none fits, or the three do not belong together.

    References
    ----------
    Specification 2 §7.7.
    """
    sizes, speeds, needs = np.asarray(batches), np.asarray(throughputs, float), np.asarray(memory, float)
    if not (sizes.ndim == 1 and sizes.shape == speeds.shape == needs.shape and sizes.size):
        raise ValueError(
            f"batches, throughputs and memory have shapes {sizes.shape}, {speeds.shape}, {needs.shape}; "
            "expected one figure of each for every size"
        )
    if not (np.isfinite(speeds).all() and np.isfinite(needs).all()):
        raise ValueError("a throughput or a memory is not a finite number; measure that size again")
    fits = needs <= limit
    if not fits.any():
        smallest = int(needs.argmin())
        raise ValueError(
            f"no batch fits into {limit:g}: the least, {sizes[smallest]}, takes {needs[smallest]:g}; "
            "allow more memory or measure smaller batches"
        )
    return int(min(zip(-speeds[fits], sizes[fits], strict=True))[1])


def fit_batch_time(batches: ArrayLike, seconds: ArrayLike) -> BatchTime:
    """Overhead and time an item by least squares of measured times on batch sizes.

    The specification's ``T_single / B + overhead`` (§7.5) is the time of one item of a batch, ``T(B) / B``,
    with its two terms the wrong way round: what is shared among B items is the overhead.

    Parameters
    ----------
    batches : (n,) of int
        At least two different sizes.
    seconds : (n,) of float
        Of a whole batch.

    Raises
    ------
    ValueError
        If there are not two sizes, or not one time for each.
    """
    sizes, times = np.asarray(batches, float), np.asarray(seconds, float)
    if sizes.ndim != 1 or sizes.shape != times.shape or len(np.unique(sizes)) < 2:
        raise ValueError(f"{sizes.shape} sizes and {times.shape} times; expected two different sizes or more")
    design = np.column_stack([np.ones_like(sizes), sizes])
    (overhead, per_item), *_ = np.linalg.lstsq(design, times, rcond=None)
    left = times - design @ [overhead, per_item]
    spread = float(((times - times.mean()) ** 2).sum())
    return BatchTime(
        float(overhead), float(per_item), 1.0 - float((left**2).sum()) / spread if spread else 1.0
    )
