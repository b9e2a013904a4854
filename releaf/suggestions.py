"""Suggestions of the item graph that are fit for display.

The graph model scores every pair of an item and a use. Most of its pairs help nobody, so four rules stand
between the model and a page:

1. Only uses are suggested, no products: none of the products that were checked was sensible.
2. An item whose name has general words only ("Other plastic", "Paper") is left out.
3. The path that explains the suggestion has at most `MOST_STEPS` links, and they say that two names are one
   item or share a card. A path through a bin, a group or a material explains nothing, because hundreds of
   unlike items share one; nor does "is related to".
4. The score is at least `LEAST_SCORE`.

The threshold comes from 100 pairs that were read one by one, `data/source/suggestion_labels.csv`.
`tasks.releaf.links.checking` computes it, and the precision that the report states.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from releaf.names import fold
from releaf.spelling import sentence_case

LEAST_SCORE = 0.84
"""Lowest score on display: of the checked pairs at and above it, at least 90 % are sensible."""

FEWEST_STEPS, MOST_STEPS = 2, 4
"""Links of a path. One link is known already; a longer path explains nothing to a reader."""

GENERAL_WORDS = frozenset({
    "acrylic", "aluminium", "aluminum", "bamboo", "cardboard", "carton", "ceramic", "clay", "cloth",
    "cotton", "fabric", "fiber", "fibre", "foam", "glass", "iron", "leather", "metal", "nylon",
    "paper", "plastic", "polyester", "polyethylene", "polypropylene", "polystyrene", "polyurethane",
    "porcelain", "rubber", "steel", "stone", "styrofoam", "synthetic", "textile", "tin", "urethane",
    "vinyl", "wood", "wooden", "and", "broken", "building", "clean", "clear", "colored",
    "contaminated", "disposable", "empty", "etc", "ferrous", "for", "gently", "general", "good",
    "hard", "household", "item", "large", "litter", "made", "major", "material", "metallic", "misc",
    "miscellaneous", "mixed", "natural", "nonferrous", "normal", "of", "office", "or", "other",
    "oversized", "packaging", "part", "piece", "product", "recyclable", "recycled", "reusable",
    "rigid", "salvaged", "scrap", "separated", "single", "small", "soft", "stuff", "supply",
    "type", "unlabeled", "use", "used", "waste",
})  # fmt: skip
"""Folded words that do not tell one item from another: materials, conditions and words such as "other"."""

EXPLAINING_KINDS = frozenset({"item", "card", "reuse"})
VAGUE = ("is related to", "is found with")
_NODE = re.compile(r"\((\w+)\)(?=;|$)")


def is_general(name: str) -> bool:
    """Return True if a name has general words only.

    >>> is_general("Other plastic"), is_general("Unlabeled litter"), is_general("plastic bottle")
    (True, True, False)
    """
    return all(word in GENERAL_WORDS for word in fold(name).split())


def explains(path: str) -> bool:
    """Return True if a path in words leads over equal names and shared cards only.

    >>> explains("towel has the same name as Towels (item); Towels can become Rags (reuse)")
    True
    >>> explains("Brick goes to Reuse (bin); Reuse takes Books (item); Books can become Exchange (reuse)")
    False
    """
    kinds = _NODE.findall(path)
    return bool(kinds) and EXPLAINING_KINDS.issuperset(kinds) and not any(word in path for word in VAGUE)


def candidates(recommendations: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the recommendations that satisfy rules 1 to 3, best first.

    Parameters
    ----------
    recommendations : DataFrame
        Columns ``item`` (a node), ``kind``, ``target_name``, ``score``, ``steps`` and ``path``.
    names : mapping of str to str
        Name of each node.

    Returns
    -------
    DataFrame
        Also has ``name``, the name of the item. ``target_name`` is in sentence case.
    """
    named = recommendations["item"].map(lambda node: names.get(node, node))
    fit = (
        (recommendations["kind"] == "reuse")
        & recommendations["steps"].between(FEWEST_STEPS, MOST_STEPS)
        & recommendations["path"].map(explains)
        & ~named.map(is_general)
    )
    table = recommendations.assign(name=named, target_name=recommendations["target_name"].map(sentence_case))[
        fit
    ]
    return table.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def suggestions(recommendations: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the recommendations that satisfy all rules, best first."""
    table = candidates(recommendations, names)
    return table[table["score"] >= LEAST_SCORE].reset_index(drop=True)
