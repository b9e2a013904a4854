"""The commands of docs/tune-your-pipeline.md, run on a small pipeline."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from toys import commit, make_repository

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tune-your-pipeline.md").read_text(encoding="utf-8")
COMMAND_S = 600
"""Seconds in which a command must end, also on a busy machine."""
BUDGET = "3"
TRAIN = """
    import csv, json, random, yaml
    params = yaml.safe_load(open("params.yaml"))["train"]
    def read(name):
        return [tuple(map(float, row)) for row in csv.reader(open(name))]
    def features(x):
        return [1.0, x, x * x] if params["features"] == "quadratic" else [1.0, x]
    def loss(rows, w):
        return sum((y - sum(a * b for a, b in zip(w, features(x)))) ** 2 for x, y in rows) / len(rows)
    rows, rng = read("train.csv"), random.Random(params["seed"])
    w, penalty = [0.0, 0.0, 0.0], params.get("penalty", 0.0)
    with open("history.csv", "w") as history:
        history.write("step,validation_loss\\n")
        for step in range(params["steps"]):
            for x, y in rng.sample(rows, len(rows)):
                error = y - sum(a * b for a, b in zip(w, features(x)))
                w = [a + params["rate"] * (error * f - penalty * a) / 10 for a, f in zip(w, features(x))]
            history.write(f"{step},{loss(read('validation.csv'), w)}\\n")
            history.flush()
    json.dump(w, open("model.json", "w"))
    json.dump({"validation": {"loss": loss(read("validation.csv"), w)}}, open("metrics.json", "w"))
    """
FILES = {
    "params.yaml": """
        # kept
        train: {rate: 0.01, steps: 5, features: linear, penalty: 0.01, seed: 0}
        """,
    "split.py": """
        import random
        rng = random.Random(0)
        for name in ("train", "validation", "test"):
            with open(f"{name}.csv", "w") as out:
                for _ in range(40):
                    x = rng.uniform(-1, 1)
                    out.write(f"{x},{x * x - x + rng.gauss(0, 0.1)}\\n")
        """,
    "train.py": TRAIN,
}


def blocks(kind: str) -> list[str]:
    """Return the blocks of the page in a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == kind]


def commands() -> list[list[str]]:
    """Return the words of each command of the page, in its order."""
    lines = "\n".join(blocks("")).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the repository of the page, with its space and holdout."""
    space, declared = blocks("yaml")
    train = f"""\
  train:
    cmd: {sys.executable} train.py
    params: [train]
    deps: [train.py, train.csv, validation.csv]
    outs: [model.json, history.csv]
    metrics: [metrics.json]
"""
    root = make_repository(tmp_path_factory.mktemp("tune") / "songs", FILES)
    (root / "space.yaml").write_text(space, encoding="utf-8")
    (root / "dvc.yaml").write_text(declared.replace("python", sys.executable, 1) + train, encoding="utf-8")
    commit(root)
    return root


def run(checkout: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )


def recorded_trials(root: Path) -> dict[str, list[Any]]:
    """Return the runs of the trials in MLflow by the name of their study."""
    from statewright.record.experiment import open_record
    from statewright.running.recorder import wait_until_recorded

    assert wait_until_recorded(root) is None
    record = open_record(root)
    runs = record.client.search_runs([record.experiment_id])
    studies = {run.info.run_id: run for run in runs if run.data.tags.get("statewright.kind") == "study"}
    trials: dict[str, list[Any]] = {run.data.tags["statewright.study"]: [] for run in studies.values()}
    for found in runs:
        parent = studies.get(found.data.tags.get("mlflow.parentRunId", ""))
        if parent is not None:
            trials[parent.data.tags["statewright.study"]].append(found)
    return trials


@pytest.mark.slow
def test_every_command_of_the_page_works(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    seen = []
    for words in commands():
        # A trial is a process of the stage: few are enough.
        words = [BUDGET if word == "30" else "4" if word == "40" else word for word in words]
        if words[:3] == ["dvc", "exp", "apply"]:
            subprocess.run(["git", "stash", "--quiet"], cwd=checkout, check=True)
        done = run(checkout, words)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        seen.append(words[:2])
        if words == ["dvc", "exp", "show"]:
            assert "train-0" in done.stdout and "seeds-0" in done.stdout
    assert [words[0] for words in seen].count("statewright") == 7
    assert (
        checkout / "params.yaml"
    ).read_text() == "# kept\ntrain: {rate: 0.01, steps: 5, features: linear, penalty: 0.01, seed: 0}\n"
    page = (checkout / ".statewright" / "tune" / "train.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 6 and "Study train of train" in page
    journals = (checkout / ".statewright" / "tune").glob("*.jsonl")
    events = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in journals}
    assert sorted(events) == ["pruned", "seeds", "tpe", "train"]
    trials = recorded_trials(checkout)
    assert {name: len(runs) for name, runs in trials.items()} == {
        name: sum(event["event"] == "trial" for event in found) for name, found in events.items()
    }
    assert len(trials["train"]) == 4, "the budget after the resume, each trial once"
    first = next(run for run in trials["train"] if run.data.tags["statewright.trial"] == "0")
    assert first.data.params["train.rate"] == "0.01" and first.data.metrics["objective"] > 0


def test_the_metric_that_the_page_warns_of_is_refused(checkout: Path) -> None:
    """Read the test rows in the stage of the search, as the holdout forbids."""
    declared = checkout / "dvc.yaml"
    before = declared.read_text(encoding="utf-8")
    try:
        declared.write_text(
            before.replace("deps: [train.py, ", "deps: [train.py, test.csv, "), encoding="utf-8"
        )
        words = ["statewright", "tune", "train", "--metric", "validation.loss", "--space", "space.yaml"]
        done = run(checkout, [*words, "--name", "leaky"])
    finally:
        declared.write_text(before, encoding="utf-8")
    assert done.returncode != 0
    assert "test.csv, a holdout of stage 'split'" in done.stdout + done.stderr
