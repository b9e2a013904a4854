"""Predict a property of molecules from their atoms and bonds.

    value = field over atoms, each with its circle of bonds, and over whole molecules

The fine scale compares the environments of all pairs of atoms of one element; the coarse scale has one token
a molecule, whose features are sums over its atoms and bonds (`methods.sifa.descriptors`). Both are the same
for each numbering of the atoms. Without the symmetry atom i of a molecule meets atom i of another only, in
the order of the file; without coarse-graining the fine scale is alone. `mixture` is the mean of the field
and gradient-boosted trees on the descriptors.

What is a symmetric information field here: the exact average over permutations, the Fisher metric, the
weights of the scales. What is not: the descriptors, which carry knowledge of chemistry, and the trees of
`mixture`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from methods.sifa import tabular
from methods.sifa.descriptors import descriptors
from methods.sifa.evidence import Search
from methods.sifa.field import Options, Scale, fit_field
from methods.sifa.graph_environments import environments, graphs
from methods.sifa.local_kernel import Tokens
from methods.sifa.model import ABLATIONS, Array, Parts, Settings, Task, Trained
from methods.sifa.molecules import described

Floats = NDArray[np.float64]

NETWORKS = ("attention", "plain", "gat", "gcn")
TABULAR = ("mlp", "kernel", "forest", "boosted")
VARIANTS = (*ABLATIONS, "mixture", *NETWORKS, *TABULAR)
RADIUS = 2
"""Bonds that an environment reaches out to."""
WIDTH = 64
NETWORK_WIDTH = 32
EPOCHS = 60


def train(
    variant: str,
    name_of_set: str,
    x: Array,
    y: NDArray[np.float64] | NDArray[np.int64],
    task: Task,
    *,
    seed: int,
    settings: Settings,
) -> Trained:
    """Train one variant or baseline; see `methods.sifa.model.train`.

    Raises
    ------
    ValueError
        If the variant is unknown, or the target is not a number.
    """
    if task.kind != "regression":
        raise ValueError(f"set '{name_of_set}' has a task of {task.kind}; expected regression")
    return _train(variant, name_of_set, np.asarray(x, np.float64), np.asarray(y, np.float64), seed, settings)


def _train(variant: str, name: str, x: Floats, y: Floats, seed: int, settings: Settings) -> Trained:
    if variant in ABLATIONS:
        return _field(x, y, ABLATIONS[variant], settings, seed)
    if variant in NETWORKS:
        return _network(variant, x, y, settings, seed)
    if variant == "kernel":
        return tabular.kernel_ridge(described_graphs, x, y, laplace=False, seed=seed)
    if variant == "forest":
        return tabular.forest(described_graphs, x, y, seed=seed)
    if variant == "boosted":
        return tabular.boosted(described_graphs, x, y, seed=seed)
    if variant == "mlp":
        return tabular.perceptron(described_graphs, x, y, epochs=int(200 * settings.effort), seed=seed)
    if variant == "mixture":
        return _mixture(x, y, settings, seed)
    raise ValueError(f"variant '{variant}' is unknown for {name}; known are {', '.join(VARIANTS)}")


def described_graphs(x: Floats) -> Floats:
    """Return the descriptors of molecules in the layout of the pipeline."""
    return descriptors(graphs(x))


def molecules(x: Floats) -> Tokens:
    """Return one token a molecule: the coarsest scale."""
    return Tokens(np.arange(len(x)), np.zeros(len(x), dtype=np.int64), described_graphs(x), len(x))


def scales(parts: Parts) -> list[Scale]:
    """Return the scales of a field with these parts."""
    atoms = Scale(lambda x: environments(graphs(x), RADIUS), WIDTH, 4.0, 1)
    return [Scale(molecules, WIDTH, 16.0, 4, whitened=True), atoms] if parts.renormalise else [atoms]


def search(parts: Parts, settings: Settings) -> Search:
    """Return how the weights of the scales are found."""
    rate = settings.rate * (1.0 if parts.symplectic else 0.2)
    steps = max(int(40 * settings.effort), 1)
    return Search(parts.information, parts.symplectic, steps, rate, 0.5 * settings.friction, noise=0.05)


def _field(x: Floats, y: Floats, parts: Parts, settings: Settings, seed: int) -> Trained:
    options = Options(parts.symmetry, parts.metric, search(parts, settings))
    return described(fit_field(scales(parts), x, y, options, seed=seed))


def _mixture(x: Floats, y: Floats, settings: Settings, seed: int) -> Trained:
    field = _field(x, y, Parts(), settings, seed)
    trees = tabular.boosted(described_graphs, x, y, seed=seed)
    return Trained(
        lambda new: (field.predict(new) + trees.predict(new)) / 2,
        field.parameters + trees.parameters,
        field.flops + trees.flops,
        None,
        field.losses,
    )


def _network(variant: str, x: Floats, y: Floats, settings: Settings, seed: int) -> Trained:
    import torch

    from methods.sifa.atom_networks import AtomTransformer, GraphNetwork, Recipe, fit_network
    from methods.sifa.size import count_flops, count_parameters

    def build() -> torch.nn.Module:
        if variant in ("gat", "gcn"):
            return GraphNetwork(variant, NETWORK_WIDTH, graph=True)
        return AtomTransformer("plain" if variant == "plain" else "attention", NETWORK_WIDTH, x.shape[1])

    fitted = fit_network(build, x, y, Recipe(max(int(EPOCHS * settings.effort), 1)), seed=seed)
    flops = count_flops(fitted.model, torch.as_tensor(x[:1], dtype=torch.float32))
    return Trained(fitted.predict, count_parameters(fitted.model), flops, fitted.model, fitted.losses)
