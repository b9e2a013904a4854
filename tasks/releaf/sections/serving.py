"""Section of the report on serving: what dispatch, a cache and automatic scaling do to latency."""

from __future__ import annotations

import pandas as pd

from tasks.releaf.serving import ServingSummary
from tasks.report.blocks import Block, Cell, Prose, Section, count, grid, share

HOLDS = 0.1
"""Largest relative difference at which a formula of a mean is said to hold."""


def verdict(serving: ServingSummary) -> str:
    """The best rule of dispatch, and how its slowest requests compare with the worst."""
    slowest = max(serving.p99, key=lambda rule: serving.p99[rule])
    return (
        f"In a simulated queue at {share(serving.highest_load)} load the rule “{serving.best_rule}” keeps "
        "99% "
        f"of the requests below {_ms(serving.p99[serving.best_rule])} ms, “{slowest}” below "
        f"{_ms(serving.p99[slowest])} ms."
    )


def serving_section(latencies: pd.DataFrame, serving: ServingSummary) -> Section:
    """Dispatch by load, the cache beside its formula, scaling through a rush."""
    blocks: list[Block] = [
        Prose(
            f"Simulated with {count(serving.requests)} requests whose service times were measured once; "
            "closed forms of queueing theory check the simulation where they are known."
        ),
        Prose(f"{verdict(serving)} {_formulas(serving)}"),
        _dispatch(latencies, serving),
        _cache(latencies),
        _scaling(serving),
        Prose(
            "Where it ends: arrivals are Poisson and the questions those of no real city; a simulation "
            "knows no "
            "network and no failure."
        ),
    ]
    return Section("serving", "How fast it answers under load", tuple(blocks))


def _ms(value: float) -> str:
    return f"{value:,.1f}"


def _formulas(serving: ServingSummary) -> str:
    def said(off: float) -> str:
        return f"{'holds' if off <= HOLDS else 'does not hold'} (off by up to {share(off)})"

    return (
        f"The formula of a cache, h T_cache + (1 − h) T_compute, {said(serving.cache_formula_off)} with the "
        "time of "
        f"the queue as the cache leaves it; with the time measured without a cache it "
        f"{said(serving.cache_naive_off)}."
    )


def _dispatch(latencies: pd.DataFrame, serving: ServingSummary) -> Block:
    wide = latencies[latencies["part"] == "dispatch"].pivot(index="way", columns="load", values="p99")
    best = wide.min()
    return grid(
        "99th percentile of latency in milliseconds by rule and load; the best of each load is starred.",
        ("rule", *(f"load {load:g}" for load in wide.columns)),
        [
            (str(rule), *(Cell(_ms(value), value == best[load]) for load, value in row.items()))
            for rule, row in wide.iterrows()
        ],
    )


def _cache(latencies: pd.DataFrame) -> Block:
    rows = latencies[latencies["part"] == "cache"]
    return grid(
        "Mean latency in milliseconds with a cache: simulated, and by its formula.",
        ("way", "hit rate", "mean", "by formula", "p99"),
        [
            (row.way, f"{row.hit_rate:.2f}", _ms(row.mean),
             "–" if pd.isna(row.expected) else _ms(row.expected), _ms(row.p99))
            for row in rows.itertuples()
        ],
    )  # fmt: skip


def _scaling(serving: ServingSummary) -> Block:
    return grid(
        "Through a rush: 99th percentile in milliseconds, and mean number of servers paid for.",
        ("way", "p99", "servers"),
        [
            (way, _ms(value), f"{serving.rush_servers[way]:.2f}")
            for way, value in sorted(serving.rush_p99.items(), key=lambda pair: pair[1])
        ],
    )
