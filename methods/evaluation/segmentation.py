"""Compare predicted change points with those of several annotators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np


def change_point_f1(annotations: Sequence[Iterable[int]], predicted: Iterable[int], margin: int = 5) -> float:
    r"""Compute the F1 score of change points within a margin.

    ``T_k`` are the change points of annotator k, and X are the predictions; 0 is a member of each. A
    prediction within the margin of a change point is a hit, and counts once:
    ``P = hits(union of T_k, X) / |X|``, ``R = mean over k of hits(T_k, X) / |T_k|``,
    ``F1 = 2 P R / (P + R)``.

    Parameters
    ----------
    annotations : sequence of iterables of int
        Change points of each annotator, at least one annotator.
    predicted : iterable of int
        Predicted change points.
    margin : int >= 0
        Largest distance of a hit.

    Raises
    ------
    ValueError
        If there is no annotator.

    References
    ----------
    van den Burg and Williams, An evaluation of change point detection algorithms, arXiv:2003.06222;
    Killick, Fearnhead, Eckley, JASA 107 (2012).
    """
    truths = _truths(annotations)
    predictions = sorted({0, *(int(at) for at in predicted)})
    precision = _hits(sorted(set().union(*truths)), predictions, margin) / len(predictions)
    recall = float(np.mean([_hits(sorted(truth), predictions, margin) / len(truth) for truth in truths]))
    return 2 * precision * recall / (precision + recall)


def segmentation_cover(annotations: Sequence[Iterable[int]], predicted: Iterable[int], length: int) -> float:
    r"""Compute how well predicted segments cover the annotators' segments.

    ``C = mean over k of 1/T sum over segments A of annotator k of |A| max_A' |A and A'| / |A or A'|``.

    Parameters
    ----------
    annotations : sequence of iterables of int
        Change points of each annotator, at least one annotator.
    predicted : iterable of int
        Predicted change points, in 1..length - 1 (0 is not a change).
    length : int
        Observations of the series, T.

    Raises
    ------
    ValueError
        If there is no annotator or a change point is outside ``0..length - 1``.

    References
    ----------
    van den Burg and Williams, arXiv:2003.06222; Arbelaez et al., IEEE TPAMI 33 (2011).
    """
    segments = _segments({0, *(int(at) for at in predicted)}, length)
    return float(np.mean([_cover(_segments(truth, length), segments) for truth in _truths(annotations)]))


def _truths(annotations: Sequence[Iterable[int]]) -> list[set[int]]:
    if not annotations:
        raise ValueError("no annotator; expected the change points of at least one (the list may be empty)")
    return [{0, *(int(at) for at in points)} for points in annotations]


def _hits(truth: list[int], predictions: list[int], margin: int) -> int:
    free = list(predictions)
    hits = 0
    for point in truth:
        near = [at for at in free if abs(at - point) <= margin]
        if near:
            free.remove(min(near, key=lambda at: abs(at - point)))
            hits += 1
    return hits


def _segments(points: set[int], length: int) -> list[tuple[int, int]]:
    if min(points) < 0 or max(points) >= length:
        raise ValueError(f"the change points are {sorted(points)}; expected values in 0..{length - 1}")
    return list(pairwise([*sorted(points), length]))


def _cover(truth: list[tuple[int, int]], predicted: list[tuple[int, int]]) -> float:
    length = truth[-1][1]
    return sum((b - a) * max(_jaccard(a, b, c, d) for c, d in predicted) for a, b in truth) / length


def _jaccard(a: int, b: int, c: int, d: int) -> float:
    both = max(0, min(b, d) - max(a, c))
    return both / ((b - a) + (d - c) - both)
