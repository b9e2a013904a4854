"""Growth of attention over levels with the length of a sequence, and its error.

Specification 1 §8.2. An exponent is the slope of log cost over log length, by least squares. Seconds are CPU
seconds of one thread, the best over the repetitions, of a forward pass with one head of the width 32. Bytes
are the peak of tensors that a forward pass with gradients makes, counted exactly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.learning._memory import peak_bytes
from benchmarks.parts import Tables
from methods.attention import multilevel_attention, scaled_dot_product
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

WIDTH = 32
LENGTHS = (1024, 2048, 4096, 8192, 16384, 32768)
STORED = LENGTHS[:4]
"""Lengths whose matrix of weights is stored: at 32,768 it would need some 9 GB."""
ERROR_LENGTH, BLOCK = 4096, 64
SEEDS, LEAST_SECONDS = 5, 1.0
CORRELATIONS = (0, 32, 256)
"""Lengths over which the tokens of a sequence are correlated; 0: they are independent."""

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def tables(repeat: int) -> Tables:
    """Yield the costs with their exponents, and the errors."""
    torch.set_num_threads(1)
    yield _costs(repeat)
    yield _errors()


def levels(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return attention over levels, with the default sizes."""
    return multilevel_attention(query, key, value)


def fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return full attention by torch's fused kernel, which stores no weights."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return torch.nn.functional.scaled_dot_product_attention(query, key, value)


def stored(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return full attention with all weights stored."""
    return scaled_dot_product(query, key, value)[0]


def exponent(lengths: Sequence[int], costs: Sequence[float]) -> float:
    """Return the slope of the logarithms of costs over those of lengths."""
    return float(np.polyfit(np.log(lengths), np.log(costs), 1)[0])


def sequence(length: int, correlation: int, seed: int) -> Tensor:
    """Return tokens of the width 32 with variance 1, (1, 1, length, 32).

    Parameters
    ----------
    length : int
    correlation : int
        The correlation of two tokens falls by the factor e over this distance.
    seed : int
    """
    noise = np.random.default_rng(seed).normal(size=(length, WIDTH))
    memory = math.exp(-1 / correlation) if correlation else 0.0
    noise[1:] *= math.sqrt(1 - memory**2)
    return torch.tensor(lfilter([1.0], [1.0, -memory], noise, axis=0))[None, None]


def relative_error(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> float:
    """Return the norm of the difference from full attention over its norm."""
    full = stored(query, key, value)
    return float((attention(query, key, value) - full).norm() / full.norm())


def operations(attention: Attention, length: int) -> float:
    """Return the millions of operations of matrix products, counted exactly."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        attention(*_inputs(length))
    return counter.get_total_flops() / 1e6


def megabytes(attention: Attention, length: int) -> float:
    """Return the peak of the tensors of a pass that keeps those for the gradients."""
    inputs = [tensor.requires_grad_() for tensor in _inputs(length)]
    return peak_bytes(lambda: attention(*inputs)) / 1e6


def _costs(repeat: int) -> BenchmarkTable:
    def seconds(attention: Attention, length: int) -> float:
        return _seconds(attention, length, repeat)

    measures: list[tuple[str, Callable[[Attention, int], float], str, Attention, Sequence[int]]] = [
        ("CPU seconds", seconds, "levels", levels, LENGTHS),
        ("CPU seconds", seconds, "full, fused", fused, LENGTHS),
        ("CPU seconds", seconds, "full, weights stored", stored, STORED),
        ("million operations", operations, "levels", levels, LENGTHS),
        ("million operations", operations, "full", stored, STORED),
        ("megabytes", megabytes, "levels", levels, LENGTHS),
        ("megabytes", megabytes, "full, fused", fused, LENGTHS),
        ("megabytes", megabytes, "full, weights stored", stored, STORED),
    ]
    rows: list[list[TextOrNumber]] = []
    for name, cost, kind, attention, lengths in measures:
        costs = [cost(attention, length) for length in lengths]
        figures = [*costs, *[None] * (len(LENGTHS) - len(costs))]
        sizes = f"{lengths[0]:,} to {lengths[-1]:,}"
        rows.append([name, kind, sizes, exponent(lengths, costs), *figures])
    return BenchmarkTable(
        name="growth",
        title="Cost of attention by length of the sequence, one head of the width 32.",
        columns=["cost", "attention", "lengths", "exponent", *(f"n = {n:,}" for n in LENGTHS)],
        rows=rows,
        decimals={"exponent": 2},
    )


def _inputs(length: int) -> list[Tensor]:
    return [sequence(length, 0, seed).float() for seed in range(3)]


def _seconds(attention: Attention, length: int, repeat: int) -> float:
    """Return the CPU seconds of the fastest pass, of `repeat` or more."""
    inputs = _inputs(length)
    passes: list[float] = []
    with torch.no_grad():
        # The allocator keeps larger blocks once it had some: a short sequence is then twice as fast.
        levels(*_inputs(LENGTHS[-1]))
        attention(*inputs)
        while len(passes) < repeat or sum(passes) < LEAST_SECONDS:
            began = time.process_time()
            attention(*inputs)
            passes.append(time.process_time() - began)
    return min(passes)


def _errors() -> BenchmarkTable:
    return BenchmarkTable(
        name="error",
        title=f"Relative error against full attention at n = {ERROR_LENGTH:,}, mean of {SEEDS} seeds. Tokens "
        "have a correlation that falls by the factor e over the length; they are queries, keys and values "
        "themselves (equal), or by three random matrices (projected). Local: the near blocks only. Mean: the "
        "mean of all values for every query.",
        columns=["tokens", "correlation length", "levels", "local", "mean", "entropy H / log n"],
        rows=[_error_row(kind, length) for kind in ("equal", "projected") for length in CORRELATIONS],
        decimals={"correlation length": 0},
    )


def _error_row(kind: str, correlation: int) -> list[TextOrNumber]:
    def local(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        block = torch.arange(query.shape[2]) // BLOCK
        near = (block[:, None] - block).abs() <= 1
        return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=near)

    def mean(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return value.mean(dim=2, keepdim=True).expand_as(value)

    figures = []
    for seed in range(SEEDS):
        tokens = sequence(ERROR_LENGTH, correlation, seed).float()
        inputs = [tokens] * 3
        if kind == "projected":
            generator = torch.Generator().manual_seed(seed)
            matrices = torch.randn(3, WIDTH, WIDTH, generator=generator) / math.sqrt(WIDTH)
            inputs = [tokens @ matrix for matrix in matrices]
        weights = scaled_dot_product(*inputs)[1]
        entropy = float(torch.special.entr(weights).sum(dim=-1).mean()) / math.log(ERROR_LENGTH)
        figures.append([*(relative_error(a, *inputs) for a in (levels, local, mean)), entropy])
    return [kind, correlation, *np.mean(figures, axis=0).tolist()]
