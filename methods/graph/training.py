"""Train an encoder to predict links.

The optimiser is AdamW, with a warm-up and a cosine schedule, and with early stopping that restores the best
weights. The loss is

    L = mean softplus(-z_i . z_j) over links + mean softplus(z_i . z_j) over as many pairs without a link

This is ``-log sigmoid(z_i . z_j) - log(1 - sigmoid(z_i . z_j))`` of the specification (2 §4.4), in a form
that does not overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional
from torch_geometric.nn import GAE, VGAE

from methods.graph.encoders import Encoder, sample_neighbours
from methods.graph.links import Links, both_directions, same_type_negatives, uniform_negatives
from methods.training import Checkpoint, Cosine, Objective, Settings, Validation, fit, seeded

Track = Callable[[Iterable[int]], Iterable[int]]
Features: TypeAlias = "NDArray[np.float32] | sparse.csr_matrix"
NegativeKind = Literal["uniform", "same type", "both"]


@dataclass(frozen=True)
class Recipe:
    """Settings of the training.

    Attributes
    ----------
    epochs : int
        Maximum number of passes over all training links.
    learning_rate, weight_decay : float
    warmup : int
        Epochs of a linear rise before the cosine.
    patience : int
        Training stops when the best validation loss is this many epochs old.
    clip : float
        Maximum norm of the gradient.
    hidden : float
        Share of the training links, drawn again each epoch, that are predicted and carry no messages. At 0
        all links carry messages and are predicted at the same time, as in Kipf and Welling.
    negatives : str
        ``uniform``, ``same type``, or half of each (``both``), as many as there are links.
    neighbours : int
        Neighbours per node that an LSTM reads.
    seed : int
    """

    epochs: int = 200
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    warmup: int = 3
    patience: int = 30
    clip: float = 1.0
    hidden: float = 0.0
    negatives: NegativeKind = "uniform"
    neighbours: int = 10
    seed: int = 0


@dataclass(frozen=True)
class TrainingResult:
    """A trained model and the history of its training.

    Attributes
    ----------
    weights : dict of str to Tensor
        Weights of the best epoch.
    embeddings : ndarray of shape (n, width)
        Embeddings computed with messages over the training links.
    history : list of dict
        Epoch, learning rate, training loss and validation loss.
    best_epoch : int
        Best epoch, counted from 1.
    """

    weights: dict[str, Tensor]
    embeddings: NDArray[np.float32]
    history: list[dict[str, float]]
    best_epoch: int


def link_loss(z: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return the mean cross-entropy of links plus that of pairs without a link."""
    return functional.softplus(-dot(z, positive)).mean() + functional.softplus(dot(z, negative)).mean()


def dot(z: Tensor, pairs: Tensor) -> Tensor:
    """Return the scores ``z_i . z_j`` of pairs of shape (2, E)."""
    return (z[pairs[0]] * z[pairs[1]]).sum(dim=-1)


def train_links(
    encoder: Callable[[], Encoder],
    x: Features,
    train: Links,
    validation: tuple[Links, Links],
    recipe: Recipe,
    *,
    types: NDArray[np.generic] | None = None,
    context: Links | None = None,
    track: Track = iter,
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Train an encoder to separate links from other pairs.

    Parameters
    ----------
    encoder : callable
        Creates the encoder. It is called under the seed of `recipe`.
    x : ndarray or sparse matrix of shape (n, d)
        Features. A sparse matrix is faster where most entries are 0, as for words (six times as fast on
        CiteSeer).
    train : ndarray of shape (2, E)
        Training links. Messages pass over these links and `context` only.
    validation : tuple of two ndarrays of shape (2, V)
        Links, and as many pairs without a link, for early stopping.
    recipe : Recipe
    types : ndarray of shape (n,), optional
        Types of the nodes, required for negatives of the same type.
    context : ndarray of shape (2, C), optional
        Links that carry messages but are never predicted.
    track : callable
        Wraps the epochs, for example in a progress bar.
    checkpoint : Checkpoint, optional
        Where the training saves its state, and resumes.

    Raises
    ------
    ValueError
        If `recipe` asks for negatives of the same type without `types`, or the loss is not finite.
    """
    if recipe.negatives != "uniform" and types is None:
        raise ValueError(
            f"negatives are '{recipe.negatives}', which needs the types of the nodes; pass types"
        )
    rng = np.random.default_rng(recipe.seed)
    with seeded(recipe.seed):
        model = autoencoder(encoder())
        objective = _Objective(model, as_tensor(x), train, validation, recipe, rng, types, context)
        fitted = fit(
            model,
            torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay),
            # An epoch has one batch: the whole graph.
            Objective(
                batches=lambda epoch: [torch.arange(1)],
                loss=lambda rows: objective.loss(),
                validate=lambda _: Validation(objective.validation_loss()),
                generators=(rng,),
            ),
            Settings(
                epochs=recipe.epochs,
                rate=Cosine(recipe.epochs, recipe.warmup),
                clip=recipe.clip,
                patience=recipe.patience,
            ),
            checkpoint=checkpoint,
            track=track,
        )
        z = embed_nodes(model, objective.x, objective.message_links(train), recipe)
    history = [
        {
            "epoch": epoch.epoch,
            "learning_rate": epoch.rate,
            "train_loss": epoch.train_loss,
            "validation_loss": epoch.validation_loss,
        }
        for epoch in fitted.history
    ]
    return TrainingResult(model.state_dict(), z, history, fitted.best_epoch)


def autoencoder(encoder: Encoder) -> GAE:
    """Return the GAE of PyG with this encoder, or the VGAE if it is variational."""
    return GAE(encoder) if encoder.spread is None else VGAE(encoder)


def as_tensor(x: Features) -> Tensor:
    """Convert features to a tensor, in CSR format if they are sparse."""
    if isinstance(x, np.ndarray):
        return torch.from_numpy(x)
    rows, columns = (torch.from_numpy(part.astype(np.int64)) for part in (x.indptr, x.indices))
    values = torch.from_numpy(x.data.astype(np.float32))
    return torch.sparse_csr_tensor(rows, columns, values, size=x.shape, check_invariants=True)


def embed_nodes(model: GAE, x: Tensor, links: Links, recipe: Recipe) -> NDArray[np.float32]:
    """Return the embeddings of all nodes, with messages over `links`.

    The embeddings of a VGAE are its means.
    """
    model.eval()
    with torch.no_grad():
        edges = message_edges(model, links, recipe, np.random.default_rng(recipe.seed))
        return np.asarray(model.encode(x, edges).numpy())


def message_edges(model: GAE, links: Links, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Return the edges in both directions; for an LSTM, a sample of them."""
    edges = torch.from_numpy(both_directions(links))
    return sample_neighbours(edges, recipe.neighbours, rng) if model.encoder.name == "sage-lstm" else edges


@dataclass(frozen=True)
class _Objective:
    """Loss of an encoder on the training links, and on the validation links."""

    model: GAE
    x: Tensor
    train: Links
    validation: tuple[Links, Links]
    recipe: Recipe
    rng: np.random.Generator
    types: NDArray[np.generic] | None
    context: Links | None

    def message_links(self, links: Links) -> Links:
        """Return `links` and the context links."""
        return links if self.context is None else np.concatenate([links, self.context], axis=1)

    def loss(self) -> Tensor:
        """Compute the loss of predicted links and as many negatives, drawn again."""
        held_out = np.less(self.rng.random(self.train.shape[1]), self.recipe.hidden)
        predicted = self.train[:, held_out] if held_out.any() else self.train
        edges = message_edges(self.model, self.message_links(self.train[:, ~held_out]), self.recipe, self.rng)
        z = self.model.encode(self.x, edges)
        loss = link_loss(z, torch.from_numpy(predicted), torch.from_numpy(self._negatives(predicted)))
        if isinstance(self.model, VGAE):
            loss = loss + self.model.kl_loss() / self.x.shape[0]
        return loss

    def _negatives(self, links: Links) -> Links:
        # Validation and test links are unknown in training, so they may be drawn like any other pair.
        known, kind, count = self.message_links(self.train), self.recipe.negatives, links.shape[1]
        if kind == "uniform":
            return uniform_negatives(self.x.shape[0], count, known, self.rng)
        assert self.types is not None
        hard = same_type_negatives(links, self.types, known, self.rng).pairs
        if kind == "same type":
            return hard
        half = self.rng.permutation(hard.shape[1])[: count // 2]
        easy = uniform_negatives(self.x.shape[0], count - len(half), known, self.rng)
        return np.concatenate([hard[:, half], easy], axis=1)

    def validation_loss(self) -> float:
        """Compute the loss of the validation pairs."""
        z = torch.from_numpy(embed_nodes(self.model, self.x, self.message_links(self.train), self.recipe))
        positive, negative = (torch.from_numpy(part) for part in self.validation)
        return float(link_loss(z, positive, negative))
