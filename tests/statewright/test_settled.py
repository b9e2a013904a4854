"""The cached plan equals a full one, and is dropped as soon as they could differ."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toys import inside, make_repository, run_here, write

from statewright import settled as cache
from statewright import unchanged
from statewright.cli import main
from statewright.request import Request
from statewright.session import open_session
from statewright.settled import recall
from statewright.unchanged import answer_without_planning

FILES = {
    "in.txt": "in\n",
    "params.yaml": "width: 3\n",
    "vars.yaml": "name: out\n",
    ".dvcignore": "*.log\n",
    "folder/a.txt": "a\n",
    "folder/deep/b.txt": "b\n",
    "ignored/dvc.yaml": "stages: {ignored: {cmd: echo}}\n",
    ".gitignore": "/ignored\n",
    "dvc.yaml": """
        vars: [vars.yaml]
        stages:
          first: {cmd: "cat in.txt > ${name}.txt", deps: [in.txt], params: [width], outs: ["${name}.txt"]}
          tree: {cmd: mkdir -p tree && cp -r folder tree/, deps: [folder], outs: [tree]}
          score:
            cmd: 'echo ''{"rmse": 0.5}'' > score.json'
            deps: [out.txt]
            metrics: [{score.json: {cache: false}}]
            meta: {show: ["score.json:rmse"]}
        """,
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_repository(tmp_path_factory.mktemp("settled") / "repo", FILES)
    with inside(root):
        run_here(root)
    return root


@pytest.fixture
def settled(ran: Path, tmp_path: Path) -> Path:
    """A copy of the repository whose plan is cached: all stages are up to date."""
    root = tmp_path / "repo"
    shutil.copytree(ran, root, symlinks=True)
    time.sleep(0.1)
    with inside(root):
        open_session(root, [])
    return root


def cache_object(root: Path, suffix: str = "") -> Path:
    """Return the path of an object in DVC's cache."""
    return next(p for p in sorted((root / ".dvc/cache/files/md5").rglob("*" + suffix)) if p.is_file())


CHANGES: dict[str, Callable[[Path], Any]] = {
    "a source": lambda r: write(r, {"in.txt": "IN\n"}),
    "a source with equal bytes": lambda r: write(r, {"in.txt": "in\n"}),
    "a source gone": lambda r: (r / "in.txt").unlink(),
    "an output": lambda r: write(r, {"score.json": "{}"}),
    "an output gone": lambda r: (r / "out.txt").unlink(),
    "a file deep in a folder": lambda r: write(r, {"folder/deep/b.txt": "c\n"}),
    "a new file in a folder": lambda r: write(r, {"folder/deep/c.txt": "c\n"}),
    "a param": lambda r: write(r, {"params.yaml": "width: 4\n"}),
    "a variable": lambda r: write(r, {"vars.yaml": "name: other\n"}),
    "a declaration": lambda r: write(r, {"dvc.yaml": "stages: {}\n"}),
    "a new declaration": lambda r: write(r, {"folder2/dvc.yaml": "stages: {new: {cmd: echo}}\n"}),
    "a new declaration, deep": lambda r: write(r, {"folder/deep/x.dvc": "outs: [{path: y}]\n"}),
    "the lock gone": lambda r: (r / "dvc.lock").unlink(),
    "the patterns that git ignores": lambda r: write(r, {".gitignore": ""}),
    "the local patterns that git ignores": lambda r: write(r, {".git/info/exclude": "folder\n"}),
    "the patterns that DVC ignores": lambda r: write(r, {".dvcignore": "*.txt\n"}),
    "a setting": lambda r: write(r, {".dvc/config": "[core]\n    autostage = true\n"}),
    "a local setting": lambda r: write(r, {".dvc/config.local": "[core]\n    autostage = true\n"}),
    "an object of the cache": lambda r: cache_object(r).unlink(),
    "a listing of the cache": lambda r: cache_object(r, ".dir").unlink(),
    "a truncated cache file": lambda r: (r / ".statewright/settled.json").write_text('{"form": 1'),
    "a cache file of another type": lambda r: (r / ".statewright/settled.json").write_text("[]"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_drops_the_cached_plan(settled: Path, name: str) -> None:
    assert recall(settled) is not None
    CHANGES[name](settled)
    assert recall(settled) is None


@pytest.fixture(scope="module")
def ran_plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = FILES | {"dvc.yaml": FILES["dvc.yaml"].replace('meta: {show: ["score.json:rmse"]}', "")}
    root = make_repository(tmp_path_factory.mktemp("plain") / "repo", files)
    with inside(root):
        run_here(root)
    return root


@pytest.fixture
def plain(ran_plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a repository where `run` only prints that nothing is to do."""
    root = tmp_path / "repo"
    shutil.copytree(ran_plain, root, symlinks=True)
    shutil.rmtree(root / ".statewright/records", ignore_errors=True)
    time.sleep(0.1)
    with inside(root):
        open_session(root, [])
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_ends_the_answers_without_planning(
    plain: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer_without_planning(["run"])
    assert "nothing to do: 3 stages are up to date" in capsys.readouterr().err
    CHANGES[name](plain)
    assert not answer_without_planning(["run"])
    assert capsys.readouterr() == ("", "")


OTHER_ANSWERS: dict[str, Callable[[Path], Any]] = {
    "metrics": lambda r: write(r, {".statewright/metrics.json": "{}"}),
    "a record that waits": lambda r: write(r, {".statewright/records/1-2.jsonl": ""}),
    "a problem of a record": lambda r: write(r, {".statewright/records/problem.txt": "full disk"}),
    "another folder": lambda r: os.chdir(r / "folder"),
    "no repository": lambda r: os.chdir(r.parent),
    "a variable": lambda r: os.environ.update({"DVC_SITE_CACHE_DIR": "/elsewhere"}),
    "another python": lambda r: os.environ.update({"PATH": str(r)}),
}


@pytest.mark.parametrize("name", OTHER_ANSWERS)
def test_other_answers_need_the_whole_command(
    plain: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    assert answer_without_planning(["run"])
    assert not answer_without_planning(["run", "first"])
    OTHER_ANSWERS[name](plain)
    assert not answer_without_planning(["run"])


def test_figures_need_the_whole_command(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(settled)
    shutil.rmtree(settled / ".statewright/records", ignore_errors=True)
    assert recall(settled) is not None
    assert not answer_without_planning(["run"])


def test_the_command_prints_the_same_with_and_without_planning(plain: Path) -> None:
    command = [sys.executable, "-m", "statewright", "run"]
    outputs = []
    for _ in range(2):
        done = subprocess.run(command, cwd=plain, capture_output=True, text=True, check=True)
        outputs.append((done.stdout, done.stderr))
        (plain / ".statewright/settled.json").unlink()
    assert outputs[0] == outputs[1] == ("", "nothing to do: 3 stages are up to date\n")


def test_an_answer_without_planning_imports_little(plain: Path) -> None:
    script = (
        "import sys\nfrom statewright.unchanged import answer_without_planning\n"
        "print(answer_without_planning(['run']))\n"
        "print(sorted({'argparse', 'dataclasses', 'dvc', 'hashlib', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=plain, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["True", "[]"]


def test_the_cached_plan_equals_a_full_plan(settled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def output_of(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(["-C", str(settled), *arguments])
        assert end.value.code == 0
        return capsys.readouterr().out

    for arguments in (["plan", "--json"], ["plan", "score", "--json"], ["plan"], ["run"], ["run", "tree"]):
        assert recall(settled) is not None
        cached = output_of(*arguments)
        (settled / ".statewright" / "settled.json").rename(settled / "aside")
        assert recall(settled) is None
        assert output_of(*arguments) == cached
        (settled / "aside").rename(settled / ".statewright" / "settled.json")
        os.utime(
            settled,
            ns=(0, json.loads((settled / ".statewright/settled.json").read_text())["paths"][str(settled)][2]),
        )


def test_the_cache_takes_addresses_as_targets_at_the_root_only(settled: Path) -> None:
    plan = recall(settled, ["score"])
    assert plan is not None
    assert list(plan.plan.decisions) == ["first", "score"]
    assert recall(settled, ["out.txt"]) is None
    assert recall(settled / "folder") is not None
    assert recall(settled / "folder", ["score"]) is None
    assert recall(settled.parent) is None


def test_another_environment_drops_the_cached_plan(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", "/elsewhere")
    assert recall(settled) is None
    monkeypatch.undo()
    assert recall(settled) is not None
    monkeypatch.setattr(unchanged, "FORMAT", unchanged.FORMAT + 1)
    assert recall(settled) is None


def test_a_plan_is_not_cached_just_after_a_change(settled: Path) -> None:
    """Refuse files whose second change could have the same time stamp."""
    write(settled, {"in.txt": "in\n"})
    with inside(settled):
        open_session(settled, [])
        assert recall(settled) is None
        ahead = time.time() + 3600
        os.utime(settled / "in.txt", (ahead, ahead))  # a clock that jumps
        open_session(settled, [])
        assert recall(settled) is None
        time.sleep(0.1)
        write(settled, {"in.txt": "in\n"})
        time.sleep(0.1)
        open_session(settled, [])
        assert recall(settled) is not None


def test_a_plan_with_work_is_not_cached(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path / "repo", {"dvc.yaml": "stages: {always: {cmd: echo, always_changed: true}}\n"}
    )
    with inside(root):
        for _ in range(2):
            time.sleep(0.1)
            open_session(root, [])
            assert recall(root) is None
            run_here(root)


def test_a_partial_forced_or_assumed_plan_is_not_cached(settled: Path) -> None:
    path = settled / ".statewright" / "settled.json"
    path.unlink()
    with inside(settled):
        for request in (Request(("first",)), Request(force=True), Request(downstream=True)):
            open_session(settled, request)
            assert not path.exists()
        open_session(settled, [], assumed=["width=3"])
        assert not path.exists()


def test_a_cached_plan_does_not_import_dvc(settled: Path) -> None:
    script = (
        "import sys\nfrom statewright.cli import main\n"
        "try:\n    main(['-C', sys.argv[1], 'run'])\nexcept SystemExit as end:\n"
        "    heavy = {'dvc', 'prefect', 'mlflow', 'pandera', 'torch', 'ortools'} & set(sys.modules)\n"
        "    print(end.code, sorted(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(settled)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["score rmse: 0.5", "0 []"]
    assert "nothing to do: 3 stages" in done.stderr


def test_a_repository_next_to_python_with_an_environment_inside(
    settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(settled)
    opened = {f"{root}/dvc.yaml", f"{root}/env/lib/x.py", f"{root}/.git/HEAD", "/proc/self/maps", "/etc/dvc"}
    monkeypatch.setattr(sys, "base_prefix", str(settled.parent))
    monkeypatch.setattr(sys, "prefix", f"{root}/env")
    relevant = cache._relevant(opened, settled)
    assert opened & relevant == {f"{root}/dvc.yaml", "/etc/dvc"}
