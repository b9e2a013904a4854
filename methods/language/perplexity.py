"""Measure how well a causal language model predicts a text.

    perplexity = exp( -(1/N) sum_i log P(x_i | x_1, ..., x_{i-1}) )

over the N tokens that count. A text longer than the window of the model is divided into windows. Each token
counts in one of them, and is predicted from the tokens before it in that window.

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
    """Token ids, and the position of the first one that counts.

    Attributes
    ----------
    ids : tuple of int
        At least two ids.
    start : int
        First position that counts, at least 1, because nothing precedes the first token.
    """

    ids: tuple[int, ...]
    start: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.start < len(self.ids):
            raise ValueError(
                f"start is {self.start} for {len(self.ids)} tokens; expected 1 to {len(self.ids) - 1}"
            )

    @property
    def counted(self) -> int:
        """Number of tokens that count."""
        return len(self.ids) - self.start


def negative_log_likelihood(model: Any, example: Example) -> Tensor:
    """Return ``-sum_i log P(x_i | x_<i)`` over the tokens that count, in nats.

    The result is a scalar with its gradient. Only the logits that are needed are computed, in the type of
    the model, and their losses are summed in float32.
    """
    ids = torch.tensor([example.ids])
    logits = model(input_ids=ids, logits_to_keep=example.counted + 1).logits[0, :-1].float()
    return torch.nn.functional.cross_entropy(logits, ids[0, example.start :], reduction="sum")


@torch.no_grad()
def mean_loss(model: Any, examples: Iterable[Example]) -> float:
    """Compute the mean negative log-likelihood per token, in nats, without dropout.

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
        raise ValueError("there is no example to measure perplexity on; expected at least one")
    return total / counted


def perplexity(model: Any, examples: Iterable[Example]) -> float:
    """Return ``exp`` of `mean_loss`.

    It is 1 for a text predicted with certainty, and the size of the vocabulary for a uniform guess.
    """
    return math.exp(mean_loss(model, examples))


def windows(ids: Sequence[int], length: int, stride: int | None = None) -> list[Example]:
    """Divide a text into windows in which every token except the first counts once.

    Parameters
    ----------
    ids : sequence of int
        At least two tokens.
    length : int
        Length of a window, at least 2.
    stride : int, optional
        Offset of a window from the one before, 1 to `length` - 1. Tokens in the overlap are read but do not
        count again. The default, `length` - 1, repeats a single token. A smaller stride is slower and gives
        a lower, more accurate perplexity, since more tokens precede each token.

    Raises
    ------
    ValueError
        If the text, the length or the stride is out of range.
    """
    stride = length - 1 if stride is None else stride
    if len(ids) < 2 or length < 2 or not 1 <= stride < length:
        raise ValueError(
            f"{len(ids)} tokens, length {length}, stride {stride}; expected 2 tokens or more, a length of "
            "2 or more, and a stride of 1 to length - 1"
        )
    examples, counted = [], 1
    while counted < len(ids):
        end = min(len(ids), max(length, counted + stride))
        begin = max(0, end - length)
        examples.append(Example(tuple(ids[begin:end]), counted - begin))
        counted = end
    return examples
