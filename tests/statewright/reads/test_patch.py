"""Patches of dvc.yaml change only the dependencies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from toys import commit, make_repository

from statewright.reads.fix import apply_fix, make_fix
from statewright.reads.patch import add_deps, unified_diff
from statewright.reads.undeclared import UndeclaredRead, declaration_of
from statewright.workflow import WorkflowError

BLOCK = """\
# before
stages:
    b:   # the stage
        cmd: echo 1 > o   # the command
        deps:
          - a.csv   # kept
          # also kept
        outs: [o]
# after
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BLOCK, BLOCK.replace("# kept\n", "# kept\n          - new.csv\n")),
        (
            "stages:\n  b: {cmd: x, deps: [a.csv], outs: [o]}\n",
            "stages:\n  b: {cmd: x, deps: [a.csv, new.csv], outs: [o]}\n",
        ),
        (
            "stages:\n  b: {outs: [o], cmd: x}\n",
            "stages:\n  b: {outs: [o], cmd: x, deps: [new.csv]}\n",
        ),
        (
            "stages:\n  b:\n    cmd: x\n    # outs\n    outs:\n    - o\n",
            "stages:\n  b:\n    cmd: x\n    deps:\n    - new.csv\n    # outs\n    outs:\n    - o\n",
        ),
        (
            "stages:\n  b:\n    cmd: >\n      x\n      y\n\n    outs:\n    - o\n",
            "stages:\n  b:\n    deps:\n    - new.csv\n    cmd: >\n      x\n      y\n\n    outs:\n    - o\n",
        ),
        (
            "stages:\n  b:\n    cmd:\n    - x\n    - y\n",
            "stages:\n  b:\n    deps:\n    - new.csv\n    cmd:\n    - x\n    - y\n",
        ),
        ("stages:\n  b:\n    cmd: x", "stages:\n  b:\n    cmd: x\n    deps:\n    - new.csv"),
        (
            "stages:\n  b:\n    foreach: [1]\n    do:\n      cmd: x ${item}\n      deps:\n      - 'a b'\n",
            "stages:\n  b:\n    foreach: [1]\n    do:\n      cmd: x ${item}\n      deps:\n      - 'a b'\n"
            "      - new.csv\n",
        ),
        (
            "stages:\r\n  b:\r\n    cmd: x\r\n    deps:\r\n    - a\r\n    outs: [o]\r\n",
            "stages:\r\n  b:\r\n    cmd: x\r\n    deps:\r\n    - a\r\n    - new.csv\r\n    outs: [o]\r\n",
        ),
        (
            "stages:\n  b:\n    cmd: x\n    deps:\n    - a: {cache: false}\n    outs: [o]\n",
            None,
        ),
        ("stages:\n  a:\n    deps: &d [x]\n    cmd: y\n  b:\n    cmd: z\n    deps: *d\n", None),
        ("stages:\n  a: &a\n    cmd: y\n  b:\n    <<: *a\n    outs: [o]\n", None),
    ],
)
def test_added_dependency_changes_nothing_else(before: str, after: str | None) -> None:
    assert add_deps(before, "b", ["new.csv"]) == after


@pytest.mark.parametrize(
    "path", ["a b.csv", "#1.csv", "x: y", "[z]", "*.csv", "ü.csv", "'q'.csv", "- m", "1"]
)
@pytest.mark.parametrize("text", [BLOCK, "stages:\n  b: {cmd: x, deps: [a.csv]}\n"])
def test_unusual_names_are_quoted(text: str, path: str) -> None:
    changed = add_deps(text, "b", [path])

    assert changed is not None
    assert yaml.safe_load(changed)["stages"]["b"]["deps"] == ["a.csv", path]


def test_diff_applies_with_git_even_without_a_final_newline(tmp_path: Path) -> None:
    before = "stages:\n  b:\n    cmd: x"
    root = make_repository(tmp_path / "toy", {})
    (root / "dvc.yaml").write_text(before)
    after = add_deps(before, "b", ["new.csv"])
    assert after is not None

    diff = unified_diff(before, after, "dvc.yaml")
    subprocess.run(["git", "apply"], cwd=root, input=diff, text=True, check=True)

    assert (root / "dvc.yaml").read_text() == after


def test_rejected_and_partial_changes_are_left_to_the_user(tmp_path: Path) -> None:
    stages = """
        stages:
          a: {cmd: x, deps: [o], outs: [p]}
          b: {cmd: x, outs: [o]}
          c:
            foreach: [1, 2]
            do: {cmd: "y ${item}", outs: ["${item}.txt"]}
        """
    root = make_repository(tmp_path / "toy", {"dvc.yaml": stages})
    commit(root)
    (root / "dvc.yaml").chmod(0o640)
    reads = [
        UndeclaredRead("b", "p", "a", "p"),
        UndeclaredRead("c@1", "both", None, "both"),
        UndeclaredRead("c@2", "both", None, "both"),
        UndeclaredRead("c@1", "one", None, "one"),
    ]

    def accept(texts: dict[str, str]) -> None:
        if "p]" in texts["dvc.yaml"].split("b:")[1].split("c:")[0]:
            raise WorkflowError("a cycle")

    fix = make_fix(root, reads, {"dvc.yaml:c": 2, "dvc.yaml:b": 1}, accept)
    apply_fix(root, fix)

    declared = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    assert declared["c"]["do"]["deps"] == ["both"]
    assert "deps" not in declared["b"]
    assert (root / "dvc.yaml").stat().st_mode & 0o777 == 0o640
    assert [sentence for sentence in fix.by_hand if "DVC rejects it: a cycle" in sentence]
    assert [sentence for sentence in fix.by_hand if "only c@1 reads one" in sentence]


def test_declaration_of_an_address() -> None:
    assert declaration_of("train") == "dvc.yaml:train"
    assert declaration_of("sub/dvc.yaml:train@0-1") == "sub/dvc.yaml:train"
