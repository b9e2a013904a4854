"""The model of a coordinator against closed forms, and generated repositories."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.scale import transfer
from benchmarks.scale._model import Costs, bound, exact, saturation, simulate
from benchmarks.scale._repositories import SHAPES, Used, make_recorded
from benchmarks.scale.overhead import FEW, MANY, slope
from statewright.planning.plan import SKIP
from statewright.session import open_session


def machine_repair(service: float, delay: float, hosts: int) -> float:
    """Return the throughput of M/M/1//N by its closed form."""
    ratio = service / delay
    weights = [math.factorial(hosts) / math.factorial(hosts - n) * ratio**n for n in range(hosts + 1)]
    return (1 - 1 / sum(weights)) / service


@pytest.mark.parametrize("hosts", [1, 3, 20])
def test_one_station_is_the_machine_repair_problem(hosts: int) -> None:
    assert exact(Costs(0.5), 4.0, hosts) == pytest.approx(machine_repair(0.5, 4.0, hosts))


@pytest.mark.parametrize("hosts", [2, 8, 30])
def test_the_simulation_with_exponential_times_agrees_with_mean_value_analysis(hosts: int) -> None:
    costs = Costs(0.2, 0.5, 0.1)
    found = simulate(costs, 2.0, hosts, stages=8000, exponential=True)
    assert found.throughput == pytest.approx(exact(costs, 2.0, hosts), rel=0.05)
    assert found.busy == pytest.approx(found.throughput * costs.coordinator, rel=0.05)


def test_constant_times_reach_the_bounds_on_both_sides_of_the_saturation() -> None:
    costs = Costs(0.1, 0.4, 0.05)
    limit = saturation(costs, 9.45)
    assert limit == pytest.approx(100)
    for hosts in (10, 300):
        found = simulate(costs, 9.45, hosts, stages=6 * hosts + 600)
        assert found.throughput <= 1.02 * bound(costs, 9.45, hosts)
        assert found.throughput == pytest.approx(bound(costs, 9.45, hosts), rel=0.06)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_recorded_repository_is_up_to_date_until_its_source_changes(shape: str, tmp_path: Path) -> None:
    repository = make_recorded(tmp_path / shape, shape, 12)
    decisions = open_session(repository, ()).plan.decisions.values()
    assert [decision.verdict for decision in decisions] == [SKIP] * 12
    (repository / "source.txt").write_text("changed")
    assert len(open_session(repository, ()).plan.work) == 12


def test_the_overhead_is_the_slope() -> None:
    many = Used(3.0 + 2 * (MANY - FEW), 1.0, 50.0)
    assert slope(Used(3.0, 1.0, 50.0), many) == Used(2.0, 0.001, 0.0)


def test_the_bound_of_bytes_counts_each_object_once_to_each_machine() -> None:
    one = dict.fromkeys(["last", *(f"part{n}" for n in range(transfer.PARTS))], "a")
    outputs = transfer.PARTS * transfer.PART + transfer.LAST
    assert transfer.bound(one) == (transfer.SOURCE + outputs, transfer.SOURCE + outputs)
    two = one | {"part0": "b"}
    assert transfer.bound(two)[1] == 2 * transfer.SOURCE + transfer.PART + outputs


def test_a_store_counts_the_bytes_of_objects_only() -> None:
    counted = transfer.Counted()
    application = counted.around(lambda environ, start: [b"12", b"345"])
    put = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/b/files/md5/aa/bb", "CONTENT_LENGTH": "7"}
    get = {"REQUEST_METHOD": "GET", "PATH_INFO": "/b/files/md5/aa/bb"}
    for environ in (put, get, get | {"PATH_INFO": "/b/runs/aa"}):
        assert b"".join(application(environ, lambda *_: None)) == b"12345"
    assert (counted.taken, counted.given, counted.requests) == (7, 5, 3)
