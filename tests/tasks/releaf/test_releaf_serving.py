"""Stage releaf-serving compared with closed forms, and its contracts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from shipped import shipped_params

from methods.serving.closed_forms import mmc_latency
from statewright.contracts import Table, check
from tasks.releaf.params import ServingParams
from tasks.releaf.serving import RULES, ByLoad, Latencies, ServingOutputs, serving


def small(**changes: Any) -> ServingParams:
    """Return the shipped params with fewer requests and a short rush."""
    return shipped_params(ServingParams, "releaf.serving", **(SMALL | changes))


SMALL: dict[str, Any] = {
    "work_s": {"question": 0.01},
    "shares": {"question": 1.0},
    "requests": 4000,
    "skipped": 400,
    "rush": {"calm_load": 0.5, "rush_load": 2.5, "before_s": 5, "rush_s": 20, "after_s": 20},
}


SCALING = {
    "target": 0.02, "threshold": 0.04, "calm": 0.011, "least": 1, "most": 8, "interval_s": 2, "start_s": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> ServingOutputs:
    return serving(params=small())


def test_outputs_satisfy_their_contracts_and_depend_on_the_seed(made: ServingOutputs) -> None:
    check(made.serving_latencies, Table[Latencies], "serving_latencies")
    check(made.serving_by_load, Table[ByLoad], "serving_by_load")
    first, again, other = (serving(params=small(requests=200, skipped=20, seed=seed)) for seed in (0, 0, 1))
    assert again.serving_latencies.equals(first.serving_latencies)
    assert again.serving == first.serving
    assert not other.serving_latencies.equals(first.serving_latencies)


def test_means_are_near_the_closed_forms(made: ServingOutputs) -> None:
    rows = made.serving_latencies
    light = rows[(rows["load"] <= 0.8) & rows["expected"].notna()]
    assert len(light) >= 8
    np.testing.assert_allclose(light["mean"], light["expected"], rtol=0.12)
    # constant work: an M/D/1 queue, whose wait is half that of M/M/1
    weighted = light[(light["way"] == "weighted") & (light["load"] == 0.5) & (light["part"] == "dispatch")]
    capacities = small().capacities
    work, load = 10.0, 0.5
    waits = [mmc_latency(load * speed / work, speed / work) - work / speed for speed in capacities]
    shares = np.array(capacities) / sum(capacities)
    wanted = shares @ [wait / 2 + work / speed for wait, speed in zip(waits, capacities, strict=True)]
    assert weighted["expected"].item() == pytest.approx(wanted, rel=1e-4)


def test_weights_by_capacity_help_and_an_unstable_queue_is_marked(made: ServingOutputs) -> None:
    rows = made.serving_latencies.set_index(["part", "way", "load", "hit_rate"]).sort_index()
    high = rows.loc["dispatch"].xs(0.95, level="load").droplevel("hit_rate")
    assert set(high.index) == set(RULES)
    assert high.loc["weighted", "p99"] < high.loc["uniform", "p99"]
    assert high.loc["least-loaded", "p99"] < high.loc["weighted", "p99"]
    # a quarter of all requests is more than a server of an eighth of the capacity can do
    assert not high.loc["uniform", "stable"]
    assert np.isnan(high.loc["uniform", "expected"])
    assert high.drop("uniform")["stable"].all()


def test_the_naive_formula_is_wrong_behind_a_cache(made: ServingOutputs) -> None:
    assert made.serving.cache_formula_off < 0.12 < made.serving.cache_naive_off


def test_scaling_is_between_the_fixed_numbers(made: ServingOutputs) -> None:
    p99, servers = made.serving.rush_p99, made.serving.rush_servers
    assert p99["fixed, most"] < p99["scaled up only"] < p99["fixed, least"]
    assert servers["fixed, least"] == 1.0
    assert servers["fixed, most"] == 8.0
    assert 1 < servers["scaled up and down"] < servers["scaled up only"] < 8


def test_the_shipped_params_are_valid(request: pytest.FixtureRequest) -> None:
    block = yaml.safe_load((request.config.rootpath / "params.yaml").read_text())["releaf"]["serving"]
    assert ServingParams.model_validate(block).requests == block["requests"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shares": {"photograph": 1.0}}, "same kinds"),
        ({"shares": {"question": 0.5}}, "add up to 1"),
        ({"work_s": {"question": 0.0}}, "above 0"),
        ({"loads": [1.0]}, "between 0 and 1"),
        ({"skipped": 4000}, "less than requests"),
        ({"scaling": SCALING | {"target": 0.5, "threshold": 0.1}}, "target <= threshold"),
    ],
)
def test_invalid_params_are_an_error(changed: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(**changed)
