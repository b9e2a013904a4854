"""Scores of the test for unfamiliar pictures, and ceilings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.typing import Series

from releaf.bins import BINS, bin_of, material_shares
from statewright.contracts import Document
from tasks.releaf.contracts.raw import MATERIALS

CONFIDENT = 0.9
"""Confidence from which a validation photograph counts for the ceiling."""


class UnlikePictures(pa.DataFrameModel):
    """One row a picture that shows no waste, with the features of a photograph.

    All kinds of a part are absent from the other. Pictures with the same `original` are parts of one picture
    or page.
    """

    picture: Series[str] = pa.Field(unique=True)
    kind: Series[str]
    part: Series[str] = pa.Field(isin=["calibration", "test"])
    origin: Series[str]
    original: Series[str]
    features: Series[object]


class NoveltyScores(pa.DataFrameModel):
    """One row a held-out photograph or a picture without waste, with its scores.

    The part of a photograph is its split. A score is missing if the heads do not use the shipped features.
    """

    picture: Series[str]
    kind: Series[str]
    part: Series[str] = pa.Field(isin=["val", "test", "calibration"])
    softmax: Series[float] = pa.Field(nullable=True)
    energy: Series[float] = pa.Field(nullable=True)
    classes: Series[float]
    neighbours: Series[float]
    unlike: Series[bool]


class Rate(Document):
    """A share of pictures, with a 95 % Wilson interval."""

    pictures: int
    share: float
    low: float
    high: float


class MethodScore(Document):
    """Separation of photographs of waste from other pictures by one score.

    The interval of the AUROC is a 95 % bootstrap interval; pictures of one original are drawn together.
    ``detected`` and ``false_alarms`` are shares at the threshold that the validation photographs set.
    """

    auroc_calibration: float
    auroc_test: float
    auroc_low: float
    auroc_high: float
    detected: float
    false_alarms: float


class NoveltySummary(Document):
    """Choice, threshold and figures of the test for unfamiliar pictures.

    ``method``: the score with the best AUROC on the calibration part. ``false_alarms``: share of the test
    photographs of waste that are marked. ``detected``: share of the other test pictures that are marked, also
    by kind. ``confident``: share of them for which the classifier alone has a confidence of 90 % or more in a
    bin of Toronto. ``ceilings``: highest confidence that is shown, for the material and for the bin of each
    city.
    """

    method: str
    threshold: float
    pictures: dict[str, int]
    methods: dict[str, MethodScore]
    false_alarms: Rate
    detected: Rate
    detected_by_kind: dict[str, Rate]
    confident: Rate | None
    ceilings: dict[str, float]


def auroc(negative: NDArray[np.floating], positive: NDArray[np.floating]) -> float:
    """Return the probability that a positive score is above a negative one.

    Ties count one half: ``(R - m (m + 1) / 2) / (m n)`` with the sum R of the ranks of the m positive scores.
    """
    from scipy.stats import rankdata

    m = len(positive)
    ranks = rankdata(np.concatenate([positive, negative]))[:m]
    return float((ranks.sum() - m * (m + 1) / 2) / (m * len(negative)))


def auroc_interval(
    negative: NDArray[np.floating], positive: pd.DataFrame, draws: int, seed: int
) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of the AUROC.

    Parameters
    ----------
    negative : ndarray of shape (n,)
    positive : pandas.DataFrame
        Columns ``score`` and ``original``; the rows of an original are drawn together.
    draws : int
    seed : int
    """
    rng = np.random.default_rng(seed)
    groups = [rows.to_numpy() for _, rows in positive.groupby("original")["score"]]
    values = [
        auroc(
            rng.choice(negative, len(negative)),
            np.concatenate([groups[k] for k in rng.integers(0, len(groups), len(groups))]),
        )
        for _ in range(draws)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def rate(marked: NDArray[np.bool_]) -> Rate:
    """Return the share of true values with its Wilson interval."""
    from scipy.stats import binomtest

    count = int(marked.sum())
    interval = binomtest(count, len(marked)).proportion_ci(0.95, method="wilson")
    return Rate(
        pictures=len(marked),
        share=round(count / len(marked), 5),
        low=round(float(interval.low), 5),
        high=round(float(interval.high), 5),
    )


def ceilings(validation: pd.DataFrame) -> dict[str, float]:
    """Return the highest confidence that held-out photographs support.

    It is the lower end of the 95 % interval of the share right, among the photographs with a confidence of
    `CONFIDENT` or more; `CONFIDENT` itself if there is none or the end is lower.

    Parameters
    ----------
    validation : pandas.DataFrame
        Rows of `Predictions` that did not train the classifier.

    Returns
    -------
    dict of str to float
        For ``material``, and for the bin of each city.
    """
    shares = [
        {material: float(row[f"p_{material}"]) for material in MATERIALS}
        for row in validation.to_dict("records")
    ]
    labels = list(validation["label"])
    found = {"material": [max(row.items(), key=lambda pair: pair[1]) for row in shares]}
    truth = {"material": labels}
    for city in BINS:
        found[city] = [next(iter(material_shares(city, row).items())) for row in shares]
        truth[city] = [bin_of(city, label) for label in labels]
    return {name: _ceiling(found[name], truth[name]) for name in found}


def _ceiling(found: list[tuple[str, float]], truth: list[str]) -> float:
    right = [name == true for (name, share), true in zip(found, truth, strict=True) if share >= CONFIDENT]
    return max(CONFIDENT, round(rate(np.array(right)).low, 3)) if right else CONFIDENT


def confident_in_a_bin(probabilities: NDArray[np.floating], city: str) -> NDArray[np.bool_]:
    """Return for which pictures a bin of the city has `CONFIDENT` or more."""
    rows: list[Mapping[str, float]] = [dict(zip(MATERIALS, row, strict=True)) for row in probabilities]
    return np.array([next(iter(material_shares(city, row).values())) >= CONFIDENT for row in rows])
