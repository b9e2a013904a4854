"""Predict the energy of molecules from the positions of their atoms.

    energy = counts of elements b + field over atoms and over groups of atoms

The field (`methods.sifa.field`) compares the invariant environments of all pairs of atoms of one element. A
group is a heavy atom with the hydrogens nearest to it: the block of the coarse scale, whose features are the
sums of those of its atoms. Without the symmetry the environments keep the frame of the coordinates.

What is a symmetric information field here: the average over permutations is exact and that over motions is
exact by the invariants; the metric is the Fisher metric of a first fit; the scales are weighed by evidence.
What is not: the counts of elements, the constants of the radial functions, the closed-form coefficients.

Baselines: ridge regression with a Gaussian or Laplace kernel of sorted Coulomb matrices (Rupp et al. 2012,
Phys. Rev. Lett. 108; Hansen et al. 2013, J. Chem. Theory Comput. 9), a forest on their eigenvalues, networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from methods.sifa.environments import ELEMENTS, directed, environments
from methods.sifa.evidence import Search
from methods.sifa.field import FittedField, Options, Scale, fit_field
from methods.sifa.local_kernel import Tokens
from methods.sifa.model import ABLATIONS, Array, Parts, Settings, Task, Trained

Floats = NDArray[np.float64]

NETWORKS = ("attention", "plain", "augmented", "gat", "gcn")
VARIANTS = (*ABLATIONS, *NETWORKS, "mlp", "kernel", "forest")
WIDTH = 64
"""Principal axes of an environment."""
LENGTH = 8.0
HALVINGS = 2
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
    molecules = np.asarray(x, np.float64)
    composition = fit_composition(molecules, np.asarray(y, np.float64))
    trained = _train(variant, molecules, np.asarray(y - composition(molecules), np.float64), seed, settings)

    def predict(new: Array) -> Array:
        new = np.asarray(new, np.float64)
        return composition(new) + trained.predict(new)

    return replace(trained, predict=predict)


def _train(variant: str, x: Floats, y: Floats, seed: int, settings: Settings) -> Trained:
    if variant in ABLATIONS:
        return _field(x, y, ABLATIONS[variant], settings, seed)
    if variant in NETWORKS:
        return _network(variant, x, y, settings, seed)
    if variant in ("mlp", "kernel", "forest"):
        return _on_coulomb(variant, x, y, settings, seed)
    raise ValueError(f"variant '{variant}' is unknown for molecules; known are {', '.join(VARIANTS)}")


@dataclass(frozen=True)
class Composition:
    """Energy of each element and a constant, by least squares."""

    energies: Floats

    def __call__(self, x: Floats) -> Floats:
        """Return the energy of the counts."""
        return _counts(x) @ self.energies


def fit_composition(x: Floats, y: Floats) -> Composition:
    """Fit the energies of the elements; an element that does not occur has none."""
    energies: Floats = np.linalg.lstsq(_counts(x), y, rcond=None)[0].astype(np.float64)
    return Composition(energies)


def _counts(x: Floats) -> Floats:
    columns = [(x[..., 0] == element).sum(1) for element in ELEMENTS]
    return np.stack([*columns, np.ones(len(x))], 1).astype(float)


def scales(parts: Parts) -> list[Scale]:
    """Return the scales of a field with these parts."""
    describe = environments if parts.symmetry else directed
    atoms = Scale(describe, WIDTH, LENGTH, HALVINGS)
    if not parts.renormalise:
        return [atoms]
    return [atoms, Scale(lambda x: groups(describe(x), x), WIDTH, LENGTH, HALVINGS)]


def groups(atoms: Tokens, x: Floats) -> Tokens:
    """Sum the features of each heavy atom and the hydrogens nearest to it.

    A hydrogen whose molecule has no heavy atom is a group of its own.

    Parameters
    ----------
    atoms : Tokens
        One token for each atom of `x`.
    x : (n, places, 4) float array
    """
    z, positions = x[..., 0], x[..., 1:]
    r = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    heavy: NDArray[np.bool_] = np.asarray(z > 1)
    r = np.where(heavy[:, None, :], r, np.inf)
    alone = np.logical_not(heavy.any(axis=1, keepdims=True))
    nearest = np.where(heavy | alone, np.arange(z.shape[1]), r.argmin(2))
    molecule, place = np.nonzero(z)
    _, first, group = np.unique(
        molecule * z.shape[1] + nearest[molecule, place], return_index=True, return_inverse=True
    )
    sums = np.zeros((len(first), atoms.features.shape[1]))
    np.add.at(sums, group, atoms.features)
    owner = molecule[first]
    kind = z[owner, nearest[molecule[first], place[first]]].astype(np.int64)
    return Tokens(owner, kind, sums, len(x))


def search(parts: Parts, settings: Settings) -> Search:
    """Return how the weights of the scales are found."""
    rate = settings.rate * (1.0 if parts.symplectic else 0.2)
    steps = max(int(40 * settings.effort), 1)
    return Search(parts.information, parts.symplectic, steps, rate, 0.5 * settings.friction, noise=1e-4)


def _field(x: Floats, y: Floats, parts: Parts, settings: Settings, seed: int) -> Trained:
    options = Options(metric=parts.metric, search=search(parts, settings))
    fitted = fit_field(scales(parts), x, y, options, seed=seed)
    return described(fitted)


def described(fitted: FittedField) -> Trained:
    """Return a field as a trained model."""
    parameters = len(fitted.field.coefficients) + len(fitted.field.weights) + 1
    return Trained(fitted.predict, parameters, fitted.flops(), None, fitted.field.losses)


def _network(variant: str, x: Floats, y: Floats, settings: Settings, seed: int) -> Trained:
    import torch

    from methods.sifa.atom_networks import AtomTransformer, GraphNetwork, Recipe, fit_network
    from methods.sifa.size import count_flops, count_parameters

    def build() -> torch.nn.Module:
        if variant in ("gat", "gcn"):
            return GraphNetwork(variant, NETWORK_WIDTH, graph=False)
        return AtomTransformer("attention" if variant == "attention" else "plain", NETWORK_WIDTH)

    recipe = Recipe(max(int(EPOCHS * settings.effort), 1), turned=variant == "augmented")
    fitted = fit_network(build, x, y, recipe, seed=seed)
    model = fitted.model
    flops = count_flops(model, torch.as_tensor(x[:1], dtype=torch.float32))
    return Trained(fitted.predict, count_parameters(model), flops, model, fitted.losses)


def coulomb(x: Floats) -> Floats:
    """Return Coulomb matrices with rows sorted by norm, (n, places, places).

    ``C_ii = z_i^2.4 / 2``, ``C_ij = z_i z_j / |r_i - r_j|`` in units of the elementary charges and angstrom.
    """
    z = x[..., 0]
    r = np.linalg.norm(x[:, :, None, 1:] - x[:, None, :, 1:], axis=-1)
    both = z[:, :, None] * z[:, None, :]
    matrix = np.divide(both, r, out=np.zeros_like(r), where=(r > 0) & (both > 0))
    places = np.arange(z.shape[1])
    matrix[:, places, places] = 0.5 * z**2.4
    order = np.argsort(-np.linalg.norm(matrix, axis=2), axis=1, kind="stable")
    rows = np.arange(len(x))[:, None, None]
    return matrix[rows, order[:, :, None], order[:, None, :]]


def _on_coulomb(variant: str, x: Floats, y: Floats, settings: Settings, seed: int) -> Trained:
    upper = np.triu_indices(x.shape[1])

    def flat(new: Floats) -> Floats:
        return coulomb(new)[:, upper[0], upper[1]]

    def spectrum(new: Floats) -> Floats:
        values = np.linalg.eigvalsh(coulomb(new))
        return np.concatenate(
            [np.take_along_axis(values, np.argsort(-np.abs(values), 1), 1), _counts(new)], 1
        )

    from methods.sifa import tabular

    if variant == "kernel":
        return tabular.kernel_ridge(flat, x, y, laplace=True, seed=seed)
    if variant == "forest":
        return tabular.forest(spectrum, x, y, seed=seed)
    return tabular.perceptron(flat, x, y, epochs=int(200 * settings.effort), seed=seed)
