"""Successive halving: the rule, and a real stage that is stopped."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toys import commit, make_repository

from statewright.search.space import Float
from statewright.tuning.pruning import FIRST_RUNG, REDUCTION, find_reports, open_rungs, read_values
from statewright.tuning.study import Study, read_study
from statewright.workflow import WorkflowError

BASE = Study("songs", "train", "score.json:loss", "min", {"a": Float(0, 1)}, "random", 20, 0)


def direct(curves: list[list[float]], sign: float) -> list[int | None]:
    """Return at which row each curve stops, if the trials run one after the other."""
    at_rung: dict[int, list[float]] = {}
    stops: list[int | None] = []
    for curve in curves:
        stop, rung = None, FIRST_RUNG
        while rung <= len(curve):
            value = sign * curve[rung - 1]
            others = at_rung.setdefault(rung, [])
            others.append(value)
            place = sorted(others).index(value)
            if place >= max(1, len(others) // REDUCTION):
                stop = rung
                break
            rung *= REDUCTION
        stops.append(stop)
    return stops


@pytest.mark.parametrize("direction", ["min", "max"])
def test_the_rungs_decide_as_the_rule_says(tmp_path: Path, direction: str) -> None:
    rng = np.random.default_rng(0)
    curves = [list(rng.normal(size=rng.integers(1, 40))) for _ in range(40)]
    rungs = open_rungs(replace(BASE, direction=direction), tmp_path / "curves.jsonl")
    stops = [rungs.report(number, curve) for number, curve in enumerate(curves)]
    assert stops == direct(curves, 1 if direction == "min" else -1)
    assert {3, 9} <= set(stops)


def test_values_that_arrive_in_pieces_decide_as_at_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    curves = [list(rng.normal(size=12)) for _ in range(20)]
    rungs = open_rungs(BASE, tmp_path / "curves.jsonl")
    stops: list[int | None] = []
    for number, curve in enumerate(curves):
        parts = (rungs.report(number, curve[:end]) for end in range(1, 13))
        stops.append(next((stop for stop in parts if stop), None))
    assert stops == direct(curves, 1)


def test_a_resumed_study_knows_the_values_of_earlier_trials(tmp_path: Path) -> None:
    path = tmp_path / "tune" / "curves.jsonl"
    first = open_rungs(BASE, path)
    for number in range(6):
        first.keep(number, [float(number)] * 4)
    with path.open("a") as sink:
        sink.write('{"number": 6, "val')  # a kill
    again = open_rungs(BASE, path)
    assert again.report(7, [2.5] * 4) == 3, "not among the best 2 of 7"
    assert again.report(8, [0.5] * 4) is None


@pytest.mark.parametrize(
    ("name", "text", "column", "values"),
    [
        ("loss.tsv", "step\tloss\n0\t1.5\n1\t0.5\n", "", [1.5, 0.5]),
        ("h.csv", "epoch,train,valid\n1,9,3\n2,8,2\n", "valid", [3, 2]),
        ("h.csv", "epoch,train,valid\n1,9,3\n2,8,2\n", "train", [9, 8]),
        ("h.csv", "timestamp,loss,step\n5,3,0\n", "", [3]),
        ("h.csv", "epoch,loss\n1,3\n2,2", "", [3]),  # the last line is being written
        ("h.csv", "epoch,loss\n1,3\n2,\n3,1\n", "", [3]),
        ("h.csv", "epoch,loss\n1,3\n2,nan\n", "", [3]),
        ("h.csv", "epoch,loss\n1,3\n", "other", []),
        ("h.csv", "", "", []),
    ],
)
def test_intermediate_values_are_read(
    tmp_path: Path, name: str, text: str, column: str, values: list[float]
) -> None:
    (tmp_path / name).write_text(text)
    assert read_values(tmp_path / name, column) == values
    assert read_values(tmp_path / "absent.csv", column) == []


TRAIN = """
    import json, time, yaml
    from pathlib import Path
    a = yaml.safe_load(open("params.yaml"))["a"]
    folder = Path("dvclive/plots/metrics")
    folder.mkdir(parents=True, exist_ok=True)
    with open("started.log", "a") as log:
        log.write(f"{a}\\n")
    with (folder / "loss.tsv").open("w") as sink:
        sink.write("step\\tloss\\n")
        for step in range(60):
            sink.write(f"{step}\\t{a + 1 / (step + 1)}\\n")
            sink.flush()
            time.sleep(0.1)
    Path("dvclive/metrics.json").write_text(json.dumps({"loss": a, "step": 59}))
    """
FILES = {
    "params.yaml": "a: 0.5\nother: 1\n",
    "space.yaml": "a: {low: 0.0, high: 1.0}\n",
    "train.py": TRAIN,
    "dvc.yaml": f"""
        stages:
          train:
            cmd: {sys.executable} train.py
            params: [a]
            deps: [train.py]
            outs:
            - dvclive/plots
            metrics:
            - dvclive/metrics.json:
                cache: false
        """,
}


def test_a_file_that_no_stage_writes_is_refused(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "songs", FILES)
    live = replace(BASE, metric="dvclive/metrics.json:loss")
    assert find_reports(root, live, "").path == "dvclive/plots/metrics/loss.tsv"
    assert find_reports(root, live, "dvclive/plots/a.csv:b").column == "b"
    for study, option in ((BASE, ""), (live, "other.csv:loss"), (live, "dvclive/plotsy.csv")):
        with pytest.raises(WorkflowError, match="no stage declares"):
            find_reports(root, study, option)


@pytest.mark.slow
def test_a_poor_trial_is_stopped_while_its_stage_runs(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "songs", FILES)
    commit(root)
    words = ["tune", "train", "--metric", "dvclive/metrics.json:loss", "--space", "space.yaml", "--prune"]
    words += ["--budget", "5", "--sampler", "random", "--no-experiments"]
    command = [sys.executable, "-m", "statewright", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    study = read_study(root, "train")
    default, *others = study.trials
    assert default.status == "done" and default.seconds > 6
    best = default.config["a"]
    for trial in others:
        value = trial.config["a"]
        if value < best:
            assert trial.status == "done" and trial.value == pytest.approx(value)
            best = value
        else:
            assert trial.status == "pruned" and "after 3 steps is not among the best third" in trial.reason
            assert trial.value == pytest.approx(value + 1 / 3)
            assert trial.seconds < default.seconds
    assert {trial.status for trial in study.trials} == {"done", "pruned"}
    assert study.best is not None and study.best.value == best
    assert "pruned," in done.stderr
