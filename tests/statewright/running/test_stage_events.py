"""Events that a run emits after its stages."""

from __future__ import annotations

from typing import Any

import pytest

from statewright.running.stage_events import StageEvent, events_after
from statewright.workflow import Output, Stage, Workflow


def workflow_of(event: Any) -> Workflow:
    outs = (Output("out/check.json", "metric"),)
    stages = {
        "check": Stage("check", ("x",), outs=outs, meta={"event": event}),
        "other": Stage("other", ("x",), outs=(Output("other.json", "metric"),)),
    }
    return Workflow(stages, {"check": (), "other": ()})


METRICS = {"out/check.json:alarm": 1.0, "out/check.json:calm": 0.0, "other.json:score": 1.0}
DRIFT = {"name": "drift", "when": "alarm"}


@pytest.mark.parametrize("when", ["alarm", "check.json:alarm", "check.alarm", "*a*m"])
def test_an_event_is_emitted_if_its_metric_is_not_zero(when: str) -> None:
    events, problems = events_after(workflow_of({"name": "drift", "when": when}), {"check": "ran"}, METRICS)
    (event,) = events
    assert (event.name, event.stage, event.metrics["out/check.json:alarm"], problems) == (
        "statewright.drift",
        "check",
        1.0,
        [],
    )


@pytest.mark.parametrize("outcome", ["ran", "restored", "done"])
def test_without_a_metric_each_run_of_the_stage_emits_it(outcome: str) -> None:
    events, problems = events_after(workflow_of("new-data"), {"check": outcome, "other": "ran"}, METRICS)
    assert (events, problems) == ([StageEvent("statewright.new-data", "check", {})], [])


@pytest.mark.parametrize("outcome", ["skipped", "failed", "blocked"])
def test_a_stage_that_did_not_change_its_outputs_emits_nothing(outcome: str) -> None:
    assert events_after(workflow_of(DRIFT), {"check": outcome}, METRICS) == ([], [])


def test_no_event_if_the_metric_is_zero() -> None:
    event = {"name": "drift", "when": "calm"}
    assert events_after(workflow_of(event), {"check": "ran"}, METRICS) == ([], [])


@pytest.mark.parametrize("when", ["alram", "other.json:score", "score"])
def test_a_metric_that_the_stage_does_not_have_is_reported(when: str) -> None:
    workflow = workflow_of({"name": "drift", "when": when})
    events, (problem,) = events_after(workflow, {"check": "ran"}, METRICS)
    assert events == []
    assert "stage 'check'" in problem and f"'{when}'" in problem and "dvc metrics show" in problem
