"""Rows of ``docs/claims.md`` on specification 5.

What is measured in seconds comes from `benchmarks/figures/generator`: such figures differ between runs, so
the pipeline `tuner` keeps its own out of git.
"""

from __future__ import annotations

import math
from typing import Any

from benchmarks.claim import CORRECTED, OPEN, REPRODUCED, Claim, Metrics, benchmark_rows

RUN_TUNER = "`statewright run tuner`"
GENERATOR = "`python -m benchmarks.generator`"
EPISODES = 50
"""Episodes by which specification 5 §9 has 90 % of the optimum."""


def _search(metrics: Metrics) -> dict[str, Any]:
    found: dict[str, Any] = metrics.get("tuner", {}).get("search", {})
    return found


def _policy(metrics: Metrics) -> dict[str, Any]:
    found: dict[str, Any] = metrics.get("tuner", {}).get("policy", {})
    return found


def _evaluations(metrics: Metrics) -> str:
    """Return how many evaluations random search needs for the hybrid's median."""
    search = _search(metrics)
    if not search:
        return f"The pipeline `tuner` is not run yet.{_random_on_bbob(metrics)}"
    parts = []
    for name, problem in search["problems"].items():
        level, equal = problem["samplers"]["hybrid"]["median"], problem["random_equivalent"]
        needed = (
            f"more than {equal['draws']:,} (reached on {equal['reached']} of {equal['instances']} instances)"
            if equal["needed"] is None
            else f"{equal['needed']:,.0f} ({_bound(equal, 'low')} to {_bound(equal, 'high')})"
        )
        parts.append(f"{name}: {needed} for a loss of {level:.2g}")
    return (
        f"No search reaches the exact optimum of a continuous space. Evaluations that random search "
        "needs for the "
        f"hybrid's median after {search['budget']:,}, with the 95 % interval over instances: "
        f"{'; '.join(parts)}.{_random_on_bbob(metrics)}"
    )


def _random_on_bbob(metrics: Metrics) -> str:
    """Return the evaluations of random search on the functions of BBOB."""
    rows = [
        f"{row['function']} {_with_interval(row['evaluations'], row['interval'])}"
        for row in benchmark_rows(metrics, "random", "random")
        if row["dimension"] == 5
    ]
    return f" BBOB in 5 dimensions (`python -m benchmarks.search`): {'; '.join(rows)}." if rows else ""


def _with_interval(evaluations: str, interval: str) -> str:
    """Return a median with its interval, or alone if both ends are the median."""
    return evaluations if interval == f"{evaluations} to {evaluations}" else f"{evaluations} ({interval})"


def _precision(metrics: Metrics) -> str:
    """Return the functions where the hybrid beats genetic search, and parts that pay."""
    parts = []
    for dimension in (5, 10):
        rows = [row for row in benchmark_rows(metrics, "bbob", "tests") if row["dimension"] == dimension]
        ahead = sum(row["better"] == "hybrid" for row in rows)
        lost = sum(row["better"] == "genetic" for row in rows)
        parts.append(f"{ahead} of {len(rows)} functions in {dimension} dimensions (worse on {lost})")
    pays = ", ".join(f"{part} on {_pays(metrics, part)}" for part in ("learning", "attention"))
    if not benchmark_rows(metrics, "bbob", "tests"):
        return "The benchmark is not run yet."
    return (
        "BBOB, 1,500 evaluations, 15 instances: the hybrid beats its genetic stage with the whole budget on "
        f"{', '.join(parts)}, by Wilcoxon's test after Holm. Cases in which a part pays (p < 0.05, not "
        f"corrected): {pays}."
    )


def _pays(metrics: Metrics, part: str) -> int:
    """Return in how many cases the hybrid is better than without a part."""
    rows = benchmark_rows(metrics, "bbob", "ablations")
    return sum(row[f"{part} p"] < 0.05 and _ahead(row[f"{part} won"]) for row in rows)


def _ahead(won: str) -> bool:
    """Return whether more instances were won than lost, from text such as "9 to 6"."""
    first, _, second = won.partition(" to ")
    return int(first) > int(second)


def _precision_verdict(metrics: Metrics) -> str:
    rows = benchmark_rows(metrics, "bbob", "tests")
    if not rows:
        return OPEN
    ahead = all(row["better"] == "hybrid" for row in rows)
    return REPRODUCED if ahead and 2 * _pays(metrics, "learning") > len(rows) else CORRECTED


def _bound(equal: dict[str, Any], name: str) -> str:
    value = equal[name]
    return f"more than {equal['draws']:,}" if value is None else f"{value:,.0f}"


def _generation(metrics: Metrics) -> str:
    """Return the part of the way to the optimum after 30 generations."""
    search = _search(metrics)
    if not search:
        return "The pipeline `tuner` is not run yet."
    mark = str(30 * search["generation"])
    parts = []
    for name, problem in search["problems"].items():
        shares = {
            k: s["shares"].get(mark) for k, s in problem["samplers"].items() if k in ("genetic", "random")
        }
        if None not in shares.values():
            parts.append(
                f"{name} {100 * shares['genetic']:.1f} % (random search {100 * shares['random']:.1f} %)"
            )
    return (
        f"Of the way from the median random point to the optimum, after 30 generations of "
        f"{search['generation']}: "
        f"{', '.join(parts)}. The share says little: random search has most of it at the same evaluations."
    )


def _episodes(metrics: Metrics) -> str:
    """Return the share of the optimum after 50 episodes, and in the end."""
    policy = _policy(metrics)
    if not policy:
        return "The pipeline `tuner` is not run yet."
    shares = [seed["shares"].get(str(EPISODES), 0.0) for seed in policy["seeds"]]
    final = [math.inf if seed["ratio"] is None else seed["ratio"] for seed in policy["seeds"]]
    return (
        f"Not on LeadingOnes ({policy['n']} bits), where the expected time of a policy is exact: after "
        f"{EPISODES} "
        f"episodes the greedy policy is at {100 * min(shares):.0f} to {100 * max(shares):.0f} % of the "
        "optimum (0: "
        f"it can be stuck); after {policy['episodes']:,} it needs at most {max(final):.3f} times the "
        "time of the "
        f"best policy."
    )


def _episodes_verdict(metrics: Metrics) -> str:
    policy = _policy(metrics)
    if not policy:
        return OPEN
    shares = [seed["shares"].get(str(EPISODES), 0.0) for seed in policy["seeds"]]
    return REPRODUCED if min(shares) >= 0.9 else CORRECTED


def _parts(metrics: Metrics) -> str:
    """Return what each step adds to the performance of a generated program."""
    shares = benchmark_rows(metrics, "choice", "shares")
    searches = {row["search"]: row["regret"] for row in benchmark_rows(metrics, "choice", "searches")}
    if not shares:
        return "The benchmark is not run yet."
    parts = ", ".join(
        f"{row['step']} {row['measured']:.2f} ({row['low']:.2f} to {row['high']:.2f})" for row in shares
    )
    regrets = ", ".join(f"{name} {value:.2f}" for name, value in searches.items())
    return (
        f"Performance (least seconds over seconds of the choice) of generated programs at equal "
        "measurements, by "
        f"step with 95 % intervals over tables: {parts}. The parts depend on the problem. Seconds over "
        "those of the "
        f"optimum by search: {regrets}."
    )


def _choice(metrics: Metrics) -> str:
    """Return on how many tables the choice is as fast as the exhaustive optimum."""
    rows = benchmark_rows(metrics, "choice", "choice")
    if not rows:
        return "The benchmark is not run yet."
    total = len(rows)
    cpu, wall = (sum(row[cost] <= 1.1 for row in rows) for cost in ("CPU", "wall"))
    equal = sum(row["equal"] == "yes" for row in rows)
    first = rows[0]
    return (
        f"The configuration depends on the table and is not polars with 8 threads throughout. "
        f"{first['evaluations']} of {first['programs']} measurements find one within 1.10 of the least "
        "CPU seconds on "
        f"{cpu} of {total} tables of {min(row['rows'] for row in rows):,} to "
        f"{max(row['rows'] for row in rows):,} "
        f"rows, of the least wall seconds on {wall}; it is the exhaustive optimum, or not shown to be "
        "slower, on "
        f"{equal}."
    )


def _measured(part: str, name: str) -> Any:
    return lambda metrics: CORRECTED if benchmark_rows(metrics, part, name) else OPEN


def _ran(metrics: Metrics) -> str:
    return CORRECTED if _search(metrics) else OPEN


CLAIMS = (
    Claim(
        "5 §7", "About 1,500 evaluations reach the optimum, random search 100,000.",
        _ran, _evaluations, RUN_TUNER,
    ),
    Claim(
        "5 §7", "Q-learning reaches a precision that genetic search cannot.",
        _precision_verdict, _precision, "`python -m benchmarks.search bbob`",
    ),
    Claim(
        "5 §8", "The generator converges to polars with threads.",
        _measured("choice", "choice"), _choice, GENERATOR,
    ),
    Claim("5 §9", "80 % of the optimum by generation 30.", _ran, _generation, RUN_TUNER),
    Claim("5 §9", "90 % of the optimum by episode 50.", _episodes_verdict, _episodes, RUN_TUNER),
    Claim(
        "5 §9", "0.80 by the genetic search, 0.15 by Q-learning, 0.05 by attention.",
        _measured("choice", "shares"), _parts, GENERATOR,
    ),
)  # fmt: skip
