"""Tables of link scores by model, relation and kind of negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from tasks.releaf.links.inputs import EASY, MATCHED, SAME_TYPE, WHOLE, Graph

if TYPE_CHECKING:
    from methods.graph.links import Negatives

Scorer = Callable[[np.ndarray], Mapping[str, np.ndarray]]
ALL = "all"


class LinkScoresTable(pa.DataFrameModel):
    """One row a model, relation and kind of negatives, with the scores of the links.

    `negatives`: as many random pairs; as many pairs with a target of the same type; of the same type and
    similar degree; or all nodes of the type (then `auc` is the share of outranked nodes, `ap` the mean
    reciprocal rank, and `hits_at_10` the share ranked in the first ten). `hits_at_10` is missing below ten
    negatives.
    """

    model: Series[str]
    learnt: Series[bool] = pa.Field(description="false for a baseline")
    relation: Series[str]
    negatives: Series[str] = pa.Field(isin=[EASY, SAME_TYPE, MATCHED, WHOLE])
    links: Series[int] = pa.Field(ge=1)
    auc: Series[float] = pa.Field(ge=0, le=1)
    ap: Series[float] = pa.Field(ge=0, le=1)
    hits_at_10: Series[float] = pa.Field(ge=0, le=1, nullable=True)


def dot_scorer(embeddings: Mapping[str, np.ndarray]) -> Scorer:
    """Return a scorer with the dot products of each model's embeddings."""

    def score(pairs: np.ndarray) -> dict[str, np.ndarray]:
        return {
            name: np.einsum("ij,ij->i", z[pairs[0]], z[pairs[1]], dtype=float)
            for name, z in embeddings.items()
        }

    return score


def baseline_scorer(graph: Graph) -> Scorer:
    """Return a scorer with the baselines, computed from the training links only."""
    from methods.graph.baselines import baseline_scores

    links = graph.links[:, graph.split.train]
    return lambda pairs: baseline_scores(links, graph.types, pairs)


def score_table(
    graph: Graph, chosen: np.ndarray, negatives: Mapping[str, Negatives], learnt: Scorer, given: Scorer
) -> pd.DataFrame:
    """Return the scores of the `chosen` links under every scorer."""
    rows = []
    for is_learnt, scorer in ((True, learnt), (False, given)):
        true = scorer(graph.links[:, chosen])
        for kind, pairs in negatives.items():
            others = scorer(pairs.pairs)
            for model in true:
                found = _by_relation(
                    kind, graph.relation[chosen], true[model], others[model], pairs.link_index
                )
                rows += [{"model": model, "learnt": is_learnt} | row for row in found]
    order = {relation: k for k, relation in enumerate([ALL, *np.unique(graph.relation)])}
    table = pd.DataFrame(rows).sort_values(
        ["relation", "negatives"],
        key=lambda c: c.map(order | {k: i for i, k in enumerate(negatives)}),
        kind="stable",
    )
    return table.round(6).reset_index(drop=True)


def _by_relation(
    kind: str, relation: np.ndarray, true: np.ndarray, others: np.ndarray, of: np.ndarray
) -> Iterator[dict[str, Any]]:
    from methods.graph.scores import link_scores, ranked_scores

    for name in [ALL, *np.unique(relation)]:
        mine = np.full(len(true), True) if name == ALL else relation == name
        theirs = mine[of]
        if not theirs.any():
            continue
        if kind == WHOLE:
            renumbered = np.cumsum(mine) - 1
            scores = ranked_scores(true[mine], others[theirs], renumbered[of[theirs]])
        else:
            scores = link_scores(true[mine], others[theirs])
        yield {
            "relation": name,
            "negatives": kind,
            "links": int(mine.sum()),
            "auc": scores.auc,
            "ap": scores.ap,
            "hits_at_10": scores.hits,
        }
