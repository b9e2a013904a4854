"""Claims of specification 4 on curvature, generalisation and the optimiser."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.claim import CORRECTED, OPEN, Claim, Metrics, benchmark_rows

RUN_SIFA = "`statewright run sifa`"
STUDY = "`python -m benchmarks.sifa optimisers`"
OTHERS = ("AdamW", "SGD", "K-FAC")


def _curvature(metrics: Metrics) -> str:
    values = metrics["sifa"]["geometry"]["curvature"]
    found = ", ".join(f"{family} {value:+.2f}" for family, value in values.items())
    return (
        "Exponential families have no one sign of curvature, so that the proof does not hold. Measured by "
        f"the Fisher-Rao distances of three points: {found}."
    )


def _gap(metrics: Metrics) -> str:
    tasks = [
        f"{task}: {_signed(gap['bound'])} ({_signed(gap['rows_alone'])}; {_signed(gap['at_equal_rows'])})"
        for task, gap in metrics["sifa"]["geometry"]["gaps"].items()
    ]
    return (
        "Its constant is unknown, so that no measurement can break it. Rank correlation of the measured gap "
        "with sqrt(tr g / n), in brackets with 1 / sqrt(n) alone and with tr g at equal n: "
        + "; ".join(tasks)
        + "."
    )


def _signed(value: float | None) -> str:
    return "none" if value is None else f"{value:+.2f}"


def _optimiser(metrics: Metrics) -> str:
    rows = benchmark_rows(metrics, "optimisers", "optimisers")
    compared = []
    for name in OTHERS:
        ends = [_ends(row[f"over {name}"]) for row in rows if row[f"over {name}"] is not None]
        ahead, behind = sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)
        compared.append(f"{name} {ahead} and {behind}")
    return (
        "Without friction the loss does not settle. With friction and the unit metric it is the heavy ball, "
        "to 1e-12 (tests). With a diagonal Fisher metric, after equal searches, surely ahead and surely behind, "
        f"of {len(rows)} pairs of task and budget: {', '.join(compared)}."
    )


def _step(metrics: Metrics) -> str:
    steps = [row["step"] for row in benchmark_rows(metrics, "optimisers", "optimisers") if row["step"]]
    return (
        f"The searches chose steps of {min(steps):.2g} to {max(steps):.2g} by task and budget; the rate of "
        "the heavy ball is the square of the step."
    )


def _ends(gain: str) -> tuple[float, float]:
    """Return the ends of an interval such as ``+1.0 (-2.0 to +4.0)``."""
    low, _, high = gain.partition("(")[2].rstrip(")").partition(" to ")
    return float(low), float(high)


def _has_geometry(metrics: Metrics) -> bool:
    return "geometry" in metrics["sifa"]


def _has_study(metrics: Metrics) -> bool:
    return bool(benchmark_rows(metrics, "optimisers", "optimisers"))


def _claim(
    section: str,
    claim: str,
    available: Callable[[Metrics], bool],
    finding: Callable[[Metrics], str],
    command: str,
) -> Claim:
    """Return a row that is open as long as its figures are missing."""
    return Claim(
        section,
        claim,
        lambda metrics: CORRECTED if available(metrics) else OPEN,
        lambda metrics: finding(metrics) if available(metrics) else "Not run yet.",
        command,
    )


CLAIMS = (
    _claim(
        "4 §3.2",
        "Training stays near the optimum, because exponential families have negative curvature (theorem 1).",
        _has_geometry,
        _curvature,
        RUN_SIFA,
    ),
    _claim(
        "4 §3.2",
        "The generalisation gap is at most sqrt(2 s2 tr(g) log(2/d) / n) + C / sqrt(n) (theorem 2).",
        _has_geometry,
        _gap,
        RUN_SIFA,
    ),
    _claim("4 §3.3", "A symplectic optimiser is stable and converges better.", _has_study, _optimiser, STUDY),
    _claim(
        "4 App. B", "The learning rate 1e-3 is optimal for symplectic integration.", _has_study, _step, STUDY
    ),
)
