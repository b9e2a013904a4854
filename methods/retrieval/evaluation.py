"""How good rankings are, query by query, and whether one system is better than another by more than luck."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from methods.retrieval.fusion import Scores

MEASURES = ("nDCG@10", "AP", "R@100", "RR@10")
DEPTH = 1000


def query_scores(
    scores: Scores, relevance: NDArray[np.int64], *, measures: tuple[str, ...] = MEASURES, depth: int = DEPTH
) -> dict[str, NDArray[np.float64]]:
    """Measures of every query by `ir_measures`, each of shape (queries,) and in [0, 1].

    Parameters
    ----------
    scores : ndarray of shape (queries, documents)
        ``-inf`` where a document was not found; of equal scores the earlier document comes first.
    relevance : ndarray of shape (queries, documents)
        Larger is better, 0 or less is not relevant. nDCG takes it as linear gain; every other
        measure asks only whether it is above 0.
    measures : tuple of str
        Names as `ir_measures` writes them.
    depth : int
        Documents of a ranking that count.

    Raises
    ------
    ValueError
        If a query has no relevant document: nothing can be measured by it.
    """
    if scores.shape != relevance.shape:
        raise ValueError(f"scores have shape {scores.shape}, relevance {relevance.shape}; expected one shape")
    if (empty := np.flatnonzero(~(relevance > 0).any(axis=1))).size:
        raise ValueError(
            f"query {empty[0]} and {empty.size - 1} more have no relevant document; leave them out"
        )
    import ir_measures

    parsed = {name: ir_measures.parse_measure(name) for name in measures}
    judged = {
        str(query): {str(place): int(row[place]) for place in np.flatnonzero(row > 0)}
        for query, row in enumerate(relevance)
    }
    run = {str(query): _ranking(row, depth) for query, row in enumerate(scores)}
    found = {name: np.zeros(len(scores)) for name in measures}
    names = {measure: name for name, measure in parsed.items()}
    for metric in ir_measures.iter_calc(list(parsed.values()), judged, run):
        found[names[metric.measure]][int(metric.query_id)] = metric.value
    return found


def _ranking(row: NDArray[np.float64], depth: int) -> dict[str, float]:
    """The found documents with scores that fall strictly, so that no library breaks a tie its own way."""
    order = np.argsort(-row, kind="stable")[:depth]
    order = order[np.isfinite(row[order])]
    return {str(document): float(len(order) - place) for place, document in enumerate(order)}


def randomisation_test(
    first: NDArray[np.float64], second: NDArray[np.float64], *, draws: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p-value of the mean difference of paired scores, by flipping the signs of the differences.

    Parameters
    ----------
    first, second : ndarray of shape (queries,)
        One measure of two systems on the same queries.
    draws : int
        Random sign patterns; the p-value is at least ``1 / (draws + 1)``. All patterns are taken
        instead where there are no more of them than draws.

    References
    ----------
    Smucker, Allan and Carterette (2007).
    """
    from scipy.stats import permutation_test

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
    """Holm-corrected p-values of every system against `baseline`, by `randomisation_test`.

    Raises
    ------
    KeyError
        If `baseline` is none of the systems.
    """
    from statsmodels.stats.multitest import multipletests

    others = [name for name in systems if name != baseline]
    raw = [randomisation_test(systems[name], systems[baseline], draws=draws, seed=seed) for name in others]
    if not raw:
        return {}
    _, adjusted, *_ = multipletests(raw, method="holm")
    return dict(zip(others, map(float, adjusted), strict=True))
