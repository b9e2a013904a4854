"""A glance says 'nothing to do' as a proper look would, and says nothing as soon as it might not."""

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

from statewright import settled as glances
from statewright.cli import main
from statewright.session import look
from statewright.settled import glance

FILES = {
    "in.txt": "in\n",
    "params.yaml": "width: 3\n",
    "vars.yaml": "name: out\n",
    ".dvcignore": "*.log\n",
    "folder/a.txt": "a\n",
    "folder/deep/b.txt": "b\n",
    "ignored/dvc.yaml": "stages: {hidden: {cmd: echo}}\n",
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
    root = make_repository(tmp_path_factory.mktemp("glance") / "repo", FILES)
    with inside(root):
        run_here(root)
    return root


@pytest.fixture
def settled(ran: Path, tmp_path: Path) -> Path:
    """A repository of one's own in which all is up to date, and remembered to be."""
    root = tmp_path / "repo"
    shutil.copytree(ran, root, symlinks=True)
    time.sleep(0.1)
    with inside(root):
        look(root, [])
    return root


def cached(root: Path, suffix: str = "") -> Path:
    """Some object in the cache."""
    return next(p for p in sorted((root / ".dvc/cache/files/md5").rglob("*" + suffix)) if p.is_file())


CHANGES: dict[str, Callable[[Path], Any]] = {
    "a source": lambda r: write(r, {"in.txt": "IN\n"}),
    "a source with equal bytes": lambda r: write(r, {"in.txt": "in\n"}),
    "a source gone": lambda r: (r / "in.txt").unlink(),
    "an output": lambda r: write(r, {"score.json": "{}"}),
    "an output gone": lambda r: (r / "out.txt").unlink(),
    "a file deep in a folder": lambda r: write(r, {"folder/deep/b.txt": "c\n"}),
    "a file more in a folder": lambda r: write(r, {"folder/deep/c.txt": "c\n"}),
    "a param": lambda r: write(r, {"params.yaml": "width: 4\n"}),
    "a variable": lambda r: write(r, {"vars.yaml": "name: other\n"}),
    "a declaration": lambda r: write(r, {"dvc.yaml": "stages: {}\n"}),
    "a declaration more": lambda r: write(r, {"folder2/dvc.yaml": "stages: {new: {cmd: echo}}\n"}),
    "a declaration more, deep": lambda r: write(r, {"folder/deep/x.dvc": "outs: [{path: y}]\n"}),
    "the lock gone": lambda r: (r / "dvc.lock").unlink(),
    "what git ignores": lambda r: write(r, {".gitignore": ""}),
    "what git ignores, elsewhere": lambda r: write(r, {".git/info/exclude": "folder\n"}),
    "what DVC ignores": lambda r: write(r, {".dvcignore": "*.txt\n"}),
    "a setting": lambda r: write(r, {".dvc/config": "[core]\n    autostage = true\n"}),
    "a local setting": lambda r: write(r, {".dvc/config.local": "[core]\n    autostage = true\n"}),
    "an object of the cache": lambda r: cached(r).unlink(),
    "a listing of the cache": lambda r: cached(r, ".dir").unlink(),
    "a memory cut short": lambda r: (r / ".statewright/settled.json").write_text('{"form": 1'),
    "a memory of another kind": lambda r: (r / ".statewright/settled.json").write_text("[]"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_is_touched_a_proper_look_is_taken(settled: Path, name: str) -> None:
    assert glance(settled) is not None
    CHANGES[name](settled)
    assert glance(settled) is None


def test_a_glance_agrees_with_a_look(settled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(["-C", str(settled), *arguments])
        assert end.value.code == 0
        return capsys.readouterr().out

    for arguments in (["plan", "--json"], ["plan", "score", "--json"], ["plan"], ["run"], ["run", "tree"]):
        assert glance(settled) is not None
        quick = said(*arguments)
        (settled / ".statewright" / "settled.json").rename(settled / "aside")
        assert glance(settled) is None
        assert said(*arguments) == quick
        (settled / "aside").rename(settled / ".statewright" / "settled.json")
        os.utime(
            settled,
            ns=(0, json.loads((settled / ".statewright/settled.json").read_text())["paths"][str(settled)][2]),
        )


def test_a_glance_knows_addresses_only_and_only_at_the_root(settled: Path) -> None:
    found = glance(settled, ["score"])
    assert found is not None
    assert list(found.plan.decisions) == ["first", "score"]
    assert glance(settled, ["out.txt"]) is None
    assert glance(settled / "folder") is not None
    assert glance(settled / "folder", ["score"]) is None
    assert glance(settled.parent) is None


def test_other_circumstances_need_a_proper_look(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", "/elsewhere")
    assert glance(settled) is None
    monkeypatch.undo()
    assert glance(settled) is not None
    monkeypatch.setattr(glances, "FORM", glances.FORM + 1)
    assert glance(settled) is None


def test_what_has_just_been_written_is_not_remembered(settled: Path) -> None:
    """A second change in the same tick of the clock would leave no trace."""
    write(settled, {"in.txt": "in\n"})
    with inside(settled):
        look(settled, [])
        assert glance(settled) is None
        ahead = time.time() + 3600
        os.utime(settled / "in.txt", (ahead, ahead))  # a clock that jumps
        look(settled, [])
        assert glance(settled) is None
        time.sleep(0.1)
        write(settled, {"in.txt": "in\n"})
        time.sleep(0.1)
        look(settled, [])
        assert glance(settled) is not None


def test_what_always_runs_or_is_not_up_to_date_is_not_remembered(tmp_path: Path) -> None:
    root = make_repository(
        tmp_path / "repo", {"dvc.yaml": "stages: {always: {cmd: echo, always_changed: true}}\n"}
    )
    with inside(root):
        for _ in range(2):
            time.sleep(0.1)
            look(root, [])
            assert glance(root) is None
            run_here(root)


def test_a_look_at_a_part_or_a_supposition_is_not_remembered(settled: Path) -> None:
    memory = settled / ".statewright" / "settled.json"
    memory.unlink()
    with inside(settled):
        for names, more in ((["first"], {}), ([], {"force": True}), ([], {"supposed": ["width=3"]})):
            look(settled, names, **more)  # type: ignore[arg-type]
            assert not memory.exists()


def test_a_glance_needs_no_dvc(settled: Path) -> None:
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


def test_a_repository_may_lie_among_programs_and_an_environment_in_it(
    settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(settled)
    opened = {f"{root}/dvc.yaml", f"{root}/env/lib/x.py", f"{root}/.git/HEAD", "/proc/self/maps", "/etc/dvc"}
    monkeypatch.setattr(sys, "base_prefix", str(settled.parent))
    monkeypatch.setattr(sys, "prefix", f"{root}/env")
    kept = glances._of_use(opened, settled)
    assert opened & kept == {f"{root}/dvc.yaml", "/etc/dvc"}
