"""Options of ``dvc repro`` on errors, later stages and the cache, against DVC."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from local_runs import counting, files_of, reproduce, run_local
from toys import commit, lock_files, make_repository, write

from statewright.cli import build_parser
from statewright.commands.planning import request_of
from statewright.session import open_session

FILES = {
    "dvc.yaml": """
        stages:
          a: {cmd: echo a >> $RAN; head -1 source > a.txt; test ! -e fail, deps: [source], outs: [a.txt]}
          b: {cmd: echo b >> $RAN; cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}
          c: {cmd: echo c >> $RAN; cp b.txt c.txt, deps: [b.txt], outs: [c.txt: {cache: false}]}
          d: {cmd: echo d >> $RAN; wc -l < source > d.txt, deps: [source], outs: [d.txt]}
          f: {cmd: echo f >> $RAN; cp b.txt f.txt, deps: [b.txt], outs: [f.txt], frozen: true}
          g: {cmd: echo g >> $RAN; cat f.txt lost.txt > g.txt, deps: [f.txt, lost.txt], outs: [g.txt]}
        """,
    "source": "1\n2\n",
    "f.txt": "frozen\n",
    "lost.txt": "here\n",
    ".gitignore": "/f.txt\n",
}


@pytest.fixture
def twins(tmp_path: Path) -> tuple[Path, Path]:
    """Two equal repositories whose stages have run."""
    ours, theirs = make_repository(tmp_path / "ours", FILES), tmp_path / "theirs"
    commit(ours)
    with counting(tmp_path):
        assert reproduce(ours) == 0
    shutil.copytree(ours, theirs, symlinks=True)
    return ours, theirs


def run_both(twins: tuple[Path, Path], tmp_path: Path, options: Sequence[str]) -> tuple[bool, bool]:
    """Run both, compare files, locks and commands; return whether each failed."""
    ours, theirs = twins
    request = request_of(build_parser().parse_args(["run", *options]))
    plan = open_session(ours, request).plan.decisions
    with counting(tmp_path) as counts:
        result = run_local(ours, "auto", request)
    with counting(tmp_path) as expected:
        failed = reproduce(theirs, *options) != 0
    assert counts == expected
    kept, wanted = files_of(ours), files_of(theirs)
    kept.pop(".gitignore"), wanted.pop(".gitignore")  # DVC removes the entries of outputs after a failure
    assert kept == wanted
    assert lock_files(ours) == lock_files(theirs)
    for address, decision in plan.items():
        assert decision.verdict != "skip" or address not in counts, (address, decision)
        assert decision.verdict != "must" or address in counts or result.errors, (address, decision)
    return result.failed, failed


@pytest.mark.parametrize(
    ("source", "ran"),
    [("1\n3\n", {"a", "b", "c", "d"}), ("1\n2\n", set())],
    ids=["an output stays the same", "up to date"],
)
def test_force_downstream(twins: tuple[Path, Path], tmp_path: Path, source: str, ran: set[str]) -> None:
    for root in twins:
        write(root, {"source": source})
    before = (tmp_path / "ran").read_text()
    assert run_both(twins, tmp_path, ["--force-downstream"]) == (False, False)
    assert before and set((tmp_path / "ran").read_text().split()) == ran


@pytest.mark.parametrize(
    "options",
    [("--force-downstream", "b"), ("--force-downstream", "-s", "a", "b"), ("--force-downstream", "-f", "d")],
    ids=" ".join,
)
def test_force_downstream_of_some_stages(
    twins: tuple[Path, Path], tmp_path: Path, options: Sequence[str]
) -> None:
    for root in twins:
        write(root, {"source": "1\n3\n"})
    assert run_both(twins, tmp_path, options) == (False, False)


def test_a_restored_stage_forces_those_that_need_it(twins: tuple[Path, Path], tmp_path: Path) -> None:
    for source in ("4\n", "1\n2\n"):
        for root in twins:
            write(root, {"source": source})
        assert run_both(twins, tmp_path, ["--force-downstream"]) == (False, False)
    assert (tmp_path / "ran").read_text().split() == ["b", "c"]


def test_ignore_errors(twins: tuple[Path, Path], tmp_path: Path) -> None:
    for root in twins:
        write(root, {"source": "5\n", "fail": ""})
        (root / "lost.txt").unlink()
    assert run_both(twins, tmp_path, ["--ignore-errors"]) == (True, False)
    assert sorted((tmp_path / "ran").read_text().split()) == ["a", "b", "c", "d"]
    # What failed is not up to date afterwards.
    assert {a for a, d in open_session(twins[0], ()).plan.decisions.items() if d.verdict == "must"} >= {"a"}


def test_no_commit_stores_nothing_and_records_the_hashes(twins: tuple[Path, Path], tmp_path: Path) -> None:
    def objects(root: Path) -> set[Path]:
        cache = root / ".dvc" / "cache"
        return {path.relative_to(cache) for path in cache.rglob("*") if path.is_file()}

    for root in twins:
        write(root, {"source": "6\n"})
    before = objects(twins[0])
    assert run_both(twins, tmp_path, ["--no-commit"]) == (False, False)
    assert objects(twins[0]) == objects(twins[1]) == before
    assert run_both(twins, tmp_path, []) == (False, False)  # as in DVC, the outputs are not in the cache
    assert objects(twins[0]) == objects(twins[1]) > before


@pytest.mark.parametrize(
    ("answers", "ran"),
    [("y\nperhaps\nyes\nn\ny\n", ["a", "b", "d"]), ("", [])],
    ids=["answers", "end of the input"],
)
def test_interactive_asks_before_each_stage(
    twins: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: str, ran: list[str]
) -> None:
    root = twins[0]
    write(root, {"source": "7\n"})
    (tmp_path / "log").write_text("")
    monkeypatch.setenv("RAN", str(tmp_path / "log"))
    command = [sys.executable, "-m", "statewright", "run", "-i"]
    done = subprocess.run(
        command, cwd=root, input=answers, capture_output=True, text=True, timeout=240, check=False
    )
    assert (tmp_path / "log").read_text().split() == ran
    assert "Run stage 'a'? [y/n]" in done.stderr
    assert "was not started: the answer was no" in done.stderr
    assert done.returncode == 1
