"""Compare `diff` and `plan --check` with DVC on the same repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toys import commit, dvc, inside, make_repository, statewright, write

from statewright.comparison.difference import RevisionDifference, check_recorded, diff
from statewright.comparison.display import MARKER, markdown
from statewright.workflow import WorkflowError

FILES = {
    "dvc.yaml": """
        stages:
          clean:
            cmd: cat raw/* > clean.txt; mkdir -p parts; cp clean.txt parts/one
            deps: [raw, src]
            params: [low]
            outs: [clean.txt, parts]
          train:
            cmd: "cp parts/one model.txt; wc -l < parts/one | sed 's/.*/{\\"lines\\": &}/' > score.json"
            deps: [parts/one]
            params: [train.rate]
            outs: [model.txt]
            metrics: [score.json: {cache: false}]
          report:
            cmd: cp model.txt report.txt
            deps: [model.txt]
            outs: [report.txt]
        """,
    "params.yaml": "low: 1\ntrain: {rate: 0.5}\n",
    "src/code.py": "x = 1\n",
    "raw/a": "1\n",
    "raw/b": "2\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository whose first commit is up to date."""
    root = make_repository(tmp_path / "toy", FILES)
    assert dvc(root, "add", "-q", "raw") == 0
    assert dvc(root, "repro", "-q") == 0
    commit(root)
    return root


def dvc_json(root: Path, *arguments: str) -> Any:
    """Return what a DVC command prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments, "--json"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout or "{}")


def would_run(root: Path) -> set[str]:
    """Return the stages that ``dvc repro --dry`` starts or that follow them."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--dry"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return {line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")}


def statuses(difference: RevisionDifference) -> dict[str, tuple[str, str]]:
    """Return status and verdict of each stage that differs."""
    return {stage.address: (stage.status, stage.verdict) for stage in difference.stages}


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and time of all files that belong to the user."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not {".git", ".dvc", ".statewright"} & set(path.parts)
    }


def test_nothing_differs(root: Path) -> None:
    """Find no difference in a committed repository without changes."""
    difference = diff(root)
    assert not difference.differs
    assert difference.unchanged == 4


def _follows(address: str, running: set[str]) -> bool:
    before = {"train": {"clean"}, "report": {"clean", "train"}}[address]
    return address not in running and bool(before & running)


CHANGES: dict[str, Callable[[Path], Any]] = {
    "param": lambda root: write(root, {"params.yaml": "low: 1\ntrain: {rate: 0.25}\n"}),
    "code": lambda root: write(root, {"src/code.py": "x = 2\n"}),
    "command": lambda root: (root / "dvc.yaml").write_text(
        (root / "dvc.yaml").read_text().replace("cp model.txt report.txt", "cat model.txt > report.txt")
    ),
    "new output": lambda root: (root / "dvc.yaml").write_text(
        (root / "dvc.yaml").read_text().replace("[report.txt]", "[report.txt, more.txt]")
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("where", ["workspace", "commit"])
def test_changed_declaration_without_a_run(root: Path, change: str, where: str) -> None:
    """Name the stages that DVC would run, in the workspace and in a commit."""
    CHANGES[change](root)
    new = "workspace"
    if where == "commit":
        commit(root)
        new = "HEAD"
    difference = diff(root, "HEAD~1" if where == "commit" else "HEAD", new)
    # DVC names the stages with a cause of their own; those after them depend on the outcome.
    assert {stage.address for stage in difference.stages if stage.verdict == "must"} == would_run(root)
    assert {stage.address for stage in difference.stages if stage.verdict == "may"} == {
        address for address in ("train", "report") if _follows(address, would_run(root))
    }
    assert all(not stage.before for stage in difference.stages)


def test_recorded_change_between_commits(root: Path) -> None:
    """Report figures of DVC for stages that were run in between."""
    write(root, {"raw/c": "3\n", "params.yaml": "low: 2\ntrain: {rate: 0.5}\n"})
    assert dvc(root, "add", "-q", "raw") == 0
    assert dvc(root, "repro", "-q") == 0
    commit(root)
    before = snapshot(root)
    difference = diff(root, "HEAD~1", "HEAD")
    assert statuses(difference) == dict.fromkeys(("raw.dvc", "clean", "train", "report"), ("changed", "skip"))
    assert difference.params == dvc_json(root, "params", "diff", "HEAD~1", "HEAD")
    assert difference.metrics == dvc_json(root, "metrics", "diff", "HEAD~1", "HEAD")
    assert difference.metrics == {"score.json": {"lines": {"old": 2, "new": 3, "diff": 1}}}
    clean = next(stage for stage in difference.stages if stage.address == "clean")
    assert {(reason.kind, reason.subject) for reason in clean.recorded} == {
        ("dependency", "raw"),
        ("param", "low"),
    }
    modified = {
        entry["path"].rstrip("/"): entry["hash"]
        for entry in dvc_json(root, "diff", "--show-hash", "HEAD~1", "HEAD")["modified"]
    }
    outputs = {out.path: out for stage in difference.stages for out in stage.outputs}
    assert set(outputs) & set(modified) == {"clean.txt", "parts", "model.txt", "report.txt", "raw"}
    for path in set(outputs) & set(modified):
        assert modified[path] == {"old": outputs[path].was, "new": outputs[path].now}
    assert (outputs["clean.txt"].size_was, outputs["clean.txt"].size_now) == (4, 6)
    assert snapshot(root) == before


def test_added_and_removed_stage(root: Path) -> None:
    """Name a stage that one revision lacks as added or removed."""
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(text.replace("  report:", "  summary:"))
    assert statuses(diff(root)) == {"summary": ("added", "must"), "report": ("removed", "skip")}


def test_same_inputs_with_another_result(root: Path) -> None:
    """Report an output that changed without a change of inputs."""
    lock = (root / "dvc.lock").read_text()
    report = json.loads(json.dumps(diff(root).as_dict()))
    assert not report["differs"]
    old = next(line for line in lock.split("report.txt")[-1].splitlines() if "md5:" in line).split()[-1]
    (root / "dvc.lock").write_text(lock.rpartition(old)[0] + "f" * 32 + lock.rpartition(old)[2])
    commit(root)
    difference = diff(root, "HEAD~1", "HEAD")
    assert statuses(difference) == {"report": ("changed", "skip")}
    assert not difference.stages[0].recorded
    assert "same inputs, other contents of report.txt" in markdown(difference)


def test_stale_before_is_marked(root: Path) -> None:
    """Mark a stage that would also run in the older revision."""
    CHANGES["param"](root)
    commit(root)
    write(root, {"README.md": "text\n"})
    commit(root)
    difference = diff(root, "HEAD~1", "HEAD")
    assert difference.stages
    assert all(stage.before for stage in difference.stages)


def test_fresh_clone_without_data_is_up_to_date(root: Path, tmp_path: Path) -> None:
    """Pass the check without data; fail it for a stale param or lock entry."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
    assert not check_recorded(clone).work
    assert statewright(clone, "plan", "--check").returncode == 0
    # Upstream was run, and its consumers were not: the entries do not agree with each other.
    lock = (clone / "dvc.lock").read_text()
    entry, separator, rest = lock.partition("  report:")
    hashes = [line.split()[-1] for line in rest.splitlines() if "md5:" in line]
    (clone / "dvc.lock").write_text(entry + separator + rest.replace(hashes[0], "e" * 32, 1))
    assert check_recorded(clone).work == ("report",)
    subprocess.run(["git", "checkout", "--quiet", "."], cwd=clone, check=True)
    CHANGES["param"](clone)
    done = statewright(clone, "plan", "--check")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "train: params.yaml: train.rate 0.5 -> 0.25"
    assert subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, check=True, capture_output=True, text=True
    ).stdout.splitlines() == [" M params.yaml"]


def test_stage_that_always_runs_is_not_stale(root: Path) -> None:
    """Pass the check for a stage that is declared to run every time."""
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(
        text.replace("outs: [report.txt]", "outs: [report.txt]\n    always_changed: true")
    )
    assert not check_recorded(root).work


def test_folder_of_a_git_repository(tmp_path: Path) -> None:
    """Compare a repository below the top of git, with dependencies outside."""
    top = tmp_path / "top"
    root = top / "part"
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    with inside(root):
        assert dvc(root, "init", "-q", "--subdir") == 0
    outside = tmp_path / "outside.txt"
    outside.write_text("1\n")
    write(
        root,
        {
            "dvc.yaml": f"""
            stages:
              copy:
                foreach: [x, y]
                do:
                  cmd: cat ../above.txt {outside} > ${{item}}.txt
                  deps: [../above.txt, {outside}]
                  outs: ['${{item}}.txt']
            """,
            "inner/dvc.yaml": """
            stages:
              last: {cmd: cp ../x.txt z.txt, deps: [../x.txt], outs: [z.txt]}
            """,
        },
    )
    write(top, {"above.txt": "0\n"})
    assert dvc(root, "repro", "-q", "--all-pipelines") == 0
    commit(top)
    assert not diff(root).differs
    assert not diff(root / "inner").differs
    write(top, {"above.txt": "2\n"})
    assert set(statuses(diff(root))) == {"copy@x", "copy@y", "inner/dvc.yaml:last"}
    commit(top)
    assert set(statuses(diff(root, "HEAD~1", "HEAD"))) == {"copy@x", "copy@y", "inner/dvc.yaml:last"}


def test_unknown_revision_and_no_commit(root: Path, tmp_path: Path) -> None:
    """Name a revision that does not exist in the error."""
    with pytest.raises(WorkflowError, match="'nowhere' is not a revision"):
        diff(root, "nowhere")
    empty = make_repository(tmp_path / "empty", {"dvc.yaml": "stages: {}\n"})
    with pytest.raises(WorkflowError, match="no commit to read"):
        diff(empty)


def test_secrets_are_masked(root: Path) -> None:
    """Show no value of a secret, in no format."""
    write(root, {"params.yaml": "low: 1\ntrain: {rate: 0.5}\ndb: {password: 12345}\n"})
    commit(root)
    text = (root / "params.yaml").read_text().replace("12345", "67890")
    write(root, {"params.yaml": text})
    for arguments in ((), ("--json",), ("--format", "markdown")):
        shown = statewright(root, "diff", *arguments).stdout
        assert "db.password" in shown
        assert not {"12345", "67890", "55545"} & set(re.findall(r"\d+", shown))


def test_exit_code_and_markdown(root: Path) -> None:
    """Exit with 1 only if something differs; escape values in Markdown."""
    assert statewright(root, "diff", "--exit-code").returncode == 0
    write(root, {"params.yaml": "low: 1\ntrain: {rate: 'a|b `c` <img> @team'}\n"})
    assert statewright(root, "diff").returncode == 0
    done = statewright(root, "diff", "--exit-code", "--format", "markdown")
    assert done.returncode == 1
    assert done.stdout.startswith(MARKER)
    row = next(line for line in done.stdout.splitlines() if line.startswith("| `train`"))
    assert row.count("|") - row.count("\\|") == 5
    assert "<img>" not in row
    assert " @team" not in row
    shutil.rmtree(root / ".dvc" / "cache")
    values = json.loads(statewright(root, "diff", "--json").stdout)
    assert values["stages"]["train"]["verdict"] == "must"
