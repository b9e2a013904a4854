"""The options of ``dvc repro`` on missing data, run cache and force, against DVC."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toys import commit, dvc, dvc_status, inside, lock_files, make_repository, run_here, write

from statewright.cli import build_parser
from statewright.commands.planning import request_of
from statewright.git import git
from statewright.planning.absent import absent_data, advice
from statewright.request import EVERYTHING
from statewright.session import open_session

FILES = {
    "dvc.yaml": """
        stages:
          prep: {cmd: echo prep >> $RAN; head -5 raw.csv > prep.csv, deps: [raw.csv], outs: [prep.csv]}
          train:
            cmd: echo train >> $RAN; (wc -l < prep.csv; echo ${lr}) > model.txt; echo ${lr} > log.txt
            deps: [prep.csv]
            params: [lr]
            outs: [model.txt, log.txt: {cache: false}]
          twin: {cmd: echo twin >> $RAN; cat model.txt > twin.txt, deps: [model.txt], outs: [twin.txt]}
          eval:
            cmd: echo eval >> $RAN; tail -1 model.txt > m.json
            deps: [model.txt]
            metrics: [m.json: {cache: false}]
        """,
    "params.yaml": "lr: 1\n",
    "raw.csv": "".join(f"{n}\n" for n in range(20)),
    ".gitignore": "/ran\n",
}
DATA = ("raw.csv", "prep.csv", "model.txt", "twin.txt")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose data and run cache are in a remote."""
    folder = tmp_path_factory.mktemp("options")
    root = make_repository(folder / "origin", FILES)
    for arguments in (
        ("remote", "add", "-q", "-d", "store", str(folder / "remote")),
        ("add", "-q", "raw.csv"),
        ("repro", "-q"),
    ):
        assert dvc_in(root, *arguments) == 0
    write(root, {"params.yaml": "lr: 2\n"})
    assert dvc_in(root, "repro", "-q") == 0
    assert dvc_in(root, "push", "-q", "--run-cache") == 0
    commit(root)
    return root


def dvc_in(root: Path, *arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAN", str(root / "ran"))
        return dvc(root, *arguments)


def without_cache(root: Path) -> None:
    shutil.rmtree(root / ".dvc" / "cache")


def fresh_clone(root: Path) -> None:
    without_cache(root)
    for name in DATA:
        (root / name).unlink()


def edit(name: str, old: str, new: str) -> Callable[[Path], Any]:
    return lambda root: (root / name).write_text((root / name).read_text().replace(old, new))


STATES: dict[str, tuple[Callable[[Path], Any], ...]] = {
    "up to date": (),
    "fresh clone": (fresh_clone,),
    "fresh clone, an earlier param": (fresh_clone, edit("params.yaml", "2", "1")),
    "fresh clone, a new param": (fresh_clone, edit("params.yaml", "2", "3")),
    "fresh clone, another command": (fresh_clone, edit("dvc.yaml", "head -5", "head -6")),
    "no cache": (without_cache,),
    "no cache, an earlier param": (without_cache, edit("params.yaml", "2", "1")),
    "no cache, an output gone": (without_cache, lambda root: (root / "prep.csv").unlink()),
    "an output gone": (lambda root: (root / "model.txt").unlink(),),
    "an earlier param": (edit("params.yaml", "2", "1"),),
    "data gone": (lambda root: (root / "raw.csv").unlink(),),
}
OPTIONS = (
    (),
    ("--pull",),
    ("--pull", "--no-run-cache"),
    ("--allow-missing",),
    ("--allow-missing", "--no-run-cache"),
    ("--no-run-cache",),
    ("--force",),
    ("-f", "-s", "train"),
    ("-s", "train"),
    ("--downstream", "train"),
    ("--pull", "train"),
)


@dataclass(frozen=True)
class Outcome:
    """Result of a run: whether it failed, which commands ran, and all files."""

    failed: bool
    ran: tuple[str, ...]
    files: dict[str, bytes]
    locks: dict[str, bytes]


def outcome(root: Path, failed: bool) -> Outcome:
    ran = root / "ran"
    names = tuple(sorted(ran.read_text().split())) if ran.is_file() else ()
    files = {name: (root / name).read_bytes() for name in (*DATA, "m.json") if (root / name).is_file()}
    return Outcome(failed, names, files, {**lock_files(root), "raw": (root / "raw.csv.dvc").read_bytes()})


def copies(origin: Path, folder: Path, edits: tuple[Callable[[Path], Any], ...]) -> tuple[Path, Path]:
    for name in ("dvc", "ours"):
        shutil.copytree(origin, folder / name, symlinks=True)
        (folder / name / "ran").unlink(missing_ok=True)
        for change in edits:
            change(folder / name)
    return folder / "dvc", folder / "ours"


CASES = [
    pytest.param(state, options, marks=() if number % 9 == 1 else pytest.mark.slow)
    for number, (state, options) in enumerate(itertools.product(STATES, OPTIONS))
]


@pytest.mark.parametrize(("state", "options"), CASES, ids=str)
def test_a_run_ends_as_dvc_repro(
    origin: Path, tmp_path: Path, state: str, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_dvc, by_us = copies(origin, tmp_path, STATES[state])
    expected = outcome(by_dvc, dvc_in(by_dvc, "repro", "-q", *options) != 0)
    monkeypatch.setenv("RAN", str(by_us / "ran"))
    request = request_of(build_parser().parse_args(["run", *options]))
    plan = open_session(by_us, request).plan.decisions
    with inside(by_us):
        try:
            outcomes = run_here(by_us, request=request)
            failed = False
        except Exception:
            outcomes, failed = {}, True
    ours = outcome(by_us, failed)
    if expected.failed:
        assert ours.failed
        return
    assert ours == expected
    for address, decision in plan.items():
        command_ran = address in ours.ran
        assert not (decision.verdict == "must" and not command_ran), (address, decision)
        assert not (decision.verdict in ("skip", "restore") and command_ran), (address, decision)
        assert not (address.endswith(".dvc") and decision.verdict == "must")
    assert not set(outcomes) - set(plan)


def test_a_plan_of_a_fresh_clone_says_what_is_missing_and_what_to_type(origin: Path, tmp_path: Path) -> None:
    _, root = copies(origin, tmp_path, (fresh_clone,))
    session = open_session(root, EVERYTHING)
    verdicts = {address: decision.verdict for address, decision in session.plan.decisions.items()}
    assert verdicts == dict.fromkeys(("raw.csv.dvc", "prep", "train", "twin", "eval"), "may")
    missing = absent_data(session.workflow, session.state, session.plan)
    assert {(data.path, data.remote, data.cached) for data in missing} == {(n, "store", False) for n in DATA}
    assert advice(missing) == [
        "not here and not in the cache: raw.csv, prep.csv, model.txt, twin.txt",
        "  `dvc pull` or `statewright run --pull` fetches what the remote 'store' has",
    ]
    assert dvc(root, "pull", "-q") == 0
    assert {d.verdict for d in open_session(root, EVERYTHING).plan.decisions.values()} == {"skip"}


def test_without_a_remote_only_data_that_no_command_writes_needs_advice(origin: Path, tmp_path: Path) -> None:
    _, root = copies(origin, tmp_path, (fresh_clone,))
    assert dvc(root, "remote", "remove", "store") == 0
    session = open_session(root, EVERYTHING)
    assert advice(absent_data(session.workflow, session.state, session.plan)) == [
        "not here and not in the cache: raw.csv",
        "  no remote storage is configured; `dvc remote add -d NAME URL` adds one",
    ]


def test_data_that_only_the_cache_has_is_checked_out_by_hand(origin: Path, tmp_path: Path) -> None:
    _, root = copies(origin, tmp_path, (lambda root: (root / "raw.csv").unlink(),))
    session = open_session(root, EVERYTHING)
    assert advice(absent_data(session.workflow, session.state, session.plan)) == [
        "not here, but in the cache: raw.csv",
        "  `dvc checkout` restores it",
    ]


def test_after_pull_git_and_dvc_are_clean(origin: Path, tmp_path: Path) -> None:
    _, root = copies(origin, tmp_path, (fresh_clone,))
    request = request_of(build_parser().parse_args(["run", "--pull"]))
    outcomes = run_here(root, request=request)
    assert set(outcomes.values()) == {"restored"}
    assert dvc_status(root) == {}


@pytest.mark.parametrize("autostage", ["true", "false"])
def test_files_are_added_to_git_as_dvc_repro_does(tmp_path: Path, autostage: str) -> None:
    stages = """
        stages:
          a: {cmd: echo 1 > a.txt, outs: [a.txt]}
          b: {cmd: cp ../a.txt b.txt, wdir: sub, deps: [../a.txt], outs: [b.txt]}
        """
    by_dvc = make_repository(tmp_path / "dvc", {"dvc.yaml": stages, "sub/readme": "a folder\n"})
    assert dvc(by_dvc, "config", "core.autostage", autostage) == 0
    commit(by_dvc)
    by_us = tmp_path / "ours"
    shutil.copytree(by_dvc, by_us, symlinks=True)
    assert dvc(by_dvc, "repro", "-q") == 0
    with inside(by_us):
        run_here(by_us, track=True)
    status = git(by_us, "status", "--short")
    assert status == git(by_dvc, "status", "--short")
    assert ("A  dvc.lock" in status) == (autostage == "true")
