"""The stages of a command are those that ``dvc repro`` visits."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from dvc.dependency import Dependency
from toys import inside, make_repository, statewright, write

from statewright.cli import build_parser
from statewright.commands.planning import request_of
from statewright.repository.declaration import open_repository
from statewright.repository.scope import labels, select, targets
from statewright.request import EVERYTHING, Request
from statewright.session import open_session
from statewright.workflow import WorkflowError

FILES = {
    "dvc.yaml": """
        stages:
          p: {cmd: cp raw p.txt, deps: [raw], outs: [p.txt]}
          f:
            foreach: [x, y]
            do: {cmd: "cp p.txt f_${item}.txt", deps: [p.txt], outs: ["f_${item}.txt"]}
          g:
            matrix: {m: [a, b], n: [1, 2]}
            cmd: cp p.txt g_${item.m}_${item.n}
            deps: [p.txt]
            outs: ["g_${item.m}_${item.n}"]
          held: {cmd: cp p.txt held.txt, deps: [p.txt], outs: [held.txt], frozen: true}
          end: {cmd: cat held.txt f_x.txt > end.txt, deps: [held.txt, f_x.txt], outs: [end.txt]}
          wash-fetch: {cmd: echo 1 > w.txt, outs: [w.txt]}
          wash-dry: {cmd: cp w.txt dry.txt, deps: [w.txt], outs: [dry.txt]}
        """,
    "sub/dvc.yaml": """
        stages:
          p: {cmd: cp ../p.txt s.txt, deps: [../p.txt], outs: [s.txt]}
          s: {cmd: "mkdir -p o; cp s.txt o/1", deps: [s.txt], outs: [o]}
        """,
    "sub/deep/dvc.yaml": """
        stages:
          last: {cmd: cp ../o/1 last.txt, deps: [../o], outs: [last.txt]}
        """,
    "other/dvc.yaml": "stages:\n  huge: {cmd: echo 1 > h.txt, outs: [h.txt]}\n",
    "empty/dvc.yaml": "stages: {}\n",
    "none/readme": "no stages here\n",
    "raw": "1\n",
    "alone": "2\n",
}

TARGETS = ((), ("p",), ("f",), ("f@x",), ("g@a-1",), ("end",), ("dvc.yaml",), ("sub/dvc.yaml",), ("raw.dvc",))
ALONE, AFTER = "-s", "--downstream"
FLAGS = ((), ("-P",), (ALONE,), (AFTER,), ("-p",), (ALONE, "-P"), (AFTER, "-p"), (ALONE, AFTER))
CASES: list[tuple[str, tuple[str, ...]]] = [
    *((".", (*names, *flags)) for names, flags in itertools.product(TARGETS, FLAGS)),
    (".", ("",)),
    (".", ("end", "p", "end")),
    (".", ("sub/dvc.yaml:s",)),
    (".", ("sub/dvc.yaml:s", "--downstream")),
    (".", ("-R", "sub")),
    (".", ("-R", "sub", "-s")),
    (".", ("-R", "sub", "--downstream")),
    (".", ("-R", "p")),
    (".", ("--glob", "f@*")),
    (".", ("--glob", "*", "-s")),
    (".", ("--glob", "sub/dvc.yaml:*")),
    (".", ("--glob", "wash-*", "-s")),
    ("sub", ()),
    ("sub", ("p",)),
    ("sub", ("s", "-s")),
    ("sub", ("p", "--downstream")),
    ("sub", ("../dvc.yaml:p",)),
    ("sub", ("../dvc.yaml",)),
    ("sub", ("../raw.dvc",)),
    ("sub", ("-R", "deep")),
    ("sub", ("-P",)),
    ("sub/deep", ("-p",)),
    ("other", ()),
    ("empty", ()),
    ("empty", ("-s",)),
    ("none", ("-P",)),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with nested and generated stages, none of which has run."""
    from dvc.repo import Repo

    root = make_repository(tmp_path_factory.mktemp("scope") / "toy", FILES)
    with inside(root), Repo(str(root)) as repo:
        repo.add(["raw", "alone"])
    return root


def visited_by_dvc(folder: Path, arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses of the stages that ``dvc repro`` would visit."""
    from dvc.cli import main

    visited: list[str] = []

    def record(stages: Sequence[Any], *_: Any, **__: Any) -> list[Any]:
        visited.extend(os.path.relpath(stage.path) + f":{getattr(stage, 'name', '')}" for stage in stages)
        return []

    monkeypatch.setattr("dvc.repo.reproduce._reproduce", record)
    with inside(folder):
        assert main(["repro", "--quiet", *arguments]) == 0
    return visited


def visited_by_us(folder: Path, arguments: Sequence[str]) -> list[str]:
    """Return the addresses that we take, written in the same way."""
    request = request_of(build_parser().parse_args(["run", *arguments]))
    repository = open_repository(folder, request)
    stages = [repository.stages[address] for address in select(repository, request).order]
    return [os.path.relpath(stage.path, folder) + f":{getattr(stage, 'name', '')}" for stage in stages]


@pytest.mark.parametrize(("folder", "arguments"), CASES, ids=lambda value: " ".join([*value]) or "default")
def test_the_stages_are_those_of_dvc_repro(
    root: Path, folder: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = visited_by_dvc(root / folder, arguments, monkeypatch)
    ours = visited_by_us(root / folder, arguments)
    assert sorted(ours) == sorted(expected)
    # Of a small or connected part of the graph, DVC's order depends on the hashes of strings in its process.
    if "-s" in arguments or "-P" in arguments or (len(expected) > 9 and "-p" not in arguments):
        assert ours == expected


def test_the_order_of_a_part_is_an_order_in_which_it_can_run(root: Path) -> None:
    order = visited_by_us(root, ("sub/deep/dvc.yaml",))
    needed = ["raw.dvc:", "dvc.yaml:p", "sub/dvc.yaml:p", "sub/dvc.yaml:s", "sub/deep/dvc.yaml:last"]
    assert order == needed


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        (".", "p.txt", {"p"}),
        (".", "sub/o/1", {"sub/dvc.yaml:s"}),
        (".", "wash", {"wash-fetch", "wash-dry"}),
        ("sub", "s.txt", {"sub/dvc.yaml:p"}),
        ("sub", "o/1", {"sub/dvc.yaml:s"}),
        ("sub", "end", {"end"}),
        ("sub", "wash", {"wash-fetch", "wash-dry"}),
        ("sub", "f", {"f@x", "f@y"}),
        ("sub", "sub/dvc.yaml:s", {"sub/dvc.yaml:s"}),
        ("none", "p.txt", {"p"}),
    ],
)
def test_targets_that_only_we_have(root: Path, folder: str, name: str, expected: set[str]) -> None:
    assert set(targets(open_repository(root / folder), [name])) == expected


@pytest.mark.parametrize(
    ("folder", "request_", "message"),
    [
        ("none", Request(), r"no dvc\.yaml in this folder .*--all-pipelines \(-P\)"),
        (".", Request(("nope",)), "'nope' is not a stage, output or pipeline"),
        (".", Request(("sub",)), r"'sub' is a folder, not a stage; --recursive \(-R\)"),
        (".", Request(("none",), recursive=True), "no stage is declared in the folder 'none'"),
        (".", Request(("nope*",), glob=True), r"no stage matches 'nope\*'"),
        (".", Request(("wash-fetsh",)), "did you mean wash-fetch"),
    ],
)
def test_an_error_says_what_to_type(root: Path, folder: str, request_: Request, message: str) -> None:
    repository = open_repository(root / folder, request_)
    with pytest.raises(WorkflowError, match=message):
        select(repository, request_)


def test_addresses_print_as_dvc_prints_them_in_the_folder(root: Path) -> None:
    from dvc.repo import Repo

    for folder in ("sub", "sub/deep", "none"):
        printed = labels(open_repository(root / folder))
        with inside(root / folder), Repo(str(root / folder)) as repo:
            assert set(printed.values()) == {stage.addressing for stage in repo.index.stages}
    assert labels(open_repository(root)) == {}
    plan = statewright(root / "sub", "plan", "s")
    assert [line.split()[0] for line in plan.stdout.splitlines()[:4]] == [
        "../raw.dvc",
        "../dvc.yaml:p",
        "p",
        "s",
    ]
    assert "after p" in plan.stdout or "never run here" in plan.stdout


def test_data_of_other_pipelines_is_not_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "dvc.yaml": "stages:\n  a: {cmd: cp in a, deps: [in], outs: [a]}\n",
        "other/dvc.yaml": "stages:\n  huge: {cmd: cp data h, deps: [data], outs: [h]}\n",
        "in": "1\n",
        "other/data": "terabytes\n",
    }
    root = make_repository(tmp_path / "toy", files)
    hashed: list[str] = []
    get_hash = Dependency.get_hash
    monkeypatch.setattr(Dependency, "get_hash", lambda dep: (hashed.append(str(dep)), get_hash(dep))[1])
    assert list(open_session(root, Request()).plan.decisions) == ["a"]
    assert hashed == ["in"]
    assert len(open_session(root, EVERYTHING).plan.decisions) == 2
    assert sorted(hashed[1:]) == ["in", "other/data"]


def test_a_command_takes_the_stages_of_the_users_folder(root: Path, tmp_path: Path) -> None:
    def planned(folder: Path, *arguments: str) -> list[str]:
        done = statewright(folder, "plan", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout)["stages"])

    assert planned(root / "other") == ["other/dvc.yaml:huge"]
    assert planned(root / "sub", "-s", "s") == ["sub/dvc.yaml:s"]
    write(root, {"none/here/readme": ""})
    assert statewright(root / "none" / "here", "plan").returncode == 2
    assert len(planned(root / "none", "-P")) == len(select(open_repository(root), EVERYTHING).order)
