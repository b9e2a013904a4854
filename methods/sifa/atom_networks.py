"""Predict a value of a molecule by networks on its atoms.

    plain        token = element + position;                       softmax(q k' / sqrt(d)) v
    attention    token = element + sum over neighbours of g(r_ij); softmax(q k' / sqrt(d) + b(r_ij)) v
    of graphs    token = facts + place in the file (plain), or + the count of each bond;  b(bond_ij)
    graph        messages along bonds only (GAT, GCN)

`attention` sees distances or bonds alone, so it is invariant under motions and renumbering; `plain` has to
learn that from examples, or from turned copies of them (`turned`). All end in a sum over atoms.

References
----------
Vaswani et al. (2017), Attention is all you need; Ying et al. (2021), Do transformers really perform badly for
graph representation?, for a bias of the attention by the relation of two nodes; Velickovic et al. (2018),
Graph attention networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from methods.training import Cosine, Objective, fit, seeded, shuffled
from methods.training import Settings as LoopSettings

Floats = NDArray[np.float64]
View = Literal["plain", "attention"]

HEADS = 4
LAYERS = 2
FACTS = 7
CODES = 17
ELEMENTS = 54
RADII = 16
FARTHEST = 8.0
COVALENT = {1: 0.31, 6: 0.76, 7: 0.71, 8: 0.66, 16: 1.05}
"""Covalent radii in angstrom (Cordero et al. 2008)."""
REACH = 1.25
"""Two atoms are bound if they are nearer than this times the sum of their radii."""
LARGEST_FACTS = (ELEMENTS, 6, 5, 6, 2, 2, 8)


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Attributes
    ----------
    epochs : int
    rate : float
    weight_decay : float
    batch : int
    turned : bool
        Whether each batch of coordinates is turned at random.
    """

    epochs: int
    rate: float = 3e-3
    weight_decay: float = 1e-3
    batch: int = 64
    turned: bool = False


class AtomTransformer(nn.Module):
    """A transformer of atoms with or without the symmetry of molecules.

    Parameters
    ----------
    view : {'plain', 'attention'}
    width : int
    places : int
        Atoms of the largest graph; 0 if the inputs are coordinates.
    """

    def __init__(self, view: View, width: int, places: int = 0) -> None:
        super().__init__()
        self.view, self.places = view, places
        if places:
            self.embed = nn.ModuleList(nn.Embedding(largest, width) for largest in LARGEST_FACTS)
            self.place: nn.Embedding | nn.Linear = nn.Embedding(places if view == "plain" else CODES, width)
            self.bias: nn.Embedding | nn.Linear | None = (
                nn.Embedding(CODES, HEADS) if view == "attention" else None
            )
        else:
            self.embed = nn.ModuleList([nn.Embedding(ELEMENTS, width)])
            self.place = nn.Linear(3 if view == "plain" else RADII * len(COVALENT), width)
            self.bias = nn.Linear(RADII, HEADS) if view == "attention" else None
        self.layers = nn.ModuleList(Block(width) for _ in range(LAYERS))
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map molecules, (n, atoms, 4) or (n, places, 7 + places), to (n,) means."""
        present = x[..., 0] > 0
        h, bias = self._of_graph(x) if self.places else self._of_coordinates(x, present)
        mask = torch.zeros_like(present, dtype=h.dtype).masked_fill(~present, -math.inf)[:, None, None, :]
        mask = mask.expand(-1, HEADS, x.shape[1], -1)
        if bias is not None:
            mask = mask + bias.permute(0, 3, 1, 2)
        for layer in self.layers:
            h = layer(h, mask)
        return (self.head(h)[..., 0] * present).sum(1) / math.sqrt(10)

    def _of_graph(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        facts, codes = x[..., :FACTS].long(), x[..., FACTS:].long()
        h = sum((table(facts[..., k] + 2 * (k == 2)) for k, table in enumerate(self.embed)), torch.zeros(()))
        if self.bias is None:
            return h + self.place(torch.arange(x.shape[1])), None
        bonds = functional.one_hot(codes, CODES).to(h.dtype)
        bonds = torch.cat([torch.zeros_like(bonds[..., :1]), bonds[..., 1:]], -1)
        return h + bonds.sum(2) @ self.place.weight, self.bias(codes)

    def _of_coordinates(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor | None]:
        numbers, positions = x[..., 0].long(), x[..., 1:]
        h = self.embed[0](numbers)
        if self.bias is None:
            centre = positions.sum(1, keepdim=True) / present.sum(1)[:, None, None]
            return h + self.place((positions - centre) * present[..., None]), None
        away = positions[:, :, None] - positions[:, None]
        radial = radial_functions((away.square().sum(-1) + 1e-12).sqrt())
        other = present[:, None, :] & ~torch.eye(x.shape[1], dtype=torch.bool)
        kinds = torch.stack([numbers == element for element in COVALENT], -1).to(h.dtype)
        sums = torch.einsum("nijr,nij,njk->nikr", radial, other.to(h.dtype), kinds).flatten(2)
        return h + self.place(sums), self.bias(radial)


class Block(nn.Module):
    """Attention with an additive bias, then a network of each token.

    torch's own encoder layer has no bias for each head and pair outside of training.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, h: Tensor, bias: Tensor) -> Tensor:
        """Map tokens (n, atoms, width) with a bias (n, heads, atoms, atoms)."""
        n, atoms, width = h.shape
        q, k, v = self.project(self.before(h)).view(n, atoms, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        h = h + self.out(mixed.transpose(1, 2).reshape(n, atoms, width))
        return h + self.network(self.between(h))


def radial_functions(r: Tensor) -> Tensor:
    """Return Gaussian functions of distances, (..., radii)."""
    centres = torch.linspace(0.5, FARTHEST, RADII, dtype=r.dtype)
    return torch.exp(-(r[..., None] - centres).square() / (2 * (FARTHEST / RADII) ** 2))


class GraphNetwork(nn.Module):
    """Layers of PyG along the bonds, then a sum over atoms.

    Parameters
    ----------
    name : {'gat', 'gcn'}
    width : int
    graph : bool
        Whether the inputs are graphs, or coordinates whose bonds follow from the distances.
    """

    def __init__(self, name: str, width: int, *, graph: bool) -> None:
        from methods.graph.encoders import layer

        super().__init__()
        self.graph = graph
        sizes = LARGEST_FACTS if graph else (ELEMENTS,)
        self.embed = nn.ModuleList(nn.Embedding(largest, width) for largest in sizes)
        self.layers = nn.ModuleList(layer(name, width, width) for _ in range(3))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.head = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map molecules to (n,) standardised means."""
        present = x[..., 0] > 0
        facts = x[..., : len(self.embed)].long()
        h = sum((table(facts[..., k] + 2 * (k == 2)) for k, table in enumerate(self.embed)), torch.zeros(()))
        m, i, j = torch.nonzero(x[..., FACTS:] if self.graph else bound(x), as_tuple=True)
        edges = torch.stack([m * x.shape[1] + i, m * x.shape[1] + j])
        flat = h.flatten(0, 1)
        for step, norm in zip(self.layers, self.norms, strict=True):
            flat = flat + functional.silu(step(norm(flat), edges))
        return (self.head(flat)[..., 0].view(present.shape) * present).sum(1) / math.sqrt(10)


def bound(x: Tensor) -> Tensor:
    """Return which atoms are nearer than a bond allows, (n, atoms, atoms) bool."""
    radii = torch.zeros(ELEMENTS, dtype=x.dtype)
    for element, radius in COVALENT.items():
        radii[element] = radius
    r = radii[x[..., 0].long()]
    near = torch.cdist(x[..., 1:], x[..., 1:]) < REACH * (r[:, :, None] + r[:, None])
    both = (r[:, :, None] > 0) & (r[:, None] > 0)
    return near & both & ~torch.eye(x.shape[1], dtype=torch.bool)


def fit_network(build: Callable[[], nn.Module], x: Floats, y: Floats, recipe: Recipe, *, seed: int) -> Fitted:
    """Train a network on standardised values by a smoothed absolute error.

    Parameters
    ----------
    build : callable
        Returns a network with new weights.
    x : (n, atoms, ...) float array
    y : (n,) float array
    recipe : Recipe
    seed : int
    """
    mean, sd = float(y.mean()), float(y.std()) or 1.0
    inputs = torch.as_tensor(x, dtype=torch.float32)
    values = torch.as_tensor((y - mean) / sd, dtype=torch.float32)
    with seeded(seed) as generator:
        model = build()
        optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)

        def loss(rows: Tensor) -> Tensor:
            given = turned(inputs[rows], generator) if recipe.turned else inputs[rows]
            return functional.smooth_l1_loss(model(given), values[rows], beta=0.1)

        updates = recipe.epochs * math.ceil(len(y) / recipe.batch)
        fitted = fit(
            model,
            optimiser,
            Objective(shuffled(torch.arange(len(y)), recipe.batch, generator), loss, generators=(generator,)),
            LoopSettings(recipe.epochs, rate=Cosine(updates, warm_up=updates // 20), clip=1.0),
        )
    return Fitted(model.eval(), mean, sd, tuple(epoch.train_loss for epoch in fitted.history))


@dataclass(frozen=True)
class Fitted:
    """A trained network, the unit of its values and its losses."""

    model: nn.Module
    mean: float
    sd: float
    losses: tuple[float, ...]

    def predict(self, x: Floats) -> Floats:
        """Return means in the unit of the values."""
        with torch.no_grad():
            parts = [self.model(part) for part in torch.as_tensor(x, dtype=torch.float32).split(250)]
        means: Floats = torch.cat(parts).numpy().astype(float)
        return self.mean + self.sd * means


def turned(x: Tensor, generator: torch.Generator) -> Tensor:
    """Turn or reflect each molecule about the origin by a random matrix."""
    q, r = torch.linalg.qr(torch.randn(len(x), 3, 3, generator=generator))
    # With positive diagonal of r the matrices are uniform (Mezzadri 2007).
    q = q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None, :]
    return torch.cat([x[..., :1], x[..., 1:] @ q], -1)
