"""Studies with real workers: checkouts, the cache, kills, and the table."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from studies import FILES, METRIC, events_of, loss_of, make_toy
from test_pseudo_terminal import screen_after
from toys import HERE, commit, dvc, inside, make_repository, statewright, write

from statewright.tuning.study import DONE, read_study

TUNE = ("tune", "train", "--metric", "loss", "--space", "space.yaml", "--sampler", "random")


def environment(ran: Path, **more: str) -> dict[str, str]:
    return {"RAN": str(ran), "PYTHONPATH": str(HERE), **more}


def counts(ran: Path) -> Counter[str]:
    return Counter(ran.read_text().split())


def snapshot(root: Path) -> dict[str, bytes]:
    """Return the files of a repository, except those of the engine and DVC's own."""
    paths = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    kept = [path for path in paths if path.parts[0] not in (".statewright", ".git", ".dvc")]
    return {str(path): (root / path).read_bytes() for path in kept}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """The pipeline with data of DVC and an ignored file that a stage declares."""
    files = {
        **FILES,
        ".gitignore": "rows.txt\nscore.json\nextra.txt\nsecret.txt\n",
        "extra.txt": "4\n",
        "secret.txt": "s\n",
        "dvc.yaml": FILES["dvc.yaml"].replace("raw.txt]", "raw.txt, extra.txt]"),
        "prep.py": FILES["prep.py"].replace('open("raw.txt").read()', 'open("raw.txt").read().strip()'),
    }
    root = make_repository(tmp_path / "toy", files)
    with inside(root):
        dvc(root, "add", "--quiet", "raw.txt")
    commit(root)
    return root


@pytest.mark.slow
def test_trials_share_the_cache_and_leave_the_tree_alone(toy: Path, tmp_path: Path) -> None:
    # uncommitted changes: the loss gets 2 more, by code and by data
    text = (toy / "train.py").read_text()
    (toy / "train.py").write_text(text.replace('"val": {"loss": loss}', '"val": {"loss": loss + 1}'))
    (toy / "raw.txt").write_text("1 2 3 4\n")
    before, ran = snapshot(toy), tmp_path / "ran"
    done = statewright(toy, *TUNE, "--budget", "6", "--workers", "2", environment=environment(ran))
    assert done.returncode == 0, done.stderr
    assert snapshot(toy) == before
    study = read_study(toy, "train")
    assert [trial.status for trial in study.trials] == [DONE] * 6
    assert all(trial.value == pytest.approx(loss_of(trial.config) + 2) for trial in study.trials)
    # the stage before the searched params ran for the first trial only, in one of the two checkouts
    assert counts(ran) == {"prep": 1, "train": 6}
    assert "uncommitted changes are part of every trial: train.py" in done.stderr
    assert list((toy / ".statewright" / "tune" / "train").glob("checkout-*")) == []
    # what the trials computed is in the cache: the best params run nothing
    applied = statewright(toy, "tune", "--resume", "--apply", environment=environment(ran))
    assert applied.returncode == 0, applied.stderr
    write(toy, {".statewright.toml": "prefect = 'never'\n"})
    run = statewright(toy, "run", environment=environment(ran))
    assert run.returncode == 0, run.stderr
    assert counts(ran) == {"prep": 1, "train": 6}
    assert study.best is not None and f"{study.best.value}" in (toy / "score.json").read_text()


def test_an_undeclared_ignored_file_is_named(toy: Path, tmp_path: Path) -> None:
    write(toy, {"train.py": 'open("secret.txt")\n'})
    done = statewright(toy, *TUNE, environment=environment(tmp_path / "ran"))
    assert done.returncode == 2
    assert "stage 'train' needs secret.txt, which git ignores and no stage declares" in done.stderr
    assert "add secret.txt under deps of 'train' in dvc.yaml" in done.stderr


@pytest.mark.slow
def test_a_study_survives_kill_9_and_ctrl_c(toy: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    command = [sys.executable, "-m", "statewright", *TUNE, "--budget", "7", "--workers", "2"]
    variables = {**os.environ, **environment(ran, SLOW="0.5")}
    process = subprocess.Popen(command, cwd=toy, env=variables, stderr=subprocess.DEVNULL)
    wait_for(toy, 2)
    second = statewright(toy, *TUNE, environment=environment(ran))
    assert second.returncode == 2 and "study 'train' is running: process " in second.stderr
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    killed = read_study(toy, "train")
    wait_until_no_trial_runs(toy)
    command = [sys.executable, "-m", "statewright", "tune", "--resume", "--workers", "2"]
    process = subprocess.Popen(command, cwd=toy, env=variables, stderr=subprocess.PIPE, text=True)
    wait_for(toy, len(killed.trials) + 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; `statewright tune --name train --resume` resumes" in err
    last = statewright(toy, "tune", "--resume", environment=environment(ran))
    assert last.returncode == 0, last.stderr
    study = read_study(toy, "train")
    assert sorted(trial.number for trial in study.trials) == list(range(7))
    assert study.trials[: len(killed.trials)] == killed.trials
    assert all(trial.value == loss_of(trial.config) for trial in study.trials)
    asked = [event["number"] for event in events_of(toy) if event["event"] == "asked"]
    assert all(asked.count(trial.number) == 1 for trial in killed.trials)


@pytest.mark.slow
def test_a_worker_that_is_killed_fails_its_trial_only(tmp_path: Path) -> None:
    kills = """
        import json, os, re, signal
        k = int(re.search(r"k: (\\S+)", open("params.yaml").read())[1])
        worker = os.getppid()  # some shells stand between a command and its supervisor
        while "statewright.tuning.trial" not in open(f"/proc/{worker}/cmdline").read():
            worker = int(re.search(r"PPid:\\s+(\\d+)", open(f"/proc/{worker}/status").read())[1])
        if k == 3:
            os.kill(worker, signal.SIGKILL)
        json.dump({"val": {"loss": k}}, open("score.json", "w"))
        """
    files = {"train.py": kills, "space.yaml": "train.k: [2, 3, 5]\n"}
    root = make_toy(tmp_path / "toy", files)
    done = statewright(root, *TUNE, "--budget", "9", environment=environment(tmp_path / "ran"))
    assert done.returncode == 0, done.stderr
    by_value = {trial.config["train.k"]: trial for trial in read_study(root, "train").trials[::-1]}
    assert {k: trial.status for k, trial in by_value.items()} == {2: DONE, 3: "failed", 5: DONE}
    assert "the process of the trial was killed by signal SIGKILL" in by_value[3].reason


def wait_for(root: Path, trials: int) -> None:
    """Wait until a study has that many finished trials."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        path = root / ".statewright" / "tune" / "train.jsonl"
        if path.exists() and sum(event["event"] == "trial" for event in events_of(root)) >= trials:
            return
        time.sleep(0.05)
    raise AssertionError("no trial finished")


def wait_until_no_trial_runs(root: Path) -> None:
    """Wait until no process works in a checkout of the repository."""
    folder, deadline = str(root / ".statewright" / "tune"), time.monotonic() + 60
    while time.monotonic() < deadline:
        folders = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                folders.append(str((process / "cwd").readlink()))
            except OSError:
                continue
        if not any(name.startswith(folder) for name in folders):
            return
        time.sleep(0.05)
    raise AssertionError("a trial outlives its driver")


@pytest.mark.slow
def test_the_table_in_a_terminal(tmp_path: Path) -> None:
    failing = FILES["train.py"].replace("model = ", 'assert k < 5, "too deep"\n        model = ')
    root = make_toy(tmp_path / "toy", {"train.py": failing})
    command = [sys.executable, "-m", "statewright", *TUNE, "--budget", "5", "--workers", "2"]
    lines = screen_after(command, root)
    text = "\n".join(lines)
    assert max(len(line) for line in lines if line.lstrip("* ")[:1].isdigit()) <= 100
    study = read_study(root, "train")
    header = next(line for line in lines if line.split()[:2] == ["trial", "state"])
    assert header.split() == ["trial", "state", "value", "took", "params"]
    for trial in study.trials:
        row = next(line for line in lines if line.lstrip("* ").startswith(f"{trial.number} "))
        assert trial.status in row
        assert trial.value is None or f"{trial.value:.6g}" in row
    assert study.best is not None and f"* {study.best.number} " in text
    assert any(trial.status == "failed" for trial in study.trials)
    assert "5 of 5 trials, best " in text
    assert f"best: {METRIC} is {study.best.value:.6g}" in text
