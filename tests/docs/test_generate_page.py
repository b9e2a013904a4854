"""The commands and the example of docs/generate-a-pipeline.md, on each engine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.tuner.generator.parser import AGGREGATES, FUNCTIONS, OTHER_FUNCTIONS
from tasks.tuner.generator.spec import Step

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "generate-a-pipeline.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMAND_S = 120


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


def table_of_the_page() -> list[list[str]]:
    """Return the cells of the table below "The result"."""
    lines = PAGE.partition("The result:\n\n")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def run(words: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Write the files that the page shows."""
    (tmp_path / "tables").mkdir()
    for name, text in zip(("orders", "customers"), blocks("csv"), strict=True):
        (tmp_path / "tables" / f"{name}.csv").write_text(text, encoding="utf-8")
    (tmp_path / "revenue.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    return tmp_path


def cells(path: Path) -> list[list[str]]:
    rows = pq.read_table(path).to_pylist()
    assert all(isinstance(row["last"], date) for row in rows)
    return [["" if value is None else str(value) for value in row.values()] for row in rows]


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
def test_the_commands_give_the_table_of_the_page(example: Path, engine: str) -> None:
    for line in blocks("")[0].splitlines():
        words = shlex.split(line.replace("--engine polars", f"--engine {engine}"))
        assert words[0] == "python"
        run(words[1:], example)
    assert cells(example / "revenue.parquet") == table_of_the_page()


def test_the_python_of_the_page_gives_the_same_table(example: Path) -> None:
    assert run(["-c", blocks("python")[0]], example).startswith("done ")
    assert cells(example / "revenue.parquet") == table_of_the_page()


def test_the_page_names_every_step_and_function() -> None:
    for name in (*Step.model_fields, *FUNCTIONS, *OTHER_FUNCTIONS, *AGGREGATES):
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", PAGE), name
