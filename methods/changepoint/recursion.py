"""Sums over all segmentations, in blocks of rows and ``O(k_max T)`` memory.

Few split points dominate a sum over split points. Terms below ``exp(-46)`` of the largest are
neglected, and whole chunks of terms are skipped if the sum of the largest values of both factors is
below that. The cost of a sum is that of its few large terms; its relative error is at most
``T exp(-46)``.

Fast math is off: it saves no time here, and the compiler could reorder sums, so that two ways to compile a
function differ in the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from methods.compiled import compiled

Array = np.ndarray

NEGLIGIBLE = -46.0
_CHUNK = 32
_BLOCK_VALUES = 2**21


class Segments(Protocol):
    """A series with a model of its regimes: scores and posteriors of segments."""

    @property
    def length(self) -> int:
        """Number of observations, T."""

    def ending(self, first: int, last: int) -> Array:
        """Score segments by end.

        Array (last - first, T): ``log p(y[s:t])`` at ``[t - first, s]``; -inf where t <= s.
        """

    def starting(self, first: int, last: int) -> Array:
        """Score segments by start.

        Array (last - first, T + 1): ``log p(y[s:t])`` at ``[s - first, t]``; -inf where t <= s.
        """

    def no_regimes(self) -> Array:
        """Create empty sums over segments, for `add_regimes`."""

    def add_regimes(self, first: int, probabilities: Array, steps: Array) -> None:
        """Add the regimes of segments that start at first, first + 1, ... to `steps`."""

    def regimes(self, steps: Array) -> tuple[Array, Array]:
        """Return the expected regime mean (T, d) and covariance (T, d, d)."""

    def pointwise(self, starts: Array, ends: Array, shares: Array) -> tuple[Array, Array]:
        """Compute each observation's log density and log likelihood variance, (T,) each.

        Segments are weighted by their shares of the posterior; the shares of the segments that contain
        an observation sum to 1.
        """


def blocks(length: int) -> list[tuple[int, int]]:
    """Split rows ``0..length`` into ranges that are small enough for memory."""
    rows = max(1, _BLOCK_VALUES // (length + 1))
    return [(first, min(first + rows, length + 1)) for first in range(0, length + 1, rows)]


def forward_pass(segments: Segments, most: int, min_length: int) -> tuple[Array, Array]:
    """Compute the log sum and log maximum over cuts of ``y[:t]`` into j segments.

    Both tables are (most + 1, T + 1).
    """
    length = segments.length
    sums, best = (np.full((most + 1, length + 1), -np.inf) for _ in range(2))
    sums[0, 0] = best[0, 0] = 0.0
    tops = np.full((2, most + 1, length // _CHUNK + 1), -np.inf)
    tops[:, 0, 0] = 0.0
    hints = np.zeros((2, most + 1), dtype=np.int64)
    for first, last in blocks(length):
        _forward_rows(segments.ending(first, last), first, sums, best, tops, hints, min_length)
    return sums, best


def backward_pass(
    segments: Segments, log_prior: Array, min_length: int
) -> Iterator[tuple[int, Array, Array]]:
    """Yield log sums over continuations from t after j segments, last block first.

    Yields the first row of the block, the scores (rows, T + 1) of its segments, and the table
    (most + 1, T + 1), which is complete from that row on.
    """
    length, most = segments.length, len(log_prior)
    sums = np.full((most + 1, length + 1), -np.inf)
    sums[1:, length] = log_prior
    tops = np.full((most + 1, length // _CHUNK + 1), -np.inf)
    tops[1:, -1] = log_prior
    hints = np.full(most + 1, length // _CHUNK, dtype=np.int64)
    for first, last in reversed(blocks(length)):
        scores = segments.starting(first, last)
        _backward_rows(scores, first, sums, tops, hints, min_length)
        yield first, scores, sums


@compiled
def _tops(values: Array, lo: int, hi: int, tops: Array) -> None:
    for c in range(lo // _CHUNK, (hi - 1) // _CHUNK + 1):
        top = -np.inf
        for i in range(max(lo, c * _CHUNK), min(hi, (c + 1) * _CHUNK)):
            top = max(top, values[i])
        tops[c] = top


@compiled
def _log_sum(
    a: Array, b: Array, a_tops: Array, b_tops: Array, lo: int, hi: int, hint: int
) -> tuple[float, int]:
    """Compute log sum exp(a + b) over lo..hi-1, and the chunk of the largest term.

    That chunk is the hint for the next sum, which starts there.
    """
    top, total, where = -np.inf, 0.0, hint
    c_first, c_last = lo // _CHUNK, (hi - 1) // _CHUNK
    hint = min(max(hint, c_first), c_last)
    for turn in range(c_first - 1, c_last + 1):
        c = hint if turn < c_first else turn
        if turn == hint or not a_tops[c] + b_tops[c] > top + NEGLIGIBLE:
            continue
        start, stop = max(lo, c * _CHUNK), min(hi, (c + 1) * _CHUNK)
        largest = -np.inf
        for i in range(start, stop):
            largest = max(largest, a[i] + b[i])
        if not largest > top + NEGLIGIBLE:
            continue
        if largest > top:
            total *= math.exp(top - largest)
            top, where = largest, c
        for i in range(start, stop):
            term = a[i] + b[i] - top
            if term > NEGLIGIBLE:
                total += math.exp(term)
    return (top + math.log(total) if total > 0 else -np.inf), where


@compiled
def _largest(
    a: Array, b: Array, a_tops: Array, b_tops: Array, lo: int, hi: int, hint: int
) -> tuple[float, int]:
    top, where = -np.inf, hint
    c_first, c_last = lo // _CHUNK, (hi - 1) // _CHUNK
    hint = min(max(hint, c_first), c_last)
    for turn in range(c_first - 1, c_last + 1):
        c = hint if turn < c_first else turn
        if turn == hint or not a_tops[c] + b_tops[c] > top:
            continue
        largest = -np.inf
        for i in range(max(lo, c * _CHUNK), min(hi, (c + 1) * _CHUNK)):
            largest = max(largest, a[i] + b[i])
        if largest > top:
            top, where = largest, c
    return top, where


@compiled
def _forward_rows(
    scores: Array, first: int, sums: Array, best: Array, tops: Array, hints: Array, min_length: int
) -> None:
    score_tops = np.empty(tops.shape[2])
    for t in range(max(first, min_length), first + scores.shape[0]):
        row, hi = scores[t - first], t - min_length + 1
        _tops(row, 0, hi, score_tops)
        c = t // _CHUNK
        for j in range(1, min(sums.shape[0] - 1, t // min_length) + 1):
            lo = (j - 1) * min_length
            sums[j, t], hints[0, j] = _log_sum(
                row, sums[j - 1], score_tops, tops[0, j - 1], lo, hi, hints[0, j]
            )
            best[j, t], hints[1, j] = _largest(
                row, best[j - 1], score_tops, tops[1, j - 1], lo, hi, hints[1, j]
            )
            tops[0, j, c] = max(tops[0, j, c], sums[j, t])
            tops[1, j, c] = max(tops[1, j, c], best[j, t])


@compiled
def _backward_rows(
    scores: Array, first: int, sums: Array, tops: Array, hints: Array, min_length: int
) -> None:
    length = sums.shape[1] - 1
    score_tops = np.empty(tops.shape[1])
    for s in range(min(first + scores.shape[0] - 1, length - min_length), first - 1, -1):
        row, lo = scores[s - first], s + min_length
        _tops(row, lo, length + 1, score_tops)
        c = s // _CHUNK
        # At the start there are zero segments before, elsewhere at least one.
        for j in range(min(sums.shape[0] - 2, s // min_length), (1 if s else 0) - 1, -1):
            sums[j, s], hints[j] = _log_sum(
                row, sums[j + 1], score_tops, tops[j + 1], lo, length + 1, hints[j]
            )
            tops[j, c] = max(tops[j, c], sums[j, s])


@compiled
def segment_probabilities(
    scores: Array, first: int, forward: Array, backward: Array, log_evidence: float, min_length: int
) -> None:
    """Replace the scores (rows, T + 1) of a block by posterior probabilities."""
    most, length = forward.shape[0] - 1, forward.shape[1] - 1
    reach, onward = np.empty(most), np.full(length + 1, -np.inf)
    for j in range(1, most + 1):
        for t in range(first, length + 1):
            onward[t] = max(onward[t], backward[j, t])
    for r in range(scores.shape[0]):
        s = first + r
        largest = -np.inf
        for j in range(most):
            reach[j] = forward[j, s] - log_evidence
            largest = max(largest, reach[j])
        for t in range(length + 1):
            score, probability = scores[r, t], 0.0
            if t >= s + min_length and largest + score + onward[t] > NEGLIGIBLE:
                for j in range(most):
                    term = reach[j] + score + backward[j + 1, t]
                    if term > NEGLIGIBLE:
                        probability += math.exp(term)
            scores[r, t] = probability
