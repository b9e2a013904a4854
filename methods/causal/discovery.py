"""Causal discovery from observations: the PC algorithm."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from methods.causal.columns import is_constant
from methods.causal.graph import Background, Cpdag
from methods.causal.independence import PValue, choose_test, is_discrete, mixed_test, redundant_columns
from methods.causal.inputs import named_columns
from methods.causal.scores import bic, score_graph

Array = np.ndarray

TESTS = ("fisherz", "chisq", "gsq", "mixed")
DEFAULT_RULES = {"fisherz": (0,), "chisq": (0, 1, 2), "gsq": (0, 1, 2), "mixed": (0,)}
DEFAULT_PRIORITY = 4
PRIORITIES = {0: (-1, 0, 1, 2, 3, 4), 1: (-1, 0, 1, 2, 3, 4), 2: (-1, 2, 3, 4)}
Rules = list[tuple[int, int]]
LEAST_ROWS_A_LEVEL = 5


def discover(
    data: Array,
    alpha: float = 0.01,
    names: Sequence[str] | None = None,
    background: Background | None = None,
    *,
    test: str = "auto",
    uc_rule: int | None = None,
    uc_priority: int | None = None,
) -> Cpdag:
    r"""Discover a causal graph by the PC algorithm.

    An edge is removed if a test of level alpha does not reject ``X_i _||_ X_j | S`` for some set S of
    neighbours. Then unshielded colliders are directed, and the edges that follow from them by Meek's
    rules. The skeleton does not depend on the order of the columns (PC-stable). Tests:

    - ``fisherz``: ``sqrt(n - |S| - 3) |atanh r_{ij|S}|`` against the standard Normal.
    - ``chisq``, ``gsq``: Pearson's and the likelihood-ratio test of tables.
    - ``mixed``: the likelihood ratio of the degenerate Gaussian (`independence.mixed_test`).
    - ``auto``: chosen by the types of the columns (`independence.choose_test`).

    By default, colliders follow from the separating sets (rule 0). For ``chisq`` and ``gsq`` all three
    rules are tried, and the graph with the highest BIC (`scores.bic`) is returned: the data choose, and
    nothing is tuned to known networks. Of two colliders that contradict each other, the one with the
    larger p-value without the middle node wins (priority 4). See docs/methods/causal-discovery.md.

    Parameters
    ----------
    data : array (n, p) or DataFrame
        Rows of observations, finite. Constant columns have no edges; a warning names them. Columns that
        repeat one another (`independence.redundant_columns`) are named by an error, or by a warning if
        they are codes.
    alpha : float in (0, 1)
        Level of each test.
    names : sequence of str, optional
        Names of the columns; by default those of a DataFrame, X1..Xp for an array.
    background : Background, optional
        Time order, forbidden and required edges.
    test : str
    uc_rule : {0, 1, 2}, optional
        Collider rule of causal-learn: separating sets, MaxP, definite MaxP.
    uc_priority : {-1, 0, 1, 2, 3, 4}, optional
        Conflict rule of causal-learn: default of `uc_rule`, overwrite, bidirected, first found, least
        p-value with the middle node, largest p-value without it.

    Returns
    -------
    Cpdag

    Raises
    ------
    ValueError
        If the data do not suit the test, or the background contradicts itself or names an unknown column.

    References
    ----------
    Spirtes, Glymour, Scheines (2000); Colombo and Maathuis (2014); Ramsey (2016) on MaxP; spec 3
    section 2.2 with its correction.
    """
    names, data = named_columns(data, names)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; expected a level between 0 and 1, such as 0.01")
    background = background or Background()
    background.check(names)
    columns, background = varying(data, names, background)
    matrix = np.zeros((len(names), len(names)), dtype=int)
    kept = tuple(names[i] for i in columns)
    data, kept = data[:, columns], tuple(names[i] for i in columns)
    test = choose_test(data) if test == "auto" else test
    check_columns(data, kept, test)
    rules = _rules(test, uc_rule, uc_priority)
    if len(kept) > 1:
        found = _best(_pc(data, kept, background, alpha, (test, rules)), data, test)
        matrix[np.ix_(columns, columns)] = found
    return Cpdag(names, matrix)


def _pc(
    data: Array, names: tuple[str, ...], background: Background, alpha: float, given: tuple[str, Rules]
) -> list[Array]:
    """Run PC by each rule.

    Tests are remembered, so that the first run does most of the work.
    """
    from causallearn.search.ConstraintBased.PC import pc

    test, rules = given
    required = {frozenset((names.index(a), names.index(b))) for a, b in background.required}
    p_value = _with_required(_independence_test(data, test), required)
    graphs = [
        pc(
            data, alpha, _register_test(), uc_rule=rule, uc_priority=priority, node_names=list(names),
            background_knowledge=knowledge(background), show_progress=False, p_value=p_value,
        )
        for rule, priority in rules
    ]  # fmt: skip
    return [graph.G.graph.astype(int) for graph in graphs]


def _best(graphs: list[Array], data: Array, test: str) -> Array:
    """Return the graph with the highest score."""
    if len(graphs) == 1:
        return graphs[0]
    score = bic(data, test)
    return max(graphs, key=lambda graph: score_graph(graph, score))


def varying(data: Array, names: tuple[str, ...], background: Background) -> tuple[Array, Background]:
    """Return the columns that are not constant, and what the background says of them.

    Warns of constant columns: they are independent of everything and have no edges.
    """
    constant = is_constant(data)
    lost = [name for name, is_lost in zip(names, constant, strict=True) if is_lost]
    if not lost:
        return np.arange(len(names)), background
    needed = [pair for pair in background.required if set(lost) & set(pair)]
    if needed:
        raise ValueError(f"the background requires {needed}, but {lost} are constant; drop these edges")
    warnings.warn(f"columns {lost} are constant: the graph has no edge at them", stacklevel=3)
    tiers = tuple(tuple(name for name in tier if name not in lost) for tier in background.tiers)
    forbidden = tuple(pair for pair in background.forbidden if not set(lost) & set(pair))
    return np.flatnonzero(~constant), replace(background, tiers=tiers, forbidden=forbidden)


def _independence_test(data: Array, test: str) -> PValue:
    from causallearn.utils.cit import CIT

    return mixed_test(data) if test == "mixed" else CIT(data, test)


def _with_required(p_value: PValue, required: set[frozenset[int]]) -> PValue:
    """Return 0 for required edges, which causal-learn would otherwise remove."""
    return lambda x, y, given: 0.0 if frozenset((x, y)) in required else p_value(x, y, given)


@cache
def _register_test() -> str:
    """Register a test in causal-learn that calls a function; return its name."""
    from causallearn.utils.cit import CIT_Base, register_ci_test

    class GivenTest(CIT_Base):
        def __init__(self, data: Array, p_value: PValue) -> None:
            super().__init__(data)
            self.method, self.p_value = "given", p_value

        def __deepcopy__(self, memo: dict[int, Any]) -> GivenTest:
            return self  # each step of the algorithm copies its graph; data and cache need no copy

        def __call__(self, x: int, y: int, given: Sequence[int] | None = None) -> float:
            (x,), (y,), given, key = self.get_formatted_XYZ_and_cachekey(x, y, given)
            if key not in self.pvalue_cache:
                self.pvalue_cache[key] = self.p_value(x, y, given)
            return self.pvalue_cache[key]

    register_ci_test("given", GivenTest)
    return "given"


def check_columns(data: Array, names: Sequence[str], test: str) -> None:
    """Refuse an unknown test and columns that do not suit it.

    The columns vary.
    """
    if test not in TESTS:
        raise ValueError(f"test is {test!r}; expected 'auto' or one of {', '.join(TESTS)}")
    if len(names) < 2:
        return
    rows, p = data.shape
    if test in ("chisq", "gsq"):
        levels = {name: len(np.unique(column)) for name, column in zip(names, data.T, strict=True)}
        too_fine = {name: count for name, count in levels.items() if count * LEAST_ROWS_A_LEVEL > rows}
        if too_fine:
            raise ValueError(
                f"columns have too many levels for tables of {rows} rows: {too_fine}; expected at least "
                f"{LEAST_ROWS_A_LEVEL} rows per level. Use test='fisherz' or 'mixed', or merge levels"
            )
    elif rows < p + 2:
        raise ValueError(f"{rows} rows are too few for {p} columns; expected at least {p + 2}")
    redundant = redundant_columns(data, test)
    listed = [names[i] for i in redundant]
    if redundant and (test in ("chisq", "gsq") or all(is_discrete(data[:, i]) for i in redundant)):
        # Two codes of rare events may agree in a sample without being copies: no reason to stop.
        warnings.warn(
            f"columns {listed} code the same categories: edges between them and others may be missing",
            stacklevel=3,
        )
    elif redundant:
        raise ValueError(f"columns {listed} are linear functions of one another; drop one of them")


def _rules(test: str, rule: int | None, priority: int | None) -> Rules:
    """Return the pairs of collider rule and conflict rule to try."""
    priority = DEFAULT_PRIORITY if priority is None else priority
    tried = DEFAULT_RULES[test] if rule is None else (rule,)
    rules = [(each, priority) for each in tried if priority in PRIORITIES.get(each, ())]
    if not rules:
        raise ValueError(
            f"uc_rule {rule} with uc_priority {priority} is unknown; expected rule 0 or 1 with priority "
            "-1 to 4, or rule 2 with -1, 2, 3 or 4"
        )
    return rules


def knowledge(background: Background) -> Any:
    """Convert the background for causal-learn; None if it is empty."""
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    if background == Background():
        return None
    knowledge = BackgroundKnowledge()
    for number, tier in enumerate(background.tiers):
        for name in tier:
            knowledge.add_node_to_tier(GraphNode(name), number)
    for source, target in background.forbidden:
        knowledge.add_forbidden_by_node(GraphNode(source), GraphNode(target))
    for source, target in background.required:
        knowledge.add_required_by_node(GraphNode(source), GraphNode(target))
    return knowledge
