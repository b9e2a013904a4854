"""Teach a cross-encoder the order of documents from those that a search confuses.

    loss of a group (query, right document d+, wrong documents d-) = -log softmax(z)[d+]

The wrong documents are those that the first search ranks high: what a re-ranker has to tell apart.

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

from methods.retrieval.cross_encoder import CrossEncoder, taught_weights
from methods.retrieval.fusion import Scores

POOL = 8  # batches among which groups are sorted by length, so that little is padding


@dataclass(frozen=True)
class Group:
    """A query, a document that is right for it, and documents that are not, the likeliest first."""

    query: str
    right: str
    wrong: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    negatives : int
        Wrong documents drawn of each group, each epoch anew.
    epochs : int
    batch : int
        Groups a step.
    learning_rate, head_rate : float
        At the top of warm-up and cosine, of the encoder's layers and of the head.
    warm_up : float
        Share of the steps, 0 to below 1.
    weight_decay : float
    clip : float
        Largest norm of a gradient.
    tokens : int
        Longest pair; what is longer is cut.
    bfloat16 : bool
        Multiply in half the digits: twice as fast where the processor can, slower where it cannot.
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
    right: int | None = None,
) -> list[Group]:
    """Groups to learn from: each relevant document, with the irrelevant ones that a search ranks high.

    Parameters
    ----------
    queries, documents : list of str
    scores : ndarray of shape (queries, documents)
        Of the first search; ``-inf`` where a document was not found.
    relevance : ndarray of shape (queries, documents)
        Above 0 where a document is relevant.
    depth : int
        Of how many ranks the irrelevant ones are taken.
    right : int, optional
        Relevant documents of a query that make a group, the best ranked ones; all if not given.

    Returns
    -------
    list of Group
        None of a query without a relevant document, or without an irrelevant one in reach.
    """
    groups = []
    for query, row, judged in zip(queries, scores, relevance, strict=True):
        order = np.argsort(-row, kind="stable")
        wrong = tuple(documents[at] for at in order[:depth] if judged[at] <= 0 and np.isfinite(row[at]))
        if wrong:
            best = [at for at in order if judged[at] > 0][:right]
            groups += [Group(query, documents[at], wrong) for at in best]
    return groups


def train(
    model: str,
    groups: list[Group],
    recipe: Recipe,
    *,
    track: Callable[[Iterable[int]], Iterable[int]] = lambda steps: steps,
) -> tuple[dict[str, NDArray[np.float32]], list[float]]:
    """Teach an encoder to order the documents of each group.

    Parameters
    ----------
    model : str
        A folder or an installed package, see `methods.text.find_model`.
    track : callable
        Wraps the steps, e.g. in a progress bar.

    Returns
    -------
    weights : dict of ndarray
        What was taught: all but the embeddings. `build_scorer` makes a scorer of it.
    losses : list of float
        Mean loss of each epoch, in nats; ``log(1 + negatives)`` is that of a guess.

    Raises
    ------
    ValueError
        If there is no such model, or nothing to learn from.
    """
    if not groups:
        raise ValueError("no group has a right and a wrong document; expected at least one to learn from")
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        encoder = CrossEncoder(model).train()
        rates: list[dict[str, Any]] = [
            {"params": list(encoder.head.parameters()), "lr": recipe.head_rate},
            {"params": [w for w in encoder.body.parameters() if w.requires_grad]},
        ]
        optimiser = torch.optim.AdamW(rates, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        each = math.ceil(len(groups) / recipe.batch)
        steps = recipe.epochs * each
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: rate_factor(step, steps, int(recipe.warm_up * steps))
        )
        batches = (batch for _ in range(recipe.epochs) for batch in _batches(groups, recipe.batch, generator))
        totals = np.zeros(recipe.epochs)
        for step, batch in zip(track(range(steps)), batches, strict=True):
            drawn = [_draw(groups[at], recipe.negatives, generator) for at in batch]
            loss = _loss(encoder, drawn, recipe)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(encoder.parameters(), recipe.clip)
            optimiser.step()
            schedule.step()
            totals[step // each] += float(loss.detach()) * len(batch)
    return taught_weights(encoder), (totals / len(groups)).tolist()


def rate_factor(step: int, steps: int, warm_up: int) -> float:
    """Share of the top rate at `step` of `steps`, from 0: ``t / T_w``, then ``(1 + cos(pi s)) / 2``.

    References
    ----------
    Specification 2, section 6.1, as corrected: ``s = (t - T_w) / (T - T_w)``.
    """
    if step < warm_up:
        return (step + 1) / warm_up
    return (1 + math.cos(math.pi * min((step - warm_up) / max(steps - warm_up, 1), 1.0))) / 2


def _batches(groups: list[Group], size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Each group once, in random batches of texts of about one length."""
    length = [len(group.query) + len(group.right) for group in groups]
    order = torch.randperm(len(groups), generator=generator).tolist()
    pools = [order[start : start + POOL * size] for start in range(0, len(order), POOL * size)]
    near = [at for pool in pools for at in sorted(pool, key=lambda one: length[one])]
    batches = [near[start : start + size] for start in range(0, len(near), size)]
    for place in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[place]


def _draw(group: Group, negatives: int, generator: torch.Generator) -> list[tuple[str, str]]:
    """The right pair, then wrong ones drawn without repeat."""
    chosen = torch.randperm(len(group.wrong), generator=generator)[:negatives].tolist()
    return [(group.query, text) for text in (group.right, *(group.wrong[at] for at in chosen))]


def _loss(encoder: CrossEncoder, drawn: list[list[tuple[str, str]]], recipe: Recipe) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
        logits = encoder([pair for group in drawn for pair in group], recipe.tokens)
    parts = logits.float().split([len(group) for group in drawn])
    # A group with fewer wrong documents than others is filled with pairs that weigh nothing.
    table = nn.utils.rnn.pad_sequence(list(parts), batch_first=True, padding_value=-math.inf)
    return nn.functional.cross_entropy(table, torch.zeros(len(drawn), dtype=torch.long))
