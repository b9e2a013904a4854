"""The headline metrics of a pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from statewright.planning.headline import MOST, headline
from statewright.workflow import Output, Stage, Workflow


def workflow(**meta: Any) -> Workflow:
    """Return the chain clean, train, score; each writes NAME.json and NAME/."""
    names = ("clean", "train", "score")
    stages = {
        name: Stage(
            name, ("run",), outs=(Output(f"out/{name}.json", "metric"), Output(name)), meta=meta.get(name)
        )
        for name in names
    }
    return Workflow(stages, {"clean": (), "train": ("clean",), "score": ("train",)})


FEW = {
    "out/clean.json:rows": 9.0,
    "out/train.json:loss": 0.5,
    "out/score.json:": 0.1,
    "train/a/b.json:n": 2.0,
}
MANY = FEW | {f"out/train.json:by_class.c{n}": float(n) for n in range(50)}


def test_few_metrics_are_all_headline_by_their_keys() -> None:
    flow = workflow()
    assert headline(flow, flow.stages, FEW) == {"rows": 9.0, "loss": 0.5, "n": 2.0, "score": 0.1}
    assert headline(flow, ["clean", "train"], FEW) == {"rows": 9.0, "loss": 0.5, "n": 2.0}
    same = {"out/clean.json:n": 1.0, "out/score.json:n": 2.0}
    assert headline(flow, flow.stages, same) == same  # two files have the key


def test_of_many_those_of_the_last_stages_are_headline() -> None:
    flow = workflow()
    assert headline(flow, flow.stages, MANY) == {"score": 0.1}
    chosen = headline(flow, ["clean", "train"], MANY)
    assert len(chosen) == MOST and list(chosen)[:2] == ["loss", "n"]  # the outer keys first


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("loss", ["loss"]),
        ("train.loss", ["loss"]),
        ("train.json:loss", ["loss"]),
        ("out/train.json:loss", ["loss"]),
        ("by_class.c4*", ["by_class.c4", *(f"by_class.c4{n}" for n in range(10))]),
        (["n", "loss"], ["n", "loss"]),
        ("score", ["score"]),  # of another stage: not declared there, so the default holds
    ],
)
def test_a_stage_names_its_own(pattern: Any, expected: list[str]) -> None:
    flow = workflow(train={"headline": pattern})
    assert list(headline(flow, flow.stages, MANY)) == expected


def test_a_colon_in_a_key_belongs_to_the_key() -> None:
    flow = workflow(score={"headline": "scores.only:pix"})
    metrics = {"out/score.json:scores.only:pix": 0.9, "out/score.json:scores.prior": 0.1}
    assert headline(flow, flow.stages, metrics) == {"scores.only:pix": 0.9}
