"""Check that pages show the stored tables of benchmarks."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pages import BLOCK, filled
from benchmarks.parts import keep, measured
from tasks.report.benchmark import BenchmarkTable

ROOT = Path(__file__).parents[2]
PAGE = "Before.\n\n<!-- table: toys x speed -->\nold\n<!-- end of table -->\n\nAfter.\n"


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    table = BenchmarkTable(
        name="speed", title="Milliseconds.", columns=["search", "ms"], rows=[["ours", 0.26]],
        decimals={"ms": 1},
    )  # fmt: skip
    made = measured(table, "python -m toys x").model_copy(update={"date": "2001-02-03"})
    keep(tmp_path / "toys" / "x_benchmark.json", "x", made)
    return tmp_path


def test_a_named_table_replaces_what_is_between_the_comments(figures: Path) -> None:
    page = filled(PAGE, figures)
    assert "old" not in page
    assert page.startswith("Before.\n\n<!-- table: toys x speed -->\n")
    assert page.endswith("<!-- end of table -->\n\nAfter.\n")
    assert "Milliseconds. Measured on 2001-02-03 by `python -m toys x`.\n" in page
    assert "| search | ms |\n| --- | ---: |\n| ours | 0.3 |\n" in page
    assert filled(page, figures) == page


def test_a_name_of_a_table_may_have_spaces(tmp_path: Path) -> None:
    table = BenchmarkTable(name="speed of all", title="Seconds.", columns=["s"], rows=[[1]])
    keep(tmp_path / "toys" / "x_benchmark.json", "x", measured(table, "python -m toys x"))
    assert "| s |\n| ---: |\n| 1 |" in filled(PAGE.replace("x speed", "x speed of all"), tmp_path)


def test_a_missing_table_is_an_error_with_the_command(figures: Path) -> None:
    with pytest.raises(ValueError, match=r"expected size; measure it by 'python -m benchmarks\.toys x'"):
        filled(PAGE.replace("speed", "size"), figures)


def test_the_pages_show_the_last_measurement() -> None:
    pages = [path for path in (ROOT / "docs").rglob("*.md") if BLOCK.search(path.read_text("utf-8"))]
    assert pages
    for path in pages:
        page = path.read_text("utf-8")
        assert filled(page, ROOT / "benchmarks" / "figures") == page, (
            f"{path}: run python -m benchmarks.pages"
        )
