"""The cause of a run in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from statewright.planning.cause import LONGEST, cause
from statewright.planning.plan import MAY, MUST, RESTORE, SKIP, Decision, Plan
from statewright.planning.reasons import Reason
from statewright.workflow import Output, Stage, Workflow

STAGES = {
    name: Stage(name, ("run",), deps=deps, outs=(Output(f"{name}.csv"),))
    for name, deps in (
        ("clean", ("raw.csv",)),
        ("fit", ("clean.csv",)),
        ("score", ("fit.csv",)),
        ("report", ("score.csv",)),
        ("page", ("report.csv",)),
    )
}
WORKFLOW = Workflow(STAGES, dict.fromkeys(STAGES, ()))
LR = Reason("param", "train.lr", 0.2, 0.7, file="params.yaml")


def planned(reasons: Mapping[str, Sequence[Reason]], verdict: str = MUST) -> Plan:
    decisions = {
        name: Decision(name, verdict if reasons.get(name) else SKIP, tuple(reasons.get(name, ())))
        for name in STAGES
    }
    return Plan(decisions)


CASES = [
    ({name: [Reason("new", name), Reason("missing dependency", "x")] for name in STAGES}, "first run"),
    ({"page": [Reason("new", "page")]}, "first run of page"),
    ({"fit": [LR], "score": [Reason("upstream", "fit")]}, "train.lr 0.2 -> 0.7"),
    ({"fit": [LR], "score": [LR]}, "train.lr 0.2 -> 0.7"),
    ({"fit": [Reason("code", "lib/train:fit"), Reason("code", "lib/train:step")]}, "code of fit"),
    ({"clean": [Reason("dependency", "raw.csv", "a", "b")]}, "raw.csv changed"),
    (
        # After a restored stage, the hash of its output is known, and differs.
        {"clean": [Reason("param", "width", 3, 4)], "fit": [Reason("dependency", "clean.csv", "a", "b")]},
        "width 3 -> 4",
    ),
    ({"fit": [Reason("dependency", "clean.csv", "a", "b")]}, "clean.csv changed"),
    ({"fit": [Reason("command", "fit", "a", "b")]}, "command of fit"),
    ({"fit": [Reason("output", "fit.csv", None, "missing")]}, "output fit.csv is missing"),
    (
        {"fit": [LR], "score": [Reason("upstream", "fit"), Reason("output", "score.csv", None, "missing")]},
        "train.lr 0.2 -> 0.7",
    ),
    ({name: [Reason("forced", name)] for name in STAGES}, "forced: clean, fit, score and 2 more"),
    ({"fit": [Reason("param", "token", "abc", "def")]}, "token *** -> ***"),
    ({"fit": [Reason("upstream", "clean")]}, "changed inputs"),
    (
        {"fit": [Reason("code", "lib:f"), LR], "score": [Reason("param", "n", None, 3)]},
        "train.lr 0.2 -> 0.7, n is new: 3, code of fit",
    ),
]


@pytest.mark.parametrize(("reasons", "expected"), CASES)
@pytest.mark.parametrize("verdict", [MUST, MAY, RESTORE])
def test_the_cause_of_a_run(reasons: Mapping[str, Sequence[Reason]], expected: str, verdict: str) -> None:
    assert cause(planned(reasons, verdict), WORKFLOW) == expected


def test_a_data_source_does_not_hide_that_a_run_is_the_first() -> None:
    stages = {"raw.csv.dvc": Stage("raw.csv.dvc", (), outs=(Output("raw.csv"),)), "clean": STAGES["clean"]}
    plan = Plan(
        {
            "raw.csv.dvc": Decision("raw.csv.dvc", SKIP),
            "clean": Decision("clean", MUST, (Reason("new", "clean"),)),
        }
    )
    assert cause(plan, Workflow(stages, dict.fromkeys(stages, ()))) == "first run"


def test_a_cause_is_one_short_line() -> None:
    text = cause(planned({"fit": [Reason("param", "k" * 300, 1, "a\nb")]}), WORKFLOW)
    assert len(text) == LONGEST and "\n" not in text
