"""Metrics against the last commit; the oracle is ``dvc metrics diff --json``."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from toys import commit, dvc, make_repository, run_here, statewright, write

from statewright.repository import metrics_diff
from statewright.repository.metrics_diff import MetricChanges, metric_changes, stored_changes
from statewright.session import open_session
from statewright.settled import recall
from statewright.terminal.metrics_table import print_metrics

FILES = {
    "params.yaml": "{acc: 0.5, loss: 1}\n",
    "dvc.yaml": """
        metrics: [extra.json]
        stages:
          in_git:
            cmd: |-
              echo '{"acc": ${acc}, "deep": {"n": 3, "name": "a"}, "list": [1], "yes": true}' > git.json
            metrics: [{git.json: {cache: false}}]
          cached:
            cmd: 'echo "loss: ${loss}" > cached.yaml'
            metrics: [cached.yaml]
        """,
    "extra.json": '{"x": 1}\n',
}


def oracle(root: Path) -> Mapping[str, Any]:
    """Return the answer of DVC's command line."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "metrics", "diff", "--json"],
        cwd=root,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: Mapping[str, Any] = json.loads(done.stdout or "{}")
    return answer


def compared(root: Path) -> MetricChanges | None:
    session = open_session(root, [])
    return metric_changes(session.repository, session.workflow, session.state)


def values(changes: MetricChanges | None) -> dict[str, dict[str, tuple[Any, Any]]]:
    files: dict[str, dict[str, tuple[Any, Any]]] = {}
    for change in changes.changes if changes else ():
        files.setdefault(change.file, {})[change.key] = (change.old, change.new)
    return files


def assert_as_dvc(root: Path) -> dict[str, dict[str, tuple[Any, Any]]]:
    ours = values(compared(root))
    theirs = oracle(root)
    assert ours == {
        file: {key: (change["old"], change["new"]) for key, change in keys.items()}
        for file, keys in theirs.items()
    }
    return ours


def test_the_numbers_are_those_of_dvc(tmp_path: Path) -> None:
    root = make_repository(tmp_path, FILES)
    run_here(root)
    assert compared(root) is None  # there is no commit yet
    commit(root)
    assert assert_as_dvc(root) == {}
    write(root, {"params.yaml": "{acc: 0.75, loss: 1}\n"})
    run_here(root)
    assert assert_as_dvc(root) == {"git.json": {"acc": (0.5, 0.75)}}
    write(root, {"params.yaml": "{acc: 0.75, loss: 3}\n", "extra.json": '{"x": 2, "y": 1}\n'})
    run_here(root)
    assert set(assert_as_dvc(root)) == {"git.json", "cached.yaml", "extra.json"}
    write(root, {"params.yaml": "{acc: 0.5, loss: 1}\n", "extra.json": '{"x": 1}\n'})
    run_here(root)
    assert assert_as_dvc(root) == {}


def test_a_metric_whose_old_value_is_lost_is_not_shown_as_new(tmp_path: Path) -> None:
    root = make_repository(tmp_path, FILES)
    run_here(root)
    commit(root)
    write(root, {"params.yaml": "{acc: 0.5, loss: 2}\n"})
    run_here(root)
    assert dvc(root, "gc", "--workspace", "--force", "--quiet") == 0
    changes = compared(root)
    assert changes is not None
    assert (changes.changes, changes.unreadable) == ((), ("cached.yaml",))


def test_a_metric_of_a_stage_that_had_not_run_is_new_and_not_lost(tmp_path: Path) -> None:
    root = make_repository(tmp_path, FILES)
    run_here(root)
    stage = """
          late:
            cmd: 'echo "f1: 3" > sub/late.yaml'
            metrics: [sub/late.yaml]
        """
    write(root, {"dvc.yaml": FILES["dvc.yaml"].rstrip() + stage, "sub/keep": ""})
    commit(root)
    run_here(root)
    changes = compared(root)
    assert changes is not None and changes.unreadable == ()
    assert [(change.file, change.old, change.new) for change in changes.changes] == [
        ("sub/late.yaml", None, 3)
    ]


def test_dvc_does_not_compare_if_no_metric_can_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(tmp_path, FILES)
    run_here(root)
    commit(root)
    monkeypatch.setattr("dvc.repo.metrics.diff.diff", None)
    write(root, {"notes.txt": "changed\n"})
    session = open_session(root, [])
    assert not metrics_diff._can_differ(session.repository, session.workflow, session.state)


def test_the_stored_comparison_ends_with_the_commit(tmp_path: Path) -> None:
    root = make_repository(tmp_path, FILES)
    run_here(root)
    commit(root)
    write(root, {"params.yaml": "{acc: 0.75, loss: 1}\n"})
    run_here(root)
    first, second = (statewright(root, "plan").stdout for _ in range(2))
    assert first == second
    assert [line.split() for line in first.splitlines()[-2:]] == [
        ["metric", "(against", f"{commit_of(root)[:7]})", "was", "is", "change"],
        ["git.json:", "acc", "0.5", "0.75", "+0.25"],
    ]
    assert recall(root) is not None and stored_changes(root) == compared(root)
    commit(root)
    assert stored_changes(root) is None
    assert "metric" not in statewright(root, "plan").stdout
    assert "metric" not in statewright(root, "run").stderr


def commit_of(root: Path) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_comparison_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("the cache is damaged")

    root = make_repository(tmp_path, FILES)
    run_here(root)
    commit(root)
    monkeypatch.setattr("dvc.repo.metrics.Metrics.diff", fail)
    write(root, {"extra.json": '{"x": 2}\n'})
    changes = compared(root)
    assert changes is not None and changes.problem == "ValueError: the cache is damaged"
    console = Console(file=io.StringIO(), width=100)
    print_metrics(changes, console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert said == f"metrics were not compared with {changes.commit[:7]}: ValueError: the cache is damaged\n"
