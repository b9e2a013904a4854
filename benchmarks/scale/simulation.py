"""Throughput on up to 1,000 hosts, simulated with the measured costs of a stage.

The costs come from the table that ``python -m benchmarks.scale overhead`` stores. The model is in `_model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.pages import stored
from benchmarks.parts import ROOT, Omission, Tables
from benchmarks.scale._model import Costs, bound, exact, saturation, simulate
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

FIGURE = ROOT / "docs/pictures/scale-throughput.svg"
HOSTS = (1, 2, 4, 10, 30, 100, 300, 1000)
SECONDS = (1, 10, 60, 600)
REMOTE_BANDWIDTH = 100e6
"""Bytes a second of the shared remote, as of a disk behind a gigabit network."""
STAGE_BYTES = 1e6


def tables(repeat: int) -> Tables:
    """Yield the saturation for each duration of a stage, beside theory."""
    costs = measured_costs()
    if isinstance(costs, Omission):
        yield costs
        return
    stages = 1000 * repeat
    rows: list[list[TextOrNumber]] = []
    curves: dict[str, list[float]] = {}
    for seconds in SECONDS:
        curve = [simulate(costs, seconds, n, stages=max(stages, 6 * n)) for n in HOSTS]
        curves[f"{seconds} s"] = [point.throughput for point in curve]
        rows.append(
            [
                seconds,
                saturation(costs, seconds),
                curve[-1].throughput,
                bound(costs, seconds, HOSTS[-1]),
                exact(costs, seconds, HOSTS[-1]),
                curve[-1].busy,
                curve[-1].throughput * costs.coordinator,
            ]
        )
    yield BenchmarkTable(
        name="saturation",
        title=f"Simulated stages a second, where a stage takes {1000 * costs.coordinator:.0f} ms on the "
        f"coordinator, {1000 * costs.worker:.0f} ms more on the worker and {1000 * costs.remote:.0f} ms on a "
        "shared remote: "
        "hosts above which a station is the limit, and 1,000 hosts beside the bound, mean value analysis "
        "(exponential times) and the utilisation law.",
        columns=[
            "stage s", "saturated at hosts", "stages/s", "bound", "exponential", "coordinator busy", "law",
        ],
        rows=rows,
        decimals={"saturated at hosts": 0},
    )  # fmt: skip
    draw(curves, FIGURE)


def measured_costs() -> Costs | Omission:
    """Return the costs that the part `overhead` stored."""
    try:
        table = stored(ROOT / "benchmarks/figures", "scale", "overhead", "overhead")
    except ValueError as error:
        return Omission(str(error))
    cells = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    dask = cells.get("`statewright run --on dask`", {})
    if not isinstance(dask.get("CPU seconds"), float) or not isinstance(dask.get("seconds"), float):
        return Omission("the table overhead has no row for --on dask")
    busy, whole = float(str(dask["CPU seconds"])), float(str(dask["seconds"]))
    return Costs(busy, max(0.0, whole - busy), STAGE_BYTES / REMOTE_BANDWIDTH)


def draw(curves: Mapping[str, Sequence[float]], path: Path) -> None:
    """Write throughput over hosts, a line a duration, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    with mpl.rc_context({"svg.hashsalt": "scale", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        for name, curve in curves.items():
            axes.plot(HOSTS, curve, marker="o", markersize=3, label=f"stages of {name}")
        axes.set(xscale="log", yscale="log", xlabel="hosts", ylabel="stages a second")
        axes.legend(loc="upper left", frameon=False)
        figure.savefig(path, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        plt.close(figure)
