"""`meta:` belongs to the user: any value is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toys import make_repository, statewright

from statewright.meta import Model, StageSettings, interpret, warning
from statewright.workflow import Stage


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        (None, {}),
        ({"owner": "me", "cpu": 2, "ram_gb": 0.5, "gpu": 1}, {"cpu": 2, "ram_gb": 0.5, "gpu": 1}),
        ({"cpu": "500m"}, {"cpu": 0.5}),
        ({"cpu": "1.5", "gpu": "2"}, {"cpu": 1.5, "gpu": 2}),
        ({"ram_gb": "16Gi"}, {"ram_gb": 16}),
        ({"ram_gb": "512Mi"}, {"ram_gb": 0.5}),
        ({"ram_gb": "16 GB"}, {"ram_gb": 16e9 / 2**30}),
        ({"ram_gb": "1048576Ki"}, {"ram_gb": 1}),
        ({"ram_gb": "2T"}, {"ram_gb": 2e12 / 2**30}),
        ({"timeout_s": "1h", "retry_delay_s": "90s"}, {"timeout_s": 3600, "retry_delay_s": 90}),
        ({"timeout_s": "1h30m"}, {"timeout_s": 5400}),
        ({"timeout_s": "500ms", "seconds": "10m"}, {"timeout_s": 0.5, "seconds": 600}),
        ({"timeout_s": "90"}, {"timeout_s": 90}),
        ({"retries": 2.0}, {"retries": 2}),
        ({"preload": "torch", "show": "a.txt"}, {"preload": ("torch",), "show": ("a.txt",)}),
        ({"preload": ["a.b", "c"], "show": ["m.json:x"]}, {"preload": ("a.b", "c"), "show": ("m.json:x",)}),
        ({"journal": "rounds.json"}, {"journal": "rounds.json"}),
        ({"headline": "rmse"}, {"headline": ("rmse",)}),
        ({"model": "m.pkl"}, {"model": (Model("m.pkl"),)}),
        ({"travel": False}, {"travel": False}),
        (
            {"model": [{"file": "m.pkl", "name": "prices", "example": "a.csv", "target": "price"}]},
            {"model": (Model("m.pkl", "prices", "a.csv", ("price",)),)},
        ),
        ({"cpu": 4, "statewright": {"cpu": 2}}, {"cpu": 2}),
        ({"ram_gb": 4, "statewright": {"cpu": 2}}, {"ram_gb": 4, "cpu": 2}),
        ({"gpu": "A100", "statewright": {"gpu": 1}}, {"gpu": 1}),
        ({"gpu": "A100", "statewright": {}}, {}),
    ],
)
def test_values_that_are_understood(meta: Any, expected: dict[str, Any]) -> None:
    assert interpret(meta) == StageSettings(**expected)


@pytest.mark.parametrize(
    "meta",
    [
        "some text",
        ["a", "b"],
        7,
        {"travel": "no"},
        {"cpu": "500x"},
        {"cpu": -1},
        {"cpu": float("nan")},
        {"cpu": True},
        {"cpu": None},
        {"cpu": {"requests": 1}},
        {"ram_gb": "16 apples"},
        {"gpu": "A100"},
        {"gpu": True},
        {"retries": "never"},
        {"retries": 1.5},
        {"timeout_s": "soon"},
        {"timeout_s": "1h later"},
        {"preload": True},
        {"preload": ["not a module"]},
        {"preload": [1]},
        {"show": True},
        {"show": [3]},
        {"journal": True},
        {"headline": 3},
        {"model": []},
        {"model": {"name": "no file"}},
        {"model": {"file": "m.pkl", "backbone": "resnet"}},
        {"statewright": "yes"},
        {"statewright": {"cpus": 2}},
        {"statewright": {"cpu": "two"}},
    ],
)
def test_a_value_that_is_not_understood_is_ignored_with_one_sentence(meta: Any) -> None:
    settings = interpret(meta)
    assert StageSettings(ignored=settings.ignored) == settings
    assert len(settings.ignored) == 1


def test_numbers_have_the_default_where_meta_sets_none() -> None:
    stage = Stage("a", ("x",), meta={"cpu": "250m", "gpu": "A100"})
    assert (stage.number("cpu", 1), stage.number("gpu", 0), stage.number("ram_gb", 1)) == (0.25, 0, 1)


def test_all_ignored_values_make_one_line() -> None:
    settings = {
        "a": interpret({"gpu": "A100", "show": 3}),
        "b": interpret("text"),
        "c": interpret({"cpu": 1}),
    }
    text = warning(settings)
    assert "stage 'a': meta.gpu is 'A100'; expected a number of GPUs" in text
    assert "and 2 more" in text
    assert "\n" not in text
    assert warning({"c": settings["c"]}) == ""


def test_a_command_warns_once_and_check_lists_all(tmp_path: Path) -> None:
    text = """
        stages:
          a: {cmd: echo 1 > a.txt, outs: [a.txt], meta: {gpu: A100, cpu: 500m}}
          b: {cmd: echo 1 > b.txt, outs: [b.txt], meta: [some, notes]}
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": text})
    done = statewright(root, "plan")
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "ignored" in line] == [
        "statewright: ignored in dvc.yaml: stage 'a': meta.gpu is 'A100'; expected a number of GPUs "
        "(and 1 more; `statewright check` lists them)"
    ]
    check = statewright(root, "check")
    assert check.returncode == 0
    assert check.stdout.count("note: stage '") == 2
