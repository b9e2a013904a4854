"""The parent runs of transitions: pipelines, params, outcomes and commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from statewright.planning.plan import MAY, MUST, SKIP, Decision, Plan
from statewright.planning.reasons import Reason
from statewright.record.parents import ParentEnd
from statewright.request import Request
from statewright.running.parents import (
    changed_params,
    parent_ends,
    parent_records,
    pipeline_params,
    repeat_command,
)
from statewright.workflow import Output, Stage, Workflow


def stage(address: str, *, params: Any = None, meta: Any = None) -> Stage:
    outs = (Output(f"{address}.json", "metric"),)
    return Stage(address, ("run",), params=params or {}, outs=outs, meta=meta)


FLOW = Workflow(
    {
        "code": stage("code"),
        "a-fit": stage("a-fit", params={"params.yaml": ("a.fit",), "code.json": ("a-fit",)}),
        "a-judge": stage("a-judge", params={"params.yaml": ("a.password",)}),
        "b-fit": stage("b-fit", params={"params.yaml": (), "other.yaml": ("b",)}),
        "b-judge": stage("b-judge", meta={"journal": "rounds.json"}),
    },
    {"code": (), "a-fit": ("code",), "a-judge": ("a-fit",), "b-fit": ("code",), "b-judge": ("b-fit",)},
    {
        "params.yaml": {"a.fit": {"lr": 0.1, "deep": {"x": [1]}}, "a.password": "hunter2", "b": {"n": 1}},
        "other.yaml": {"b": {"n": 2}},
        "code.json": {"a-fit": {"f": "abc"}},
    },
)
LR = Reason("param", "a.fit.lr", 0.2, 0.1, file="params.yaml")
PLAN = Plan(
    {
        "code": Decision("code", MUST, (Reason("always", "code"),)),
        "a-fit": Decision("a-fit", MUST, (LR,)),
        "a-judge": Decision("a-judge", MAY, (Reason("upstream", "a-fit"),)),
        "b-fit": Decision("b-fit", SKIP),
        "b-judge": Decision("b-judge", MUST, (Reason("new", "b-judge"),)),
    }
)


def test_each_pipeline_with_work_has_a_parent_named_by_its_cause() -> None:
    first, second = parent_records(
        Path("/x/songs"), FLOW, PLAN, name="", tags={"k": "v"}, request=Request(("a-judge",))
    )
    assert (first.experiment, first.name) == ("songs/a", "a.fit.lr 0.2 -> 0.1, every run: code")
    assert (second.experiment, second.name) == ("songs/b", "first run of b-judge")
    assert list(first.plan["stages"]) == ["code", "a-fit", "a-judge"]
    assert first.tags == {"k": "v", "statewright.pipeline": "a"}
    (named, _) = parent_records(Path("/x/songs"), FLOW, PLAN, name="nightly", tags={}, request=Request())
    assert named.name == "nightly: a.fit.lr 0.2 -> 0.1, every run: code"


def test_the_experiment_of_the_user_holds_all_pipelines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def experiments() -> set[str]:
        records = parent_records(tmp_path, FLOW, PLAN, name="", tags={}, request=Request())
        return {record.experiment for record in records}

    (tmp_path / ".statewright.toml").write_text('experiment = "all"\n')
    assert experiments() == {"all"}
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    assert experiments() == {"mine"}


def test_params_are_leaves_without_secrets_and_without_fingerprints() -> None:
    # code.json is written by the stage `code`.
    assert pipeline_params(FLOW, ["a-fit", "a-judge"]) == {
        "a.fit.lr": 0.1,
        "a.fit.deep.x": [1],
        "a.password": "***",
    }
    both = pipeline_params(FLOW, ["b-fit"])
    assert (both["params.yaml:b.n"], both["other.yaml:b.n"]) == (1, 2)


def test_a_parent_fails_with_its_own_stages_and_has_no_stale_metric(tmp_path: Path) -> None:
    (tmp_path / "b-judge.json").write_text('{"stop": false, "score": 0.25}')
    outcomes = {"code": "ran", "a-fit": "failed", "b-judge": "ran"}
    times = {"code": (5.0, 6.0), "a-fit": (6.0, 7.5), "b-judge": (6.0, 8.0)}
    schedule = {
        "predicted": 3.0,
        "actual": 3.0,
        "stages": {name: {"predicted": 1.0, "actual": end - start} for name, (start, end) in times.items()},
    }
    whole = ParentEnd(failed=True, tags={"t": "1"}, schedule=schedule, times=times, outcomes=outcomes)
    metrics = {f"{name}.json:{name}": 1.0 for name in FLOW.stages}
    first, second = parent_ends(tmp_path, FLOW, PLAN, whole, metrics)
    assert first.failed and not second.failed
    assert first.metrics == {"code": 1.0}  # a-fit failed, and a-judge was not started
    assert second.metrics == {"feedback.score": 0.25, "b-fit": 1.0, "b-judge": 1.0}
    assert (first.schedule["actual"], second.schedule["actual"]) == (2.5, 2.0)
    assert (second.outcomes, second.times) == ({"b-judge": "ran"}, {"b-judge": (6.0, 8.0)})


def test_the_command_names_no_path_of_the_program_and_no_secret() -> None:
    arguments = ["/opt/x/bin/statewright", "run", "a-fit", "--set", "a.password=hunter2"]
    assert repeat_command(arguments, Request()) == "statewright run a-fit --set 'a.password=***'"
    module = ["/opt/x/statewright/__main__.py", "run", "-P"]
    assert repeat_command(module, Request()) == "statewright run -P"
    assert repeat_command(["/srv/flow.py"], Request(("a-report",))) == "statewright run a-report"


def test_only_params_that_a_command_can_set_are_listed() -> None:
    reasons = (
        LR,
        Reason("param", "b.n", 1, 2, file="other.yaml"),
        Reason("param", "a.password", "x", "hunter2", file="params.yaml"),
        Reason("param", "a.deep", None, {"x": 1}, file="params.yaml"),
        Reason("param", "a.gone", 1, None, file="params.yaml"),
        Reason("code", "m:f", 1, 2),
    )
    plan = Plan({"a-fit": Decision("a-fit", MUST, reasons), "b-fit": Decision("b-fit", SKIP, reasons)})
    assert changed_params(plan) == ["a.fit.lr=0.1", "other.yaml:b.n=2"]
