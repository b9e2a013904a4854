"""Holdouts stay unread by every stage behind the feedback."""

from __future__ import annotations

import random
from collections.abc import Mapping

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statewright.planning.holdout import holdout_reads, require_unread, unknown_holdouts
from statewright.workflow import Output, Stage, Workflow, WorkflowError, overlaps


def workflow_of(stages: Mapping[str, Stage]) -> Workflow:
    """Return a workflow with the edges of overlapping paths."""
    upstream = {
        a: tuple(
            b
            for b, other in stages.items()
            if a != b and any(overlaps(dep, out.path) for dep in stage.deps for out in other.outs)
        )
        for a, stage in stages.items()
    }
    order = list(nx.topological_sort(nx.DiGraph([(up, a) for a, ups in upstream.items() for up in ups])))
    return Workflow({a: stages[a] for a in [*order, *(a for a in stages if a not in order)]}, upstream)


def stage(address: str, deps: str, outs: str, **meta: object) -> Stage:
    outputs = tuple(Output(path) for path in outs.split())
    return Stage(address, ("x",), tuple(deps.split()), outs=outputs, meta=meta)


def pipeline(**changed: Stage) -> Workflow:
    """Return split -> fit -> feedback, a judge outside the loop, and changes."""
    stages = {
        "split": stage("split", "raw", "train test", holdout=["test"]),
        "fit": stage("fit", "train", "score"),
        "judge": stage("judge", "test", "verdict"),
        "feedback": stage("feedback", "score", "patch", journal="journal"),
    }
    return workflow_of({**stages, **changed})


def readers(workflow: Workflow, observed: Mapping[str, list[str]] | None = None) -> list[tuple[str, bool]]:
    found = holdout_reads(workflow, ["feedback"], observed or {})
    return [(read.stage, read.declared) for read in found]


def test_a_stage_outside_the_loop_may_read_the_holdout() -> None:
    assert readers(pipeline()) == []
    require_unread(pipeline(), ["feedback"], {"judge": ["test"], "split": ["test"]})


def test_the_feedback_stage_an_ancestor_and_a_stage_in_between_are_found() -> None:
    assert readers(pipeline(feedback=stage("feedback", "score test", "patch"))) == [("feedback", True)]
    assert readers(pipeline(fit=stage("fit", "train test", "score"))) == [("fit", True)]
    # The judge writes what the feedback reads: it belongs to the loop.
    assert readers(pipeline(feedback=stage("feedback", "score verdict", "patch"))) == [("judge", True)]
    assert holdout_reads(pipeline(), ["feedback", "judge"], {})[0].stage == "judge"


def test_a_folder_around_the_holdout_or_a_file_in_it_is_a_read() -> None:
    split = stage("split", "raw", "data/train data/test", holdout=["data/test"])
    for dep, caught in (("data", True), ("data/test/x", True), ("data/train", False)):
        fit = stage("fit", dep, "score")
        assert readers(pipeline(split=split, fit=fit, judge=stage("judge", "data/test", "verdict"))) == (
            [("fit", True)] if caught else []
        )


def test_observed_reads_count_and_lead_to_further_stages() -> None:
    assert readers(pipeline(), {"fit": ["test"]}) == [("fit", False)]
    # The fit opens the verdict of the judge, which has read the holdout.
    found = holdout_reads(pipeline(), ["feedback"], {"fit": ["verdict"]})
    assert [(read.stage, read.needed_by) for read in found] == [("judge", ("fit", "feedback"))]


def test_params_can_be_a_holdout_and_paths_are_relative_to_the_stage() -> None:
    split = Stage(
        "sub/dvc.yaml:split", ("x",), outs=(Output("sub/a.json"),), wdir="sub", meta={"holdout": "a.json"}
    )
    feedback = Stage("feedback", ("x",), params={"sub/a.json": ("n",)}, meta={"journal": "j"})
    workflow = Workflow(
        {"sub/dvc.yaml:split": split, "feedback": feedback},
        {"sub/dvc.yaml:split": (), "feedback": ("sub/dvc.yaml:split",)},
    )
    assert list(unknown_holdouts(workflow)) == []
    assert readers(workflow) == [("feedback", True)]


def test_the_error_names_stage_file_and_change() -> None:
    with pytest.raises(WorkflowError) as error:
        require_unread(pipeline(fit=stage("fit", "train test", "score")), ["feedback"], {})
    assert str(error.value) == (
        "stage 'fit' (needed by feedback) declares test, a holdout of stage 'split' that no stage of the "
        "loop may read; remove test from its deps or params, or take the stage out of the loop, or remove "
        "test from meta.holdout"
    )
    with pytest.raises(WorkflowError, match=r"stage 'fit' .* was observed to read test, .* do not open it"):
        require_unread(pipeline(), ["feedback"], {"fit": ["test"]})


def test_a_holdout_that_is_not_an_output_protects_nothing_and_is_an_error() -> None:
    wrong = pipeline(split=stage("split", "raw", "train test", holdout=["tset"]))
    with pytest.raises(
        WorkflowError, match=r"stage 'split': meta.holdout names tset, .* expected train or test"
    ):
        require_unread(wrong, ["feedback"], {})


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6))
def test_readers_are_those_of_the_graph(seed: int) -> None:
    """Compare with networkx on random graphs with declared and observed edges."""
    chance = random.Random(seed)
    names = [f"s{k}" for k in range(chance.randint(2, 8))]
    declared = {b: [a for a in names[:k] if chance.random() < 0.3] for k, b in enumerate(names)}
    observed = {b: [a for a in names if a != b and chance.random() < 0.1] for b in names}
    holdout = chance.choice(names)
    stages = {
        name: Stage(
            name,
            ("x",),
            tuple(f"{up}.out" for up in declared[name]),
            outs=(Output(f"{name}.out"),),
            meta={"holdout": f"{name}.out"} if name == holdout else {"journal": "j"},
        )
        for name in names
    }
    workflow = Workflow(stages, {name: tuple(ups) for name, ups in declared.items()})
    edges = nx.DiGraph()
    edges.add_nodes_from(names)
    edges.add_edges_from((up, name) for name in names for up in declared[name] + observed[name])
    end = names[-1]
    needed = nx.ancestors(edges, end) | {end}
    expected = {name for name in needed - {holdout} if edges.has_edge(holdout, name)}
    reads = {name: [f"{up}.out" for up in ups] for name, ups in observed.items()}
    assert {read.stage for read in holdout_reads(workflow, [end], reads)} == expected
