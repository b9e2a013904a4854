"""A stage that is killed continues from its rows; others start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from toys import HERE, make_repository, write

from statewright.functions.checks import faults
from statewright.functions.progress import close_progress, open_progress, progress_file
from statewright.repository.declaration import declare, open_repository
from statewright.workflow import Stage

STAGE = Stage(
    "song-search", ("python -m finder song-search",), ("in.csv",), {"params.yaml": ("song.search",)}
)
PARAMS = {"params.yaml": {"song.search": {"trials": 4}, "other": 1}}
TASKS = {
    "finder/__init__.py": "",
    "finder/song.py": """
        import os
        import time
        from statewright.contracts import Document, Params, Progress

        class SearchParams(Params):
            trials: int

        class Found(Document):
            rows: list[int]
            evaluated: int

        def search(*, params: SearchParams, progress: Progress) -> Found:
            known = len(progress.rows)
            for trial in range(known, params.trials):
                progress.append({"trial": trial * trial})
                if trial == 2 and os.path.exists("hang"):
                    time.sleep(60)
            return Found(rows=[row["trial"] for row in progress.rows], evaluated=params.trials - known)
        """,
    "dvc.yaml": """
        stages:
          song-search:
            cmd: python -m finder song-search
            params: [song.search]
            outs: [found.json]
        """,
    "params.yaml": "song: {search: {trials: 5}}\n",
    "hang": "",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("x\n1\n")
    return tmp_path


def kept(root: Path, stage: Stage = STAGE, params: Any = PARAMS) -> list[dict[str, Any]]:
    """Return the rows that the next run receives."""
    return open_progress(root, stage, params).rows


def test_rows_are_kept_exactly_until_the_stage_ends(here: Path) -> None:
    rows = [{"x": [0.1 + 0.2, 1e-300], "name": "ä"}, {"x": [], "name": None}]
    progress = open_progress(here, STAGE, PARAMS)
    for row in rows:
        progress.append(row)
    assert progress.rows == rows
    assert kept(here) == rows
    close_progress(here, STAGE.address)
    assert kept(here) == []


def test_files_are_kept_until_the_stage_ends_or_its_params_change(here: Path) -> None:
    folder = open_progress(here, STAGE, PARAMS).folder
    assert folder is not None
    assert folder.is_absolute()
    assert not folder.exists()
    folder.mkdir()
    (folder / "state.json").write_text("{}")
    again = open_progress(here, STAGE, PARAMS)
    assert again.folder == folder
    assert (folder / "state.json").exists()
    other = {"params.yaml": {"song.search": {"trials": 9}}}
    open_progress(here, STAGE, other)
    assert not folder.exists()
    folder.mkdir()
    close_progress(here, STAGE.address)
    assert not folder.exists()


def test_a_line_that_was_being_written_is_dropped(here: Path) -> None:
    open_progress(here, STAGE, PARAMS).append({"x": 1})
    with progress_file(here, STAGE.address).open("a") as file:
        file.write('{"x": 2')
    again = open_progress(here, STAGE, PARAMS)
    assert again.rows == [{"x": 1}]
    again.append({"x": 3})
    assert kept(here) == [{"x": 1}, {"x": 3}]


@pytest.mark.parametrize("change", ["input", "param", "command", "code"])
def test_rows_of_another_state_are_not_used(here: Path, change: str) -> None:
    stage = Stage(**{**vars(STAGE), "params": {**STAGE.params, "code.json": ("song-search",)}})
    params: dict[str, Any] = {**PARAMS, "code.json": {"song-search": "a"}}
    open_progress(here, stage, params).append({"x": 1})
    assert kept(here, stage, {**params, "params.yaml": {**params["params.yaml"], "other": 2}}) == [{"x": 1}]
    if change == "input":
        (here / "in.csv").write_text("x\n2\n")
    elif change == "param":
        params["params.yaml"] = {"song.search": {"trials": 5}}
    elif change == "command":
        stage = Stage(**{**vars(stage), "cmd": ("python -m other song-search",)})
    else:
        params["code.json"] = {"song-search": "b"}
    assert kept(here, stage, params) == []


# The command of the stage, but without a record in MLflow, which takes long to import.
COMMAND = """
from statewright.functions import runner
runner.is_recorded_by_engine = lambda root: True
runner.main("finder", ["song-search"])
"""


def start(root: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([sys.executable, "-c", COMMAND], cwd=root, env=environment)


@pytest.mark.slow
def test_a_killed_stage_continues_in_its_next_run(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", TASKS)
    file = progress_file(root, "song-search")
    first = start(root)
    try:
        deadline = time.monotonic() + 60
        while not file.exists() or len(file.read_text().splitlines()) < 4:
            assert time.monotonic() < deadline
            assert first.poll() is None
            time.sleep(0.05)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    (root / "hang").unlink()
    assert start(root).wait(60) == 0
    assert json.loads((root / "found.json").read_text()) == {"rows": [0, 1, 4, 9, 16], "evaluated": 2}
    assert not file.exists()


def test_the_argument_needs_no_declaration(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", {**TASKS, "finder/__main__.py": ""})
    workflow = declare(open_repository(root))
    assert faults(root, workflow) == []
    write(root, {"finder/song.py": TASKS["finder/song.py"].replace("progress: Progress", "progress: int")})
    (sentence,) = faults(root, workflow)
    assert "no params for 'progress'" in sentence
