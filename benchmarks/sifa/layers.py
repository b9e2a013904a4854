"""Cost of equivariant attention beside plain attention of torch.

Specification 4 §4.2. CPU seconds of one thread for a forward and a backward pass, the best over the
repetitions, with the peer measured in turn.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from benchmarks.parts import Tables
from methods.sifa.groups import cyclic
from methods.sifa.layers import SymmetricInformationField
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

TOKENS = 8_192
HEADS = 4
LIMIT = 2.0
"""Largest cost relative to plain attention, for 4 elements and at least 4,096 tokens in a batch."""


class Plain(nn.MultiheadAttention):
    """Attention of torch with one argument, without weights as a result."""

    def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
        """Return the attended tokens, (batch, n, width)."""
        attended: Tensor = super().forward(tokens, tokens, tokens, need_weights=False)[0]
        return attended


def tables(repeat: int) -> Tables:
    """Yield the ratios of cost."""
    torch.set_num_threads(1)
    rows: list[list[TextOrNumber]] = []
    for width in (64, 128, 256):
        for length in (16, 64, 256):
            torch.manual_seed(0)
            layers = {
                "plain": Plain(width, HEADS, batch_first=True),
                "lifted": SymmetricInformationField(cyclic(4), width, HEADS),
                "metric": SymmetricInformationField(cyclic(4), width, HEADS, metric=4),
            }
            tokens = torch.randn(TOKENS // length, length, width)
            seconds = dict.fromkeys(layers, float("inf"))
            for _ in range(max(repeat, 1) + 1):  # the first round is the warm-up of every layer
                for name, layer in layers.items():
                    seconds[name] = min(seconds[name], _seconds(layer, tokens))
            rows.append(
                [
                    width,
                    length,
                    1e3 * seconds["plain"],
                    seconds["lifted"] / seconds["plain"],
                    seconds["metric"] / seconds["plain"],
                    LIMIT,
                ]
            )
    yield BenchmarkTable(
        name="cost",
        title=f"Cost of attention on the axis of 4 elements, {TOKENS:,} tokens in a batch, {HEADS} heads.",
        columns=["width", "tokens", "plain (ms)", "ratio", "ratio with metric", "limit"],
        rows=rows,
    )


def _seconds(layer: nn.Module, tokens: Tensor) -> float:
    start = time.process_time()
    layer(tokens).sum().backward()
    return time.process_time() - start
