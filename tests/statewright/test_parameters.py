"""Patches of params files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from statewright.contracts import Patch
from statewright.files import replacing
from statewright.parameters import apply, parse_assignment
from statewright.workflow import WorkflowError

TEXT = """\
# Every value has a comment.
emotion:
  train:                  # learns
    lr: 1.0e-2            # of Adam
    epochs: 80
    name: 'plain'
    deep: true
    model: null           # none yet
    sizes: [1, 2]
    table: {a: 1, b: 2}

  other:
    lr: 0.5
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(TEXT)
    return tmp_path / "params.yaml"


def test_one_value_changes_and_every_comment_stays(path: Path) -> None:
    assert apply(path, [("emotion.train.epochs", 90)]) == [Patch(key="emotion.train.epochs", was=80, now=90)]
    assert path.read_text() == TEXT.replace("epochs: 80", "epochs: 90")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", 0.5),
        ("lr", 1),
        ("epochs", 3),
        ("epochs", 4.0),
        ("name", "fancy"),
        ("deep", False),
        ("model", "folder"),
        ("model", 3),
        ("lr", None),
        ("sizes", [3]),
        ("table", {"a": 2}),
    ],
)
def test_a_value_of_the_same_type_is_accepted(path: Path, key: str, value: Any) -> None:
    (patch,) = apply(path, [(f"emotion.train.{key}", value)])
    assert patch.now == value
    assert YAML(typ="safe").load(path.read_text())["emotion"]["train"][key] == value
    assert path.read_text().startswith("# Every value has a comment.\n")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", "fast"),
        ("lr", True),
        ("epochs", 2.5),
        ("epochs", float("inf")),
        ("epochs", float("nan")),
        ("epochs", False),
        ("deep", 1),
        ("name", 3),
        ("sizes", 3),
        ("sizes", "12"),
        ("table", [1]),
        ("table", 3),
    ],
)
def test_a_value_of_another_type_is_refused_and_nothing_changes(path: Path, key: str, value: Any) -> None:
    with pytest.raises(WorkflowError, match=rf"params\.yaml: 'emotion\.train\.{key}' is .* cannot become"):
        apply(path, [("emotion.other.lr", 0.25), (f"emotion.train.{key}", value)])
    assert path.read_text() == TEXT


def test_a_misspelt_key_is_refused_with_a_suggestion(path: Path) -> None:
    with pytest.raises(
        WorkflowError, match=r"no key 'emotion\.train\.epoch'; did you mean emotion\.train\.epochs"
    ):
        apply(path, [("emotion.train.epoch", 3)])
    with pytest.raises(WorkflowError, match="the file shows the existing keys"):
        apply(path, [("zzz", 3)])
    with pytest.raises(WorkflowError, match="no key"):
        apply(path, [("emotion.train.lr.more", 3)])
    assert path.read_text() == TEXT


def test_a_number_is_written_as_the_type_that_it_replaces(path: Path) -> None:
    """Keep a float that is set to a whole number a float."""
    assert apply(path, [("emotion.other.lr", 2), ("emotion.train.epochs", 90.0)]) == [
        Patch(key="emotion.other.lr", was=0.5, now=2.0),
        Patch(key="emotion.train.epochs", was=80, now=90),
    ]
    assert path.read_text() == TEXT.replace("lr: 0.5", "lr: 2.0").replace("epochs: 80", "epochs: 90")
    apply(path, [("emotion.other.lr", 2.5)])
    with pytest.raises(
        WorkflowError, match=r"is 90 \(int\), it cannot become 1\.5 \(float\).* write 90\.0 in the file"
    ):
        apply(path, [("emotion.train.epochs", 1.5)])


@pytest.mark.parametrize(
    "value",
    [
        "sqlite:////home/me/x.db",
        "http://h:1/?a={b}",
        "a: b",
        "x #y",
        "[1",
        "1e-3",
        "no",
        "ü:ö",
        'q"u:o',
        "a:",
    ],
)
def test_a_text_set_in_brackets_is_read_as_that_text(tmp_path: Path, value: str) -> None:
    """Compare with the parser with which DVC reads params."""
    path = tmp_path / "params.yaml"
    path.write_text("db: {url: x, urls: [y, z], n: 1}   # kept\n")
    apply(path, [("db.url", value), ("db.urls", ["plain", value])])
    assert YAML(typ="safe").load(path.read_text()) == {"db": {"url": value, "urls": ["plain", value], "n": 1}}
    assert path.read_text().endswith(", n: 1}   # kept\n")


def test_an_equal_value_is_no_change(path: Path) -> None:
    before = path.stat().st_mtime_ns
    assert apply(path, [("emotion.train.epochs", 80)]) == []
    assert path.stat().st_mtime_ns == before


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        apply(path, [("emotion.train.epochs", 90)])
    assert path.read_text() == TEXT
    assert [p.name for p in path.parent.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("0.5", 0.5),
        ("3", 3),
        ("true", True),
        ("null", None),
        ("", None),
        ("a b", "a b"),
        ("[1, x]", [1, "x"]),
        ("'7'", "7"),
        ("a=b", "a=b"),
    ],
)
def test_assignments_are_read_as_yaml(text: str, value: Any) -> None:
    key, read = parse_assignment(f"emotion.train.lr={text}")
    assert key == "emotion.train.lr"
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize("text", ["emotion.train.lr", "=3", "a=[1", ""])
def test_an_invalid_assignment_is_refused(text: str) -> None:
    with pytest.raises(WorkflowError, match="--set"):
        parse_assignment(text)


def test_dvc_reads_the_written_file(path: Path) -> None:
    """Write a number that YAML 1.1 does not read as a string (``1e-05``)."""
    from dvc.utils.serialize import load_yaml

    apply(path, [("emotion.train.lr", parse_assignment("x=1e-5")[1])])
    assert load_yaml(str(path))["emotion"]["train"]["lr"] == 1e-5


def test_replacing_cleans_up_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), replacing(tmp_path / "x" / "new.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list((tmp_path / "x").iterdir()) == []


ODD = "a:   {u: plain, y: 'q'}   # kept\r\nb: [1,\r\n   2]\r\n\r\n\r\nc:    1.0e-2\r\n"


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("a.u", "http://host:80/x?a=[1]", "plain", "'http://host:80/x?a=[1]'"),
        ("a.y", "it's", "'q'", "'it''s'"),
        ("b", [3], "[1,\r\n   2]", "[3]"),
        ("c", 1e-05, "1.0e-2", "1e-05"),
    ],
)
def test_every_other_byte_stays(tmp_path: Path, key: str, value: Any, old: str, new: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(ODD.encode())
    apply(path, [(key, value)])
    assert path.read_bytes().decode() == ODD.replace(old, new)


def test_every_other_byte_of_json_stays(tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_text('{"a": {"b":   1,\n"c":"x"} }')
    apply(path, [("a.c", 'é"'), ("a.b", 2)])
    assert path.read_text() == '{"a": {"b":   2,\n"c":"é\\""} }'


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [("a: &x 1\nb: *x\n", "b", 2), ("a:\n- 1\n- 2\nb: 3\n", "a", [5]), ("a: |\n  x\n  y\nb: 3\n", "a", "z")],
)
def test_what_cannot_be_replaced_in_place_is_set_all_the_same(
    tmp_path: Path, text: str, key: str, value: Any
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    before = YAML(typ="safe").load(text)
    apply(path, [(key, value)])
    assert YAML(typ="safe").load(path.read_text()) == {**before, key: value}
