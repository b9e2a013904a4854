"""Train a cross-encoder with hard negatives of a search.

    loss of a group (query, relevant document d+, irrelevant documents d-) = -log softmax(z)[d+]

The irrelevant documents are those that the first search ranks high, which a re-ranker must separate.

References
----------
Gao, Dai and Callan (2021); specification 2, section 6.1 as corrected for the rates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.retrieval.cross_encoder import CrossEncoder, trained_weights
from methods.retrieval.fusion import Scores
from methods.training import Cosine, Objective, Settings, fit, seeded

POOL = 8  # Groups of this many batches are sorted by length, to reduce padding.


@dataclass(frozen=True)
class Group:
    """A query, a relevant document, and irrelevant ones, the highest ranked first."""

    query: str
    relevant: str
    irrelevant: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """Settings of the training.

    Attributes
    ----------
    negatives : int
        Irrelevant documents drawn from each group, again in each epoch.
    epochs : int
    batch : int
        Groups per step.
    learning_rate, head_rate : float
        Maximum learning rate of the encoder's layers, and of the head.
    warm_up : float
        Share of the steps, 0 to below 1.
    weight_decay : float
    clip : float
        Maximum norm of a gradient.
    tokens : int
        Maximum length of a pair in tokens. Longer pairs are truncated.
    bfloat16 : bool
        Whether to multiply in bfloat16: twice as fast on a processor that supports it, slower on others.
    seed : int
    """

    negatives: int = 4
    epochs: int = 2
    batch: int = 8
    learning_rate: float = 5e-5
    head_rate: float = 5e-4
    warm_up: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    tokens: int = 192
    bfloat16: bool = False
    seed: int = 0


def mine(
    queries: list[str],
    documents: list[str],
    scores: Scores,
    relevance: NDArray[np.int64],
    *,
    depth: int,
    positives: int | None = None,
) -> list[Group]:
    """Build groups of a relevant document and the irrelevant ones ranked highest.

    Parameters
    ----------
    queries, documents : list of str
    scores : ndarray of shape (queries, documents)
        Scores of the first search; ``-inf`` where a document was not found.
    relevance : ndarray of shape (queries, documents)
        Above 0 where a document is relevant.
    depth : int
        Number of ranks from which the irrelevant documents are drawn.
    positives : int, optional
        Maximum number of groups per query, for its relevant documents that rank highest. By default all.

    Returns
    -------
    list of Group
        There is no group for a query without a relevant document, or without an irrelevant one within
        `depth`.
    """
    groups = []
    for query, row, judged in zip(queries, scores, relevance, strict=True):
        order = np.argsort(-row, kind="stable")
        negatives = tuple(documents[i] for i in order[:depth] if judged[i] <= 0 and np.isfinite(row[i]))
        if negatives:
            best = [i for i in order if judged[i] > 0][:positives]
            groups += [Group(query, documents[i], negatives) for i in best]
    return groups


def train(
    model: str,
    groups: list[Group],
    recipe: Recipe,
    *,
    track: Callable[[Iterable[int]], Iterable[int]] = lambda steps: steps,
) -> tuple[dict[str, NDArray[np.float32]], list[float]]:
    """Train an encoder to rank the relevant document of each group first.

    Parameters
    ----------
    model : str
        A folder or an installed package, as in `methods.text.find_model`.
    track : callable
        Wraps the steps, for example in a progress bar.

    Returns
    -------
    weights : dict of ndarray
        Trained weights: all except the embeddings. `build_scorer` builds a scorer from them.
    losses : list of float
        Mean loss of each epoch, in nats. A uniform guess has the loss ``log(1 + negatives)``.

    Raises
    ------
    ValueError
        If the model is not found, or there is no group.
    """
    if not groups:
        raise ValueError(
            "there is no group to train on; expected at least one with a relevant and an irrelevant document"
        )
    with seeded(recipe.seed) as generator:
        encoder = CrossEncoder(model)
        rates: list[dict[str, Any]] = [
            {"params": list(encoder.head.parameters()), "lr": recipe.head_rate},
            {"params": [w for w in encoder.body.parameters() if w.requires_grad]},
        ]
        optimiser = torch.optim.AdamW(rates, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        steps = recipe.epochs * math.ceil(len(groups) / recipe.batch)
        progress = iter(track(range(steps)))

        def loss(rows: Tensor) -> Tensor:
            next(progress, None)
            drawn = [_draw(groups[i], recipe.negatives, generator) for i in rows.tolist()]
            return _loss(encoder, drawn, recipe.tokens)

        fitted = fit(
            encoder,
            optimiser,
            Objective(
                batches=lambda epoch: list(_batches(groups, recipe.batch, generator)),
                loss=loss,
                generators=(generator,),
            ),
            Settings(
                epochs=recipe.epochs,
                rate=Cosine(steps, int(recipe.warm_up * steps)),
                clip=recipe.clip,
                bfloat16=recipe.bfloat16,
            ),
        )
    return trained_weights(encoder), [epoch.train_loss for epoch in fitted.history]


def _batches(groups: list[Group], size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield batches of groups of similar length, each group once, in random order."""
    length = [len(group.query) + len(group.relevant) for group in groups]
    order = torch.randperm(len(groups), generator=generator).tolist()
    pools = [order[start : start + POOL * size] for start in range(0, len(order), POOL * size)]
    ordered = [i for pool in pools for i in sorted(pool, key=lambda group: length[group])]
    batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    for index in torch.randperm(len(batches), generator=generator).tolist():
        yield torch.tensor(batches[index])


def _draw(group: Group, negatives: int, generator: torch.Generator) -> list[tuple[str, str]]:
    """Return the relevant pair, then random irrelevant ones without replacement."""
    chosen = torch.randperm(len(group.irrelevant), generator=generator)[:negatives].tolist()
    return [(group.query, text) for text in (group.relevant, *(group.irrelevant[i] for i in chosen))]


def _loss(encoder: CrossEncoder, drawn: list[list[tuple[str, str]]], tokens: int) -> Tensor:
    logits = encoder([pair for group in drawn for pair in group], tokens)
    parts = logits.float().split([len(group) for group in drawn])
    # A group with fewer irrelevant documents than others is padded with pairs of weight 0.
    table = nn.utils.rnn.pad_sequence(list(parts), batch_first=True, padding_value=-math.inf)
    return nn.functional.cross_entropy(table, torch.zeros(len(drawn), dtype=torch.long))
