"""Stage functions of a matrix: one function, the values of each cell."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from toys import make_repository, write

from statewright.functions import runner
from statewright.functions.checks import faults
from statewright.repository.declaration import declare, declare_one, open_repository
from statewright.workflow import Workflow, WorkflowError

# The package has another name than those of other tests, which are imported already.
FILES = {
    "oboes/__init__.py": "",
    "oboes/__main__.py": "",
    "oboes/reed.py": """
        from statewright.contracts import Document, Params

        class Length(Document):
            mm: float

        class Cell(Params):
            player: str
            trial: int

        class TuneParams(Params):
            factor: float

        class Result(Document):
            mm: float
            name: str

        def tune(player: Length, *, cell: Cell, params: TuneParams) -> Result:
            return Result(mm=player.mm * params.factor + cell.trial, name=cell.player)
        """,
    "raw/ann.json": '{"mm": 70.0}',
    "raw/bob.json": '{"mm": 80.0}',
    "params.yaml": "reed: {tune: {factor: 2.0}, players: [ann, bob]}",
    "dvc.yaml": """
        stages:
          reed-tune:
            matrix:
              player: ${reed.players}
              trial: [1, 2]
            cmd: python -m oboes reed-tune@${key}
            deps: ["raw/${item.player}.json"]
            params: [reed.tune]
            outs: ["out/${key}/result.json"]
        """,
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = make_repository(tmp_path / "repository", FILES)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "oboes"]:
        del sys.modules[name]


def declared(root: Path) -> Workflow:
    return declare(open_repository(root))


def test_each_cell_has_its_values_and_its_file(root: Path) -> None:
    workflow = declared(root)
    assert {address: dict(stage.cell) for address, stage in workflow.stages.items()} == {
        f"reed-tune@{player}-{trial}": {"player": player, "trial": trial}
        for player in ("ann", "bob")
        for trial in (1, 2)
    }
    assert faults(root, workflow) == []
    for stage in workflow.stages.values():
        (root / Path(stage.outs[0].path).parent).mkdir(parents=True)
        runner.run_stage(stage, workflow.params, "oboes")
    results = {path.parent.name: json.loads(path.read_text()) for path in root.glob("out/*/result.json")}
    assert results["ann-2"] == {"mm": 142.0, "name": "ann"}
    assert results["bob-1"] == {"mm": 161.0, "name": "bob"}


def test_one_stage_is_declared_as_among_all(root: Path) -> None:
    workflow = declared(root)
    one = declare_one(open_repository(root), "reed-tune@bob-2")
    assert one.stages["reed-tune@bob-2"] == workflow.stages["reed-tune@bob-2"]
    assert one.params == workflow.params
    for name in ("reed-tune", "reed-tune@bob-3", "other"):
        with pytest.raises(WorkflowError, match="declares no such stage; `statewright graph`"):
            declare_one(open_repository(root), name)


def test_a_stage_starts_without_reading_the_lock_file(root: Path) -> None:
    workflow = declared(root)
    write(
        root,
        {
            "dvc.lock": "damaged: [",
            "sub/dvc.yaml": FILES["dvc.yaml"],
            "sub/params.yaml": FILES["params.yaml"],
        },
    )
    repository = open_repository(root)
    assert declare_one(repository, "reed-tune@ann-1").stages == {
        "reed-tune@ann-1": workflow.stages["reed-tune@ann-1"]
    }
    (other,) = declare_one(repository, "sub/dvc.yaml:reed-tune@ann-1").stages.values()
    assert (other.wdir, dict(other.cell)) == ("sub", {"player": "ann", "trial": 1})


def test_a_file_that_an_argument_names_keeps_its_name(root: Path) -> None:
    text = FILES["oboes/reed.py"].replace("tune(player: Length", "tune(ann: Length, bob: Length")
    declaration = FILES["dvc.yaml"].replace('"raw/${item.player}.json"', "raw/ann.json, raw/bob.json")
    write(root, {"oboes/reed.py": text.replace("player.mm", "ann.mm"), "dvc.yaml": declaration})
    assert faults(root, declared(root)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("trial: int", "trial: bool", "trial"),
        ("cell: Cell", "cell: Length", "'cell' is not annotated with a Params model"),
        ("player: Length,", "player_: Length,", "no dependency has the stem of argument 'player_'"),
    ],
)
def test_a_cell_that_does_not_fit_its_function_is_a_fault(root: Path, old: str, new: str, fault: str) -> None:
    write(root, {"oboes/reed.py": FILES["oboes/reed.py"].replace(old, new)})
    sentences = faults(root, declared(root))
    assert any(fault in sentence and "reed-tune@bob-2" in sentence for sentence in sentences), sentences


def test_a_cell_without_a_matrix_is_a_fault(root: Path) -> None:
    plain = """
        stages:
          reed-tune:
            cmd: python -m oboes reed-tune
            deps: [raw/player.json]
            params: [reed.tune]
            outs: [out/result.json]
        """
    write(root, {"dvc.yaml": plain, "raw/player.json": '{"mm": 1.0}'})
    assert any("has no `matrix`" in sentence for sentence in faults(root, declared(root)))


def test_items_of_foreach_are_cells_too(root: Path) -> None:
    declaration = """
        stages:
          reed-tune:
            foreach: [ann, bob]
            do:
              cmd: python -m oboes reed-tune@${item}
              deps: ["raw/${item}.json"]
              outs: ["out/${item}/result.json"]
        """
    write(root, {"dvc.yaml": declaration})
    cells = {address: dict(stage.cell) for address, stage in declared(root).stages.items()}
    assert cells == {"reed-tune@ann": {"item": "ann"}, "reed-tune@bob": {"item": "bob"}}
