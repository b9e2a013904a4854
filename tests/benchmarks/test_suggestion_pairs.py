"""Pairs to judge: 100, with names on display, of items without a general name."""

from __future__ import annotations

import pandas as pd

from benchmarks.suggestions import NUMBERS, pairs

SAME = "a has the same name as b (item); b can become c (reuse)"


def test_one_hundred_pairs_are_drawn_from_both_kinds():
    names = [*(f"LAMP number {k}" for k in range(90)), "Other plastic"]
    nodes = pd.DataFrame({"node": [f"item:{k}" for k in range(91)], "node_type": "item", "name": names})
    items = pd.DataFrame({"city": ["Toronto"], "name": ["plastic bag"]})
    table = pd.DataFrame(
        {"item": nodes["node"], "target": "t", "target_name": "Lamp", "steps": 3, "path": SAME}
    )
    table["score"] = [0.5 + k / 1000 for k in range(91)]
    both = pd.concat([table.assign(kind="reuse"), table.assign(kind="product", path="no path in the graph")])
    drawn = pairs(both, nodes, items)
    assert drawn["kind"].value_counts().to_dict() == NUMBERS
    assert not drawn.duplicated(["kind", "item"]).any()
    assert set(drawn["item"]) <= set(names[:90])  # capitals of an abbreviation stay
    assert drawn.groupby("kind")["explained"].all().to_dict() == {"product": False, "reuse": True}
