"""Expected durations: their sources, the committed file, the schedule."""

from __future__ import annotations

import json
import sqlite3
import uuid
from pathlib import Path

import pytest
from toys import commit, make_repository, statewright

from statewright.planning.plan import Decision, Plan
from statewright.scheduling.durations import (
    FILE,
    Duration,
    expected_durations,
    ranges,
    read_file,
    write_file,
)
from statewright.scheduling.prediction import expected_seconds, schedule_plan
from statewright.session import open_session
from statewright.workflow import Stage, Workflow, WorkflowError

STAGES = {
    "a": Stage("a", ("a",), meta={"seconds": 5}),
    "b": Stage("b", ("b",), meta={"seconds": "soon"}),
    "c": Stage("c", ("c",), meta={"seconds": "x", "statewright": {"seconds": "7s"}}),
}
WORKFLOW = Workflow(STAGES, dict.fromkeys(STAGES, ()))


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose store of past runs is a database; `add_runs` adds to it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    with sqlite3.connect(tmp_path / "runs.db") as database:
        database.execute("CREATE TABLE runs (run_uuid, lifecycle_stage, start_time)")
        database.execute("CREATE TABLE tags (run_uuid, key, value)")
        database.execute("CREATE TABLE latest_metrics (run_uuid, key, value)")
    return tmp_path


def add_runs(root: Path, stage: str, *seconds: float) -> None:
    """Record runs of a stage, the oldest first."""
    with sqlite3.connect(root / "runs.db") as database:
        for number, value in enumerate(seconds):
            run = uuid.uuid4().hex
            database.execute("INSERT INTO runs VALUES (?, 'active', ?)", (run, number))
            database.execute("INSERT INTO tags VALUES (?, 'statewright.stage', ?)", (run, stage))
            database.execute("INSERT INTO latest_metrics VALUES (?, 'seconds', ?)", (run, value))


def test_past_runs_win_over_the_file_and_the_file_over_the_hint(record: Path) -> None:
    known = expected_durations(record, WORKFLOW)
    assert {a: (d.expected, d.source) for a, d in known.items()} == {
        "a": (pytest.approx(5), "meta.seconds"),
        "c": (pytest.approx(7), "meta.seconds"),
    }
    (record / FILE).write_text('{"a": 20, "b": 0.5, "gone": 3}')
    known = expected_durations(record, WORKFLOW)
    assert (known["a"].expected, known["a"].source) == (pytest.approx(20), FILE)
    assert known["a"].low < 20 < known["a"].high
    assert known["b"].expected == pytest.approx(0.5)
    add_runs(record, "a", 8.0, 12.0)
    assert expected_durations(record, WORKFLOW)["a"] == Duration(
        pytest.approx(8 / 1.5), pytest.approx(18.0), "2 runs here"
    )


def test_a_stage_that_ran_once_is_expected_to_take_as_long_again(record: Path) -> None:
    add_runs(record, "a", 12.0)
    add_runs(record, "b", 2.0, 8.0)
    known = expected_durations(record, WORKFLOW)
    assert known["a"].expected == pytest.approx(12)
    assert known["b"].expected == pytest.approx(4)  # half of the longer, twice the shorter
    plan = Plan({a: Decision(a, "must", (), seconds) for a, seconds in ranges(record, WORKFLOW).items()})
    assert expected_seconds(plan) == pytest.approx({"a": 12, "b": 4, "c": 7})


def test_the_file_has_rounded_medians_and_changes_only_with_them(record: Path) -> None:
    add_runs(record, "c", 40.0, 47.3, 300.0)
    add_runs(record, "a", 0.02)
    add_runs(record, "not declared", 4.0)
    assert write_file(record, WORKFLOW) == {"a": 0.1, "c": 47}
    text = (record / FILE).read_text()
    assert text == '{\n  "a": 0.1,\n  "c": 47\n}\n'
    add_runs(record, "c", 52.0, 55.0, 57.0)
    assert write_file(record, WORKFLOW) == {}
    assert (record / FILE).read_text() == text
    (record / FILE).write_text(text.replace("47", "20").replace('"a"', '"gone"'))
    assert write_file(record, WORKFLOW) == {"gone": 0.0, "a": 0.1, "c": 54}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": -1}', '{"a": "5"}', '{"a": true}', '{"a": NaN}', "<<<<<<<", "\xff"]
)
def test_a_damaged_file_predicts_nothing_and_is_reported(record: Path, text: str) -> None:
    (record / FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(WorkflowError, match="statewright durations --write"):
        read_file(record)
    assert set(expected_durations(record, WORKFLOW)) == {"a", "c"}
    add_runs(record, "a", 2.0)
    write_file(record, WORKFLOW)
    assert read_file(record) == {"a": 2}


def test_known_durations_start_the_longest_tail_first() -> None:
    """Without durations, short stages go before the stage on which the rest waits."""
    names = [*(f"short{n}" for n in range(4)), "long"]
    stages = {name: Stage(name, (name,)) for name in names}
    workflow = Workflow(stages, dict.fromkeys(stages, ()))
    capacities = {"cpu": 2.0, "ram_gb": 8.0, "gpu": 0.0}
    seconds = {**{f"short{n}": (10.0, 10.0) for n in range(4)}, "long": (40.0, 40.0)}
    known = Plan({name: Decision(name, "must", (), seconds[name]) for name in names})
    prediction = schedule_plan(workflow, known, capacities)
    assert prediction.schedule.start["long"] == 0
    assert prediction.schedule.makespan == 40
    blind = Plan({name: Decision(name, "must") for name in names})
    assert set(expected_seconds(blind).values()) == {1.0}
    assert schedule_plan(workflow, blind, capacities).schedule.start["long"] > 0


def test_a_clone_is_predicted_from_the_committed_file(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path,
        {
            "dvc.yaml": """
                stages:
                  one: {cmd: echo 1 > one, outs: [one]}
                  two: {cmd: cp one two, deps: [one], outs: [two], meta: {seconds: 90}}
                """,
            FILE: '{"one": 30}\n',
        },
    )
    commit(root)
    decisions = open_session(root, []).plan.decisions
    assert {a: d.seconds for a, d in decisions.items()} == {
        "one": (pytest.approx(20), pytest.approx(45)),
        "two": (pytest.approx(60), pytest.approx(135)),
    }
    printed = statewright(root, "durations").stdout.splitlines()
    assert [line.split() for line in printed] == [
        ["stage", "expected", "range", "source"],
        ["one", "30", "s", "20-45", "s", FILE],
        ["two", "1:30", "1-2.2", "min", "meta.seconds"],
    ]
    answer = json.loads(statewright(root, "durations", "--json").stdout)
    assert answer["one"]["seconds"] == pytest.approx(30)
    assert statewright(root, "durations", "--write").stdout == f"{FILE}: 0 changes\n"
    (root / FILE).write_text("[]")
    failed = statewright(root, "durations")
    assert failed.returncode == 2 and "statewright durations --write" in failed.stderr
