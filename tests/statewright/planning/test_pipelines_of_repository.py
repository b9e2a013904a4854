"""The pipelines of repositories of several shapes."""

from __future__ import annotations

import pytest

from statewright.planning.pipelines import parts, pipelines
from statewright.workflow import Stage, Workflow


def workflow(edges: str) -> Workflow:
    """Return a workflow from lines such as ``fit < clean code``."""
    lines = [line.split() for line in edges.split("\n") if line.strip()]
    upstream = {line[0]: tuple(line[2:]) for line in lines}
    stages = {a: Stage(a, () if a.endswith(".dvc") else ("run",), wdir=".") for a in upstream}
    return Workflow(stages, upstream)


CASES = {
    "no groups": ("clean <\nfit < clean\nscore < fit", {"clean": "", "fit": "", "score": ""}),
    "a chain with hyphens is one pipeline": (
        "data-get <\ndata-clean < data-get\ntrain-fit < data-clean\ntrain-score < train-fit",
        dict.fromkeys(("data-get", "data-clean", "train-fit", "train-score"), ""),
    ),
    "through a stage without a group": (
        "data-get <\ndata-clean < data-get\nfit < data-clean\ntest-a < fit\ntest-b < fit",
        dict.fromkeys(("data-get", "data-clean", "fit", "test-a", "test-b"), ""),
    ),
    "two that share a source": (
        "code <\na-fit < code\na-report < a-fit\nb-fit@1 < code\nb-report < b-fit@1",
        {"code": "", "a-fit": "a", "a-report": "a", "b-fit@1": "b", "b-report": "b"},
    ),
    "one prefix is no group": (
        "a-fit <\na-report < a-fit\ncode <",
        {"a-fit": "", "a-report": "", "code": ""},
    ),
    "folders that stand alone": (
        "speech/dvc.yaml:clean <\nspeech/dvc.yaml:fit < speech/dvc.yaml:clean\nvision/dvc.yaml:fit <\nfit <",
        {
            "speech/dvc.yaml:clean": "speech",
            "speech/dvc.yaml:fit": "speech",
            "vision/dvc.yaml:fit": "vision",
            "fit": "",
        },
    ),
    "folders of one chain": (
        "data/dvc.yaml:clean <\nmodel/dvc.yaml:fit < data/dvc.yaml:clean",
        {"data/dvc.yaml:clean": "", "model/dvc.yaml:fit": ""},
    ),
    "groups in a folder": (
        "m/dvc.yaml:a-x <\nm/dvc.yaml:a-y < m/dvc.yaml:a-x\n"
        "m/dvc.yaml:b-x <\nm/dvc.yaml:b-y < m/dvc.yaml:b-x",
        {"m/dvc.yaml:a-x": "m/a", "m/dvc.yaml:a-y": "m/a", "m/dvc.yaml:b-x": "m/b", "m/dvc.yaml:b-y": "m/b"},
    ),
    "data joins nothing": (
        "raw.csv.dvc <\na-x < raw.csv.dvc\na-y < a-x\nb-x < raw.csv.dvc\nb-y < b-x",
        {"raw.csv.dvc": "", "a-x": "a", "a-y": "a", "b-x": "b", "b-y": "b"},
    ),
}


@pytest.mark.parametrize(("edges", "expected"), CASES.values(), ids=CASES)
def test_the_pipelines_of_a_repository(edges: str, expected: dict[str, str]) -> None:
    assert pipelines(workflow(edges)) == expected


def test_a_shared_stage_goes_to_the_first_pipeline_that_needs_it() -> None:
    flow = workflow(
        "code <\nlone <\nbase <\nmid < base\n"
        "a-fit < code\na-report < a-fit\nb-fit < code mid\nb-report < b-fit"
    )
    assert parts(flow, flow.stages) == {
        "a": ("code", "a-fit", "a-report"),
        "": ("lone",),
        "b": ("base", "mid", "b-fit", "b-report"),
    }
    assert parts(flow, ["code", "b-fit"]) == {"b": ("code", "b-fit")}
    assert parts(flow, ["code"]) == {"": ("code",)}
