"""Observed reads are kept by stage and command, and reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from toys import commit, make_repository

from statewright.reads.store import KEPT_COMMANDS, ReadStore, StageReads, load_reads, save_reads
from statewright.reads.tracked import tracked_files
from statewright.reads.undeclared import MOST_REPORTED, report, undeclared_reads
from statewright.workflow import Output, Stage, Workflow

STAGE = Stage("train", ("python train.py",), deps=("data",), wdir="sub", outs=(Output("sub/model"),))


def test_reads_survive_a_round_trip_and_belong_to_the_command(tmp_path: Path) -> None:
    store = ReadStore()
    store.add(STAGE, {"b", "a"}, own=True)
    save_reads(tmp_path, store, ["train"])

    again = load_reads(tmp_path)

    assert again.of(STAGE) == StageReads(again.stages["train"][0].command, ("a", "b"), own=True)
    other = replace(STAGE, cmd=("python train.py --fast",))
    assert again.of(other) is None
    assert again.of(replace(STAGE, wdir=".")) is None
    again.add(other, {"c"}, own=False)
    assert again.ever("train") == {"a", "b", "c"}
    assert again.of(STAGE) is not None


def test_old_commands_and_removed_stages_are_forgotten(tmp_path: Path) -> None:
    store = ReadStore()
    for number in range(KEPT_COMMANDS + 2):
        store.add(replace(STAGE, cmd=(f"x {number}",)), {f"f{number}"}, own=False)
    store.add(replace(STAGE, address="gone"), {"a"}, own=False)

    save_reads(tmp_path, store, ["train"])

    assert set(load_reads(tmp_path).stages) == {"train"}
    assert load_reads(tmp_path).ever("train") == {f"f{n}" for n in range(2, KEPT_COMMANDS + 2)}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 0, "stages": {}}', '{"format": 1, "stages": [1]}']
)
def test_damaged_file_holds_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".statewright" / "reads.json"
    path.parent.mkdir()
    path.write_text(text)

    assert load_reads(tmp_path).stages == {}


def test_declared_files_are_left_out_and_outputs_come_first() -> None:
    stages = {
        "make": Stage("make", ("x",), outs=(Output("made/table"),)),
        "raw.dvc": Stage("raw.dvc", (), outs=(Output("raw"),)),
        "train": replace(STAGE, params={"sub/params.yaml": ()}),
    }
    store = ReadStore()
    seen = {"data/part", "sub/params.yaml", "sub/model/x", "made/table", "raw", "sub/lib.py", "top.py"}
    store.add(stages["train"], seen, own=False)

    found = undeclared_reads(Workflow(stages, dict.fromkeys(stages, ())), store, stages)

    assert [(read.path, read.producer, read.dep) for read in found] == [
        ("made/table", "make", "../made/table"),
        ("raw", "raw.dvc", "../raw"),
        ("sub/lib.py", None, "lib.py"),
        ("top.py", None, "../top.py"),
    ]
    assert "raw, tracked by raw.dvc," in found[1].text


def test_code_that_is_fingerprinted_counts_as_declared() -> None:
    code = Stage("code", ("python -m statewright fingerprint --out code.json",), deps=("tasks",))
    stages = {"code": code, "train": Stage("train", ("python -m tasks train",))}
    store = ReadStore()
    store.add(stages["train"], {"tasks/train.py", "other.py"}, own=False)

    found = undeclared_reads(Workflow(stages, {"code": (), "train": ("code",)}), store, stages)

    assert [read.path for read in found] == ["other.py"]


def test_a_long_report_is_cut(tmp_path: Path) -> None:
    stages = {"train": STAGE}
    store = ReadStore()
    store.add(STAGE, {f"lib/{n}.py" for n in range(MOST_REPORTED + 3)}, own=False)

    lines = report(undeclared_reads(Workflow(stages, {"train": ()}), store, stages))

    assert sum("re-runs nothing" in line for line in lines) == MOST_REPORTED
    assert any(line.startswith("3 more: `statewright check --reads`") for line in lines)
    assert report(()) == []


def test_files_that_are_no_dependencies_are_not_observed(tmp_path: Path) -> None:
    kept = {"src/a.py": "", "table.csv": ""}
    left_out = {
        "uv.lock": "",
        "pyproject.toml": "",
        "params.yaml": "",
        "other.yaml": "a: 1\n",
        "src/__pycache__/a.pyc": "x",
        "raw.csv.dvc": "outs: []\n",
        "venv/lib.py": "",
    }
    root = make_repository(tmp_path / "toy", {**kept, **left_out, "dvc.yaml": "stages: {}\n"})
    commit(root)
    stage = Stage("a", ("x",), params={"other.yaml": ()})

    assert tracked_files(root, Workflow({"a": stage}, {"a": ()})) == set(kept)
