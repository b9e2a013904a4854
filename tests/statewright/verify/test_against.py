"""Compare outputs with those that a revision records."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from toys import commit, dvc, make_repository, statewright, write

from statewright.meta import Tolerance
from statewright.verify.against import Agreement, verify_against
from statewright.verify.compare import compare_arrays, compare_files
from statewright.workflow import WorkflowError

FILES = {
    "dvc.yaml": """
        stages:
          make:
            cmd: python make.py
            deps: [make.py, raw]
            outs: [tables]
            metrics: [score.json: {cache: false}]
          read:
            cmd: cat tables/t.csv > copy.csv
            deps: [tables/t.csv]
            outs: [copy.csv]
            meta: {tolerance: {relative: 0.01}}
        """,
    "make.py": """
        import json, os, pathlib
        error = 1 + float(os.environ.get("ERROR", "0"))
        pathlib.Path("tables").mkdir(exist_ok=True)
        for name, mark in (("t.csv", ","), ("t.tsv", "\\t")):
            rows = [f"{i}{mark}{i * 1.5 * error}\\n" for i in range(5)]
            pathlib.Path("tables", name).write_text(f"x{mark}y\\n" + "".join(rows))
        pathlib.Path("tables/raw.bin").write_bytes(pathlib.Path("raw/a").read_bytes())
        pathlib.Path("score.json").write_text(json.dumps({"auc": 0.9 * error, "name": "a"}))
        """,
    "raw/a": "1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository with two recorded stages, one commit."""
    root = make_repository(tmp_path / "toy", FILES)
    assert dvc(root, "add", "-q", "raw") == 0
    assert dvc(root, "repro", "-q") == 0
    commit(root)
    return root


def against(root: Path, *names: str, run: bool = True) -> dict[str, Agreement]:
    """Return the result of each stage, compared with HEAD."""
    results: list[Agreement] = []
    agree = verify_against(root, "HEAD", names, results.append, run=run)
    assert agree == all(result.agrees for result in results)
    return {result.stage: result for result in results}


def outcome(result: Agreement) -> dict[str, str]:
    """Return the verdict on each output."""
    return {output.path: output.verdict for output in result.outputs}


def status(root: Path) -> str:
    """Return what git reports as changed."""
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=root, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    ("error", "expected"), [("0", "same bytes"), ("1e-9", "same numbers"), ("1e-4", "different")]
)
def test_run_in_a_copy_of_the_revision(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: str, expected: str
) -> None:
    """Reproduce the bytes, numbers within the tolerance, or say how far they are."""
    monkeypatch.setenv("ERROR", error)
    # The revision is reproduced, not the workspace.
    write(root, {"make.py": "raise SystemExit(1)\n"})
    result = against(root, "make")["make"]
    assert outcome(result) == {"tables": expected, "score.json": expected}
    assert result.seconds is not None
    assert not result.stale
    assert status(root) == " M make.py\n"
    if expected == "different":
        (score,) = next(output for output in result.outputs if output.path == "score.json").differences
        assert score.relative == pytest.approx(1e-4, rel=1e-3)
        assert score.beyond == 1


def test_files_of_the_workspace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the files that are here, with the tolerance that each stage declares."""
    monkeypatch.setenv("ERROR", "1e-4")
    assert dvc(root, "repro", "-q", "--force") == 0
    results = against(root, run=False)
    assert outcome(results["make"]) == {"tables": "different", "score.json": "different"}
    assert outcome(results["read"]) == {"copy.csv": "same numbers"}
    assert results["read"].tolerance == Tolerance(relative=0.01)
    # Without the recorded contents, only metrics in git can be compared.
    shutil.rmtree(root / ".dvc" / "cache")
    monkeypatch.setenv("ERROR", "1e-9")
    assert dvc(root, "repro", "-q", "--force", "make") == 0
    shutil.rmtree(root / ".dvc" / "cache")
    assert outcome(against(root, "make", run=False)["make"]) == {
        "tables": "cannot compare",
        "score.json": "same numbers",
    }


def test_missing_input_names_the_command(root: Path) -> None:
    """Name the input that is nowhere, and how to get it."""
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(root / "raw")
    with pytest.raises(WorkflowError, match=r"raw as HEAD records it .* `dvc fetch`"):
        against(root, "make")


def test_input_of_the_workspace_serves_if_its_hash_is_recorded(root: Path) -> None:
    """Take an input from the workspace if its bytes are the recorded ones."""
    shutil.rmtree(root / ".dvc" / "cache")
    assert outcome(against(root, "make")["make"]) == {"tables": "same bytes", "score.json": "same bytes"}


def test_stage_without_a_record(root: Path) -> None:
    """Report a stage that the revision does not declare."""
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(text.replace("  read:", "  other:"))
    with pytest.raises(WorkflowError, match="HEAD declares no stage 'other'"):
        against(root, "other")


def test_command_line(root: Path) -> None:
    """Exit with 1 if an output differs; print JSON with the tolerance."""
    assert statewright(root, "verify", "--against", "HEAD", "--no-run").returncode == 0
    (root / "score.json").write_text('{"auc": 0.5, "name": "a"}')
    done = statewright(root, "verify", "--against", "HEAD", "--no-run", "make", "--json")
    assert done.returncode == 1
    (stage,) = json.loads(done.stdout)["stages"]
    assert stage["tolerance"] == {"relative": 1e-6, "absolute": 0.0}
    assert [output["verdict"] for output in stage["outputs"]] == ["same bytes", "different"]
    assert statewright(root, "verify", "--no-run").returncode == 2


@pytest.mark.parametrize("with_numpy", [True, False])
def test_tolerance_by_value(monkeypatch: pytest.MonkeyPatch, with_numpy: bool) -> None:
    """Count the values beyond the tolerance, with and without NumPy."""
    if not with_numpy:
        monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    first = [1.0, 1.0, 0.0, float("nan"), float("nan")]
    second = [1.0 + 1e-9, 1.1, 1e-12, float("nan"), 1.0]
    found = compare_arrays("", first, second, Tolerance(1e-6, 1e-9))
    assert found is not None
    assert (found.count, found.of, found.beyond) == (4, 5, 2)
    assert not found.tolerable
    assert compare_arrays("", first[:1], second[:1], Tolerance()).tolerable  # type: ignore[union-attr]
    assert compare_arrays("", first[3:4], second[3:4], Tolerance()) is None
    text = compare_arrays("", ["a", "b"], ["a", "c"], Tolerance())
    assert text is not None
    assert not text.tolerable


def test_csv_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the columns of a CSV file without the extra `functions`."""
    for name in ("numpy", "pyarrow", "pyarrow.csv"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    one.write_text("x,y\n1,a\n2,b\n")
    two.write_text("x,y\n1,a\n2.5,b\n")
    (found,) = compare_files(one, two, Tolerance())
    assert (found.where, found.absolute, found.beyond) == ("column x", 0.5, 1)
