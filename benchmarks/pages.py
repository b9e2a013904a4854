"""Write stored tables of benchmarks into the pages of the documentation.

Run ``python -m benchmarks.pages`` after a benchmark. A page names a table between two comments:

    <!-- table: learning graphs messages -->
    <!-- end of table -->

What is between them is replaced by the table of `benchmarks/figures`, with its date and command.
"""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

from tasks.report.benchmark import Benchmark, Measurement

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- table: (\S+) (\S+) ([^\n]+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def filled(page: str, figures: Path) -> str:
    """Return a page with the tables that it names.

    Raises
    ------
    ValueError
        If a table is not stored.
    """

    def block(found: re.Match[str]) -> str:
        return f"{found[1]}\n{_text(stored(figures, found[2], found[3], found[4]))}\n\n{found[5]}"

    return BLOCK.sub(block, page)


def stored(figures: Path, folder: str, part: str, name: str) -> Measurement:
    """Return a stored table.

    Raises
    ------
    ValueError
        If there is none; the message names the command that measures it.
    """
    path = figures / folder / f"{part}_benchmark.json"
    tables = Benchmark.model_validate(json.loads(path.read_text("utf-8"))).tables if path.exists() else []
    for table in tables:
        if table.name == name:
            return table
    known = ", ".join(table.name for table in tables) or "no table"
    raise ValueError(
        f"{path} has {known}, expected {name}; measure it by 'python -m benchmarks.{folder} {part}'"
    )


def _text(table: Measurement) -> str:
    """Return title, table, date and command in Markdown."""
    numeric = [not any(isinstance(row[k], str) for row in table.rows) for k in range(len(table.columns))]
    rows = [table.columns, ["---:" if right else "---" for right in numeric], *table.formatted()]
    caption = f"{table.title} Measured on {table.date} by `{table.command}`."
    return "\n".join(
        [
            *textwrap.wrap(caption, 100, break_on_hyphens=False),
            "",
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
    )


def main() -> None:
    """Rewrite every page that names a table."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = path.read_text("utf-8")
        if (new := filled(page, ROOT / "benchmarks" / "figures")) != page:
            path.write_text(new, "utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
