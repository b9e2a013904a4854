"""Optimised workflows: all schedules, list scheduling, a repository's graph."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.workflows import optimum, random_workflow, shortest
from statewright import Constraints, WorkflowError, WorkflowGraph, optimize_workflow, workflow_graph
from statewright.scheduling.problem import Problem
from statewright.scheduling.schedule import dispatch, list_schedule
from tests.statewright.toys import make_repository

DIAMOND = WorkflowGraph(
    {"load": 2, "left": 3, "right": 4, "join": 1},
    {"left": ["load"], "right": ["load"], "join": ["left", "right"]},
    {name: {"cpu": 1} for name in ("load", "left", "right", "join")},
)


def test_the_optimum_is_that_of_the_list_of_all_schedules() -> None:
    """200 of the 1,000 graphs of ``python -m benchmarks.schedule --set workflows``."""
    outcomes = []
    for seed in range(200):
        graph, constraints = random_workflow(seed)
        best = shortest(graph, constraints)
        assert optimum(graph, constraints) == best, seed
        outcomes.append(best)
    assert 10 < outcomes.count(None) < 100  # both kinds occur: impossible deadlines and schedules


def test_the_list_of_all_schedules_of_a_diamond() -> None:
    assert shortest(DIAMOND, Constraints({"cpu": 2})) == 2 + 4 + 1
    assert shortest(DIAMOND, Constraints({"cpu": 1})) == 2 + 3 + 4 + 1
    assert shortest(DIAMOND, Constraints({"cpu": 2}, [("left", "right")])) == 10
    assert shortest(DIAMOND, Constraints({"cpu": 1}, deadline=9)) is None


@st.composite
def workflows(draw: st.DrawFn) -> tuple[WorkflowGraph, Constraints]:
    """Draw up to 15 stages; no deadline, so that a schedule exists."""
    names = [f"s{k}" for k in range(draw(st.integers(1, 15)))]
    graph = WorkflowGraph(
        {name: draw(st.integers(0, 40)) / 8 for name in names},
        {b: [a for a in names[:k] if draw(st.integers(0, 5)) == 0] for k, b in enumerate(names)},
        {name: {"cpu": draw(st.integers(0, 3))} for name in names},
    )
    return graph, Constraints({"cpu": 3})


@settings(max_examples=50, deadline=None)
@given(workflows(), st.sampled_from([0.0, 0.02, 1.0]))
def test_never_worse_than_list_scheduling(
    workflow: tuple[WorkflowGraph, Constraints], seconds: float
) -> None:
    graph, constraints = workflow
    problem = Problem(graph.seconds, graph.after, graph.demands, constraints.capacities)
    found = optimize_workflow(graph, constraints, seconds=seconds)
    assert found.makespan <= list_schedule(problem).makespan <= dispatch(problem).makespan


@settings(max_examples=50, deadline=None)
@given(workflows())
def test_without_constraints_the_makespan_is_the_critical_path(
    workflow: tuple[WorkflowGraph, Constraints],
) -> None:
    graph, _ = workflow
    edges = nx.DiGraph()
    for stage, lasts in graph.seconds.items():
        edges.add_edge(stage, "end", weight=lasts)
        edges.add_edges_from((up, stage, {"weight": graph.seconds[up]}) for up in graph.after[stage])
    found = optimize_workflow(WorkflowGraph(graph.seconds, graph.after))
    assert found.optimal
    assert found.makespan == pytest.approx(nx.dag_longest_path_length(edges), abs=1e-9)


def test_a_contradiction_names_the_stage() -> None:
    with pytest.raises(WorkflowError, match=r"task 'load' demands 1 of cpu, but the capacity is 0\.5"):
        optimize_workflow(DIAMOND, Constraints({"cpu": 0.5}))
    with pytest.raises(WorkflowError, match="demands cpu, which has no capacity"):
        optimize_workflow(DIAMOND)
    with pytest.raises(WorkflowError, match="deadline of 6 was found: at least 7 is needed"):
        optimize_workflow(DIAMOND, Constraints({"cpu": 2}, deadline=6))


def test_the_graph_of_a_repository(tmp_path: Path) -> None:
    declaration = """
stages:
  load: {cmd: echo 1 > a, outs: [a], meta: {seconds: 4, cpu: 2}}
  fit: {cmd: cp a b, deps: [a], outs: [b], meta: {seconds: 1h, ram_gb: 3}}
  show: {cmd: cp b c, deps: [b], outs: [c]}
  other: {cmd: echo 2 > d, outs: [d], meta: {seconds: 4}}
"""
    root = make_repository(tmp_path, {"dvc.yaml": declaration})
    graph = workflow_graph(root)
    # A stage without a known duration gets the median of the others: 4, 3600 and 4 s.
    assert graph.seconds == {"load": 4, "fit": 3600, "show": 4, "other": 4}
    assert graph.after == {"load": (), "fit": ("load",), "show": ("fit",), "other": ()}
    assert graph.demands["load"] == {"cpu": 2, "ram_gb": 1, "gpu": 0}
    assert graph.demands["fit"] == {"cpu": 1, "ram_gb": 3, "gpu": 0}
    assert set(workflow_graph(root, ["fit"]).seconds) == {"load", "fit"}
    wide = optimize_workflow(graph, Constraints({"cpu": 3, "ram_gb": 8}))
    narrow = optimize_workflow(graph, Constraints({"cpu": 2, "ram_gb": 8}))
    assert (wide.makespan, narrow.makespan) == (3608, 3608)
    assert narrow.start["other"] >= 4  # load holds both cores
