"""Names, parameters and artifacts of a flow run, and Prefect's rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from statewright.planning.plan import MUST, SKIP, Decision, Plan
from statewright.planning.reasons import Reason
from statewright.request import Request
from statewright.running.prefect_content import (
    UNNAMED,
    Outcome,
    describe,
    markdown,
    plan_artifact,
    result_artifact,
)
from statewright.workflow import Output, Stage, Workflow

BANNED = set("/%&<>")
"""Characters that ``prefect.types.names`` refuses."""


def two_pipelines() -> tuple[Workflow, Plan]:
    stages = {
        name: Stage(name, ("run",), deps=deps, outs=(Output(f"{name}.html"),), params=params)
        for name, deps, params in (
            ("code", (), {}),
            ("emotion-fit", ("code.html",), {"params.yaml": ("lr", "password"), "code.html": ("f",)}),
            ("emotion-report", ("emotion-fit.html",), {}),
            ("fusion-fit", ("code.html",), {}),
            ("fusion-report", ("fusion-fit.html",), {}),
        )
    }
    upstream = {n: tuple(d.removesuffix(".html") for d in s.deps) for n, s in stages.items()}
    values = {"params.yaml": {"lr": 0.7, "password": "abc", "other": 1}, "code.html": {"f": "0a1b"}}
    workflow = Workflow(stages, upstream, values)
    why = {"emotion-fit": (Reason("param", "lr", 0.2, 0.7),), "emotion-report": (Reason("upstream", "x|y"),)}
    names = ("code", "emotion-fit", "emotion-report")
    plan = Plan({n: Decision(n, MUST if n in why else SKIP, why.get(n, ())) for n in names})
    return workflow, plan


def test_a_flow_is_named_after_repository_and_pipeline() -> None:
    request = Request(("emotion-report",), force=True)
    found = describe(Path("/home/ada/music"), *two_pipelines(), request, UNNAMED)
    assert (found.flow, found.run) == ("music: emotion", "lr 0.2 -> 0.7")
    assert found.tags == ("repository: music", "target: emotion-report")
    assert found.parameters == {
        "targets": ["emotion-report"],
        "options": {"force": True},
        "params": {"params.yaml": {"lr": 0.7, "password": "***"}},
    }


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [("a&b", "50%/x", "a-b: 50--x"), ("music", "nightly", "music: nightly")],
)
def test_a_name_of_the_user_replaces_the_pipeline(folder: str, name: str, expected: str) -> None:
    found = describe(Path("/home") / folder, *two_pipelines(), Request(), name)
    assert found.flow == expected and not BANNED & set(found.flow)


@given(st.text(min_size=1, max_size=30))
def test_keys_are_those_that_prefect_accepts(name: str) -> None:
    workflow, plan = two_pipelines()
    flow = describe(Path("/home/music"), workflow, plan, Request(), name).flow
    assert re.fullmatch("[a-z0-9-]+", plan_artifact(flow, plan).key)


@given(st.text(alphabet="a|*_`<b>[](){}#~!\\&;$1.\n -", max_size=40))
def test_markdown_shows_a_text_literally(text: str) -> None:
    """Parse it with another library."""
    table = f"| head |\n| --- |\n| x {markdown(text)} y |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    cell = [token for token in tokens if token.type == "inline"][-1]
    shown = "".join(child.content for child in cell.children or [])
    assert shown.split() == f"x {text} y".split()


def test_the_plan_lists_work_first_and_its_cause() -> None:
    artifact = plan_artifact("music", two_pipelines()[1])
    assert [line.split(" | ")[:2] for line in artifact.text.splitlines()[2:]] == [
        ["| emotion-fit", "must"],
        ["| emotion-report", "must"],
        ["| code", "skip"],
    ]
    assert artifact.head == "2 stages will run and 1 is up to date: lr 0.2 -\\> 0.7"


def test_the_result_has_outcomes_the_end_of_the_log_and_reports(tmp_path: Path) -> None:
    workflow, plan = two_pipelines()
    (tmp_path / "emotion-report.log").write_text("".join(f"row {n} ```\n" for n in range(30)))
    done = Outcome(
        {"emotion-fit": "restored", "emotion-report": "failed"},
        {"emotion-report": "stage 'emotion-report' ended with status 3: no; log: /x"},
        {"emotion-fit": (1.0, 3.0), "emotion-report": (3.0, 3.5)},
        2.5,
        tmp_path,
    )
    artifact = result_artifact("music", workflow, plan, done)
    assert artifact.head == "1 restored, 1 failed, 1 up to date in 2.5 s"
    assert artifact.reports == {"emotion-fit.html": "emotion-fit"}
    assert "| emotion-report | failed | 0.5 s | ended with status 3: no |" in artifact.text
    (block,) = [t for t in MarkdownIt("commonmark").parse(artifact.text) if t.type == "fence"]
    assert block.content.splitlines() == [f"row {n} ```" for n in range(10, 30)]
