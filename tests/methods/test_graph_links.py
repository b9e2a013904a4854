"""Compare links, scores and structure with enumeration and reference libraries."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from methods.graph.baselines import BASELINES, baseline_scores
from methods.graph.links import (
    both_directions,
    degree_matched_negatives,
    first_of_pairs,
    pair_keys,
    same_type_negatives,
    split_links,
    uniform_negatives,
    unknown_links,
)
from methods.graph.recommend import shortest_paths, top_targets
from methods.graph.scores import link_scores, ranked_scores
from methods.graph.structure import centralities, edge_homophily


def random_links(nodes: int, chance: float, seed: int) -> np.ndarray:
    graph = nx.gnp_random_graph(nodes, chance, seed=seed)
    return np.array(list(graph.edges), dtype=np.int64).reshape(-1, 2).T


def shared_pairs(a: np.ndarray, b: np.ndarray, nodes: int) -> int:
    return len(np.intersect1d(pair_keys(a, nodes), pair_keys(b, nodes)))


def test_a_split_covers_every_link_once_and_held_out_links_carry_no_messages() -> None:
    links = random_links(60, 0.2, seed=1)
    strata = np.arange(links.shape[1]) % 3
    split = split_links(links, 60, seed=4, validation=0.1, test=0.2, strata=strata)
    parts = np.concatenate([split.train, split.validation, split.test])
    assert np.array_equal(np.sort(parts), np.arange(links.shape[1]))
    for stratum in range(3):
        size = int((strata == stratum).sum())
        assert (strata[split.test] == stratum).sum() == int(0.2 * size)
        assert (strata[split.validation] == stratum).sum() == int(0.1 * size)
    carried = set(map(tuple, both_directions(links[:, split.train]).T.tolist()))
    assert len(carried) == 2 * len(split.train)
    for source, target in links[:, np.concatenate([split.validation, split.test])].T.tolist():
        assert (source, target) not in carried
        assert (target, source) not in carried


def test_the_seed_determines_the_split() -> None:
    links = random_links(60, 0.2, seed=1)
    a, b, c = (split_links(links, 60, seed) for seed in (0, 0, 1))
    assert np.array_equal(a.test, b.test)
    assert not np.array_equal(a.test, c.test)


@pytest.mark.parametrize("second", [(0, 1), (1, 0), (2, 2)])
def test_a_pair_linked_twice_raises_an_error_because_it_would_leak_a_held_out_link(second: tuple) -> None:
    links = np.array([(0, 1), (1, 2), (2, 3), second]).T
    with pytest.raises(ValueError, match="linked twice"):
        split_links(links, 4, 0, validation=0.3, test=0.3)
    assert first_of_pairs(links, 4).tolist() == [0, 1, 2]


def test_invalid_links_raise_an_error() -> None:
    with pytest.raises(ValueError, match="expected 0 to 3"):
        pair_keys(np.array([[0, 1], [2, 4]]), 4)
    with pytest.raises(ValueError, match=r"expected integers \(2, E\)"):
        pair_keys(np.array([[0.0, 1.0], [2.0, 3.0]]), 4)
    with pytest.raises(ValueError, match="expected integers"):
        pair_keys(np.array([[0, 1, 2]]), 4)
    with pytest.raises(ValueError, match="at least one of each"):
        split_links(np.array([[0], [1]]), 4, 0)
    with pytest.raises(ValueError, match="at most half"):
        uniform_negatives(3, 2, np.array([[0], [1]]), np.random.default_rng(0))


def test_uniform_negatives_are_distinct_unlinked_and_uniform() -> None:
    links = random_links(12, 0.3, seed=2)
    free = 66 - links.shape[1]
    counts: dict[int, int] = {}
    rng = np.random.default_rng(0)
    for _ in range(2000):
        pairs = uniform_negatives(12, 5, links, rng)
        keys = pair_keys(pairs, 12)
        assert len(set(keys.tolist())) == 5
        assert shared_pairs(pairs, links, 12) == 0
        for key in keys.tolist():
            counts[key] = counts.get(key, 0) + 1
    # 2,000 draws of 5 of `free`: each pair is expected 10,000/free times, standard error below 15.
    assert len(counts) == free
    assert max(abs(count - 10_000 / free) for count in counts.values()) < 60


def test_negatives_of_one_type_keep_source_and_type_and_are_not_linked() -> None:
    links, types = random_links(40, 0.3, seed=3), np.array(list("abcd") * 10)
    degree = np.bincount(links.ravel(), minlength=40)
    rng = np.random.default_rng(0)
    for negatives in (
        same_type_negatives(links, types, links, rng),
        degree_matched_negatives(links, types, degree, links, rng),
    ):
        assert np.array_equal(negatives.link_index, np.arange(links.shape[1]))
        assert np.array_equal(negatives.pairs[0], links[0])
        assert np.array_equal(types[negatives.pairs[1]], types[links[1]])
        assert (negatives.pairs[1] != links[1]).all()
        assert shared_pairs(negatives.pairs, links, 40) == 0


def test_a_degree_matched_negative_has_the_nearest_unlinked_degree() -> None:
    links, types = random_links(40, 0.3, seed=3), np.array(list("ab") * 20)
    degree = np.bincount(links.ravel(), minlength=40)
    near = {(i, j) for i, j in np.concatenate([links, links[::-1]], axis=1).T.tolist()}
    rng = np.random.default_rng(0)
    negatives = degree_matched_negatives(links, types, degree, links, rng, nearest=1)
    for (source, true), drawn in zip(links.T.tolist(), negatives.pairs[1].tolist(), strict=True):
        free = [n for n in range(40) if types[n] == types[true] and n != source and (source, n) not in near]
        assert abs(degree[drawn] - degree[true]) == min(abs(degree[n] - degree[true]) for n in free)


def test_a_link_without_a_negative_of_its_type_is_left_out() -> None:
    links = np.array([[0, 0, 1], [2, 3, 2]])
    types = np.array(["item", "item", "bin", "bin"])
    rng = np.random.default_rng(0)
    for negatives in (
        same_type_negatives(links, types, links, rng),
        degree_matched_negatives(links, types, np.array([2, 1, 2, 1]), links, rng),
    ):
        assert negatives.link_index.tolist() == [2]
        assert negatives.pairs.T.tolist() == [[1, 3]]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=12),
    st.lists(st.integers(-5, 5), min_size=1, max_size=12),
)
def test_scores_equal_their_definitions_and_scikit_learn(positive: list[int], negative: list[int]) -> None:
    scores = link_scores(np.array(positive), np.array(negative), k=3)
    wins = [(p > n) + 0.5 * (p == n) for p, n in itertools.product(positive, negative)]
    assert scores.auc == pytest.approx(np.mean(wins), abs=1e-12)
    labels, values = [1] * len(positive) + [0] * len(negative), positive + negative
    assert scores.auc == pytest.approx(roc_auc_score(labels, values), abs=1e-12)
    assert scores.ap == pytest.approx(average_precision_score(labels, values), abs=1e-12)
    if len(negative) < 3:
        assert np.isnan(scores.hits)
    else:
        above = [sum(n >= p for n in negative) < 3 for p in positive]
        assert scores.hits == pytest.approx(np.mean(above))


def test_empty_or_nan_scores_raise_an_error() -> None:
    for positive, negative in (([], [1.0]), ([1.0], []), ([np.nan], [1.0])):
        with pytest.raises(ValueError, match="all finite"):
            link_scores(np.array(positive), np.array(negative))


def test_ranks_among_all_negatives_by_hand() -> None:
    positive = np.array([2.0, 1.0, 5.0])
    negative, link_index = np.array([3.0, 2.0, 1.0, 0.0, 0.5, 0.2]), np.array([0, 0, 0, 0, 1, 1])
    # The first link has one above and one tie among 4, the second none among 2; the third has no negative.
    scores = ranked_scores(positive, negative, link_index, k=1)
    assert (scores.auc, scores.ap, scores.hits) == pytest.approx(
        ((1 - 1.5 / 4 + 1) / 2, (1 / 2.5 + 1) / 2, 0.5)
    )
    with pytest.raises(ValueError, match="no link has a negative"):
        ranked_scores(positive, negative[:0], link_index[:0])


def test_baselines_equal_networkx_and_enumeration() -> None:
    links = random_links(20, 0.25, seed=5)
    types = np.array(["item", "bin"])[np.arange(20) % 2]
    graph = nx.Graph(list(map(tuple, links.T)))
    graph.add_nodes_from(range(20))
    pairs = np.array(list(itertools.combinations(range(20), 2))).T
    baselines = baseline_scores(links, types, pairs)
    assert set(baselines) == set(BASELINES)
    oracle = {
        "common neighbours": [len(list(nx.common_neighbors(graph, *pair))) for pair in pairs.T],
        "Adamic-Adar": [score for *_, score in nx.adamic_adar_index(graph, pairs.T.tolist())],
        "preferential attachment": [graph.degree[i] * graph.degree[j] for i, j in pairs.T],
        "paths of length 3": [
            sum(
                (graph.degree[u] * graph.degree[v]) ** -0.5
                for u, v in itertools.product(graph[i], graph[j])
                if graph.has_edge(u, v)
            )
            for i, j in pairs.T
        ],
        "type popularity": [
            sum(types[s] == types[i] and t == j for s, t in links.T.tolist()) for i, j in pairs.T
        ],
    }
    for name, scores in oracle.items():
        np.testing.assert_allclose(baselines[name], scores, rtol=1e-12, err_msg=name)


def test_homophily_of_a_small_graph_and_of_shuffled_labels() -> None:
    links = np.array([[0, 0, 1, 3], [1, 2, 2, 4]])
    homophily = edge_homophily(links, np.array([0, 0, 1, 1, 1]), shuffles=3000, seed=0)
    assert homophily.observed == 0.5
    # Two labels of 2 and 3 nodes: a random pair is equal with probability (1 + 3) / 10.
    assert homophily.shuffled == pytest.approx(0.4, abs=0.02)
    assert 0.2 < homophily.p_value < 1
    blocks = nx.stochastic_block_model([20, 20], [[0.4, 0.02], [0.02, 0.4]], seed=0)
    alike = edge_homophily(np.array(list(blocks.edges)).T, np.repeat([0, 1], 20), shuffles=99, seed=0)
    assert alike.observed > 0.85
    assert alike.p_value == 0.01
    with pytest.raises(ValueError, match="0 links"):
        edge_homophily(np.empty((2, 0), dtype=int), np.array([0]), shuffles=3, seed=0)


def test_centralities_of_a_star_by_hand() -> None:
    central = centralities(np.array([[0, 0, 0], [1, 2, 3]]), 5, pivots=None, seed=0)
    assert central.neighbours.tolist() == [3, 1, 1, 1, 0]
    np.testing.assert_allclose(central.degree, [0.75, 0.25, 0.25, 0.25, 0])
    # The hub is between 3 of the (4 x 3 / 2) pairs of other nodes.
    np.testing.assert_allclose(central.betweenness, [0.5, 0, 0, 0, 0])
    # PageRank r = d (P r + r_4 / 5) + (1 - d) / 5 solved by hand for hub h, leaf l, isolated i.
    rank = central.pagerank
    assert rank.sum() == pytest.approx(1)
    base = 0.85 * rank[4] / 5 + 0.15 / 5
    np.testing.assert_allclose(
        rank[[0, 1, 4]], [0.85 * 3 * rank[1] + base, 0.85 * rank[0] / 3 + base, base], atol=1e-5
    )


def test_top_targets_exclude_linked_nodes_and_the_source() -> None:
    z = np.array([[1.0, 0], [2, 0], [3, 0], [4, 0], [-800, 0]])
    best = top_targets(z, np.array([0, 1]), np.arange(1, 5), 3, excluded=np.array([[2], [0]]))
    assert best.target.tolist() == [[3, 1, 4], [3, 2, 4]]
    np.testing.assert_allclose(best.score[0], [1 / (1 + np.exp(-4)), 1 / (1 + np.exp(-2)), 0], atol=1e-12)
    few = top_targets(z, np.array([0]), np.array([0, 1]), 3, excluded=np.array([[2], [0]]))
    assert few.target.tolist() == [[1, -1, -1]]
    with pytest.raises(ValueError, match="1 or more"):
        top_targets(z, np.array([0]), np.array([1]), 0, excluded=np.array([[2], [0]]))


@pytest.mark.parametrize("seed", range(5))
def test_shortest_paths_equal_networkx_and_prefer_nodes_with_few_links(seed: int) -> None:
    links = random_links(30, 0.08, seed)
    graph = nx.Graph(links.T.tolist())
    graph.add_nodes_from(range(30))
    pairs = np.array(list(itertools.product(range(30), repeat=2))).T
    for (source, target), path in zip(pairs.T.tolist(), shortest_paths(links, 30, pairs), strict=True):
        if not nx.has_path(graph, source, target):
            assert path == ()
            continue
        assert path in set(map(tuple, nx.all_shortest_paths(graph, source, target)))
        rest = [
            np.log([graph.degree[n] for n in p[1:]]).sum()
            for p in nx.all_shortest_paths(graph, source, target)
        ]
        assert np.log([graph.degree[n] for n in path[1:]]).sum() == pytest.approx(min(rest))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.floats(0.1, 0.9), st.integers(0, 99))
def test_a_share_of_the_links_of_each_source_is_known(sizes: list[int], share: float, seed: int) -> None:
    source = np.repeat(np.arange(len(sizes)), sizes)
    unknown = unknown_links(source, share, np.random.default_rng(seed))
    for number, size in enumerate(sizes):
        known = int((~unknown[source == number]).sum())
        assert known == min(size, max(1, round(share * size)))


def test_each_link_of_a_source_is_known_equally_often() -> None:
    source = np.array([1, 0, 1, 1, 1])
    rng = np.random.default_rng(0)
    unknown = sum(unknown_links(source, 0.5, rng).astype(int) for _ in range(1000))
    # Two of four links: 500 expected, deviation 16. The only link of source 0 is always known.
    assert unknown[1] == 0
    assert (abs(np.delete(unknown, 1) - 500) < 80).all()
