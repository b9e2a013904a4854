"""One segmentation to report: the one that agrees best with the posterior's draws."""

from __future__ import annotations

import numpy as np

from methods.changepoint.posterior import ChangePointPosterior
from methods.evaluation.segmentation import change_point_f1, segmentation_cover

Array = np.ndarray


def best_agreement(posterior: ChangePointPosterior, margin: int = 5, against: int = 100) -> Array:
    r"""Segmentation of highest posterior expected agreement, ``argmax_c mean_s F1(s, c) + C(s, c)``.

    The candidates are the distinct draws and the most probable segmentation, whose own probability may be
    tiny where the places are uncertain; F1 and the covering C are those of `methods.evaluation.segmentation`,
    with draws s in the place of annotators.

    Parameters
    ----------
    posterior : ChangePointPosterior
        With draws.
    margin : int >= 0
        Largest distance of a hit in F1.
    against : int >= 1
        How many draws to agree with, evenly spaced among all; as many distinct ones are the candidates.

    Returns
    -------
    array of int (k,)

    Raises
    ------
    ValueError
        If the posterior has no draws.

    References
    ----------
    Bayes rule under the loss ``2 - F1 - C``; van den Burg and Williams, arXiv:2003.06222, for both scores.
    """
    if not posterior.draws:
        raise ValueError("the posterior has no draws: ask for some, such as draws=1000")
    length = len(posterior.location_probability)
    taken = np.linspace(0, len(posterior.draws) - 1, min(against, len(posterior.draws))).astype(int)
    draws = [tuple(posterior.draws[at].tolist()) for at in taken]
    candidates = dict.fromkeys([tuple(posterior.map_locations.tolist()), *draws])

    def agreement(candidate: tuple[int, ...]) -> float:
        return sum(
            change_point_f1([draw], candidate, margin) + segmentation_cover([draw], candidate, length)
            for draw in draws
        )

    return np.array(max(candidates, key=agreement), dtype=np.int64)
