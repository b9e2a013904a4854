"""Words for cells, searches and configurations that several sections use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.report.blocks import count
from tasks.tuner.contracts.choose import Ratio


def cell_name(spec: str, rows: int) -> str:
    """Return what a cell is: ``mood by genre, 1,000 rows``."""
    return f"{spec.replace('_', ' ')}, {count(rows)} rows"


def configuration_name(configuration: Mapping[str, Any]) -> str:
    """Return a configuration in words."""
    threads = f"{configuration['threads']} thread{'s'[: configuration['threads'] != 1]}"
    size = configuration["batch_size"]
    batches = f"batches of {count(size)}" if size else "no batches"
    return (
        f"{configuration['engine']} {configuration['execution']}, {threads}, {batches}, "
        f"{configuration['read']} columns, filters {configuration['filters']}"
    )


def ratio_text(value: Ratio) -> str:
    """Format a ratio with its interval: ``1.02 (0.99 to 1.05)``."""
    return f"{value.median:.2f} ({value.low:.2f} to {value.high:.2f})"
