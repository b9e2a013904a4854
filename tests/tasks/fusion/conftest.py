"""The two tables of `tumours` as CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tumours import patients


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Write means.csv (10 columns and the diagnosis) and worst.csv (10 columns)."""
    frame = patients()
    means = [column for column in frame if column.startswith("mean")]
    worst = [column for column in frame if column.startswith("worst")]
    frame[["patient", "diagnosis", *means]].to_csv(tmp_path / "means.csv", index=False)
    frame[["patient", *worst]].sort_values("patient", ascending=False).to_csv(
        tmp_path / "worst.csv", index=False
    )
    return tmp_path
