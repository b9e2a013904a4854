"""Networks on atoms with the parameters, or operations, of the field.

The pipeline compares the field of QM7 and ESOL with networks of one width. Here each network has the width
whose parameters are nearest to those of the field, that of the pipeline, and the width whose operations for
the prediction of one molecule are nearest.

- Parameters of the field are its coefficients, one a stored molecule, and its few weights. The stored
  molecules are not counted, as those of a nearest-neighbour rule are not.
- Operations of the field are those of its kernels; the description of atoms is left out. They grow with the
  stored molecules, so the comparison holds for this number of training rows only.
- Operations of a network are those that torch counts, and the products of attention, which it does not count
  where a mask is given: 4 n^2 w for each layer, with n places and the width w. Empty places are computed, so
  they are counted.

The rate of each network is the one of two with the smaller error on a fifth of the training rows of the first
division. A finished model and division is kept, so that a stopped command resumes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from benchmarks.parts import Omission, Tables
from benchmarks.sifa._cells import code_key, kept
from benchmarks.sifa._chemistry import (
    Division,
    Floats,
    Molecules,
    absolute,
    by_scaffold,
    fitted,
    read_graphs,
    read_molecules,
    root_square,
    shipped,
    shuffled,
)
from methods.fusion.scores import corrected_interval
from methods.sifa.atom_networks import LAYERS, AtomTransformer, Recipe, View, fit_network
from methods.sifa.intervals import seed_interval
from methods.sifa.molecules import EPOCHS, NETWORK_WIDTH, fit_composition
from methods.sifa.size import count_flops, count_parameters, width_for
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

DIVISIONS = 5
RATES = (1e-3, 3e-3)
WIDTHS = range(4, 257, 4)
VIEWS: tuple[View, ...] = ("attention", "plain")
Size = Literal["parameters", "pipeline", "operations"]
SIZES: tuple[Size, ...] = ("parameters", "pipeline", "operations")
COLUMNS = [
    "model", "equal in", "parameters", "operations", "divisions", "error", "lowest", "highest",
    "excess over sifa", "low", "high", "rate", "seconds",
]  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """A set of molecules, its divisions and its measure of error.

    `graph` says that the rows are graphs of bonds, whose values need no energies of elements and whose
    divisions are one division with several seeds.
    """

    name: str
    data: Molecules
    divisions: Sequence[Division]
    graph: bool

    def error(self, predicted: Floats, y: Floats) -> float:
        """Return the error of the set."""
        return root_square(predicted, y) if self.graph else absolute(predicted, y)

    @property
    def places(self) -> int:
        """Number of places for the atoms of a graph, 0 for coordinates."""
        return self.data.x.shape[1] if self.graph else 0


def tables(repeat: int) -> Tables:
    """Yield the errors at equal cost; repetitions change nothing."""
    torch.set_num_threads(1)
    paths = {
        "molecules": shipped("molecules.parquet", "figures/molecules.parquet"),
        "solubility": shipped("solubility.parquet", "figures/solubility.parquet"),
    }
    for name, path in paths.items():
        if isinstance(path, Omission):
            yield path
            continue
        yield table(setting(name, path))


def setting(name: str, path: Path) -> Setting:
    """Return a set with its first divisions."""
    if name == "molecules":
        data = read_molecules(path)
        return Setting(name, data, shuffled(len(data.y), 1_000, 1_500)[:DIVISIONS], graph=False)
    data = read_graphs(path)
    return Setting(name, data, by_scaffold(data)[:DIVISIONS], graph=True)


def table(of: Setting) -> BenchmarkTable:
    """Train every model on every division, and tabulate the errors."""
    key = code_key("benchmarks.sifa.equal_cost.cells", [of.name, len(of.data.y), len(of.divisions)])
    found = cells(of, key)
    ours = np.array([cell["error"] for cell in found["sifa", "-"]])
    unit = "root mean square error, log mol/L" if of.graph else "mean absolute error, kcal/mol"
    return BenchmarkTable(
        name=f"equal_{of.name}",
        title=(
            f"{'ESOL by scaffold' if of.graph else 'QM7, 1,000 training molecules'}: {unit}, "
            f"{len(of.divisions)} {'seeds' if of.graph else 'divisions'}. Networks with as many parameters "
            "or operations as the field. Excess over the field, paired, with a 95 % interval."
        ),
        columns=COLUMNS,
        rows=[_row(name, size, of, documents, ours) for (name, size), documents in found.items()],
        decimals={"rate": 3, "seconds": 0},
    )


def cells(of: Setting, key: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the results of each model by division; finished ones from disk."""
    field = [
        kept("equal_cost", key, f"{of.name}-sifa-{division.seed}", partial(_field, of, division))
        for division in of.divisions
    ]
    found = {("sifa", "-"): field}
    for view in VIEWS:
        for size in SIZES:
            width = network_width(of, view, size, field[0])
            label = f"{of.name}-{view}-{width}"
            rate = kept("equal_cost", key, f"{label}-rate", partial(_rates, of, view, width))
            found[view, size] = [
                kept(
                    "equal_cost",
                    key,
                    f"{label}-{division.seed}",
                    partial(_network, of, view, width, rate["best"], division),
                )
                for division in of.divisions
            ]
    return found


def network_width(of: Setting, view: View, size: Size, field: dict[str, Any]) -> int:
    """Return the width with the parameters or operations of the field."""
    if size == "pipeline":
        return NETWORK_WIDTH
    if size == "parameters":
        return width_for(
            lambda width: count_parameters(AtomTransformer(view, width, of.places)),
            field["parameters"],
            WIDTHS,
        )
    example = torch.as_tensor(of.data.x[:1], dtype=torch.float32)
    return width_for(
        lambda width: operations(AtomTransformer(view, width, of.places), width, example),
        field["operations"],
        WIDTHS,
    )


def operations(model: AtomTransformer, width: int, example: torch.Tensor) -> int:
    """Return the operations of one prediction, with the products of attention."""
    return count_flops(model, example) + LAYERS * 4 * example.shape[1] ** 2 * width


def _field(of: Setting, division: Division) -> dict[str, Any]:
    began = time.process_time()
    trained = fitted(of.data, of.name, "sifa", division)
    seconds = time.process_time() - began
    error = of.error(trained.predict(of.data.x[division.test]), of.data.y[division.test])
    return {
        "error": error,
        "parameters": trained.parameters,
        "operations": trained.flops,
        "rate": None,
        "seconds": seconds,
    }


def _rates(of: Setting, view: View, width: int) -> dict[str, Any]:
    """Return the errors of the rates on a fifth of the training rows."""
    order = np.random.default_rng(0).permutation(of.divisions[0].train)
    held = len(order) // 5
    inner = Division(order[held:], order[:held], 0)
    errors = [_network(of, view, width, rate, inner)["error"] for rate in RATES]
    return {"errors": errors, "best": RATES[int(np.argmin(errors))]}


def _network(of: Setting, view: View, width: int, rate: float, division: Division) -> dict[str, Any]:
    x, y = of.data.x, of.data.y
    base = np.zeros(len(y)) if of.graph else fit_composition(x[division.train], y[division.train])(x)
    began = time.process_time()
    network = fit_network(
        lambda: AtomTransformer(view, width, of.places),
        x[division.train],
        (y - base)[division.train],
        Recipe(EPOCHS, rate=rate),
        seed=division.seed,
    )
    seconds = time.process_time() - began
    predicted = base[division.test] + network.predict(x[division.test])
    example = torch.as_tensor(x[:1], dtype=torch.float32)
    return {
        "error": of.error(predicted, y[division.test]),
        "parameters": count_parameters(network.model),
        "operations": operations(AtomTransformer(view, width, of.places), width, example),
        "rate": rate,
        "seconds": seconds,
    }


def _row(
    name: str, size: str, of: Setting, documents: list[dict[str, Any]], ours: Floats
) -> list[TextOrNumber]:
    errors = np.array([document["error"] for document in documents])
    first = documents[0]
    row: list[TextOrNumber] = [
        name, size, first["parameters"], first["operations"], len(errors),
        float(errors.mean()), float(errors.min()), float(errors.max()),
    ]  # fmt: skip
    if name == "sifa" or len(errors) < 2:
        excess: list[TextOrNumber] = [None, None, None]
    elif of.graph:
        by_seed = seed_interval((errors - ours).tolist())
        excess = [by_seed.mean, by_seed.low, by_seed.high]
    else:
        division = of.divisions[0]
        share = len(division.test) / (len(division.test) + len(division.train))
        resplits = corrected_interval(errors - ours, share)
        excess = [resplits.mean, resplits.low, resplits.high]
    return [*row, *excess, first["rate"], float(np.mean([document["seconds"] for document in documents]))]
