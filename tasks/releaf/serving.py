"""Stage ``releaf-serving``: simulate dispatch, a cache and automatic scaling.

Service times come from the params, where they were measured once, because a stage that measures time does
not give the same bytes twice. All alternatives serve the same requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from pandera.typing import Series
from tqdm import tqdm

from statewright.contracts import Document, Table
from tasks.releaf.params import ServingParams

RULES = ("uniform", "weighted", "round-robin", "least-loaded", "shared")


class Latencies(pa.DataFrameModel):
    """One row a simulation; latencies in milliseconds.

    `way` is the dispatch rule or the kind of scaling. `load` is NaN if it changes. `expected` is the mean by
    a closed form, NaN without one. `stable` is false if a server receives more work than it can do, so that
    latency grows with the length of the run.
    """

    part: Series[str] = pa.Field(isin=["dispatch", "cache", "scaling"])
    way: Series[str]
    load: Series[float] = pa.Field(gt=0, lt=1, nullable=True)
    hit_rate: Series[float] = pa.Field(ge=0, le=1)
    p50: Series[float] = pa.Field(ge=0)
    p95: Series[float] = pa.Field(ge=0)
    p99: Series[float] = pa.Field(ge=0)
    mean: Series[float] = pa.Field(ge=0)
    expected: Series[float] = pa.Field(ge=0, nullable=True)
    stable: Series[bool]
    servers: Series[float] = pa.Field(gt=0)


class ByLoad(pa.DataFrameModel):
    """The 99th percentile of latency in milliseconds by load, one column a rule."""

    load: Series[float]
    uniform: Series[float]
    weighted: Series[float]
    round_robin: Series[float]
    least_loaded: Series[float]
    shared: Series[float]


class ServingSummary(Document):
    """Latencies (p99, in milliseconds) and errors of formulas.

    `p99` is at the highest load, `rush_p99` in the rush.

    `closed_form_off`: largest relative difference between simulated and closed-form means.
    `cache_formula_off`: largest relative difference between the simulated mean and ``E[T] = h T_cache +
    (1 - h) T_compute``, with T_compute the time in the queue behind the cache; `cache_naive_off`: with
    T_compute the time without a cache, the usual reading of the formula.
    """

    requests: int
    highest_load: float
    p99: dict[str, float]
    best_rule: str
    closed_form_off: float
    cache_formula_off: float
    cache_naive_off: float
    rush_p99: dict[str, float]
    rush_servers: dict[str, float]


class ServingOutputs(NamedTuple):
    """The summary, and latencies by alternative and by load."""

    serving: ServingSummary
    serving_latencies: Table[Latencies]
    serving_by_load: Table[ByLoad]


def serving(*, params: ServingParams) -> ServingOutputs:
    """Simulate all dispatch rules, loads, hit rates and kinds of scaling."""
    table = pd.DataFrame([*_dispatch(params), *_cache(params), *_scaling(params)])
    figures = ["p50", "p95", "p99", "mean", "expected"]
    table[figures] = (1000 * table[figures]).round(4)
    table["servers"] = table["servers"].round(3)
    wide = table[table["part"] == "dispatch"].pivot(index="load", columns="way", values="p99").reset_index()
    wide.columns = [str(name).replace("-", "_") for name in wide.columns]
    return ServingOutputs(_summary(table, params), table, wide[list(ByLoad.to_schema().columns)])


def _requests(rate: float, params: ServingParams) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return arrivals and work; another rate scales the same arrival times."""
    from methods.serving.queueing import poisson_arrivals

    return poisson_arrivals(rate, params.requests, params.seed), _work(params.requests, params)


def _work(requests: int, params: ServingParams) -> NDArray[np.float64]:
    kinds = sorted(params.work_s)
    shares = [params.shares[kind] for kind in kinds]
    drawn = np.random.default_rng([params.seed, 1]).choice(len(kinds), requests, p=shares)
    return np.array([params.work_s[kind] for kind in kinds])[drawn]


def _moments(params: ServingParams) -> tuple[float, float]:
    """Return the mean and second moment of the work of a request, in s and s^2."""
    seconds = np.array([params.work_s[kind] for kind in params.shares])
    shares = np.array(list(params.shares.values()))
    return float(shares @ seconds), float(shares @ seconds**2)


def _rate(load: float, params: ServingParams) -> float:
    return load * sum(params.capacities) / _moments(params)[0]


def _row(part: str, way: str, outcome: Any, skip: int, **more: object) -> dict[str, object]:
    p50, p95, p99 = outcome.quantiles(skip)
    given = {"load": np.nan, "hit_rate": 0.0, "expected": np.nan, "stable": True}
    latencies = {"p50": p50, "p95": p95, "p99": p99, "mean": float(outcome.latency[skip:].mean())}
    return {"part": part, "way": way, **given, **latencies, "servers": float(outcome.servers[0][1])} | more


def _dispatch(params: ServingParams) -> Iterator[dict[str, object]]:
    from methods.serving.queueing import simulate

    pairs = [(load, rule) for load in params.loads for rule in RULES]
    for load, rule in tqdm(pairs, desc="serving: rules and loads", mininterval=1):
        rate = _rate(load, params)
        outcome = simulate(*_requests(rate, params), params.capacities, rule=rule, seed=params.seed)
        expected, stable = _expected(rate, rule, params)
        yield _row("dispatch", rule, outcome, params.skipped, load=load, expected=expected, stable=stable)


def _expected(rate: float, rule: str, params: ServingParams) -> tuple[float, bool]:
    """Return the mean latency by formula, and whether all servers keep up.

    A formula exists for random dispatch, where each server is an M/G/1 queue; otherwise NaN.
    """
    from methods.serving.balancing import capacity_shares
    from methods.serving.closed_forms import mg1_latency

    if rule not in ("uniform", "weighted"):
        return np.nan, True
    speeds = np.array(params.capacities)
    shares = capacity_shares(speeds) if rule == "weighted" else np.full(len(speeds), 1 / len(speeds))
    mean, second = _moments(params)
    if (rate * shares * mean >= speeds).any():
        return np.nan, False
    each = [
        mg1_latency(rate * share, mean / speed, second / speed**2)
        for share, speed in zip(shares, speeds, strict=True)
    ]
    return float(shares @ each), True


def _cache(params: ServingParams) -> Iterator[dict[str, object]]:
    from methods.serving.cache import expected_latency
    from methods.serving.queueing import simulate

    rate = _rate(params.cache_load, params)
    for share in tqdm(params.hit_rates, desc="serving: hit rates", mininterval=1):
        outcome = simulate(
            *_requests(rate, params),
            params.capacities,
            rule="weighted",
            seed=params.seed,
            hit_rate=share,
            cached_s=params.cached_s,
        )
        computed, _ = _expected(rate * (1 - share), "weighted", params)
        expected = expected_latency(share, params.cached_s, computed)
        yield _row(
            "cache",
            "weighted",
            outcome,
            params.skipped,
            load=params.cache_load,
            hit_rate=share,
            expected=expected,
        )


def _scaling(params: ServingParams) -> Iterator[dict[str, object]]:
    """Yield the rush with fixed servers, scaling up, and scaling up and down."""
    from methods.serving.queueing import Scaling, simulate

    how = Scaling(**params.scaling.model_dump())
    upwards = Scaling(**(params.scaling.model_dump() | {"calm": 0.0}))
    arrivals = _rush(params)
    work = _work(len(arrivals), params)
    ways: dict[str, tuple[int, Any]] = {
        "fixed, least": (how.least, None),
        "fixed, most": (how.most, None),
        "scaled up only": (how.least, upwards),
        "scaled up and down": (how.least, how),
    }
    for name, (number, scaling) in tqdm(ways.items(), desc="serving: a rush", mininterval=1):
        outcome = simulate(
            arrivals, work, np.ones(number), rule="round-robin", seed=params.seed, scaling=scaling
        )
        servers = outcome.mean_servers(float(arrivals[-1]))
        stable = scaling is not None or number > params.rush.rush_load
        yield _row("scaling", name, outcome, 0, servers=servers, stable=stable)


def _rush(params: ServingParams) -> NDArray[np.float64]:
    """Return the arrivals of three Poisson processes with different rates in turn."""
    rush, rng = params.rush, np.random.default_rng([params.seed, 2])
    stretches = [
        (rush.calm_load, rush.before_s),
        (rush.rush_load, rush.rush_s),
        (rush.calm_load, rush.after_s),
    ]
    parts, start = [], 0.0
    for load, seconds in stretches:
        # Given their number, the arrivals of a Poisson process are uniformly distributed.
        number = rng.poisson(load / _moments(params)[0] * seconds)
        parts.append(start + np.sort(rng.uniform(0, seconds, number)))
        start += seconds
    return np.concatenate(parts)


def _summary(table: pd.DataFrame, params: ServingParams) -> ServingSummary:
    from methods.serving.cache import expected_latency

    dispatch, cache, scaling = (table[table["part"] == part] for part in ("dispatch", "cache", "scaling"))
    highest = max(params.loads)
    p99 = _by_way(dispatch[dispatch["load"] == highest], "p99")
    known = dispatch.dropna(subset="expected")
    plain, _ = _expected(_rate(params.cache_load, params), "weighted", params)
    naive = [expected_latency(share, params.cached_s, plain) * 1000 for share in cache["hit_rate"]]
    return ServingSummary(
        requests=params.requests,
        highest_load=highest,
        p99=p99,
        best_rule=min(p99, key=lambda rule: p99[rule]),
        closed_form_off=_off(known["mean"], known["expected"]),
        cache_formula_off=_off(cache["mean"], cache["expected"]),
        cache_naive_off=_off(cache["mean"], pd.Series(naive, index=cache.index)),
        rush_p99=_by_way(scaling, "p99"),
        rush_servers=_by_way(scaling, "servers"),
    )


def _by_way(rows: pd.DataFrame, column: str) -> dict[str, float]:
    return dict(zip(rows["way"], rows[column].astype(float), strict=True))


def _off(simulated: pd.Series, expected: pd.Series) -> float:
    """Return the largest relative difference."""
    return round(float((simulated / expected - 1).abs().max()), 6)
