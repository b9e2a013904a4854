"""Params of a trace: the stage's own first, then the nearest; changed ones first."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console
from toys import make_repository, run_here, statewright

from statewright.lineage.display import print_trace
from statewright.lineage.params import MAX_PARAMS, TracedParam, current_params, grouped, relevant_params
from statewright.lineage.provenance import Trace
from statewright.lineage.subject import Subject
from statewright.lineage.walk import Step
from statewright.workflow import Workflow


def step(stage: str, params: dict[str, Any], *before: Step) -> Step:
    inputs = tuple((earlier, ("file",)) for earlier in before)
    return Step(stage, (stage,), None, None, True, {}, {}, params, before=inputs)


FAR = step("far", {"far.n": 1, "seed": 0})
NEAR = step("near", {"near.a": 1, "near.b": "2", "seed": 0}, FAR)
LAST = step("last", {"last.x": 1, "last.y": 2.0, "other.z": None}, NEAR, FAR)
NOW = {"last.x": 1, "last.y": 3.0, "near.a": 1, "near.b": 2, "far.n": 7}


def test_own_params_come_first_and_changed_ones_before_the_others() -> None:
    params = relevant_params([LAST], NOW)
    assert [(p.stage, p.key) for p in params] == [
        ("last", "last.y"),
        ("last", "last.x"),
        ("last", "other.z"),
        ("near", "near.a"),
        ("near", "near.b"),
        ("near", "seed"),
        ("far", "far.n"),
    ]
    assert [p.text for p in params if p.now is not None] == ["y = 2.0 (now 3.0)", "n = 1 (now 7)"]
    assert grouped(params[:3]) == [("last", "last: y = 2.0 (now 3.0), x = 1"), ("last", "other: z = None")]


def shown(trace: Trace, most: int | None) -> str:
    console = Console(file=io.StringIO(), width=200, markup=False, emoji=False)
    print_trace(trace, console, most=most)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_trace_shows_the_most_relevant_params_only() -> None:
    many = step("many", {f"p.k{n}": n for n in range(30)}, NEAR)
    trace = Trace(Subject("many", "stage", stage="many"), None, "", (many,), current={"p.k25": "[red]:key:"})
    text = shown(trace, MAX_PARAMS)
    assert "p: k25 = 25 (now [red]:key:), k0 = 0" in text
    assert "k18 = 18" in text and "k19 = 19" not in text
    assert f"and {30 + 4 - MAX_PARAMS} more (--all shows them)" in text
    everything = shown(trace, None)
    assert (
        "k29 = 29" in everything and "of near: near: a = 1, b = 2" in everything and "--all" not in everything
    )


def test_the_keys_of_current_params_are_those_of_a_step() -> None:
    workflow = Workflow(
        {}, {}, {"params.yaml": {"train": {"lr": 1}}, "conf/b.toml": {"model": {"n": {"k": 2}}}}
    )
    assert current_params(workflow) == {"train.lr": 1, "conf/b.toml:model.n.k": 2}


def test_the_command_has_the_option(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path,
        {
            "params.yaml": "p: {" + ", ".join(f"k{n}: {n}" for n in range(25)) + "}\n",
            "dvc.yaml": "stages: {one: {cmd: echo 1 > one, params: [p], outs: [one]}}\n",
        },
    )
    run_here(root)
    (root / "params.yaml").write_text((root / "params.yaml").read_text().replace("k24: 24", "k24: 99"))
    text = statewright(root, "trace", "one").stdout
    assert "k24 = 24 (now 99), k0 = 0" in text and "and 5 more (--all shows them)" in text
    assert "k23 = 23" in statewright(root, "trace", "one", "--all").stdout


def test_long_values_are_cut() -> None:
    param = TracedParam("train", "train.layers", list(range(3000)), list(range(2999)))
    assert param.text.startswith("layers = [0, 1, 2, ") and len(param.text) < 150
