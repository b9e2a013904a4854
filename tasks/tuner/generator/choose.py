"""Choose the configuration of a program by few measurements.

The first layer of a program has its imports and its configuration (engine, threads, batch size), the second
its functions (execution, columns that are read, place of filters). Attention predicts the cost of a fragment
from the fragments chosen before it and from features of the tables (`methods.search.fragments`); a few
measurements correct and verify (`methods.search.shortlist`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.search.fragments import Programs
from methods.search.shortlist import Choice, Measure, searched, verify
from methods.search.space import Choice as Alternatives
from tasks.tuner.generator.configuration import ENGINES, EXECUTIONS, Configuration

Floats = NDArray[np.float64]

POSITIONS = ("engine", "threads", "batch_size", "execution", "read", "filters")
"""Fields of a configuration, in the order of the layers of a program."""


def encode(space: Sequence[Configuration], features: Mapping[str, float]) -> Programs:
    """Return the programs of one specification as numbers.

    The same space gives the same numbers; `features` are those of the specification and its tables.
    """
    columns, offset = [], 0
    for name in POSITIONS:
        values = [getattr(configuration, name) for configuration in space]
        known = {value: offset + number for number, value in enumerate(dict.fromkeys(values))}
        columns.append([known[value] for value in values])
        offset += len(known)
    row = [features[name] for name in sorted(features)]
    return Programs(np.array(columns).T, np.tile(row, (len(space), 1)).astype(float), offset)


def search_space(space: Sequence[Configuration]) -> dict[str, Any]:
    """Return the configurations as a space of a sampler, with conditions."""
    engines = [engine for engine in ENGINES if any(c.engine == engine for c in space)]
    executions = {
        f"execution.{engine}": Alternatives(list(EXECUTIONS[engine]), when={"engine": engine})
        for engine in engines
    }
    others = {
        name: Alternatives(list(dict.fromkeys(getattr(c, name) for c in space)))
        for name in ("threads", "batch_size", "read", "filters")
    }
    return {"engine": Alternatives(engines), **executions, **others}


def number_of(space: Sequence[Configuration], config: Mapping[str, Any]) -> int:
    """Return the number of the program of a sampler's config.

    Without a program of this batch size, which has no effect there, it is the one without batches.
    """
    engine = config["engine"]
    execution, threads = config[f"execution.{engine}"], config["threads"]
    rest = (config["read"], config["filters"])
    for size in (config["batch_size"], 0):
        wanted = Configuration(engine, execution, threads, size, *rest)
        if wanted in space:
            return list(space).index(wanted)
    raise ValueError(f"no program has the configuration {config}")


def choose_by_sampler(sampler: Any, space: Sequence[Configuration], measure: Measure, budget: int) -> Choice:
    """Search with a sampler, then verify as every other search does.

    The sampler minimises the mean log cost. A program that it asks for twice is measured twice, and counts.
    """
    order: list[int] = []
    costs: list[Floats] = []
    for _ in range(searched(budget)):
        config = sampler.ask()
        order.append(number_of(space, config))
        costs.append(measure(order[-1]))
        sampler.tell(config, float(np.log(costs[-1]).mean()))
    return verify(order, costs, measure, budget)
