"""Precision of the suggestions, from pairs that were read one by one.

`draw` gives the pairs: within each kind, the pairs are ranked by their score and cut into as many equal parts
as pairs are wanted; one pair is drawn from each part. A pair counts as sensible if somebody who holds the
item as its name says, in ordinary condition, could follow the suggestion with this item, and gain by it. It
is not sensible if it needs another item, if it says nothing of the item, or if it is a hazard (a lithium
battery, a capacitor, toner).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series
from scipy.stats import binomtest

from releaf.names import fold
from releaf.spelling import key
from releaf.suggestions import FEWEST_STEPS, MOST_STEPS, is_general

GOAL = 0.9
"""Share of sensible pairs among the checked ones at and above the threshold."""

THRESHOLDS = tuple(round(0.5 + 0.01 * step, 2) for step in range(50))


class SuggestionLabels(pa.DataFrameModel):
    """One row a pair that was read.

    Score, path length and `explained` (`releaf.suggestions.explains`) are those of the draw.
    """

    kind: Series[str] = pa.Field(isin=["reuse", "product"])
    item: Series[str]
    target: Series[str]
    score: Series[float] = pa.Field(ge=0, le=1)
    steps: Series[int] = pa.Field(ge=FEWEST_STEPS, le=MOST_STEPS)
    explained: Series[bool]
    sensible: Series[bool]
    why: Series[str]


@dataclass(frozen=True)
class Precision:
    """Numbers of checked and of sensible pairs, and the share with its interval."""

    pairs: int
    sensible: int

    @property
    def share(self) -> float:
        """The share of sensible pairs; 0 without pairs."""
        return self.sensible / self.pairs if self.pairs else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds of the 95 % Wilson interval; 0 and 1 without pairs."""
        if not self.pairs:
            return 0.0, 1.0
        bounds = binomtest(self.sensible, self.pairs).proportion_ci(0.95, method="wilson")
        return float(bounds.low), float(bounds.high)


def draw(
    recommendations: pd.DataFrame, names: Mapping[str, str], numbers: Mapping[str, int], seed: int
) -> pd.DataFrame:
    """Return pairs to judge, one from each of equal parts of the ranking.

    Pairs with a general name, and with a path that is too short or too long, are left out before.

    Parameters
    ----------
    recommendations : DataFrame
        As `tasks.releaf.links.reasons.Recommendations`.
    names : mapping of str to str
        Name of each node.
    numbers : mapping of str to int
        Pairs to draw of each kind.
    """
    rng = np.random.default_rng(seed)
    table = recommendations.assign(name=recommendations["item"].map(names))
    fit = table["steps"].between(FEWEST_STEPS, MOST_STEPS)
    fit &= ~(table["name"].map(is_general) | table["target_name"].map(is_general))
    ranked = table[fit].sort_values(["score", "item", "target"], ascending=[False, True, True])
    pairs = ranked["kind"] + "|" + ranked["name"].map(fold) + "|" + ranked["target_name"].map(fold)
    ranked = ranked[~pairs.duplicated()]
    drawn = []
    for kind, number in numbers.items():
        rows = ranked[ranked["kind"] == kind].reset_index(drop=True)
        bounds = np.linspace(0, len(rows), number + 1).round().astype(int)
        drawn.append(rows.loc[[rng.integers(low, high) for low, high in pairwise(bounds)]])
    return pd.concat(drawn, ignore_index=True)


def checked(labels: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the labels of pairs among the candidates, with the candidates' scores."""
    scores = dict(
        zip(_pairs(candidates["name"], candidates["target_name"]), candidates["score"], strict=True)
    )
    score = _pairs(labels["item"], labels["target"]).map(scores)
    return labels.assign(score=score)[score.notna()]


def _pairs(items: pd.Series, targets: pd.Series) -> pd.Series:
    return items.map(key) + "|" + targets.map(key)


def precision(labels: pd.DataFrame, least: float) -> Precision:
    """Return the precision of the labelled pairs with a score of at least `least`."""
    shown = labels[labels["score"] >= least]
    return Precision(len(shown), int(shown["sensible"].sum()))


def threshold(labels: pd.DataFrame, goal: float = GOAL) -> float | None:
    """Return the lowest of `THRESHOLDS` whose precision reaches `goal`, or None."""
    for least in THRESHOLDS:
        found = precision(labels, least)
        if found.pairs and found.share >= goal:
            return least
    return None


def left_out_precision(labels: pd.DataFrame, goal: float = GOAL) -> Precision:
    """Return the precision of pairs that had no part in choosing the threshold.

    Each pair is left out in turn, and the threshold is chosen by the others. It counts if its score reaches
    that threshold.
    """
    pairs = sensible = 0
    for row in labels.itertuples():
        least = threshold(labels.drop(index=row.Index), goal)
        if least is not None and row.score >= least:
            pairs += 1
            sensible += bool(row.sensible)
    return Precision(pairs, sensible)
