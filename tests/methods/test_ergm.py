"""ERGMs against brute force, enumeration of all graphs, and published fits."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import ergm
from methods.ergm import sampling
from methods.ergm.bounds import find_boundary
from methods.ergm.change import change, statistics
from methods.ergm.goodness import Distribution
from methods.ergm.mcmle import _newton_step
from methods.ergm.sampling import autocorrelation_time
from methods.ergm.simulation import initial_state
from methods.ergm.state import edge_array, edges_of, make_state, toggle
from methods.ergm.terms import read_terms
from tests.external import external_data

BOTH = [
    "edges", "transitiveties", ("gwesp", 0.5), ("nodematch", "group"), ("nodematch", "sex", True),
    ("nodefactor", "group"), ("nodecov", "wealth"), ("absdiff", "wealth"),
]  # fmt: skip
UNDIRECTED = [*BOTH, "triangle", ("gwdegree", 0.7), ("kstar", 2), ("degree", 2), ("degree", 0)]
DIRECTED = [
    *BOTH, "mutual", "ttriple", "ctriple", "cyclicalties", ("nodeicov", "wealth"), ("nodeocov", "wealth"),
    ("nodeifactor", "group"), ("nodeofactor", "group"), ("gwidegree", 0.7),
    ("gwodegree", 0.3), ("ostar", 2), ("istar", 3), ("idegree", 1), ("odegree", 0),
]  # fmt: skip


def load(name: str, directed: bool = False) -> nx.Graph:
    folder = external_data("benchmarks", "ergm")
    graph = nx.DiGraph() if directed else nx.Graph()
    nodes = pd.read_csv(folder / f"{name}_nodes.csv").set_index("id")
    graph.add_nodes_from((int(node), row.to_dict()) for node, row in nodes.iterrows())
    edges = pd.read_csv(folder / f"{name}_edges.csv")
    graph.add_edges_from(edges.itertuples(index=False, name=None))
    return graph


def with_attributes(graph: nx.Graph) -> nx.Graph:
    for k, (_, data) in enumerate(graph.nodes(data=True)):
        data |= {"group": "abc"[k * k % 3], "sex": "fm"[k % 2], "wealth": 1.5 * k - 2}
    return graph


def by_hand(graph: nx.Graph, term) -> list[float]:
    """Compute the statistic from the whole graph, by networkx and the definition."""
    name, *arguments = (term,) if isinstance(term, str) else term
    edges, data = list(graph.edges), graph.nodes
    wealth = nx.get_node_attributes(graph, "wealth")
    before = graph.predecessors if graph.is_directed() else graph.neighbors
    paths = {
        (i, j): len(set(graph.successors(i) if graph.is_directed() else graph[i]) & set(before(j)))
        for i, j in edges
    }
    degree = {"k": dict(graph.degree)}
    if graph.is_directed():
        degree |= {"i": dict(graph.in_degree), "o": dict(graph.out_degree)}
    ends = {"nodefactor": (0, 1), "nodecov": (0, 1), "nodeofactor": (0,), "nodeocov": (0,)}.get(name, (1,))
    if name == "edges":
        return [len(edges)]
    if name == "mutual":
        return [sum(graph.has_edge(j, i) for i, j in edges) / 2]
    if name == "triangle":
        return [sum(nx.triangles(graph).values()) / 3]
    if name in ("ttriple", "ctriple"):
        ordered = itertools.permutations(graph, 3)
        last = (lambda i, k: (i, k)) if name == "ttriple" else (lambda i, k: (k, i))
        found = sum(
            graph.has_edge(i, j) and graph.has_edge(j, k) and graph.has_edge(*last(i, k))
            for i, j, k in ordered
        )
        return [found if name == "ttriple" else found / 3]
    if name == "transitiveties":
        return [sum(count > 0 for count in paths.values())]
    if name == "cyclicalties":
        return [sum(any(graph.has_edge(j, k) and graph.has_edge(k, i) for k in graph) for i, j in edges)]
    if name == "gwesp":
        (a,) = arguments
        return [sum(np.exp(a) * (1 - (1 - np.exp(-a)) ** count) for count in paths.values())]
    if name == "nodematch":
        same = [data[i][arguments[0]] for i, j in edges if data[i][arguments[0]] == data[j][arguments[0]]]
        levels = sorted({d[arguments[0]] for _, d in data(data=True)})
        return [same.count(level) for level in levels] if len(arguments) > 1 else [len(same)]
    if name.endswith("factor"):
        levels = sorted({d[arguments[0]] for _, d in data(data=True)})[1:]
        return [
            sum(data[edge[end]][arguments[0]] == level for edge in edges for end in ends) for level in levels
        ]
    if name.endswith("cov"):
        return [sum(wealth[edge[end]] for edge in edges for end in ends)]
    if name == "absdiff":
        return [sum(abs(wealth[i] - wealth[j]) for i, j in edges)]
    if name.endswith("star"):
        return [
            sum(len(list(itertools.combinations(range(d), arguments[0]))) for d in degree[name[0]].values())
        ]
    if name.endswith("degree") and not name.startswith("gw"):
        return [list(degree[name[0].replace("d", "k")].values()).count(arguments[0])]
    (a,) = arguments
    kind = {"gwdegree": "k", "gwidegree": "i", "gwodegree": "o"}[name]
    return [sum(np.exp(a) * (1 - (1 - np.exp(-a)) ** d) for d in degree[kind].values())]


def all_by_hand(graph: nx.Graph, terms) -> np.ndarray:
    return np.array(list(itertools.chain.from_iterable(by_hand(graph, term) for term in terms)), dtype=float)


@settings(max_examples=40, deadline=None)
@given(st.booleans(), st.integers(4, 9), st.floats(0.1, 0.9), st.integers(0, 10_000))
def test_changes_equal_recomputed_statistics(directed, n, density, seed):
    graph = with_attributes(nx.gnp_random_graph(n, density, seed=seed, directed=directed))
    terms = DIRECTED if directed else UNDIRECTED
    model = read_terms(graph, terms)
    edges = edge_array(graph)
    found = statistics(n, directed, edges, model.terms, len(model.names), model.with_shared)
    np.testing.assert_allclose(found, all_by_hand(graph, terms), atol=1e-9)
    state, delta = make_state(n, directed, edges, None, model.with_shared), np.zeros(len(model.names))
    rng = np.random.default_rng(seed)
    for _ in range(8):
        i, j = (int(k) for k in rng.choice(n, 2, replace=False))
        change(state, model.terms, i, j, delta)
        before, sign = all_by_hand(graph, terms), -1 if graph.has_edge(i, j) else 1
        graph.remove_edge(i, j) if sign < 0 else graph.add_edge(i, j)
        np.testing.assert_allclose(sign * delta, all_by_hand(graph, terms) - before, atol=1e-9)
        toggle(state, i, j)
        expected = sorted((i, j) if directed else (min(i, j), max(i, j)) for i, j in graph.edges)
        assert [tuple(edge) for edge in edges_of(state)] == expected
        assert int(state.ties[0]) == len(expected)


def every_graph(n: int, directed: bool, free=None, first=None):
    pairs = list((itertools.permutations if directed else itertools.combinations)(range(n), 2))
    for ties in itertools.product([False, True], repeat=len(pairs)):
        chosen = {pair for pair, tie in zip(pairs, ties, strict=True) if tie}
        if free is not None and any(
            (pair in chosen) != first.has_edge(*pair) for pair in pairs if not free[pair]
        ):
            continue
        graph = with_attributes(nx.empty_graph(n, create_using=nx.DiGraph if directed else nx.Graph))
        graph.add_edges_from(chosen)
        yield graph


def moments(rows: np.ndarray, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weights = np.exp(rows @ coef - (rows @ coef).max())
    weights /= weights.sum()
    mean = weights @ rows
    return mean, (weights[:, None] * (rows - mean)).T @ (rows - mean)


def enumerate_statistics(n, directed, terms, free=None, first=None) -> np.ndarray:
    return np.array([all_by_hand(graph, terms) for graph in every_graph(n, directed, free, first)])


CASES = [
    (5, False, ["edges", "triangle", ("gwdegree", 0.5)], [-0.5, 0.4, -0.3]),
    (5, False, ["edges", ("gwesp", 0.5), ("nodematch", "sex")], [-1.5, 0.6, 0.8]),
    (4, True, ["edges", "mutual", "ttriple", ("nodeicov", "wealth")], [-1.0, 1.2, 0.3, 0.2]),
    (4, True, ["edges", ("gwesp", 0.25), ("nodematch", "sex"), "ctriple"], [-0.8, 0.5, 0.7, -0.4]),
]


@pytest.mark.parametrize(("n", "directed", "terms", "coef"), CASES)
def test_sampler_has_the_moments_of_all_graphs(n, directed, terms, coef):
    mean, covariance = moments(enumerate_statistics(n, directed, terms), np.array(coef))
    start = with_attributes(nx.empty_graph(n, create_using=nx.DiGraph if directed else nx.Graph))
    found = ergm.simulate(start, terms, coef, draws=20_000, seed=1, interval=20).statistics
    errors = np.sqrt(autocorrelation_time(found) / len(found) * np.diag(covariance))
    assert (np.abs(found.mean(axis=0) - mean) < 4 * errors).all()
    np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.06 * np.diag(covariance).max())


RISK_SETS = [
    (nx.DiGraph([(0, 1), (1, 2), (2, 3), (3, 0)]), ["edges", "mutual", "ttriple"], [-0.5, 1.0, 0.3]),
    (nx.Graph([(0, 1), (1, 2), (2, 3), (3, 4)]), ["edges", ("gwesp", 0.5)], [-0.8, 0.5]),
]


@pytest.mark.parametrize(("start", "terms", "coef"), RISK_SETS)
def test_dyads_outside_the_risk_set_keep_their_state(start, terms, coef):
    start, n = with_attributes(start), len(start)
    free = np.ones((n, n), dtype=bool)
    free[[0, 1, 2, 3], [1, 0, 0, 2]] = False
    if not start.is_directed():
        free &= free.T
    rows = enumerate_statistics(n, start.is_directed(), terms, free, start)
    mean, covariance = moments(rows, np.array(coef))
    drawn = ergm.simulate(start, terms, coef, draws=20_000, seed=3, interval=20, free=free)
    errors = np.sqrt(autocorrelation_time(drawn.statistics) / 20_000 * np.diag(covariance))
    assert (np.abs(drawn.statistics.mean(axis=0) - mean) < 4 * errors).all()
    np.testing.assert_allclose(np.cov(drawn.statistics.T), covariance, atol=0.06 * np.diag(covariance).max())
    held = [(0, 1), (0, 2), (2, 3)]
    assert all(
        all(g.has_edge(*pair) == start.has_edge(*pair) for pair in held if not free[pair])
        for g in itertools.islice(drawn, 200)
    )


SMALL = [
    (nx.Graph([(0, 1), (0, 2), (1, 2), (1, 3), (2, 4)]), ["edges", "triangle"]),
    (nx.DiGraph([(0, 1), (1, 0), (1, 2), (0, 2), (2, 3), (3, 0)]), ["edges", "mutual", "ttriple"]),
]


@pytest.mark.parametrize(("graph", "terms"), SMALL)
def test_estimate_is_the_maximum_over_all_graphs(graph, terms):
    # So few nodes that the likelihood is known, and so are its maximum and curvature.
    rows = enumerate_statistics(len(graph), graph.is_directed(), terms)
    observed, coef = all_by_hand(graph, terms), np.zeros(len(terms))
    for _ in range(50):
        mean, covariance = moments(rows, coef)
        coef = coef + np.clip(np.linalg.solve(covariance, observed - mean), -1, 1)
    found = ergm.fit(graph, terms, seed=5)
    std_error = np.sqrt(np.diag(np.linalg.inv(covariance)))
    assert (np.abs(found.coef - coef) < 0.1 * std_error).all()
    np.testing.assert_allclose(found.std_error, std_error, rtol=0.05)


def test_independent_ties_are_a_logistic_regression():
    from statsmodels.discrete.discrete_model import Logit

    graph = load("flomarriage")
    rows = [
        (graph.has_edge(i, j), 1, graph.nodes[i]["wealth"] + graph.nodes[j]["wealth"])
        for i, j in itertools.combinations(graph, 2)
    ]
    y, x = np.array(rows, dtype=float)[:, 0], np.array(rows, dtype=float)[:, 1:]
    logit = Logit(y, x).fit(disp=0, tol=1e-12)
    found = ergm.fit(graph, ["edges", ("nodecov", "wealth")], seed=0)
    np.testing.assert_allclose(found.coef, logit.params, rtol=1e-8)
    np.testing.assert_allclose(found.std_error, logit.bse, rtol=1e-8)
    np.testing.assert_allclose(found.coef, [-2.594929, 0.010546], atol=5e-7)
    np.testing.assert_allclose([found.aic, found.bic], [107.1, 112.7], atol=0.05)


def test_reciprocity_alone_has_a_closed_form():
    # Dyads of three kinds: 15 mutual, 26 one way, 112 empty; published by simulation: -2.158, 2.317.
    found = ergm.fit(load("samplk3", directed=True), ["edges", "mutual"], seed=0)
    np.testing.assert_allclose(found.coef, [np.log(13 / 112), np.log(15 * 112 / 13**2)], rtol=1e-10)
    assert found.exact
    assert found.statistics.tolist() == [56, 15]


def test_homophily_by_level_as_published():
    terms = [
        "edges",
        ("nodefactor", "Grade"),
        ("nodematch", "Grade", True),
        ("nodefactor", "Race"),
        ("nodematch", "Race", True),
    ]
    found = ergm.fit(load("faux_mesa_high"), terms, seed=0)
    published = {
        "edges": (-8.0538, 1.2561), "nodematch.Grade.7": (7.4662, 1.1730),
        "nodematch.Grade.8": (4.2882, 0.7150), "nodematch.Grade.9": (2.0371, 0.5538),
        "nodematch.Grade.12": (1.2987, 0.6981), "nodematch.Race.Hisp": (0.6912, 0.3451),
        "nodematch.Race.NatAm": (1.2482, 0.3550), "nodematch.Race.White": (0.3140, 0.6405),
        "nodematch.Race.Black": (-np.inf, 0), "nodematch.Race.Other": (-np.inf, 0),
    }  # fmt: skip
    at = [found.names.index(name) for name in published]
    np.testing.assert_allclose(
        np.column_stack([found.coef, found.std_error])[at], list(published.values()), atol=6e-5
    )
    np.testing.assert_allclose([found.deviance, found.aic, found.bic], [1827, 1865, 2016], atol=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("terms", [["edges", "mutual"], ["edges", "mutual", ("nodematch", "group")]])
def test_simulation_finds_the_exact_estimate(terms):
    graph = load("samplike", directed=True)
    exact, simulated = ergm.fit(graph, terms, seed=0), ergm.fit(graph, terms, seed=1, method="mcmc")
    assert (np.abs(simulated.coef - exact.coef) < 0.06 * exact.std_error).all()
    np.testing.assert_allclose(simulated.std_error, exact.std_error, rtol=0.05)
    assert (simulated.mcmc_diagnostics.effective_size >= 3900).all()


def test_estimate_repeats_to_the_bit():
    first, again = (
        ergm.fit(load("flomarriage"), ["edges", "triangle"], seed=7, effective=500) for _ in range(2)
    )
    assert first.coef.tobytes() == again.coef.tobytes()
    # Published, by a short simulation: -1.6930 (0.3795), 0.2038 (0.6144).
    assert (np.abs(first.coef - [-1.6930, 0.2038]) < 0.25 * np.array([0.3795, 0.6144])).all()


def test_degenerate_model_is_refused():
    with pytest.raises(ergm.DegenerateModelError, match=r"edges, triangle is degenerate.*gwesp"):
        ergm.fit(load("faux_mesa_high"), ["edges", "triangle"], seed=0)


@pytest.mark.parametrize(
    ("most_steps", "message"),
    [
        (4_000_000, r"did not converge: .*; the last sample differs by .*raise most_steps"),
        (10_000, r"the budget of 10,000 proposals \(most_steps\) is spent.*raise most_steps"),
    ],
)
def test_too_few_proposals_give_a_partial_result_with_the_bound(monkeypatch, most_steps, message):
    made, run = [], sampling._advance

    def counted(*arguments):
        done = run(*arguments)
        made.append(done - arguments[5])
        return done

    monkeypatch.setattr(sampling, "_advance", counted)
    with pytest.warns(UserWarning, match=message):
        found = ergm.fit(load("faux_mesa_high"), SCHOOL, seed=0, most_steps=most_steps)
    assert sum(made) <= most_steps
    assert not found.converged
    assert np.isfinite(found.coef).all()
    assert np.isnan(found.std_error).all()
    assert found.mcmc_diagnostics.proposals == sum(made)


SLOW = [(0, 20, 0.35, ["edges", ("kstar", 2)], 600_000), (1, 24, 0.3, ["edges", "triangle"], 600_000)]


@pytest.mark.parametrize(("seed", "n", "density", "terms", "few"), SLOW)
def test_a_slow_chain_is_not_called_degenerate(seed, n, density, terms, few):
    # With few proposals these were "degenerate"; with more, the same models converge.
    graph = nx.gnp_random_graph(n, density, seed=seed)
    longer = ergm.fit(graph, terms, seed=1, effective=500)
    assert longer.converged
    assert (longer.reason, np.isfinite(longer.std_error).all()) == ("", True)
    with pytest.warns(UserWarning, match="did not converge"):
        short = ergm.fit(graph, terms, seed=1, effective=500, most_steps=few)
    assert "degenerate" not in short.reason
    assert short.mcmc_diagnostics.proposals <= few
    assert (np.abs(short.coef - longer.coef) < 2 * longer.std_error).all()
    assert np.isfinite(short.mcmc_diagnostics.simulated_mean).all()


SCHOOL = ["edges", ("nodematch", "Grade"), ("gwesp", 0.25)]


@pytest.mark.slow
def test_closed_triples_of_a_school_agree_with_a_long_run():
    # Means over seeds 0 to 4, together worth 22,000 independent networks.
    found = ergm.fit(load("faux_mesa_high"), SCHOOL, seed=5)
    coef, std_error = np.array([-6.2951, 1.9931, 1.4669]), np.array([0.1475, 0.1663, 0.1088])
    assert (np.abs(found.coef - coef) < 0.1 * std_error).all()
    np.testing.assert_allclose(found.std_error, std_error, rtol=0.05)


def test_monks_over_time():
    monks = [load(f"samplk{t}", directed=True) for t in (1, 2, 3)]
    found = ergm.fit_temporal(monks, ["formation", "stability"], seed=0)
    # Dyads are independent: log odds of a tie at two steps, with and without a tie before.
    table = np.zeros((2, 2))
    for (before, after), pair in itertools.product(
        itertools.pairwise(monks), itertools.permutations(range(18), 2)
    ):
        table[int(before.has_edge(*pair)), int(after.has_edge(*pair))] += 1
    np.testing.assert_allclose(found.coef, np.log(table[:, 1] / table[:, 0]), rtol=1e-9)
    np.testing.assert_allclose(found.std_error, np.sqrt((1 / table).sum(axis=1)), rtol=1e-9)
    assert found.names == ("formation", "stability")
    two = ergm.fit_temporal(monks, ["edges", "stability"], seed=0)
    np.testing.assert_allclose(two.coef.cumsum(), found.coef, rtol=1e-9)
    with pytest.raises(ValueError, match="edges is the sum of formation and stability"):
        ergm.fit_temporal(monks, ["edges", "formation", "stability"], seed=0)


@pytest.mark.parametrize(
    ("graph", "terms", "message"),
    [
        (nx.path_graph(5), ["edgez"], "unknown term 'edgez'; expected one of absdiff"),
        (nx.path_graph(5), ["mutual"], "'mutual' is for directed graphs"),
        (nx.path_graph(5, create_using=nx.DiGraph), ["triangle"], "use ttriple"),
        (nx.path_graph(5), [("nodematch", "group")], "5 of 5 nodes have no attribute 'group'"),
        (nx.path_graph(5), [("gwesp", -1)], "decay -1; expected a number from 0 to 20"),
        (nx.path_graph(5), ["edges", "edges"], "edges given twice"),
        (with_attributes(nx.path_graph(6)), ["edges", ("edgecov", np.ones((6, 6)))], "collinear"),
        (nx.empty_graph(5), ["edges"], "expected at least one tie"),
        (nx.MultiGraph(), ["edges"], "MultiGraph"),
    ],
)  # fmt: skip
def test_errors_name_the_problem(graph, terms, message):
    with pytest.raises(ValueError, match=message):
        ergm.fit(graph, terms, seed=0)


def test_the_coefficient_of_a_constant_statistic_is_raised():
    rng = np.random.default_rng(0)
    found = np.column_stack([rng.normal(50, 3, 400), np.zeros(400)])
    step, distance = _newton_step(found, np.array([50.0, 9.0]))
    assert step[1] == pytest.approx(1.0)
    assert distance == pytest.approx(3.0, abs=0.1)


def test_the_observed_network_is_one_more_draw_in_p_values():
    counts = Distribution(np.arange(3.0), np.array([9.0, 2.0, 0.0]), np.tile([[5.0, 2.0, 0.0]], (19, 1)))
    # 0 of 19 draws reach 9, so 1 of 20; all draws are equal to 2 and to 0.
    np.testing.assert_allclose(counts.p_value, [0.1, 1.0, 1.0])
    assert counts.overall_p_value == pytest.approx(1 / 20)


def test_counts_that_cannot_lie_outside_are_left_out():
    simulated = np.array([[4, 0, 0, 2], [6, 1, 0, 3], [5, 0, 0, 3]] * 20)
    counts = Distribution(np.arange(4.0), np.array([9.0, 0.0, 0.0, 3.0]), simulated)
    assert counts.informative().tolist() == [True, False, False, True]
    # Pooled with the two empty values it would be 3 of 4.
    assert counts.covered() == 0.5


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_padding_a_distribution_with_empty_values_changes_nothing(seed, empty):
    drawn = np.random.default_rng(seed).poisson([5, 3, 1, 0.2], (40, 4)).astype(float)
    padded = np.hstack([drawn, np.zeros((40, empty))])
    plain, more = (Distribution(np.arange(len(x[0])), x[0], x[1:]) for x in (drawn, padded))
    assert more.covered() == plain.covered()
    assert more.overall_p_value == plain.overall_p_value


def test_overall_p_values_of_the_model_itself_are_uniform():
    # Each of 20 exchangeable draws is the observed one in turn: the p-values are a permutation of k / 20.
    drawn = np.random.default_rng(3).poisson([5, 3, 1], (20, 3)) + np.random.default_rng(4).random((20, 3))
    found = [
        Distribution(np.arange(3.0), drawn[k], np.delete(drawn, k, axis=0)).overall_p_value for k in range(20)
    ]
    np.testing.assert_allclose(np.sort(found), np.arange(1, 21) / 20)


def isolate(n: int) -> nx.Graph:
    graph = nx.path_graph(n)
    nx.set_node_attributes(graph, {node: node for node in graph}, "id")
    return graph


def test_every_coefficient_may_be_infinite():
    found = ergm.fit(isolate(9), [("nodematch", "id")], seed=1)
    assert found.coef.tolist() == [-np.inf]
    assert found.boundary == ("nodematch.id is 0, its smallest attainable value",)
    same = nx.gnp_random_graph(9, 0.3, seed=1, directed=True)
    both = ergm.fit_temporal([same, same], ["formation", "stability"], seed=1)
    assert both.coef.tolist() == [-np.inf, np.inf]
    assert "smallest attainable" in both.boundary[0]
    assert "largest attainable" in both.boundary[1]
    # All dyads are determined and count as even odds.
    assert both.log_likelihood == pytest.approx(-72 * np.log(2))


BOUNDS = [
    (False, ["edges", ("gwdegree", 0.0), ("degree", 1), ("degree", 2), "triangle", ("kstar", 2)]),
    (True, ["edges", "mutual", ("odegree", 1), ("idegree", 0), ("gwodegree", 0.0), "ttriple"]),
]


@pytest.mark.parametrize(("directed", "terms"), BOUNDS)
@pytest.mark.parametrize("restricted", [False, True])
def test_infinite_estimates_are_at_the_bounds_of_all_graphs(directed, terms, restricted):
    n, rng = (4, np.random.default_rng(7)) if directed else (5, np.random.default_rng(8))
    free = np.ones((n, n), dtype=bool)
    if restricted:
        free = rng.random((n, n)) < 0.6
        free = free if directed else free | free.T
    infinite = 0
    for seed in range(25):
        graph = with_attributes(nx.gnp_random_graph(n, 0.5, seed=seed, directed=directed))
        rows = enumerate_statistics(n, directed, terms, free if restricted else None, graph)
        observed = all_by_hand(graph, terms)
        expected = np.select(
            [observed == rows.min(axis=0), observed == rows.max(axis=0)], [-np.inf, np.inf], 0.0
        )
        model = read_terms(graph, terms)
        state, found = initial_state(graph, model, free if restricted else None)
        boundary = find_boundary(state, model, found, np.zeros((0, 0), dtype=bool))
        # Within a risk set of an undirected graph, the bound of a count of degrees may not be attainable.
        unsure = (model.degree >= 0) & (boundary.coef == 0) & (restricted and not directed)
        np.testing.assert_array_equal(boundary.coef[~unsure], expected[~unsure])
        assert [bool(text) for text in boundary.reasons] == (boundary.coef != 0).tolist()
        infinite += int((expected != 0).sum())
    assert infinite > 10


def test_estimates_beside_an_infinite_one_maximise_the_likelihood_of_the_face():
    # No node without a tie: given that, edges has the maximum over the graphs of which this also holds.
    graph, terms = nx.Graph([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (0, 2)]), ["edges", ("gwdegree", 0.0)]
    rows = enumerate_statistics(5, False, terms)
    face, coef = rows[rows[:, 1] == 5][:, :1], np.zeros(1)
    for _ in range(50):
        mean, covariance = moments(face, coef)
        coef = coef + np.clip((6 - mean) / covariance[0], -1, 1)
    found = ergm.fit(graph, terms, seed=2, effective=2000)
    assert found.coef[1] == np.inf
    assert found.boundary[1] == "gwdeg.fixed.0 is 5, its largest attainable value"
    assert abs(found.coef[0] - coef[0]) < 0.1 / np.sqrt(covariance[0, 0])


def maximum_over_all_graphs(rows: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return estimate, standard error and log-likelihood for a set of graphs."""

    def log_sum(part: np.ndarray, coef: np.ndarray) -> float:
        return float(np.logaddexp.reduce(part @ coef))

    coef = np.zeros(rows.shape[1])
    for _ in range(200):
        (mean, complete), (target, inner) = moments(rows, coef), moments(given, coef)
        information = complete - inner
        if np.linalg.eigvalsh(information)[0] < 1e-8:
            information = complete
        coef = coef + np.clip(np.linalg.solve(information, target - mean), -0.5, 0.5)
    std_error = np.sqrt(np.diag(np.linalg.inv(information)))
    return coef, std_error, log_sum(given, coef) - log_sum(rows, coef)


def some_missing(n: int, directed: bool, seed: int) -> np.ndarray:
    missing = np.random.default_rng(seed).random((n, n)) < 0.25
    missing = missing if directed else np.triu(missing, 1) | np.triu(missing, 1).T
    np.fill_diagonal(missing, False)
    return missing


@pytest.mark.parametrize("seed", [0, 1])
def test_missing_ties_maximise_the_likelihood_of_all_completions(seed):
    terms, missing = ["edges", ("gwesp", 0.5), ("nodematch", "sex")], some_missing(5, False, seed)
    graph = with_attributes(nx.gnp_random_graph(5, 0.5, seed=seed + 3))
    rows = enumerate_statistics(5, False, terms)
    given = enumerate_statistics(5, False, terms, missing, graph)
    coef, std_error, log_likelihood = maximum_over_all_graphs(rows, given)
    found = ergm.add_log_likelihood(ergm.fit(graph, terms, seed=1, missing=missing), seed=2)
    assert (np.abs(found.coef - coef) < 0.1 * std_error).all()
    np.testing.assert_allclose(found.std_error, std_error, rtol=0.1)
    assert found.dyads == 10 - missing.sum() // 2
    # Half of the squared distance in standard errors is the loss beside the maximum.
    assert abs(found.log_likelihood - log_likelihood) < 4 * found.log_likelihood_error + 0.02
    # The state of a missing dyad is unknown, so that it has no effect.
    flipped = graph.copy()
    i, j = np.argwhere(np.triu(missing))[0]
    flipped.remove_edge(i, j) if flipped.has_edge(i, j) else flipped.add_edge(i, j)
    other = ergm.fit(flipped, terms, seed=4, missing=missing)
    assert (np.abs(other.coef - coef) < 0.1 * std_error).all()


def test_missing_ties_of_independent_pairs_are_exact():
    terms, missing = ["edges", "mutual", ("nodematch", "sex")], some_missing(4, True, 8)
    graph = with_attributes(nx.gnp_random_graph(4, 0.5, seed=3, directed=True))
    rows = enumerate_statistics(4, True, terms)
    given = enumerate_statistics(4, True, terms, missing, graph)
    coef, std_error, log_likelihood = maximum_over_all_graphs(rows, given)
    found = ergm.fit(graph, terms, seed=0, missing=missing)
    assert found.exact
    np.testing.assert_allclose(found.coef, coef, rtol=1e-6)
    np.testing.assert_allclose(found.std_error, std_error, rtol=1e-6)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-8)


def test_missing_ties_drop_out_of_independent_models():
    graph = with_attributes(nx.gnp_random_graph(12, 0.4, seed=5))
    missing = some_missing(12, False, 3)
    found = ergm.fit(graph, ["edges", ("nodematch", "group")], seed=0, missing=missing)
    known = ergm.fit(graph, ["edges", ("nodematch", "group")], seed=0, free=~missing)
    np.testing.assert_allclose(found.coef, known.coef, rtol=1e-9)
    assert (found.bic, found.dyads) == (pytest.approx(known.bic), known.dyads)


@pytest.mark.parametrize(("graph", "terms"), SMALL)
def test_bridge_has_the_likelihood_over_all_graphs(graph, terms):
    rows = enumerate_statistics(len(graph), graph.is_directed(), terms)
    fitted = ergm.fit(graph, terms, seed=5, effective=1000)
    found = ergm.add_log_likelihood(fitted, seed=6, effective=2000)
    exact = float(all_by_hand(graph, terms) @ fitted.coef - np.logaddexp.reduce(rows @ fitted.coef))
    assert abs(found.log_likelihood - exact) < 4 * found.log_likelihood_error < 0.06
    parameters, dyads = len(terms), found.dyads
    assert found.aic == pytest.approx(2 * parameters - 2 * found.log_likelihood)
    assert found.bic == pytest.approx(parameters * np.log(dyads) - 2 * found.log_likelihood)
    assert fitted.aic is None


def test_bridge_agrees_with_the_published_criteria():
    # Published, by simulation: residual deviance 108.1, AIC 112.1, BIC 117.6.
    fitted = ergm.fit(load("flomarriage"), ["edges", "triangle"], seed=1, effective=1000)
    found = ergm.add_log_likelihood(fitted, seed=2)
    np.testing.assert_allclose([found.deviance, found.aic, found.bic], [108.1, 112.1, 117.6], atol=0.15)


def test_no_path_leads_to_a_boundary_of_dependent_ties():
    graph = nx.cycle_graph(8)
    fitted = ergm.fit(graph, ["edges", "triangle"], seed=1, effective=500)
    assert fitted.coef[1] == -np.inf
    with pytest.raises(ValueError, match="triangle has an infinite coefficient"):
        ergm.add_log_likelihood(fitted, seed=1)


def shared_partners_of_all_graphs(n: int) -> np.ndarray:
    """Count ties, and ties by shared partners, in all graphs on n nodes."""
    pairs = list(itertools.combinations(range(n), 2))
    ties = (np.arange(2 ** len(pairs))[:, None] >> np.arange(len(pairs))) & 1
    adjacency = np.zeros((len(ties), n, n), dtype=np.int64)
    for k, (i, j) in enumerate(pairs):
        adjacency[:, i, j] = adjacency[:, j, i] = ties[:, k]
    shared = adjacency @ adjacency
    counts = [
        sum((shared[:, i, j] == s) & (adjacency[:, i, j] == 1) for i, j in pairs) for s in range(1, n - 1)
    ]
    return np.column_stack([ties.sum(axis=1), *counts]).astype(float)


@pytest.mark.parametrize(("seed", "start"), [(23, 0.5), (48, 0.2)])
def test_estimated_decay_maximises_the_curved_likelihood(seed, start):
    from scipy.optimize import minimize

    graph, s = nx.gnp_random_graph(6, 0.55, seed=seed), np.arange(1, 5)
    rows = shared_partners_of_all_graphs(6)
    shared = [len(set(graph[i]) & set(graph[j])) for i, j in graph.edges]
    observed = np.array([graph.number_of_edges(), *(shared.count(k) for k in s)], dtype=float)

    def natural(theta: np.ndarray) -> np.ndarray:
        return np.r_[theta[0], theta[1] * np.exp(theta[2]) * (1 - (1 - np.exp(-theta[2])) ** s)]

    def loss(theta: np.ndarray) -> float:
        return float(np.logaddexp.reduce(rows @ natural(theta)) - observed @ natural(theta))

    bounds = [(-9, 9), (-9, 9), (0.02, 6)]
    starts = itertools.product((-1, 0), (-0.5, 0.5), (0.3, 1))
    best = min((minimize(loss, x, bounds=bounds) for x in starts), key=lambda result: result.fun)
    found = ergm.fit(graph, ["edges", ("gwesp", start, False)], seed=1)
    jacobian = np.column_stack(
        [(natural(best.x + step) - natural(best.x - step)) / 2e-6 for step in 1e-6 * np.eye(3)]
    )
    information = jacobian.T @ moments(rows, natural(best.x))[1] @ jacobian
    std_error = np.sqrt(np.diag(np.linalg.inv(information)))
    assert found.names == ("edges", "gwesp", "gwesp.decay")
    assert found.converged
    assert (np.abs(found.coef - best.x) < 0.15 * std_error).all()
    np.testing.assert_allclose(found.std_error, std_error, rtol=0.2)
    likelihood = ergm.add_log_likelihood(found, seed=2, effective=500)
    assert abs(likelihood.log_likelihood + best.fun) < 4 * likelihood.log_likelihood_error + 0.02


@settings(max_examples=20, deadline=None)
@given(st.booleans(), st.integers(4, 7), st.floats(0.2, 0.8), st.integers(0, 10_000))
def test_operators_are_terms_of_union_and_intersection(directed, n, density, seed):
    before, graph = (
        with_attributes(nx.gnp_random_graph(n, density, seed=seed + k, directed=directed)) for k in (0, 1)
    )
    inner = DIRECTED if directed else UNDIRECTED
    terms = [*inner, ("Form", inner, before), ("Persist", inner, before)]
    model, rng = read_terms(graph, terms), np.random.default_rng(seed)
    state, found = initial_state(graph, model, None)
    delta = np.zeros(len(model.names))

    def expected() -> np.ndarray:
        union, both = graph.copy(), nx.create_empty_copy(graph)
        union.add_edges_from(before.edges)
        both.add_edges_from(edge for edge in graph.edges if before.has_edge(*edge))
        return np.concatenate([all_by_hand(each, inner) for each in (graph, union, both)])

    np.testing.assert_allclose(found, expected(), atol=1e-9)
    for _ in range(8):
        i, j = (int(k) for k in rng.choice(n, 2, replace=False))
        change(state, model.terms, i, j, delta)
        toggle(state, i, j)
        old, sign = expected(), -1 if graph.has_edge(i, j) else 1
        graph.remove_edge(i, j) if sign < 0 else graph.add_edge(i, j)
        np.testing.assert_allclose(sign * delta, expected() - old, atol=1e-9)


def test_separable_models_of_edges_are_two_log_odds():
    monks = [load(f"samplk{t}", directed=True) for t in (1, 2, 3)]
    found = ergm.fit_temporal(monks, [("Form", ["edges"]), ("Persist", ["edges"])], seed=0)
    plain = ergm.fit_temporal(monks, ["formation", "stability"], seed=0)
    assert found.names == ("Form~edges", "Persist~edges")
    np.testing.assert_allclose(found.coef, plain.coef, rtol=1e-9)
    assert found.log_likelihood == pytest.approx(plain.log_likelihood)


@pytest.mark.slow
def test_separable_model_of_the_monks_as_published():
    # Summary of tergm's own example (statnet/tergm, issue 27): estimates, errors, residual deviances.
    inner = ["edges", "mutual", "cyclicalties", "transitiveties"]
    published = {
        "Form": [(-3.4623, 0.3412), (2.0444, 0.4059), (-0.1432, 0.1970), (0.3975, 0.2353)],
        "Persist": [(0.2080, 0.2990), (0.7987, 0.5042), (-0.1886, 0.2455), (0.5051, 0.2794)],
    }
    monks = [load(f"samplk{t}", directed=True) for t in (1, 2, 3)]
    found = ergm.fit_temporal(monks, [(name, inner) for name in published], seed=0, effective=1000)
    coef, std_error = np.array([*published["Form"], *published["Persist"]]).T
    assert found.names[1] == "Form~mutual"
    assert (np.abs(found.coef - coef) < 0.1 * std_error).all()
    np.testing.assert_allclose(found.std_error, std_error, rtol=0.06)
    likelihood = ergm.add_log_likelihood(found, seed=1, effective=100)
    np.testing.assert_allclose(likelihood.deviance, 240.0 + 136.8, atol=0.6)
    assert likelihood.null_deviance == pytest.approx(693.1 + 155.3, abs=0.1)
