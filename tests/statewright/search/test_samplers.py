"""One suite for all samplers: proposals, histories, failures, silence."""

from __future__ import annotations

import importlib
import json
import math
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_spaces import MIXED, is_valid, loss, spaces

from statewright.search.sampler import SAMPLERS, Sampler, make_sampler
from statewright.search.space import Choice, Config, Float, Integer, Space

every_sampler = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "gp" else name for name in SAMPLERS]
)
MODELS_AFTER = {"gp": 2 * (len(MIXED) + 1), "tpe": 10}
"""Trials after which a sampler builds its first model."""
BAD: dict[str, Any] = {"share": 0.5, "layers": [8], "model": "forest"}


def search(sampler: Sampler, count: int, value: Callable[[Config], float | None] = loss) -> list[Config]:
    """Ask and tell one config after the other."""
    configs = []
    for _ in range(count):
        configs.append(sampler.ask())
        sampler.tell(configs[-1], value(configs[-1]))
    return configs


def length(name: str) -> int:
    """Return a number of trials at which a sampler has left its initial design."""
    return MODELS_AFTER.get(name, 24) + 2


@pytest.fixture
def make() -> Callable[..., Sampler]:
    def build(name: str, space: Space = MIXED, seed: int = 0) -> Sampler:
        return make_sampler(name, space, budget=60, seed=seed)

    return build


@every_sampler
def test_proposals_are_inside_the_space(name: str, make: Callable[..., Sampler]) -> None:
    configs = search(make(name), length(name))
    assert all(is_valid(MIXED, config) for config in configs)
    assert all(list(config) == [entry for entry in MIXED if entry in config] for config in configs)


@every_sampler
@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
@given(space=spaces(1e-6), seed=st.integers(0, 2**40), values=st.lists(st.floats(), min_size=16, max_size=16))
def test_proposals_are_inside_random_spaces(name: str, space: Space, seed: int, values: list[float]) -> None:
    # optuna cannot search between neighbouring floats.
    if name == "gp":
        values = values[: 2 * (len(space) + 1) + 1]
    sampler = make_sampler(name, space, budget=60, seed=seed)
    for value in values:
        config = sampler.ask()
        assert is_valid(space, config)
        sampler.tell(config, value)


@every_sampler
def test_equal_seeds_give_equal_proposals(name: str, make: Callable[..., Sampler]) -> None:
    first = search(make(name, seed=3), length(name))
    assert first == search(make(name, seed=3), length(name))
    assert first != search(make(name, seed=4), length(name))


@every_sampler
def test_a_search_that_is_told_its_trials_again_continues(name: str, make: Callable[..., Sampler]) -> None:
    # The oracle is the uninterrupted search; the trials went through a journal in JSON.
    count = length(name)
    uninterrupted = search(make(name), count)
    resumed = make(name)
    for line in [json.dumps(config) for config in uninterrupted[: count - 2]]:
        resumed.tell(json.loads(line), loss(restored(json.loads(line))))
    assert search(resumed, 2) == uninterrupted[-2:]


def restored(config: Config) -> Config:
    """Return a config with the tuple that JSON made a list."""
    return {
        name: (64, 32) if name == "layers" and value == [64, 32] else value for name, value in config.items()
    }


@every_sampler
def test_the_defaults_may_be_told_first(name: str, make: Callable[..., Sampler]) -> None:
    sampler = make(name)
    sampler.tell({"model": "ridge", "alpha": 1, "share": 0, "layers": [8]}, 1.25)
    assert all(is_valid(MIXED, config) for config in search(sampler, length(name)))


@every_sampler
def test_many_configs_may_wait_and_be_told_in_any_order(name: str, make: Callable[..., Sampler]) -> None:
    def parallel() -> list[Config]:
        sampler, rng, asked = make(name), random.Random(0), []
        waiting: list[Config] = []
        for _ in range(length(name)):
            while len(waiting) < 6:
                waiting.append(sampler.ask())
                asked.append(waiting[-1])
            config = waiting.pop(rng.randrange(len(waiting)))
            sampler.tell(config, loss(config))
        return asked

    configs = parallel()
    assert all(is_valid(MIXED, config) for config in configs)
    assert configs == parallel()
    # Floats differ, so workers get different configs.
    assert len({json.dumps(config) for config in configs}) == len(configs)


@every_sampler
def test_a_failed_trial_is_the_worst(name: str, make: Callable[..., Sampler]) -> None:
    def failing(failure: float | None) -> list[Config]:
        return search(make(name), length(name), lambda c: failure if c["model"] == "forest" else loss(c))

    configs = failing(math.nan)
    assert all(configs == failing(failure) for failure in (None, -math.inf))
    assert (configs == search(make(name), length(name))) == (name == "random")


@every_sampler
def test_a_search_in_which_all_trials_fail_goes_on(name: str, make: Callable[..., Sampler]) -> None:
    assert all(is_valid(MIXED, config) for config in search(make(name), length(name), lambda _: None))


@every_sampler
def test_huge_values_do_not_overflow(name: str, make: Callable[..., Sampler]) -> None:
    configs = search(make(name), length(name), lambda config: 1e308 * config["share"])
    assert all(is_valid(MIXED, config) for config in configs)


@every_sampler
def test_a_refused_trial_changes_nothing(name: str, make: Callable[..., Sampler]) -> None:
    expected = search(make(name), length(name))
    sampler = make(name)
    configs = search(sampler, length(name) - 2)
    for config, value, message in [
        (BAD, 1.0, "lacks 'trees'"),
        ({**BAD, "trees": 9}, 1.0, "trees is 9"),
        ({**BAD, "trees": 20, "size": 1}, 1.0, "'size'"),
        ({**BAD, "trees": 20}, "1 second", "'1 second'"),
    ]:
        with pytest.raises(ValueError, match=message):
            sampler.tell(config, value)  # type: ignore[arg-type]
    assert configs + search(sampler, 2) == expected


@every_sampler
@pytest.mark.parametrize(
    "space",
    [
        {"x": Float(0, 1)},
        {"n": Integer(0, 3)},
        {"c": Choice(["a", "b"])},
        {"c": Choice(["a"])},
        {"b": Choice([True, False]), "c": Choice([None, "a"], when={"b": True})},
    ],
    ids=["float", "integer", "choice", "constant", "choices"],
)
def test_small_spaces(name: str, space: Space, make: Callable[..., Sampler]) -> None:
    # There are more trials than configs, and values are often equal.
    configs = search(make(name, space), 12, lambda config: float(repr(config).count("a")))
    assert all(is_valid(space, config) for config in configs)


@every_sampler
def test_nothing_global_changes_and_nothing_is_printed(
    name: str,
    make: Callable[..., Sampler],
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = global_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(make(name), length(name))
    assert global_state() == before
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def global_state() -> list[Any]:
    """Return the state of all global generators, and optuna's level of logging."""
    return [
        random.getstate(),
        repr(np.random.get_state()),  # noqa: NPY002
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        optuna.logging.get_verbosity(),
        np.geterr(),
    ]


@every_sampler
def test_global_generators_do_not_decide(name: str, make: Callable[..., Sampler]) -> None:
    proposals = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        proposals.append(search(make(name), length(name)))
    assert proposals[0] == proposals[1]


@pytest.mark.parametrize("name", ["genetic", "tpe"])
def test_only_the_order_of_values_counts(name: str, make: Callable[..., Sampler]) -> None:
    # A selection in proportion to fitness would change when a constant is added.
    configs = search(make(name), 40)
    assert configs == search(make(name), 40, lambda config: math.exp(loss(config)) + 1000)


NUMBERS: Space = {"x": Float(-5, 5), "y": Float(1e-3, 10, log=True), "n": Integer(0, 20)}


def distance(config: Config) -> float:
    """Return a value of a config of `NUMBERS`; the least is 0."""
    return (config["x"] - 1) ** 2 + math.log10(config["y"]) ** 2 + ((config["n"] - 7) / 5) ** 2


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in ("random", "gp")])
def test_samplers_beat_random_search(name: str) -> None:
    seeds = 5 if name == "tpe" else 20
    assert median(name, NUMBERS, distance, 60, seeds) < 0.5 * median("random", NUMBERS, distance, 60)
    assert median(name, MIXED, loss, 60, seeds) < 0.7 * median("random", MIXED, loss, 60)


@pytest.mark.slow
def test_the_gaussian_process_beats_random_search() -> None:
    assert median("gp", NUMBERS, distance, 15, 3) < 0.5 * median("random", NUMBERS, distance, 15)


def median(name: str, space: Space, value: Callable[[Config], float], count: int, seeds: int = 20) -> float:
    """Return the median over seeds of the best value of a number of trials."""
    samplers = [make_sampler(name, space, budget=count, seed=seed) for seed in range(seeds)]
    return float(np.median([min(map(value, search(sampler, count, value))) for sampler in samplers]))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="the sampler is 'annealing'; expected one of"):
        make_sampler("annealing", MIXED, budget=10, seed=0)
    with pytest.raises(ValueError, match="the budget is 0"):
        make_sampler("random", MIXED, budget=0, seed=0)
    for name in SAMPLERS:
        with pytest.raises(ValueError, match="at least one entry"):
            make_sampler(name, {}, budget=10, seed=0)
        for seed in (-1, 0.5, True, None):
            with pytest.raises(ValueError, match="seed"):
                make_sampler(name, MIXED, budget=10, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("tpe", "optuna", "tune"), ("cmaes", "cma", "tune"), ("gp", "botorch", "gp")],
)
def test_a_missing_package_is_named(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=rf"{module}: pip install 'statewright\[{extra}\]'"):
        make_sampler(name, MIXED, budget=10, seed=0)


def test_the_engine_loads_no_package_of_the_samplers() -> None:
    # `statewright run` works, and starts fast, where they are not installed.
    code = (
        "import sys, statewright.api, statewright.cli, statewright.entry;"
        "print([name for name in ('numpy', 'optuna', 'cma', 'torch') if name in sys.modules])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"


def test_the_names_of_the_methods_are_the_same_objects() -> None:
    for module in ("space", "genetic"):
        methods = importlib.import_module(f"methods.search.{module}")
        engine = importlib.import_module(f"statewright.search.{module}")
        assert all(getattr(methods, name) is getattr(engine, name) for name in methods.__all__)
