"""DVC experiments that are made in a scratch copy, read by DVC's own commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from toys import commit, make_repository

from statewright.repository.experiments import save_experiment_of_copy
from statewright.verify.scratch import copy_checkout

FILES = {
    "params.yaml": "a: 1\nb: 2  # kept\n",
    "sing.py": """
        import yaml
        from pathlib import Path
        params = yaml.safe_load(open("params.yaml"))
        Path("model.txt").write_text(f"model {params['a']}")
        Path("score.json").write_text('{"loss": %s}' % params["a"])
        """,
    "dvc.yaml": f"""
        stages:
          sing:
            cmd: {sys.executable} sing.py
            params: [a]
            deps: [sing.py]
            outs: [model.txt]
            metrics:
            - score.json:
                cache: false
        """,
}


def dvc(root: Path, *words: str) -> str:
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("below", ["", "project"])
def test_an_experiment_of_a_copy_is_shown_and_applied_by_dvc(tmp_path: Path, below: str) -> None:
    top = tmp_path / "songs"
    root = make_repository(top / below, FILES) if not below else _below(top, below)
    dvc(root, "repro", "--quiet")
    commit(top)
    (root / "note.txt").write_text("of the user")
    git(top, "add", "--all")
    (root / "sing.py").write_text((root / "sing.py").read_text() + "# an edit that is not committed\n")
    before = (git(top, "status", "--porcelain"), git(top, "rev-parse", "HEAD"), git(top, "branch", "--list"))

    folder = tmp_path / "copy"
    copied = copy_checkout(root, folder, [], ["model.txt"])
    (copied / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {root / '.dvc' / 'cache'}\n")
    (copied / "params.yaml").write_text("a: 7\nb: 2  # kept\n")
    dvc(copied, "repro", "--quiet")
    unsaved = save_experiment_of_copy(root, copied, "tune-3", "trial 3", ["dvc.lock", "score.json"])
    assert unsaved is None
    after = (git(top, "status", "--porcelain"), git(top, "rev-parse", "HEAD"), git(top, "branch", "--list"))
    assert after == before
    assert not (top / ".git" / "FETCH_HEAD").exists()

    (shown,) = json.loads(dvc(root, "exp", "show", "--json"))[1]["experiments"]
    data = shown["revs"][0]["data"]
    assert shown["name"] == "tune-3"
    assert data["params"]["params.yaml"]["data"]["a"] == 7
    assert data["metrics"]["score.json"]["data"] == {"loss": 7}
    git(top, "stash", "--include-untracked")
    dvc(root, "exp", "apply", "tune-3")
    assert (root / "params.yaml").read_text() == "a: 7\nb: 2  # kept\n"
    assert (root / "model.txt").read_text() == "model 7"
    assert "sing" not in dvc(root, "status")


def _below(top: Path, below: str) -> Path:
    """Return a DVC repository in a folder of a git repository."""
    from toys import write

    subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    root = top / below
    root.mkdir()
    dvc(root, "init", "--subdir", "--quiet")
    write(root, FILES)
    return root


def test_a_repository_without_a_commit_has_no_experiments(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "songs", FILES)
    copied = copy_checkout(root, tmp_path / "copy", [], [])
    reason = save_experiment_of_copy(root, copied, "tune-1", "trial 1", [])
    assert reason is not None and "no git commit yet" in reason
