"""Evaluate rankings by query, and test differences between systems."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from methods.retrieval.fusion import Scores, require_no_nan

MEASURES = ("nDCG@10", "AP", "R@100", "RR@10")
DEPTH = 1000


def query_scores(
    scores: Scores, relevance: NDArray[np.int64], *, measures: tuple[str, ...] = MEASURES, depth: int = DEPTH
) -> dict[str, NDArray[np.float64]]:
    """Compute measures of every query by `ir_measures`, each in [0, 1].

    Parameters
    ----------
    scores : ndarray of shape (queries, documents)
        ``-inf`` where a document was not found. Of equal scores the earlier document comes first.
    relevance : ndarray of shape (queries, documents)
        Relevance; larger is better, and 0 or less is not relevant. nDCG uses it as linear gain. All other
        measures use only whether it is above 0.
    measures : tuple of str
        Names of measures in `ir_measures`.
    depth : int
        Number of documents of a ranking that count.

    Returns
    -------
    dict of str to ndarray of shape (queries,)

    Raises
    ------
    ValueError
        If shapes differ, a score is NaN or a query has no relevant document, so that no measure is
        defined.
    """
    if scores.shape != relevance.shape:
        raise ValueError(f"scores have shape {scores.shape}, relevance {relevance.shape}; expected one shape")
    require_no_nan(scores)
    if (empty := np.flatnonzero(~(relevance > 0).any(axis=1))).size:
        raise ValueError(
            f"query {empty[0]} and {empty.size - 1} more have no relevant document; expected at least one "
            "each, leave these queries out"
        )
    import ir_measures

    parsed = {name: ir_measures.parse_measure(name) for name in measures}
    judged = {
        str(query): {str(document): int(row[document]) for document in np.flatnonzero(row > 0)}
        for query, row in enumerate(relevance)
    }
    run = {str(query): _ranking(row, depth) for query, row in enumerate(scores)}
    values = {name: np.zeros(len(scores)) for name in measures}
    names = {measure: name for name, measure in parsed.items()}
    for metric in ir_measures.iter_calc(list(parsed.values()), judged, run):
        values[names[metric.measure]][int(metric.query_id)] = metric.value
    return values


def _ranking(row: NDArray[np.float64], depth: int) -> dict[str, float]:
    """Return the found documents with strictly decreasing scores, so without ties.

    Libraries break ties in different ways.
    """
    order = np.argsort(-row, kind="stable")[:depth]
    order = order[np.isfinite(row[order])]
    return {str(document): float(len(order) - rank) for rank, document in enumerate(order)}


def randomisation_test(
    first: NDArray[np.float64], second: NDArray[np.float64], *, draws: int = 10_000, seed: int = 0
) -> float:
    """Return the two-sided p-value of the mean difference of paired scores.

    The null distribution flips the signs of the differences at random.

    Parameters
    ----------
    first, second : ndarray of shape (queries,)
        One measure of two systems on the same queries.
    draws : int
        Number of random sign patterns. The p-value is at least ``1 / (draws + 1)``. If there are no more
        patterns than draws, all patterns are used instead.

    Raises
    ------
    ValueError
        If the shapes differ, there is no query or a score is not finite.

    References
    ----------
    Smucker, Allan and Carterette (2007).
    """
    from scipy.stats import permutation_test

    if first.shape != second.shape or first.ndim != 1 or len(first) == 0:
        raise ValueError(
            f"scores have shapes {first.shape} and {second.shape}; expected (queries,) twice, queries >= 1"
        )
    finite = np.isfinite(first) & np.isfinite(second)
    if not finite.all():
        raise ValueError(
            f"the scores of queries {np.flatnonzero(~finite)[:8].tolist()} are NaN or infinite; expected "
            "finite numbers. Leave these queries out of both systems"
        )
    difference = first - second
    if not difference.any():
        return 1.0
    result = permutation_test(
        (difference,),
        np.mean,
        permutation_type="samples",
        n_resamples=draws,
        vectorized=True,
        batch=1000,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def compare(
    systems: Mapping[str, NDArray[np.float64]], baseline: str, *, draws: int = 10_000, seed: int = 0
) -> dict[str, float]:
    """Return the p-values of all systems against `baseline`, corrected by Holm.

    The test is `randomisation_test`.

    Raises
    ------
    KeyError
        If `baseline` is not one of the systems.
    """
    from statsmodels.stats.multitest import multipletests

    others = [name for name in systems if name != baseline]
    raw = [randomisation_test(systems[name], systems[baseline], draws=draws, seed=seed) for name in others]
    if not raw:
        return {}
    _, adjusted, *_ = multipletests(raw, method="holm")
    return dict(zip(others, map(float, adjusted), strict=True))
