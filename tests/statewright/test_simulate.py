"""`simulate`: properties of the result, and comparison with real runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate import simulate
from toys import make_repository, run_here, write

from statewright.planning.plan import decide
from statewright.repository import declaration as engine
from statewright.repository.observation import observe
from statewright.running.process import StageFailedError
from statewright.state import StageState, State
from statewright.workflow import Output, Stage, Workflow

quick = settings(deadline=None, max_examples=50)


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """Draw up to seven stages that read earlier outputs, a source and params."""
    stages: dict[str, Stage] = {}
    upstream = {}
    for n in range(draw(st.integers(1, 7))):
        before = draw(st.sets(st.sampled_from(sorted(stages)), max_size=3)) if stages else set()
        deps = [f"{name}.out" for name in sorted(before)] + draw(st.sampled_from([[], ["source"], ["other"]]))
        params = draw(st.sampled_from([{}, {"params.yaml": ("a",)}, {"params.yaml": ("a", "b")}]))
        stages[f"s{n}"] = Stage(f"s{n}", (f"do {n}",), tuple(deps), params, (Output(f"s{n}.out"),))
        upstream[f"s{n}"] = tuple(sorted(before))
    return Workflow(stages, upstream)


def fresh(workflow: Workflow) -> State:
    """Return the state before any run."""
    sources = {"source": "1", "other": "2"}
    return State(
        {
            address: StageState(
                recorded=False,
                deps_now={path: sources.get(path) for path in stage.deps},
                params_now={(file, key): 0 for file, keys in stage.params.items() for key in keys},
                outs={out.path: "deleted" for out in stage.outs},
                outs_was={out.path: None for out in stage.outs},
            )
            for address, stage in workflow.stages.items()
        }
    )


def with_param(state: State, key: str, value: Any) -> State:
    """Return the state after an edit of params.yaml."""
    stages = {
        address: replace(
            seen, params_now={k: value if k[1] == key else was for k, was in seen.params_now.items()}
        )
        for address, seen in state.stages.items()
    }
    return replace(state, stages=stages)


def done(state: State, workflow: Workflow, **more: Any) -> State:
    return simulate(state, workflow, decide(workflow, state), **more)


def verdicts(state: State, workflow: Workflow) -> dict[str, str]:
    return {address: decision.verdict for address, decision in decide(workflow, state).decisions.items()}


@quick
@given(workflows())
def test_after_a_plan_there_is_nothing_to_do(workflow: Workflow) -> None:
    after = done(fresh(workflow), workflow)
    assert set(verdicts(after, workflow).values()) == {"skip"}
    assert done(after, workflow).digest == after.digest
    assert all(value for seen in after.stages.values() for value in seen.outs_was.values())


@quick
@given(workflows(), st.sampled_from("ab"))
def test_a_change_affects_the_stages_downstream_only(workflow: Workflow, key: str) -> None:
    before = done(fresh(workflow), workflow)
    after = done(with_param(before, key, 1), workflow)
    users = {a for a, stage in workflow.stages.items() if key in stage.params.get("params.yaml", ())}
    reached = users.union(*(workflow.downstream(address) for address in users))
    for address in workflow.stages:
        same = after.stages[address].outs_was == before.stages[address].outs_was
        assert same == (address not in reached)
    assert (after.digest == before.digest) == (not reached)


@quick
@given(workflows(), st.sampled_from("ab"))
def test_a_param_set_back_restores_the_earlier_state(workflow: Workflow, key: str) -> None:
    before = done(fresh(workflow), workflow)
    changed = with_param(done(with_param(before, key, 1), workflow), key, 0)
    assert set(verdicts(changed, workflow).values()) <= {"skip", "restore"}
    again = done(changed, workflow)
    assert again.digest == before.digest
    assert set(verdicts(again, workflow).values()) == {"skip"}


@quick
@given(workflows(), st.data())
def test_a_failure_stops_the_stages_downstream_only(workflow: Workflow, data: st.DataObject) -> None:
    failing = data.draw(st.sampled_from(sorted(workflow.stages)))
    after = done(fresh(workflow), workflow, failing=[failing])
    stopped = {failing} | workflow.downstream(failing)
    assert {a for a, verdict in verdicts(after, workflow).items() if verdict == "skip"} == (
        set(workflow.stages) - stopped
    )
    assert not any(after.stages[address].recorded for address in stopped)
    # after the fix the rest runs, and the state is that of a run without the failure
    assert done(after, workflow).digest == done(fresh(workflow), workflow).digest


@quick
@given(workflows(), st.data())
def test_only_the_targets_and_their_ancestors_run(workflow: Workflow, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(workflow.stages)))
    state = fresh(workflow)
    after = simulate(state, workflow, decide(workflow, state, [target]))
    assert {a for a, seen in after.stages.items() if seen.recorded} == workflow.ancestors([target])


@quick
@given(workflows())
def test_the_given_state_does_not_change(workflow: Workflow) -> None:
    state = fresh(workflow)
    before = dict(state.stages)
    done(state, workflow)
    assert dict(state.stages) == before


def test_forced_stages_run_and_their_metrics_are_left_out() -> None:
    stage = Stage("s", ("do",), ("source",), {}, (Output("s.json", "metric"),))
    workflow = Workflow({"s": stage}, {"s": ()})
    state = done(fresh(workflow), workflow)
    state = replace(state, metrics={"s.json:loss": 1.0, "t.json:loss": 2.0})
    assert done(state, workflow).metrics == state.metrics
    forced = simulate(state, workflow, decide(workflow, state, force=["s"]))
    assert forced.metrics == {"t.json:loss": 2.0}
    assert forced.digest == state.digest  # the same command on the same inputs


FILES = {
    "params.yaml": "a: 1\nb: 1\nbreak: ''\n",
    "source.txt": "source\n",
    "dvc.yaml": """
        stages:
          one: {cmd: "echo ${a} > one.txt", deps: [source.txt], params: [a], outs: [one.txt]}
          other: {cmd: "cat source.txt > other.txt", deps: [source.txt], outs: [other.txt]}
          two: {cmd: "${break} cat one.txt > two.txt", deps: [one.txt], params: [b], outs: [two.txt]}
          last: {cmd: "cat two.txt other.txt > last.txt", deps: [two.txt, other.txt], outs: [last.txt]}
        """,
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", FILES)


def observed(root: Path) -> tuple[Workflow, State]:
    repository = engine.open_repository(root)
    workflow = engine.declare(repository)
    return workflow, observe(repository, workflow)


def test_it_agrees_with_a_real_run(repo: Path) -> None:
    for text in (
        FILES["params.yaml"],
        "a: 2\nb: 1\nbreak: ''\n",
        "a: 2\nb: 2\nbreak: ''\n",
        "a: 1\nb: 1\nbreak: ''\n",  # restored
        "a: 3\nb: 1\nbreak: 'false &&'\n",  # two fails
    ):
        write(repo, {"params.yaml": text})
        workflow, before = observed(repo)
        expected = simulate(
            before, workflow, decide(workflow, before), failing=["two"] if "false" in text else []
        )
        if "false" in text:
            with pytest.raises(StageFailedError):
                run_here(repo)
        else:
            run_here(repo)
        workflow, after = observed(repo)
        assert verdicts(expected, workflow) == verdicts(after, workflow)
        new = {a for a in workflow.stages if after.stages[a].outs_was != before.stages[a].outs_was}
        expected_new = {
            a for a in workflow.stages if expected.stages[a].outs_was != before.stages[a].outs_was
        }
        assert new <= expected_new  # a real command may write equal bytes, a simulated one does not
        assert (after.digest == before.digest) == (not new)
