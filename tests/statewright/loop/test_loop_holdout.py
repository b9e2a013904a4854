"""The loop refuses to read a holdout, as declared and as observed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toys import make_repository, run_here, statewright, write

from statewright.loop import driver as engine
from statewright.loop.driver import loop
from statewright.loop.judge import StopConditions, Target
from statewright.session import Session
from statewright.workflow import WorkflowError

COPY = "import sys; text = open(sys.argv[1]).read(); [open(out, 'w').write(text) for out in sys.argv[2:]]\n"
FEEDBACK = {"stop": False, "reason": "try more", "score": 1.0, "patch": [{"key": "n", "was": 1, "now": 2}]}
FILES = {
    "params.yaml": "n: 1\n",
    "journal.json": "[]\n",
    "raw.txt": "rows",
    "spread.py": COPY,
    "fit.py": "open('train.txt'); open('fit.json', 'w').write('{\"loss\": 1}')\n",
    "judge.py": "open('test.txt'); open('judge.json', 'w').write('{\"accuracy\": 1}')\n",
    "feedback.py": f"open('feedback.json', 'w').write({json.dumps(FEEDBACK)!r})\n",
    "dvc.yaml": """
        stages:
          split:
            cmd: python spread.py raw.txt train.txt test.txt
            deps: [spread.py, raw.txt]
            outs: [train.txt, test.txt]
            meta: {holdout: [test.txt]}
          fit:
            cmd: python fit.py
            deps: [fit.py, train.txt]
            params: [n]
            metrics: [fit.json]
          judge:
            cmd: python judge.py
            deps: [judge.py, test.txt]
            metrics: [judge.json]
          feedback:
            cmd: python feedback.py
            deps: [feedback.py, fit.json, journal.json]
            outs: [feedback.json]
            meta: {journal: journal.json}
        """,
}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_repository(tmp_path / "repo", FILES)

    def carry_out(session: Session, **_: Any) -> int:
        run_here(session.repository.root)
        return 0

    monkeypatch.setattr(engine, "carry_out", carry_out)
    monkeypatch.setattr(engine, "_hold_server", lambda _: None)
    return root


def test_a_declared_read_is_refused_before_the_first_round(repo: Path) -> None:
    text = (repo / "dvc.yaml").read_text()
    write(repo, {"dvc.yaml": text.replace("fit.py, train.txt]", "fit.py, train.txt, test.txt]")})
    with pytest.raises(WorkflowError, match=r"stage 'fit' \(needed by feedback\) declares test.txt"):
        loop(repo, None, stops=StopConditions(3), workers=1)
    assert not (repo / "train.txt").exists()
    assert json.loads((repo / "journal.json").read_text()) == []
    checked = statewright(repo, "check")
    assert checked.returncode == 1
    assert "stage 'fit' (needed by feedback) declares test.txt, a holdout of stage 'split'" in checked.stdout


def test_the_target_may_not_be_a_score_on_the_holdout(repo: Path) -> None:
    write(repo, {"judge.json": '{"accuracy": 0.5}', "fit.json": '{"loss": 1}'})
    target = Target("accuracy", ">=", 0.9)
    with pytest.raises(WorkflowError, match=r"stage 'judge' declares test.txt, a holdout"):
        loop(repo, None, stops=StopConditions(3, target=target), workers=1)
    assert not (repo / "train.txt").exists()


@pytest.mark.slow
def test_an_observed_read_stops_the_loop_after_its_round(tmp_path: Path) -> None:
    """Run real commands: `dvc.yaml` does not declare the read."""
    secret = {"fit.py": f"open('test.txt').read(); {FILES['fit.py']}"}
    root = make_repository(tmp_path, {**FILES, **secret, ".statewright.toml": 'prefect = "never"\n'})
    assert statewright(root, "check").returncode == 0
    looped = statewright(root, "loop", "--rounds", "3")
    assert looped.returncode == 2, looped.stderr
    assert "stage 'fit' (needed by feedback) was observed to read test.txt, a holdout of" in looped.stderr
    assert "add it to deps" not in looped.stderr
    assert (root / "params.yaml").read_text() == "n: 1\n"  # no patch was applied
    assert json.loads((root / "journal.json").read_text()) == []
    checked = statewright(root, "check", "--reads")
    assert checked.returncode == 1
    assert "was observed to read test.txt, a holdout" in checked.stdout
    assert "test.txt" not in statewright(root, "check", "--fix").stdout
    again = statewright(root, "loop")
    assert again.returncode == 2
    assert "round" not in again.stderr  # refused before the first round
