"""Point estimate of a segmentation: the best agreement with posterior draws."""

from __future__ import annotations

import numpy as np

from methods.changepoint.posterior import ChangePointPosterior
from methods.evaluation.segmentation import change_point_f1, segmentation_cover

Array = np.ndarray


def best_agreement(posterior: ChangePointPosterior, margin: int = 5, against: int = 100) -> Array:
    r"""Choose the segmentation with the highest posterior expected agreement.

    The estimate is ``argmax_c mean_s F1(s, c) + C(s, c)``. The candidates are the distinct draws and the
    most probable segmentation, whose own probability may be tiny if locations are uncertain. F1 and the
    covering C are those of `methods.evaluation.segmentation`, with draws s as annotators.

    Parameters
    ----------
    posterior : ChangePointPosterior
        Must contain draws.
    margin : int >= 0
        Largest distance that counts as a match in F1.
    against : int >= 1
        Number of draws to compare with, evenly spaced among all. The distinct ones are candidates.

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
        raise ValueError("the posterior has no draws; compute it with draws > 0, such as draws=1000")
    length = len(posterior.location_probability)
    chosen = np.linspace(0, len(posterior.draws) - 1, min(against, len(posterior.draws))).astype(int)
    draws = [tuple(posterior.draws[at].tolist()) for at in chosen]
    candidates = dict.fromkeys([tuple(posterior.map_locations.tolist()), *draws])

    def agreement(candidate: tuple[int, ...]) -> float:
        return sum(
            change_point_f1([draw], candidate, margin) + segmentation_cover([draw], candidate, length)
            for draw in draws
        )

    return np.array(max(candidates, key=agreement), dtype=np.int64)
