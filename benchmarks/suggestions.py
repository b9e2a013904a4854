"""Print pairs of an item and a suggestion to judge, as CSV.

Run ``python -m benchmarks.suggestions`` after ``statewright run releaf-graph``. With the shipped graph, these
are the pairs of `data/source/suggestion_labels.csv`, which adds the columns `sensible` and `why`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from releaf.spelling import key, proper_nouns, spellings
from releaf.suggestions import explains
from tasks.releaf.explorer.data import LOWER_CASE_LIST
from tasks.releaf.links.checking import draw

FOLDER = Path(__file__).resolve().parent.parent / "data" / "releaf"
NUMBERS, SEED = {"reuse": 75, "product": 25}, 18


def pairs(recommendations: pd.DataFrame, nodes: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs to judge, with the spelling of the page."""
    names = dict(zip(nodes["node"], nodes["name"], strict=True))
    proper = proper_nouns(items.loc[items["city"] == LOWER_CASE_LIST, "name"])
    spelling = spellings(nodes.loc[nodes["node_type"] == "item", "name"], proper)
    drawn = draw(recommendations, names, NUMBERS, SEED)
    return pd.DataFrame(
        {
            "kind": drawn["kind"],
            "item": [spelling[key(name)] for name in drawn["name"]],
            "target": drawn["target_name"],
            "score": drawn["score"].round(3),
            "steps": drawn["steps"],
            "explained": drawn["path"].map(explains),
        }
    )


def main() -> None:
    """Print the pairs."""
    tables = (pd.read_parquet(FOLDER / f"{name}.parquet") for name in ("recommendations", "nodes", "items"))
    pairs(*tables).to_csv(sys.stdout, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
