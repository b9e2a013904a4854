"""The difference of two recorded runs: stages, params, code, metrics, outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from statewright.comparison.causes import cause, headline_metrics, outcome, repeat_commands, why
from statewright.comparison.display import print_difference
from statewright.comparison.runs import Results, after, after_failures, before, compare_results
from statewright.comparison.summary import output_rows, stage_rows, value_rows
from statewright.record.runs import PastRun
from statewright.record.transitions.model import Transition, TransitionStore, Values
from statewright.terminal.words import terminal

CODE = "fit.tasks/fit:fit"


def stage(run_id: str, name: str, at: float, status: str = "ran", **tags: str) -> PastRun:
    own = {"statewright.stage": name, "statewright.status": status, "statewright.reason": tags.pop("why", "")}
    return PastRun(run_id, "0", at, 1.0, {**own, **tags}, dict)


OLD = stage("1", "fit", 10.0, **{"input:raw.csv": "a" * 32, "output:model.bin": "1" * 32})
KEPT = stage("2", "clean", 9.0, **{"output:clean.csv": "c" * 32})
NEW = stage("3", "fit", 20.0, **{"input:raw.csv": "b" * 32, "output:model.bin": "2" * 32})
ADDED = stage("4", "report", 21.0, **{"output:page.html": "3" * 32})
FAILED = stage("5", "fit", 30.0, "failed", why="fit.lr 0.2 -> 0.9; after clean")
VALUES = {
    "1": Values({"fit.lr": "0.1", "fit.name": "x", CODE: "aaaaaaaaaaaa"}, {"rmse": 0.5, "seconds": 3.0}),
    "3": Values({"fit.lr": "0.2", "fit.name": "x", CODE: "bbbbbbbbbbbb"}, {"rmse": 0.25, "seconds": 9.0}),
    "4": Values({"width": "3"}, {"pages": 2.0}),
    "5": Values({"fit.lr": "0.9", "fit.name": "x", CODE: "bbbbbbbbbbbb"}),
}
SIZES = {"1" * 32: 1000, "2" * 32: 2500, "c" * 32: 10}


def values(ids: Collection[str]) -> dict[str, Values]:
    return {run_id: VALUES[run_id] for run_id in ids}  # of a run that is in both results, none is asked for


STORE = TransitionStore(list, list, lambda until: {}, values)


@pytest.fixture
def difference() -> Any:
    old = Results("old", {"fit": OLD, "clean": KEPT}, "c0")
    new = Results("new", {"clean": KEPT, "report": ADDED, "fit": NEW}, "c1")
    return compare_results(STORE, old, new, SIZES.get)


def test_a_stage_with_the_same_record_is_unchanged_and_others_are_in_the_order_of_their_start(
    difference: Any,
) -> None:
    assert [(change.address, change.status) for change in difference.stages] == [
        ("fit", "changed"),
        ("report", "added"),
    ]
    assert (difference.unchanged, difference.commits) == (1, ("c0", "c1"))
    assert stage_rows(difference)[0].cause == "raw.csv changed; fit.lr 0.1 -> 0.2; and 1 more"
    assert difference.stages[0].recorded[-1].text == "tasks/fit.py:fit changed"


def test_params_metrics_and_outputs_are_those_that_differ(difference: Any) -> None:
    rows = [(row.name, row.old, row.new, row.change) for row in value_rows(difference.params)]
    assert rows == [("fit.lr", "0.1", "0.2", "+0.1"), ("width", "(absent)", "3", "")]
    rows = [(row.name, row.old, row.new, row.change) for row in value_rows(difference.metrics)]
    assert rows == [("fit:rmse", "0.5", "0.25", "-0.25"), ("report:pages", "(absent)", "2", "")]
    outputs = [(row.name, row.old, row.new, row.change) for row in output_rows(difference.stages)]
    assert outputs == [
        ("model.bin", "11111111", "22222222", "1.0 kB -> 2.5 kB"),
        ("page.html", "(absent)", "33333333", ""),
    ]
    assert difference.sizes == (1010, 2510)


def test_it_is_printed_and_is_json(difference: Any, capsys: pytest.CaptureFixture[str]) -> None:
    print_difference(difference, terminal(stderr=False))
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "old to new: 1 changed, 1 added, 1 unchanged"
    for line in ("fit.lr", "fit:rmse", "model.bin", "1.0 kB -> 2.5 kB", "2 outputs differ"):
        assert line in text
    assert difference.as_dict()["stages"]["fit"]["outputs"] == [
        {"path": "model.bin", "old": "1" * 32, "new": "2" * 32, "bytes": {"old": 1000, "new": 2500}}
    ]


def test_a_failed_stage_shows_its_params_and_keeps_its_outputs() -> None:
    results = Results("new", {"fit": NEW})
    run = Transition("transition", "x", stage("r", "", 29.0), "failed", (FAILED,))
    changes = compare_results(STORE, results, after_failures(results, run), SIZES.get)
    assert changes.params[""]["fit.lr"] == {"old": "0.2", "new": "0.9", "diff": pytest.approx(0.7)}
    assert changes.stages[0].outputs == ()


def test_the_results_before_and_after_a_run_are_those_of_its_times() -> None:
    asked: list[float] = []

    def results(until: float) -> dict[str, PastRun]:
        asked.append(until)
        return {}

    store = TransitionStore(list, list, results, values)
    run = Transition("transition", "x", stage("r", "", 19.0), "finished", (NEW, ADDED))
    before(store, run)
    after(store, run)
    assert asked[0] < 19.0 and asked[1] == 21.0


def transition(*stages: PastRun, name: str = "statewright", **more: Any) -> Transition:
    tags: Mapping[str, str] = more.pop("tags", {})
    return Transition("transition", name, PastRun("r", "0", 1.0, 2.0, tags, dict), "finished", stages)


def test_the_cause_of_an_old_run_is_its_most_telling_reason() -> None:
    stages = (
        stage("1", "code", 1.0, why="tasks changed"),
        stage("2", "fit", 2.0, why="after code; params.yaml: fit.lr 0.1 -> 0.2; output model.bin is missing"),
        stage("3", "report", 3.0, why="after fit"),
    )
    assert cause(transition(*stages)) == "fit.lr 0.1 -> 0.2 and 2 more"
    assert cause(transition(*stages, name="train.lr 1 -> 2")) == "train.lr 1 -> 2"
    assert cause(transition(*(stage("1", s, 1.0, why="never run here") for s in "ab"))) == "first run"
    changed = stage("1", "a", 1.0, why="command changed: was `x; y`, is `x; z`; tasks/a.py:f changed")
    assert cause(transition(changed)) == "command of a changed and 1 more"
    assert (
        cause(transition(stage("1", "a", 1.0, why="tasks/a.py:f changed; tasks/a.py:g changed")))
        == "code of a"
    )
    assert why(stages[1]) == "fit.lr 0.1 -> 0.2; output model.bin is missing"
    assert why(stages[2]) == "after fit"
    assert outcome(transition(*stages, FAILED)) == "3 ran, 1 failed"


def test_the_headline_names_the_metrics_that_changed_most() -> None:
    past = {"d/score.json:rmse": 0.5, "n": 100.0, "same": 1.0, "e": 3.0}
    now = {"d/score.json:rmse": 0.25, "n": 101.0, "same": 1.0, "e": 9.0, "new": 1.0}
    assert headline_metrics(now, past) == "e 3 -> 9, score:rmse 0.5 -> 0.25, n 100 -> 101"
    assert headline_metrics({"a": 1.0}, {}) == "a 1"
    assert headline_metrics({f"m{k}": 1.0 for k in range(50)}, {}) == ""


def test_a_run_is_repeated_by_the_recorded_commands() -> None:
    noted = "3 ran\n\n```console\ngit checkout abc\nstatewright run --set 'a=[1, 2]'\n```\n"
    assert repeat_commands(transition(tags={"mlflow.note.content": noted})) == [
        "git checkout abc",
        "statewright run --set 'a=[1, 2]'",
    ]
    tags = {"statewright.command": "/x/statewright/__main__.py run fit", "mlflow.source.git.commit": "a" * 40}
    assert repeat_commands(transition(tags=tags)) == [
        "git checkout aaaaaaaaaaaa && dvc checkout",
        "statewright run fit",
    ]
