"""Comparison of recorded runs with schedules, on runs with known answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.claims_workflow import CLAIMS
from benchmarks.recorded import RecordedRun, factor, like_with_like, load_change, rows_of
from statewright import WorkflowGraph

GRAPH = WorkflowGraph(
    {"load": 1, "left": 1, "right": 1, "join": 1, "other": 1},
    {"left": ["load"], "right": ["load"], "join": ["left", "right", "other"]},
    {name: {"cpu": 4 if name == "right" else 1} for name in ("load", "left", "right", "join", "other")},
)
CPU = {"load": 2.0, "left": 3.0, "right": 4.0, "join": 1.0}
RUN = RecordedRun("first", 12.0, 10.5, 0, CPU, CPU)


def test_a_run_is_compared_with_its_own_durations_and_those_of_the_run_before() -> None:
    slower = replace(RUN, began="second", actual=22.0, seconds={a: 2 * s for a, s in CPU.items()})
    short = replace(RUN, began="short", seconds={"left": 3.0, "join": 1.0}, cpu={"left": 3.0, "join": 1.0})
    gone = replace(RUN, seconds={"removed": 1.0, "join": 1.0}, cpu={"removed": 1.0, "join": 1.0})
    for cores in (1.0, 2.0):  # with two, `right` still runs alone
        rows = rows_of([RUN, gone, short, slower], GRAPH, {"cpu": cores})
        assert [row["run"] for row in rows] == ["first", "short", "second"]
        assert [row["replayed s"] for row in rows] == [10, 4, 20]
        assert [row["best s"] for row in rows] == [10, 4, 20]
        assert [row["from previous s"] for row in rows] == [None, None, 10]
        assert [row["load"] for row in rows] == [None, None, 2]
    parallel = WorkflowGraph(GRAPH.seconds, GRAPH.after, {name: {"cpu": 1} for name in GRAPH.seconds})
    assert rows_of([RUN], parallel, {"cpu": 2.0})[0]["replayed s"] == 2 + 4 + 1


def test_more_work_is_not_more_load() -> None:
    more = replace(RUN, seconds={a: 3 * s for a, s in CPU.items()}, cpu={a: 3 * s for a, s in CPU.items()})
    assert load_change(RUN, more) == pytest.approx(1)
    # `left` waits for 7 s: 17 s of wall time, 10 s at the earlier load.
    waiting = replace(RUN, seconds={**CPU, "left": 10.0})
    assert load_change(RUN, waiting) == pytest.approx(1.7)


def test_only_runs_at_one_load_are_compared_with_the_run_before() -> None:
    rows = [
        {"actual s": 10.0, "from previous s": 8.0, "load": 1.2},
        {"actual s": 10.0, "from previous s": 12.5, "load": 0.81},
        {"actual s": 10.0, "from previous s": 2.0, "load": 3.0},
        {"actual s": 10.0, "from previous s": None, "load": None},
    ]
    assert like_with_like(rows) == rows[:2]
    assert factor(like_with_like(rows), "from previous s") == pytest.approx(1.25)
    assert factor([], "from previous s") is None


def test_the_claim_states_each_figure_with_its_load() -> None:
    second = replace(RUN, began="second", predicted=40.0, assumed=3, actual=11.0)
    rows = rows_of([RUN, second], GRAPH, {"cpu": 2.0})
    random = {"graphs": 9, "equal": 9, "deadline impossible": 1, "shorter than list scheduling": 2}
    tables = [
        {"name": "random workflows", "columns": list(random), "rows": [list(random.values())]},
        {"name": "recorded runs", "columns": list(rows[0]), "rows": [list(row.values()) for row in rows]},
    ]
    claim = CLAIMS[0].row({"benchmarks": {"workflows": {"tables": tables}}})
    assert "within a median factor of 1.075 (2 recorded runs of our pipelines)" in claim
    assert "With those of the previous run at the same load: 1.10 (1 run)." in claim
    # Three stages of the second run had no past run, so that its prediction is none.
    assert "from past runs at any load: 1.14 (1 run)." in claim
