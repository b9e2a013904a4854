"""Each disagreement between dvc.yaml, signatures, params and files is reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import pytest
from toys import HERE, make_repository, write

from statewright.fingerprint import Sources
from statewright.functions.checks import _is_subclass, faults
from statewright.repository import declaration as engine

# The package has another name than `tasks`, which is imported already.
CHOIR = {
    "choir/__init__.py": "",
    "choir/__main__.py": "",
    "choir/params.py": """
        from pydantic import Field
        from statewright.contracts import Params

        class HumParams(Params):
            width: int = Field(3, ge=1)
            watch: str = ""

        class SharedParams(Params):
            before: int
        """,
    "choir/contracts.py": """
        from statewright.contracts import Document

        class Song: ...
        class Loud(Song): ...
        class Other: ...
        class Note(Document):
            pitch: float
        """,
    "choir/low.py": """
        from __future__ import annotations
        from typing import NamedTuple
        from choir.contracts import Loud, Note
        from choir.params import HumParams, SharedParams
        from statewright.contracts import Table

        class Hummed(NamedTuple):
            tune: Table[Loud]
            note: Note

        def hum(raw: Table[Loud], *, params: HumParams, shared: SharedParams) -> Hummed:
            raise SystemExit("called")

        def sing(tune: "Table[Song]", note: contracts.Note) -> str:
            raise SystemExit("called")

        from choir import contracts
        from choir.contracts import Song
        """,
    "dvc.yaml": """
        stages:
          low-hum:
            cmd: python -m choir low-hum
            deps: [raw.parquet]
            params: [low.hum, all.shared]
            outs: [tune.parquet]
            metrics: [note.json]
          low-sing:
            cmd: python -m choir low-sing
            deps: [tune.parquet, note.json]
            outs: [song.html]
          other:
            cmd: cat raw.parquet > copy.parquet
            deps: [raw.parquet]
            outs: [copy.parquet]
        """,
    "params.yaml": "low:\n  hum:\n    width: 2\nall:\n  shared:\n    before: 2000\n",
    "raw.parquet": "x",
}


DEPENDS = "deps: [raw.parquet, '${low.hum.watch}']\n            params"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = make_repository(tmp_path_factory.mktemp("checks") / "repo", CHOIR)
    path = list(sys.path)
    yield root
    sys.path[:] = path
    for name in [name for name in sys.modules if name.partition(".")[0] == "choir"]:
        del sys.modules[name]


@pytest.fixture
def choir(repository: Path) -> Path:
    write(repository, CHOIR)
    return repository


def faults_of(root: Path) -> list[str]:
    opened = engine.open_repository(root)
    workflow = engine.declare(opened)
    return faults(opened.root, workflow)


def test_a_consistent_pipeline_has_no_faults(choir: Path) -> None:
    assert faults_of(choir) == []


def test_a_dependency_that_a_param_names_needs_no_argument(choir: Path) -> None:
    declared = CHOIR["dvc.yaml"].replace("deps: [raw.parquet]\n            params", DEPENDS)
    assert declared != CHOIR["dvc.yaml"]
    params = CHOIR["params.yaml"].replace("width: 2", "width: 2\n    watch: shelf.db")
    write(choir, {"dvc.yaml": declared, "params.yaml": params, "shelf.db": "x"})
    assert faults_of(choir) == []
    write(choir, {"params.yaml": params.replace("watch: shelf.db", "watch: raw.parquet")})
    write(choir, {"dvc.yaml": declared.replace("${low.hum.watch}", "shelf.db")})
    (fault,) = faults_of(choir)
    assert fault.endswith("no argument takes the dependency 'shelf'")


FAULTS = {
    "no such function": (
        ("choir/low.py", "def hum", "def humm"),
        ["low-hum: neither choir.low.hum.hum nor choir.low.hum is a function"],
    ),
    "an argument without a dependency": (
        ("choir/low.py", "def hum(raw:", "def hum(rw:"),
        [
            "low-hum: choir/low.py:11: no dependency has the stem of argument 'rw'",
            "low-hum: choir/low.py:11: no argument takes the dependency 'raw'",
        ],
    ),
    "a dependency without an argument": (
        ("dvc.yaml", "deps: [tune.parquet, note.json]", "deps: [tune.parquet, note.json, copy.parquet]"),
        ["low-sing: choir/low.py:14: no argument takes the dependency 'copy'"],
    ),
    "an output of another name": (
        ("choir/low.py", "    note: Note", "    notes: Note"),
        ["low-hum: choir/low.py:11: returns notes, tune, dvc.yaml declares note, tune"],
    ),
    "an output too many": (
        ("dvc.yaml", "outs: [song.html]", "outs: [song.html, extra.html]"),
        ["low-sing: choir/low.py:14: returns one value, dvc.yaml declares extra, song"],
    ),
    "another contract at the other end of an edge": (
        ("choir/low.py", "note: contracts.Note)", "note: contracts.Other)"),
        [
            "note.json: low-hum writes choir.contracts.Note, "
            "but low-sing (choir/low.py:14) reads choir.contracts.Other"
        ],
    ),
    "a table of another model at the other end of an edge": (
        ("choir/low.py", '"Table[Song]"', '"Table[contracts.Other]"'),
        [
            "tune.parquet: low-hum writes Table[choir.contracts.Loud], "
            "but low-sing (choir/low.py:14) reads Table[choir.contracts.Other]"
        ],
    ),
    "params that no argument takes": (
        ("choir/low.py", ", shared: SharedParams", ""),
        ["low-hum: choir/low.py:11: no argument takes 'shared'"],
    ),
    "params that are not declared": (
        ("dvc.yaml", "params: [low.hum, all.shared]", "params: [low.hum]"),
        ["low-hum: choir/low.py:11: dvc.yaml declares no params for 'shared'"],
    ),
    "params without a model": (
        ("choir/low.py", "shared: SharedParams", "shared: Note"),
        ["low-hum: choir/low.py:11: 'shared' is not annotated with a Params model"],
    ),
    "a misspelt key": (
        ("params.yaml", "width: 2", "widht: 2"),
        ["low-hum: params.yaml: low.hum breaks the contract HumParams:\n  widht: "],
    ),
    "a value out of range": (
        ("params.yaml", "width: 2", "width: 0"),
        ["low-hum: params.yaml: low.hum breaks the contract HumParams:\n  width: "],
    ),
    "a value of another type": (
        ("params.yaml", "before: 2000", "before: early"),
        ["low-hum: params.yaml: all.shared breaks the contract SharedParams:\n  before: "],
    ),
    "a block that does not exist": (
        ("params.yaml", "shared:", "sharde:"),
        [
            "low-hum: params.yaml has no key 'all.shared'",
            "low-hum: params.yaml: all.shared breaks the contract",
        ],
    ),
    "a source that does not exist": (
        ("dvc.yaml", "deps: [raw.parquet]\n    outs", "deps: [raw.parquet, gone.csv]\n    outs"),
        ["other: gone.csv does not exist and no stage writes it"],
    ),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_disagreement_is_reported_with_its_location(choir: Path, kind: str) -> None:
    (name, was, now), expected = FAULTS[kind]
    text = (choir / name).read_text()
    assert was in text
    (choir / name).write_text(text.replace(was, now))
    sentences = faults_of(choir)
    assert len(sentences) == len(expected), sentences
    for text, start in zip(sentences, expected, strict=True):
        assert text.startswith(start), text


def test_an_argument_may_take_the_last_version_of_a_persistent_output(choir: Path) -> None:
    low, declared = choir / "choir/low.py", choir / "dvc.yaml"
    low.write_text(
        low.read_text().replace(
            "def hum(raw: Table[Loud]", "def hum(raw: Table[Loud], previous_tune: Table[Loud] | None"
        )
    )
    where = "low-hum: choir/low.py:11: 'previous_tune'"
    assert [text.partition(",")[0] for text in faults_of(choir)] == [f"{where} takes the last tune.parquet"]
    declared.write_text(
        declared.read_text().replace("outs: [tune.parquet]", "outs: [tune.parquet: {persist: true}]")
    )
    assert faults_of(choir) == []
    low.write_text(low.read_text().replace("previous_tune: Table[Loud] | None", "previous_tune: Note"))
    assert [text.partition(",")[0] for text in faults_of(choir)] == [f"{where} is choir.contracts.Note"]


GROUPED = CHOIR["choir/low.py"].replace(
    'sing(tune: "Table[Song]", note: contracts.Note)', "sing(hummed: Hummed)"
)


def test_an_argument_may_take_all_outputs_of_another_stage(choir: Path) -> None:
    assert CHOIR["choir/low.py"] != GROUPED
    write(choir, {"choir/low.py": GROUPED})
    assert faults_of(choir) == []


@pytest.mark.parametrize("annotation", ['"Hummed"', "low.Hummed"])
def test_the_class_of_a_group_may_be_quoted_or_an_attribute(choir: Path, annotation: str) -> None:
    text = GROUPED.replace("hummed: Hummed", f"hummed: {annotation}")
    write(choir, {"choir/low.py": text.replace("from choir import contracts", "from choir import low")})
    assert faults_of(choir) == []


def test_a_field_without_a_dependency_is_reported(choir: Path) -> None:
    declared = CHOIR["dvc.yaml"].replace("[tune.parquet, note.json]", "[tune.parquet]")
    write(choir, {"choir/low.py": GROUPED, "dvc.yaml": declared})
    assert faults_of(choir) == [
        "low-sing: choir/low.py:14: no dependency has the stem of field 'note' of argument 'hummed'"
    ]


def test_a_dependency_that_is_not_a_field_is_reported(choir: Path) -> None:
    declared = CHOIR["dvc.yaml"].replace(
        "deps: [tune.parquet, note.json]", "deps: [tune.parquet, note.json, copy.parquet]"
    )
    write(choir, {"choir/low.py": GROUPED, "dvc.yaml": declared})
    assert faults_of(choir) == ["low-sing: choir/low.py:14: no argument takes the dependency 'copy'"]


def test_a_field_of_another_contract_is_reported_with_its_edge(choir: Path) -> None:
    group = """
class Sung(NamedTuple):
    tune: Table[contracts.Other]
    note: Note

"""
    text = GROUPED.replace("sing(hummed: Hummed)", "sing(sung: Sung)").replace(
        "        def sing", indent(group, " " * 8) + "        def sing"
    )
    write(choir, {"choir/low.py": text})
    assert faults_of(choir) == [
        "tune.parquet: low-hum writes Table[choir.contracts.Loud], "
        "but low-sing (choir/low.py:19) reads Table[choir.contracts.Other]"
    ]


def test_two_faults_are_both_reported(choir: Path) -> None:
    (choir / "params.yaml").write_text(
        CHOIR["params.yaml"].replace("width: 2", "width: 0").replace("2000", "x")
    )
    assert len(faults_of(choir)) == 2


def test_this_repository_has_no_faults() -> None:
    assert faults_of(HERE) == []


def test_a_derived_contract_is_accepted_with_the_engine_in_the_same_repository() -> None:
    sources = Sources(HERE)
    table = "statewright.contracts.Table[{}]".format
    made = table("tasks.emotion.params.SplitParams")
    assert _is_subclass(sources, made, table("statewright.contracts.Params"))
    assert not _is_subclass(sources, made, table("statewright.contracts.Document"))


def test_files_with_the_same_stem_are_reported(choir: Path) -> None:
    path = choir / "dvc.yaml"
    path.write_text(
        path.read_text().replace("[tune.parquet, note.json]", "[tune.parquet, note.json, b/note.json]")
    )
    write(choir, {"b/note.json": "{}"})
    assert "low-sing: several files in dvc.yaml have the stem 'note'; rename one" in faults_of(choir)
