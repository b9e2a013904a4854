"""How well a causal language model foretells a text.

    perplexity = exp( -(1/N) sum_i log P(x_i | x_1, ..., x_{i-1}) )

over the N tokens that count. A text longer than the model's window is read in windows; each token counts
in one of them, and is foretold from the tokens before it in that window.

References
----------
Specification 2, section 2.3 (the causal loss), as a mean over tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Example:
    """Token ids, and from which place on they count.

    Attributes
    ----------
    ids : tuple of int
        At least two.
    start : int
        First place that counts, at least 1: the first token is foretold from nothing.
    """

    ids: tuple[int, ...]
    start: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.start < len(self.ids):
            raise ValueError(f"start is {self.start} with {len(self.ids)} tokens; expected 1 to one below")

    @property
    def counted(self) -> int:
        """How many tokens count."""
        return len(self.ids) - self.start


def negative_log_likelihood(model: Any, example: Example) -> Tensor:
    """``-sum_i log P(x_i | x_<i)`` over the tokens that count, in nats; a scalar with its gradient.

    Only the logits that are needed are computed, in the model's type, and summed in float32.
    """
    ids = torch.tensor([example.ids])
    logits = model(input_ids=ids, logits_to_keep=example.counted + 1).logits[0, :-1].float()
    return torch.nn.functional.cross_entropy(logits, ids[0, example.start :], reduction="sum")


@torch.no_grad()
def mean_loss(model: Any, examples: Iterable[Example]) -> float:
    """Mean negative log-likelihood a token over all examples, in nats; dropout is off.

    Raises
    ------
    ValueError
        If there is no example.
    """
    training = model.training
    model.eval()
    total, counted = 0.0, 0
    for example in examples:
        total += float(negative_log_likelihood(model, example))
        counted += example.counted
    model.train(training)
    if not counted:
        raise ValueError("no example to measure perplexity on; expected at least one")
    return total / counted


def perplexity(model: Any, examples: Iterable[Example]) -> float:
    """``exp`` of `mean_loss`: 1 for a text foretold with certainty, the vocabulary's size for a guess."""
    return math.exp(mean_loss(model, examples))


def windows(ids: Sequence[int], length: int, stride: int | None = None) -> list[Example]:
    """Cut a text into windows in which every token but the first counts once.

    Parameters
    ----------
    ids : sequence of int
        At least two tokens.
    length : int
        Of a window, at least 2.
    stride : int, optional
        By how much a window is ahead of the one before, 1 to `length` - 1; the others of its tokens are
        read but do not count again. The default, `length` - 1, repeats a single token. Smaller is slower
        and gives a lower, fairer figure, since every token has more before it.

    Raises
    ------
    ValueError
        If the text, the length or the stride is out of range.
    """
    stride = length - 1 if stride is None else stride
    if len(ids) < 2 or length < 2 or not 1 <= stride < length:
        raise ValueError(
            f"{len(ids)} tokens in windows of {length} by {stride}; expected 2 tokens or more, windows of 2 "
            "or more, and a stride of 1 to one below the window"
        )
    found, counted = [], 1
    while counted < len(ids):
        end = min(len(ids), max(length, counted + stride))
        begin = max(0, end - length)
        found.append(Example(tuple(ids[begin:end]), counted - begin))
        counted = end
    return found
