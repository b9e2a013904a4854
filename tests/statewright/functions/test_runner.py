"""``python -m tasks STAGE`` with a small package `tasks`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits
from toys import HERE, make_repository, write

from statewright.files import load, save
from statewright.functions import runner

TASKS = {
    "tasks/__init__.py": "",
    "tasks/song.py": """
        from __future__ import annotations
        import os, time
        from typing import Annotated, NamedTuple
        import numpy as np
        import pandas as pd
        import pandera.pandas as pa
        from pydantic import Field
        from statewright.contracts import Document, Params, Shapes, Table, Tensors

        class Songs(pa.DataFrameModel):
            name: str
            year: int = pa.Field(ge=1900)

        class Counts(pa.DataFrameModel):
            year: int
            songs: int = pa.Field(ge=1)

        class Score(Document):
            mean: float

        class CountParams(Params):
            since: int = Field(1900, ge=1900)

        class SplitParams(Params):
            before: int

        Model = Annotated[Tensors, Shapes({"weight": ("n", 2)})]

        class Counted(NamedTuple):
            counts: Table[Counts]
            model: Model
            score: Score
            page: str

        def count(songs: Table[Songs], *, params: CountParams, split: SplitParams) -> Counted:
            kept = songs[songs.year.between(params.since, split.before)]
            counts = kept.groupby("year").size().rename("songs").reset_index()
            weight = np.tile(counts.songs.to_numpy(float), (2, 1)).T
            return Counted(counts, {"weight": weight}, Score(mean=counts.songs.mean()), "<p>é</p>")

        def bare(counts: Table[Counts], model: Model) -> Score:
            return Score(mean=float(model["weight"].mean()))

        def grouped(counted: Counted) -> Score:
            total = counted.counts.songs.sum() + counted.model["weight"].sum() + len(counted.page)
            return Score(mean=float(total + counted.score.mean))

        def ungrouped(counted: Counted) -> Score:
            return Score(mean=0)

        def threads() -> Score:
            return Score(mean=float(os.environ["OMP_NUM_THREADS"]))

        def broken(songs: Table[Songs]) -> Table[Counts]:
            return pd.DataFrame({"year": [1990, 1991], "songs": [3, 0]})

        class Half(NamedTuple):
            one: Score
            two: Score

        def half(songs: Table[Songs]) -> Half:
            return Half(Score(mean=1.0), {"mean": "x"})

        def played(songs: Table[Songs], previous_played: Table[Songs] | None) -> Table[Songs]:
            return songs if previous_played is None else pd.concat([previous_played, songs]).drop_duplicates()

        def forgetful(songs: Table[Songs]) -> Score:
            pass

        def nan(songs: Table[Songs]) -> Score:
            return Score(mean=float("nan"))

        def crash(songs: Table[Songs]) -> Score:
            return 1 / 0

        def stranger(noises: Table[Songs]) -> Score:
            return Score(mean=0)

        class Another(NamedTuple):
            one: Score
            another: Score

        def two(songs: Table[Songs]) -> Another:
            return Another(Score(mean=1), Score(mean=2))

        def unused(songs: Table[Songs]) -> Score:
            return Score(mean=0)

        class ShelfParams(Params):
            watch: str

        def shelf(songs: Table[Songs], *, params: ShelfParams) -> Score:
            return Score(mean=len(open(params.watch).read()))

        def forever(songs: Table[Songs]) -> Score:
            open("started", "w").close()
            time.sleep(60)
            return Score(mean=0)
        """,
    "dvc.yaml": """
        stages:
          song-count:
            cmd: python -m tasks song-count
            deps: [raw/songs.csv]
            params: [song.count, song.split]
            outs: [out/counts.parquet, out/model.safetensors, out/page.html]
            metrics: [out/score.json]
          song-bare:
            cmd: python -m tasks song-bare
            deps: [out/counts.parquet, out/model.safetensors]
            outs: [out/bare.json]
          song-grouped:
            cmd: python -m tasks song-grouped
            deps: [out/counts.parquet, out/model.safetensors, out/page.html, out/score.json]
            outs: [grouped.json]
          song-ungrouped: {cmd: x, deps: [out/counts.parquet, out/score.json], outs: [ungrouped.json]}
          song-threads: {cmd: python -m tasks song-threads, outs: [threads.json], meta: {cpu: 3}}
          song-broken: {cmd: x, deps: [raw/songs.csv], outs: [broken.csv]}
          song-half: {cmd: x, deps: [raw/songs.csv], outs: [half/one.json, half/two.json]}
          song-few: {cmd: x, deps: [raw/songs.csv], outs: [few.json]}
          song-played: {cmd: x, deps: [raw/songs.csv], outs: [out/played.csv: {persist: true}]}
          song-forgetful: {cmd: x, deps: [raw/songs.csv], outs: [forgetful.json]}
          song-nan: {cmd: x, deps: [raw/songs.csv], outs: [nan.json]}
          song-crash: {cmd: x, deps: [raw/songs.csv], outs: [crash.json]}
          song-stranger: {cmd: x, deps: [raw/songs.csv], outs: [stranger.json]}
          song-shelf:
            cmd: x
            deps: [raw/songs.csv, "${song.shelf.watch}"]
            params: [song.shelf]
            outs: [shelf.json]
          song-forever: {cmd: x, deps: [raw/songs.csv], outs: [forever.json]}
          song-two: {cmd: x, deps: [raw/songs.csv], outs: [one.json, two2/two.json]}
          song-unused: {cmd: x, deps: [raw/songs.csv], params: [song.split], outs: [unused.json]}
        """,
    "params.yaml": """
        song:
          count: {since: 1950}
          split: {before: 2000}
          shelf: {watch: raw/shelf.txt}
        """,
    "raw/shelf.txt": "three",
    "raw/songs.csv": "name,year\na,1940\nb,1960\nc,1960\nd,1970\ne,2010\n",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_repository(tmp_path_factory.mktemp("runner") / "repo", TASKS)
    for name in ("__main__.py", "kernels.py"):
        shutil.copy(HERE / "tasks" / name, root / "tasks")
    return root


@pytest.fixture
def unchanged_threads() -> Iterator[None]:
    """Number of threads of this process, restored after the test.

    A stage sets it; more threads than cores slow all later tests.
    """
    with threadpool_limits():
        yield


@pytest.fixture
def repo(made: Path, monkeypatch: pytest.MonkeyPatch, unchanged_threads: None) -> Path:
    """Clean repository; its module `tasks.song` coexists with the real `tasks`."""
    write(made, TASKS)
    for path in [*made.glob("*.json"), made / "started", made / "broken.csv"]:
        path.unlink(missing_ok=True)
    monkeypatch.setattr(runner, "is_recorded_by_engine", lambda root: True)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.chdir(made)
    spec = importlib.util.spec_from_file_location("tasks.song", made / "tasks" / "song.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "tasks.song", module)
    spec.loader.exec_module(module)
    return made


def run(stage: str) -> str | None:
    """Run a stage in this process and return its error, if any."""
    try:
        runner.main("tasks", [stage])
    except SystemExit as end:
        return str(end.code)
    return None


def start(root: Path, stage: str) -> subprocess.Popen[str]:
    """Start the command of a stage."""
    return subprocess.Popen(
        [sys.executable, "-m", "tasks", stage],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def made_by(root: Path) -> set[str]:
    """Return the names of the files that a stage has written into the root."""
    before = {"tasks", "dvc.yaml", "params.yaml", "raw", ".git", ".dvc", ".dvcignore", "out"}
    return {path.name for path in root.iterdir()} - before


def test_inputs_and_outputs_are_read_and_written_by_their_suffix(repo: Path) -> None:
    shutil.rmtree(repo / "out", ignore_errors=True)
    assert run("song-count") is None
    # 1950 <= year <= 2000, from two blocks of params
    expected = pd.DataFrame({"year": [1960, 1970], "songs": [2, 1]})
    pd.testing.assert_frame_equal(load(repo / "out/counts.parquet"), expected)
    np.testing.assert_array_equal(load(repo / "out/model.safetensors")["weight"], [[2, 2], [1, 1]])
    assert load(repo / "out/score.json") == {"mean": 1.5}
    assert load(repo / "out/page.html") == "<p>é</p>"
    names = {"counts.parquet", "model.safetensors", "score.json", "page.html"}
    assert {path.name for path in (repo / "out").iterdir()} == names


def test_a_single_output_is_returned_without_a_tuple(repo: Path) -> None:
    save(pd.DataFrame({"year": [1990], "songs": [2]}), repo / "out/counts.parquet")
    save({"weight": np.full((4, 2), 3.0)}, repo / "out/model.safetensors")
    assert run("song-bare") is None
    assert load(repo / "out/bare.json") == {"mean": 3.0}


def test_a_persistent_output_is_read_by_the_next_run(repo: Path) -> None:
    (repo / "out/played.csv").unlink(missing_ok=True)
    assert run("song-played") is None
    (repo / "raw/songs.csv").write_text("name,year\nf,2011\n")
    assert run("song-played") is None
    assert load(repo / "out/played.csv")["name"].tolist() == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize("left", ["", "name,year\na,1066\n"])
def test_an_invalid_persistent_output_is_reported_and_ignored(
    repo: Path, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "out").mkdir(exist_ok=True)
    (repo / "out/played.csv").write_text(left)
    assert run("song-played") is None
    assert "last version is ignored, starting without it: " in capsys.readouterr().err
    assert load(repo / "out/played.csv")["name"].tolist() == ["a", "b", "c", "d", "e"]


def test_a_dependency_that_a_param_names_needs_no_argument(repo: Path) -> None:
    assert run("song-shelf") is None
    assert load(repo / "shelf.json") == {"mean": 5.0}


def test_an_argument_may_take_all_outputs_of_another_stage(repo: Path) -> None:
    assert run("song-count") is None
    assert run("song-grouped") is None
    # 3 songs, weights 2 + 2 + 1 + 1, 8 characters, mean 1.5
    assert load(repo / "grouped.json") == {"mean": 18.5}


def test_a_field_that_breaks_its_contract_is_reported_with_its_file(repo: Path) -> None:
    assert run("song-count") is None
    save({"mean": "x"}, repo / "out/score.json")
    error = run("song-grouped") or ""
    assert error.startswith("stage 'song-grouped': input out/score.json breaks the contract Score:\n  mean: ")
    assert not (repo / "grouped.json").exists()


def test_libraries_use_as_many_threads_as_meta_allows(repo: Path) -> None:
    assert run("song-threads") is None
    assert load(repo / "threads.json") == {"mean": 3.0}


INPUTS = {
    "row": ("name,year\na,1940\nb,1840\n", ["breaks the contract Songs", "'year'", "1840", "rows 1"]),
    "missing column": ("name\na\n", ["breaks the contract Songs", "year"]),
    "type": ("name,year\na,x\n", ["breaks the contract Songs", "column 'year'"]),
    "empty": ("", ["raw/songs.csv is empty (0 bytes)"]),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_an_input_that_breaks_its_contract_is_refused_before_the_call(repo: Path, kind: str) -> None:
    songs, words = INPUTS[kind]
    (repo / "raw/songs.csv").write_text(songs)
    error = run("song-crash") or ""
    assert error.startswith("stage 'song-crash': ") and "raw/songs.csv" in error
    for word in words:
        assert word in error


REFUSED = {
    "song-broken": ["output broken.csv breaks the contract Counts", "column 'songs'", "found 0", "rows 1"],
    "song-half": ["output half/two.json breaks the contract Score", "mean"],
    "song-forgetful": ["output forgetful.json breaks the contract Score"],
    "song-nan": ["nan.json", "nan"],
    "song-stranger": ["no dependency in dvc.yaml has the stem of argument 'noises'", "raw/songs.csv"],
    "song-ungrouped": [
        "no dependency in dvc.yaml has the stem of "
        "field 'model' of argument 'counted', field 'page' of argument 'counted'; ",
        "the dependencies are out/counts.parquet, out/score.json",
    ],
    "song-few": ["no function 'few' in tasks/song/few.py or tasks/song.py"],
    "song-absent": ["dvc.yaml declares no such stage"],
    "song-unused": ["params 'song.split' is declared in dvc.yaml, but no argument 'split' takes it"],
    "song-two": ["returns another, one, but dvc.yaml declares one, two"],
}


@pytest.mark.parametrize("stage", REFUSED)
def test_an_invalid_stage_is_one_clear_error_and_writes_no_output(repo: Path, stage: str) -> None:
    error = run(stage) or ""
    assert error.startswith(f"stage '{stage}': ")
    for word in REFUSED[stage]:
        assert word in error
    assert made_by(repo) == set()


def test_params_out_of_range_are_an_error(repo: Path) -> None:
    (repo / "params.yaml").write_text(TASKS["params.yaml"].replace("1950", "1800"))
    assert "params.yaml: song.count breaks the contract CountParams" in (run("song-count") or "")


def test_a_stage_sees_the_params_that_it_declares_and_no_others(repo: Path) -> None:
    """Ignore an invalid block of another stage."""
    (repo / "params.yaml").write_text(TASKS["params.yaml"].replace("since: 1950", "since: 1800, more: 1"))
    assert run("song-threads") is None


def test_an_error_in_the_stage_shows_the_traceback(repo: Path) -> None:
    process = start(repo, "song-crash")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "ZeroDivisionError" in errors and "return 1 / 0" in errors
    assert made_by(repo) == set()


def test_a_killed_stage_leaves_no_output(repo: Path) -> None:
    process = start(repo, "song-forever")
    deadline = time.monotonic() + 60
    while not (repo / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert made_by(repo) == {"started"}
