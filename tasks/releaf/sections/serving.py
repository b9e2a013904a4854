"""Section on serving: latency by dispatch rule, cache and automatic scaling."""

from __future__ import annotations

import pandas as pd

from tasks.releaf.contracts.report import ServingResults
from tasks.releaf.serving import ServingSummary
from tasks.report.blocks import Block, Cell, Prose, Section, count, grid, share

TOLERANCE = 0.1
"""Largest relative difference at which a formula of a mean counts as accurate."""


def finding(serving: ServingSummary) -> str:
    """Return the 99th percentile of the best and the worst dispatch rule."""
    return f"Response time: {_dispatch_rules(serving)}"


def section(results: ServingResults) -> Section:
    """Return latencies by dispatch rule and load, with a cache, and with scaling."""
    serving, latencies = results.serving, results.serving_latencies
    rules = _dispatch_rules(serving)
    blocks: list[Block] = [
        Prose(
            f"The simulation has {count(serving.requests)} requests, with service times that were measured "
            "once. Formulas of queueing theory check the simulation where they exist."
        ),
        Prose(f"{rules[0].upper()}{rules[1:]} {_formulas(serving)}"),
        _dispatch(latencies, serving),
        _cache(latencies),
        _scaling(serving),
        Prose(
            "Limits: arrivals follow a Poisson process, not the traffic of a real city, and the simulation "
            "has neither a network nor failures."
        ),
    ]
    return Section(
        "serving",
        "Response time under load",
        tuple(blocks),
        "A simulation of dispatch rules, a cache and automatic scaling.",
    )


def _dispatch_rules(serving: ServingSummary) -> str:
    slowest = max(serving.p99, key=lambda rule: serving.p99[rule])
    return (
        f"in a simulated queue at {share(serving.highest_load)} load, the rule “{serving.best_rule}” answers "
        f"99% of the requests within {_ms(serving.p99[serving.best_rule])} ms, the rule “{slowest}” "
        f"within {_ms(serving.p99[slowest])} ms."
    )


def _ms(value: float) -> str:
    return f"{value:,.1f}"


def _formulas(serving: ServingSummary) -> str:
    def verdict(difference: float) -> str:
        accurate = "is accurate" if difference <= TOLERANCE else "is not accurate"
        return f"{accurate} (largest error {share(difference)})"

    return (
        "The formula of a cache, h T_cache + (1 − h) T_compute, "
        f"{verdict(serving.cache_formula_off)} if T_compute is the time in the queue behind the cache. It "
        f"{verdict(serving.cache_naive_off)} if T_compute is the time without a cache."
    )


def _dispatch(latencies: pd.DataFrame, serving: ServingSummary) -> Block:
    wide = latencies[latencies["part"] == "dispatch"].pivot(index="way", columns="load", values="p99")
    best = wide.min()
    return grid(
        "99th percentile of latency in milliseconds, by dispatch rule and load. A star marks the best rule.",
        ("rule", *(f"load {load:g}" for load in wide.columns)),
        [
            (str(rule), *(Cell(_ms(value), value == best[load]) for load, value in row.items()))
            for rule, row in wide.iterrows()
        ],
    )


def _cache(latencies: pd.DataFrame) -> Block:
    rows = latencies[latencies["part"] == "cache"]
    return grid(
        "Mean latency in milliseconds with a cache: simulated, and by the formula.",
        ("rule", "hit rate", "mean", "formula", "p99"),
        [
            (
                row.way,
                f"{row.hit_rate:.2f}",
                _ms(row.mean),
                "–" if pd.isna(row.expected) else _ms(row.expected),
                _ms(row.p99),
            )
            for row in rows.itertuples()
        ],
    )


def _scaling(serving: ServingSummary) -> Block:
    return grid(
        "A rush: 99th percentile of latency in milliseconds, and mean number of servers.",
        ("servers", "p99", "mean number"),
        [
            (name, _ms(value), f"{serving.rush_servers[name]:.2f}")
            for name, value in sorted(serving.rush_p99.items(), key=lambda pair: pair[1])
        ],
    )
