"""Errors of a specification: each names file, line and what to write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.tuner.__main__ import main
from tasks.tuner.generator.generate import load_plan
from tasks.tuner.generator.spec import SpecError

SPEC = """\
name: p
sources:
  t:
    path: t.parquet
    columns: {a: integer, b: string, c: float, d: date, e: boolean}
  u:
    path: u.parquet
    columns: {a: integer, b: string}
tables:
  r:
    from: t
    steps:
    - filter: a > 0
    - derive:
        x: a + 1
    - group:
        by: [b]
        aggregates:
          s: sum(x)
    - sort: [s desc]
    - limit: 3
sink: {table: r}
"""
FAULTS = {
    # Change of a line, line of the error, words of the message.
    ("name: p", "name: class"): (1, "not a name for a table"),
    ("name: p", "nam: p"): (1, "key is missing"),
    ("  t:\n", "  T:\n"): (3, "not a name for a table"),
    ("t.parquet", "/etc/t.parquet"): (4, "leaves the folder"),
    ("t.parquet", "../t.parquet"): (4, "leaves the folder"),
    ("t.parquet", "t*.parquet"): (4, "wildcard"),
    ("t.parquet", "t.json"): (3, "does not end in .parquet or .csv"),
    ("a: integer, b: string, c", "a: int, b: string, c"): (5, "'integer', 'float', 'string'"),
    ("a: integer, b: string, c", "a: integer, A: string, c"): (5, "case is ignored"),
    ("a: integer, b: string, c", '"": integer, b: string, c'): (5, "is empty"),
    ("  u:", "  t:"): (6, "duplicate key"),
    ("from: t", "from: tt"): (11, "did you mean 't'"),
    ("filter: a > 0", "filter: a"): (13, "expected boolean"),
    ("filter: a > 0", "filter: aa > 0"): (13, "did you mean 'a'"),
    ("filter: a > 0", "filter: a > 'x'"): (13, "mixes the types integer and string"),
    ("filter: a > 0", "filter: a >"): (13, "not a valid expression"),
    ("filter: a > 0", "filter: __import__('os')"): (13, "no function '__import__'"),
    ("filter: a > 0", "filter: b.upper() == 'A'"): (13, "not part of the language"),
    ("filter: a > 0", "filter: '(lambda: e)()'"): (13, "not part of the language"),
    ("filter: a > 0", 'filter: f"{a}" == "1"'): (13, "not part of the language"),
    ("filter: a > 0", "filter: '[x for x in b]'"): (13, "not part of the language"),
    ("filter: a > 0", "filter: sum(a) > 0"): (13, "under 'aggregates'"),
    ("filter: a > 0", "filter: a in b"): (13, "list of constants"),
    ("filter: a > 0", "filter: a == date('2020-02-30')"): (13, "not a date"),
    ("filter: a > 0", "filter: a > 9223372036854775808"): (13, "64 bits"),
    ("filter: a > 0", f"filter: {'(' * 500}a{')' * 500} > 0"): (13, "nested"),
    ("filter: a > 0", f"filter: {'not ' * 2000}e"): (13, "nested too deeply"),
    ("filter: a > 0", "filter: ﬁ > 0"): (13, "write col("),
    ("filter: a > 0", "filter: a > 0\n      limit: 3"): (13, "exactly one key"),
    ("filter: a > 0", "filtre: a > 0"): (13, "this key is not known"),
    ("filter: a > 0", "union: [u]"): (13, "other columns or types"),
    ("filter: a > 0", "select: [a, b, a]"): (13, "twice"),
    ("filter: a > 0", "rename: {a: b}"): (13, "have one name"),
    ("filter: a > 0", "join: {table: u, on: [a]}"): (13, "both tables have a column 'b'"),
    ("filter: a > 0", "join: {table: u, on: {c: a}}"): (13, "of types float and integer"),
    ("x: a + 1", "x: None"): (15, "None alone has no type"),
    ("x: a + 1", "x: b + 1"): (15, "mixes the types"),
    ("x: a + 1", "x: c // 2"): (15, "expected integers"),
    ("s: sum(x)", "b: sum(x)"): (19, "another name"),
    ("s: sum(x)", "s: x"): (19, "not one aggregate"),
    ("s: sum(x)", "s: sum(b)"): (19, "expected a number"),
    ("s: sum(x)", "s: sum(x, where=x)"): (19, "needs type boolean"),
    ("sort: [s desc]", "sort: [x desc]"): (20, "no column 'x'"),
    ("    - sort: [s desc]\n", ""): (20, "a limit needs a sort"),
    ("limit: 3", "limit: -1"): (21, "greater than or equal to 0"),
    ("limit: 3", "limit: &x 3\n    - limit: *x"): (22, "references"),
    ("limit: 3", "limit: {"): (23, "not valid YAML"),
    ("table: r", "table: q"): (22, "no source or earlier table 'q'"),
}


def test_the_deepest_expression_does_not_depend_on_the_limit_of_the_process(tmp_path: Path) -> None:
    path, limit = tmp_path / "p.yaml", sys.getrecursionlimit()
    path.write_text(SPEC.replace("filter: a > 0", f"filter: {'not ' * 2000}e"), encoding="utf-8")
    try:
        sys.setrecursionlimit(100_000)
        with pytest.raises(SpecError, match="nested too deeply"):
            load_plan(path)
    finally:
        sys.setrecursionlimit(limit)
    path.write_text(SPEC.replace("filter: a > 0", f"filter: {'a + ' * 150}a > 0"), encoding="utf-8")
    load_plan(path)


def test_the_specification_without_a_fault_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(SPEC, encoding="utf-8")
    assert dict(load_plan(path).columns) == {"b": "string", "s": "integer"}


@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change[1].strip()[:30])
def test_an_error_names_file_and_line(change: tuple[str, str], tmp_path: Path) -> None:
    line, words = FAULTS[change]
    assert SPEC.count(change[0])
    path = tmp_path / "p.yaml"
    path.write_text(SPEC.replace(*change, 1), encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        load_plan(path)
    message = str(raised.value)
    assert message.startswith(f"{path}:{line}: "), message
    assert words in message


@pytest.mark.parametrize("text", ["", "- a", "a", "\0", "a: \ud800"])
def test_text_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(SpecError, match=r"p\.yaml"):
        load_plan(path)


def test_the_command_line_teaches() -> None:
    words = [sys.executable, "-m", "tasks.tuner", "generate", "--help"]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for part in (
        "--engine",
        "--threads",
        "--batch-size",
        "--execution",
        "--filters",
        "streaming",
        "example:",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.yaml", "--engine", "polars", "--out", "x.py"], "cannot be read"),
        (["p.yaml", "--engine", "polars", "--out", "x.py", "--execution", "merge"], "expected one of: eager"),
        (["p.yaml", "--engine", "polars", "--out", "x.py", "--threads", "0"], "expected at least 1"),
        (["p.yaml", "--engine", "polars", "--out", "no/x.py"], "folder that exists"),
    ],
)
def test_a_command_that_cannot_run_says_why(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(SPEC, encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        main(["generate", *words])
    assert not Path("x.py").exists()
