"""Compare incoming.csv with training.csv; write drift.json and drift.svg."""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from drift import ColumnVerdict, Verdict, compare_batches

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")
WIDTH, HEIGHT, LEFT, TOP = 720, 360, 60, 40


def main() -> None:
    """Read the tables, compare them and write the results."""
    alpha = yaml.safe_load(Path("params.yaml").read_text())["alpha"]
    training, incoming = pd.read_csv("training.csv"), pd.read_csv("incoming.csv")
    verdict = compare_batches(dict(training.items()), dict(incoming.items()), alpha=alpha)
    Path("drift.json").write_text(json.dumps(as_metrics(verdict, alpha), indent=2) + "\n")
    Path("drift.svg").write_text(draw(verdict))


def as_metrics(verdict: Verdict, alpha: float) -> dict[str, object]:
    """Return the verdict as metrics of DVC."""
    return {
        "alarm": int(verdict.alarm),
        "alpha": alpha,
        "lost": list(verdict.lost),
        "added": list(verdict.added),
        "columns": {column.name: of_column(column) for column in verdict.columns},
    }


def of_column(column: ColumnVerdict) -> dict[str, object]:
    """Return the figures of a column; `alarm_row` is -1 without an alarm."""
    return {
        "alarm": int(column.alarm),
        "psi": round(column.stability.psi, 4),
        "psi_threshold": round(column.stability.threshold, 4),
        "p": column.stability.p_value,
        "adjusted_p": column.adjusted_p,
        "largest_log10_capital": round(float(column.log_capital.max()) / math.log(10), 3),
        "alarm_row": -1 if column.alarm_row is None else column.alarm_row,
        "missing_before": round(column.missing[0], 4),
        "missing_now": round(column.missing[1], 4),
        "new_categories": list(column.new_categories[:20]),
    }


def draw(verdict: Verdict) -> str:
    """Return a picture of the capital of each column and the threshold."""
    threshold = verdict.log_threshold / math.log(10)
    paths = {column.name: column.log_capital / math.log(10) for column in verdict.columns}
    high = max(threshold, *(path.max() for path in paths.values())) + 0.5
    low = min(-1.0, *(path.min() for path in paths.values()))
    rows = max(len(path) for path in paths.values())

    def point(row: float, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - 20) * row / max(rows - 1, 1)
        return f"{x:.1f},{TOP + (HEIGHT - TOP - 40) * (high - value) / (high - low):.1f}"

    lines = [f'<polyline points="{point(0, threshold)} {point(rows - 1, threshold)}" stroke="#888"/>']
    texts = [f'<text x="{LEFT}" y="20">log10 capital against "no drift"; grey: threshold of an alarm</text>']
    for number, (name, path) in enumerate(paths.items()):
        colour = COLOURS[number % len(COLOURS)]
        kept = np.unique(np.linspace(0, len(path) - 1, 500).astype(int))
        points = " ".join(point(row, path[row]) for row in kept)
        lines.append(f'<polyline points="{points}" stroke="{colour}"/>')
        texts.append(
            f'<text x="{LEFT + 110 * number}" y="{HEIGHT - 8}" fill="{colour}">{escape(name)}</text>'
        )
    texts += [f'<text x="8" y="{point(0, v).split(",")[1]}">{v:.1f}</text>' for v in (low, 0.0, threshold)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="white"/><g fill="none" stroke-width="1.5">'
        f"{''.join(lines)}</g>{''.join(texts)}</svg>\n"
    )


if __name__ == "__main__":
    main()
