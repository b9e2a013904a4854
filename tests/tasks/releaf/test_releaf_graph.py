"""Stage releaf-graph on a part of the shipped graph and on small ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
from shipped import shipped_params

from statewright.contracts import ContractError, Progress, check
from tasks.releaf.graph import GraphOutputs, graph
from tasks.releaf.links.inputs import EASY, MATCHED, SAME_TYPE, WHOLE, negatives_of, node_features, read_graph
from tasks.releaf.links.reasons import NO_PATH, in_words, relation_phrases
from tasks.releaf.links.tables import ALL
from tasks.releaf.params import GraphParams

SOURCE = Path(__file__).parents[3] / "data" / "source"
QUICK = shipped_params(
    GraphParams,
    "releaf.graph",
    encoder="sage-mean",
    compared=(),
    features=("structure",),
    layers=(32, 16),
    width=16,
    epochs=30,
    learning_rate=0.01,
    pivots=20,
    shuffles=19,
)


def shipped_graph(*, without: str = "") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the shipped graph as in data/releaf, without the nodes of one source."""
    nodes = pd.read_parquet(SOURCE / "waste_nodes.parquet")
    nodes = nodes[nodes["source"] != without].reset_index(drop=True)
    edges = pd.read_parquet(SOURCE / "waste_edges.parquet")
    index = pd.Series(nodes.index, index=nodes["node_id"])
    edges = edges[edges["src"].isin(index.index) & edges["dst"].isin(index.index)]
    links = pd.DataFrame(
        {
            "source": index[edges["src"]].to_numpy(),
            "target": index[edges["dst"]].to_numpy(),
            "relation": edges["relation"].astype(str).to_numpy(),
            "stated": True,
        }
    )
    folded = nodes["name"].str.lower().where(nodes["node_type"].isin(["item", "material", "shape"]))
    alike = [
        (group[0], other)
        for group in nodes.index.to_series().groupby(folded).agg(list)
        for other in group[1:]
    ]
    derived = pd.DataFrame(alike, columns=["source", "target"]).assign(relation="same_name", stated=False)
    nodes = nodes.rename(columns={"node_id": "node"})[["node", "node_type", "name"]].astype(str)
    return nodes.assign(index=np.arange(len(nodes))), pd.concat([links, derived], ignore_index=True)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return shipped_graph(without="toronto")


@pytest.fixture(scope="module")
def made(tables: tuple[pd.DataFrame, pd.DataFrame]) -> GraphOutputs:
    return graph(*tables, params=QUICK, progress=Progress())


def small() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return 12 items, 2 bins and 2 reuses; three items have no stated link."""
    kinds = ["item"] * 12 + ["bin"] * 2 + ["reuse"] * 2
    nodes = pd.DataFrame({"node": [f"n{i}" for i in range(16)], "node_type": kinds})
    nodes = nodes.assign(name=nodes["node"].str.upper(), index=np.arange(16))
    rows = [(i, 12 + i % 2, "goes_to", True) for i in range(9)] + [(0, 14, "reused_as", True)]
    rows += [(1, 15, "reused_as", True), (8, 9, "same_name", False), (0, 12, "same_name", False)]
    return nodes, pd.DataFrame(rows, columns=["source", "target", "relation", "stated"])


def test_outputs_satisfy_their_contracts_and_agree(made: GraphOutputs, tables: tuple) -> None:
    for name, contract in get_type_hints(GraphOutputs, include_extras=True).items():
        check(getattr(made, name), contract, name)
    nodes, links = tables
    n = len(nodes)
    assert len(made.node_scores) == n
    assert made.graph_model["embeddings"].shape == (n, 16)
    predicted = links[links["relation"] != "same_name"]
    pairs = {frozenset(pair) for pair in predicted[["source", "target"]].itertuples(index=False)}
    assert made.graph.size.predicted == len(pairs)
    assert made.graph.size.train + made.graph.size.validation + made.graph.size.test == len(pairs)
    assert made.node_scores["pagerank"].sum() == pytest.approx(1, abs=1e-4)
    best = made.graph_history["validation_loss"].idxmin()
    assert made.graph_history["epoch"][best] == made.graph.best_epoch


def test_the_table_has_every_model_relation_and_kind_of_negatives(made: GraphOutputs) -> None:
    table = made.link_scores
    whole = table[table["relation"] == ALL]
    assert set(whole["negatives"]) == {EASY, SAME_TYPE, MATCHED, WHOLE}
    assert whole.groupby("negatives")["model"].nunique().eq(6).all()
    assert "same_name" not in set(table["relation"])
    parts = table[(table["relation"] != ALL) & (table["negatives"] == EASY) & (table["model"] == "sage-mean")]
    assert parts["links"].sum() == made.graph.size.test
    for kind, part in whole.groupby("negatives"):
        against, best = made.graph.test[str(kind)], part[~part["learnt"]]["ap"].max()
        mine = part.loc[part["learnt"], "ap"].item()
        assert against.beats == (mine > best)
        assert against.best_baseline_ap == best


def test_the_model_beats_chance_and_random_pairs_are_easiest(made: GraphOutputs) -> None:
    assert made.graph.test[EASY].auc > 0.8
    assert made.graph.test[SAME_TYPE].auc > 0.7
    assert made.graph.test[EASY].auc > made.graph.test[MATCHED].auc


def test_recommendations_are_new_links_and_their_paths_exist(made: GraphOutputs, tables: tuple) -> None:
    nodes, links = tables
    place = nodes.set_index("node")["index"]
    known = {frozenset(pair) for pair in links[["source", "target"]].itertuples(index=False)}
    found = made.recommendations
    assert (found.groupby(["item", "kind"]).size() == 5).all()
    assert set(found["item"]) == set(nodes.loc[nodes["node_type"] == "item", "node"])
    for row in found.sample(200, random_state=0).itertuples():
        source, target = place[row.item], place[row.target]
        assert frozenset((source, target)) not in known
        assert nodes["node_type"][target] == row.kind
        z = made.graph_model["embeddings"]
        assert row.score == pytest.approx(1 / (1 + np.exp(-float(z[source] @ z[target]))), abs=1e-4)
        if row.steps:
            assert len(row.path.split("; ")) >= row.steps
            assert row.path.startswith(nodes["name"][source])
            assert row.path.endswith(f"{row.target_name} ({row.kind})")
        else:
            assert row.path == NO_PATH
    falling = found.sort_values(["item", "kind", "rank"]).groupby(["item", "kind"])["score"].diff().dropna()
    assert (falling <= 1e-6).all()


def test_a_second_run_gives_the_same_and_another_seed_does_not() -> None:
    params = QUICK.model_copy(update={"validation": 0.2, "test": 0.2, "kinds": ("reuse",), "epochs": 5})
    first, again, other = (
        graph(*small(), params=params.model_copy(update={"seed": seed}), progress=Progress())
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(again.link_scores, first.link_scores)
    pd.testing.assert_frame_equal(again.recommendations, first.recommendations)
    pd.testing.assert_frame_equal(again.node_scores, first.node_scores)
    for name, value in first.graph_model.items():
        np.testing.assert_array_equal(again.graph_model[name], value)
    assert not first.recommendations["score"].equals(other.recommendations["score"])


def test_no_held_out_link_reaches_a_feature_a_message_or_a_negative() -> None:
    nodes, made = read_graph(*shipped_graph(without="toronto"), QUICK)
    held_out = np.concatenate([made.split.validation, made.split.test])
    carried = {frozenset(pair) for pair in made.carriers().T.tolist()}
    assert not carried & {frozenset(pair) for pair in made.links[:, held_out].T.tolist()}
    known = {frozenset(pair) for pair in made.known().T.tolist()}
    for pairs in negatives_of(made, made.split.test, 0).values():
        assert not known & {frozenset(pair) for pair in pairs.pairs.T.tolist()}
    # Rewiring the held-out links changes no feature.
    rewired = made.links.copy()
    rewired[1, held_out] = np.roll(rewired[1, held_out], 1)
    moved = type(made)(made.types, rewired, made.relation, made.context, made.split)
    np.testing.assert_array_equal(node_features(nodes, made, QUICK), node_features(nodes, moved, QUICK))


def test_a_context_link_that_repeats_a_predicted_one_is_dropped() -> None:
    _, made = read_graph(*small(), shipped_params(GraphParams, "releaf.graph", validation=0.2, test=0.2))
    assert made.context.T.tolist() == [[8, 9]]
    assert made.links.shape[1] == 11


def test_paths_are_given_in_words() -> None:
    nodes, links = small()
    phrases = relation_phrases(links)
    words = in_words((3, 13, 1, 15), nodes["name"].tolist(), nodes["node_type"].tolist(), phrases)
    assert words == "N3 goes to N13 (bin); N13 takes N1 (item); N1 can become N15 (reuse)"
    assert in_words((), [], [], {}) == NO_PATH
    other = pd.DataFrame([(0, 1, "fits_into", True)], columns=["source", "target", "relation", "stated"])
    assert relation_phrases(other)[1, 0] == "is linked by 'fits into' from"


def broken() -> Iterator[tuple]:
    nodes, links = small()
    yield nodes.assign(index=nodes["index"] + 1), links, "expected 0 to 15, each once"
    yield nodes, links.assign(target=links["target"].replace(15, 99)), "names node 99"
    yield nodes, links[links["relation"] == "same_name"], "at least one of each"


@pytest.mark.parametrize(("nodes", "links", "message"), list(broken()))
def test_inconsistent_tables_are_an_error(nodes: pd.DataFrame, links: pd.DataFrame, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        graph(nodes, links, params=QUICK, progress=Progress())


def test_the_error_names_a_missing_node_type() -> None:
    with pytest.raises(ValueError, match="no node of type 'unicorn'; expected one of bin, item, reuse"):
        graph(
            *small(),
            params=QUICK.model_copy(update={"kinds": ("unicorn",), "validation": 0.2, "test": 0.2}),
            progress=Progress(),
        )


@pytest.mark.slow
def test_on_the_whole_graph_the_model_beats_every_baseline_against_hard_negatives() -> None:
    # Only the predictions of links are tested: little of the rest, which takes time.
    little = {"compared": (), "kinds": ("reuse",), "per_kind": 1, "pivots": 20, "shuffles": 19}
    params = shipped_params(GraphParams, "releaf.graph", encoder="sage-mean", epochs=120, **little)
    found = graph(*shipped_graph(), params=params, progress=Progress())
    assert found.graph.test[SAME_TYPE].beats
    assert found.graph.test[MATCHED].beats
    assert found.graph.test[SAME_TYPE].auc > 0.88
