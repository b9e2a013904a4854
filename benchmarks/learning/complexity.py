"""Growth of time and memory, and what checkpointing saves.

Specification 3 §10 and §11.2.

An exponent is the slope of log cost over log size, where one term of the bound dominates. Operations are
counted by torch and exact; seconds are CPU seconds of one thread, the best over the repetitions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.learning._memory import peak_bytes
from benchmarks.parts import Tables
from methods.training import recompute_layers
from tasks.report.benchmark import BenchmarkTable, TextOrNumber

HEADS = 4
LEAST_SECONDS = 0.02
LAYERS = (2, 4, 12)
CHECKPOINTING_LIMIT = 0.6
"""Largest share of the memory that checkpointing may need at 12 layers."""


@dataclass(frozen=True)
class Growth:
    """A cost as a function of one size, and the claimed exponent."""

    what: str
    variable: str
    where: str
    bound: float
    sizes: Sequence[int]
    cost: Callable[[int], float]

    def exponent(self) -> float:
        """Measure the costs and return the slope of their logarithms."""
        costs = [self.cost(size) for size in self.sizes]
        return float(np.polyfit(np.log(self.sizes), np.log(costs), 1)[0])

    def row(self) -> list[TextOrNumber]:
        """Return the row of a table."""
        sizes = f"{self.sizes[0]} to {self.sizes[-1]}"
        return [self.what, self.variable, self.where, sizes, self.bound, self.exponent()]


def tables(repeat: int) -> Tables:
    """Yield the exponents of time and of memory, and the peaks of checkpointing."""
    torch.set_num_threads(1)
    yield _table("time", "Growth of time: exponents where one term dominates.", times(repeat))
    yield _table("memory", "Growth of memory: exponents of exact counts of bytes.", memories())
    yield _checkpointing(repeat)


def _table(name: str, title: str, growths: Sequence[Growth]) -> BenchmarkTable:
    return BenchmarkTable(
        name=name,
        title=title,
        columns=["what", "size", "where", "sizes", "exponent claimed", "exponent"],
        rows=[growth.row() for growth in growths],
        decimals={"exponent claimed": 0, "exponent": 2},
    )


def times(repeat: int) -> list[Growth]:
    """Return the growths of §10.1: a transformer layer, a graph layer, and a sampler."""

    def forward(length: int, width: int) -> float:
        return _seconds(_transformer_pass(length, width), repeat)

    def messages(nodes: int, edges: int, width: int) -> float:
        return _seconds(_graph_pass(nodes, edges, width), repeat)

    layer, count, graph, chain = (
        "transformer layer, seconds", "transformer layer, operations", "GraphSAGE layer, seconds",
        "ERGM sampler, seconds",
    )  # fmt: skip
    return [
        Growth(count, "T", "d = 16, T >> d", 2, (2048, 4096, 8192), lambda n: _operations(n, 16)),
        Growth(count, "T", "d = 512, T << d", 1, (16, 32, 64), lambda n: _operations(n, 512)),
        Growth(count, "d", "T = 8192, T >> d", 1, (8, 16, 32), lambda d: _operations(8192, d)),
        Growth(count, "d", "T = 16, T << d", 2, (256, 512, 1024), lambda d: _operations(16, d)),
        Growth(layer, "T", "d = 16, T >> d", 2, (1024, 2048, 4096), lambda n: forward(n, 16)),
        Growth(layer, "T", "d = 512, T << d", 1, (64, 128, 256), lambda n: forward(n, 512)),
        Growth(layer, "d", "T = 64, T << d", 2, (256, 512, 1024), lambda d: forward(64, d)),
        Growth(graph, "E", "V = 500, d = 8", 1, (50_000, 100_000, 200_000),
               lambda e: messages(500, e, 8)),
        Growth(graph, "V", "E = V / 10, d = 256", 1, (2_000, 4_000, 8_000),
               lambda v: messages(v, v // 10, 256)),
        Growth(graph, "d", "E = 100 V, V = 20", 2, (128, 256, 512), lambda d: messages(20, 2000, d)),
        Growth(graph, "d", "E = V / 10, V = 1000", 2, (256, 512, 1024),
               lambda d: messages(1000, 100, d)),
        Growth(chain, "N", "K = 1", 1, (100_000, 200_000, 400_000), lambda n: _chain(n, 1, 6, repeat)),
        Growth(chain, "K", "N = 100000", 1, (256, 512, 1024), lambda k: _chain(100_000, k, 6, repeat)),
        Growth(chain, "C", "triangles, N = 100000", 1, (128, 256, 512),
               lambda degree: _chain(100_000, 0, degree, repeat)),
    ]  # fmt: skip


def memories() -> list[Growth]:
    """Return the growths of §10.2: weights, activations, and graphs."""
    fused, written = "activations, attention fused", "activations, attention weights stored"
    return [
        Growth("weights", "d", "L = 4", 2, (64, 128, 256), lambda d: _weights(d, 4)),
        Growth("weights", "L", "d = 64", 1, (2, 4, 8), lambda layers: _weights(64, layers)),
        Growth(fused, "B", "T = 64, d = 64", 1, (2, 4, 8), lambda b: _activations(b, 64, 64)),
        Growth(fused, "T", "B = 2, d = 64", 1, (128, 256, 512), lambda n: _activations(2, n, 64)),
        Growth(written, "T", "B = 2, d = 64", 1, (256, 512, 1024),
               lambda n: _activations(2, n, 64, stored=True)),
        Growth(fused, "d", "B = 2, T = 512", 1, (32, 64, 128), lambda d: _activations(2, 512, d)),
        Growth("graph, dense matrix", "V", "10 links per node", 2, (500, 1000, 2000),
               lambda v: _graph_bytes(v, dense=True)),
        Growth("graph, list of links", "V", "10 links per node", 1, (500, 1000, 2000),
               lambda v: _graph_bytes(v, dense=False)),
    ]  # fmt: skip


def transformer(layers: int, width: int, dropout: float = 0.0) -> nn.Sequential:
    """Return layers of a transformer with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blocks = [
            nn.TransformerEncoderLayer(width, HEADS, 4 * width, dropout, batch_first=True)
            for _ in range(layers)
        ]
        return nn.Sequential(*blocks)


def _transformer_pass(length: int, width: int) -> Callable[[], object]:
    model, x = transformer(1, width), torch.randn(1, length, width)

    def forward() -> object:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            return model(x)

    return forward


def _operations(length: int, width: int) -> float:
    with FlopCounterMode(display=False) as counter:
        _transformer_pass(length, width)()
    return counter.get_total_flops()


def _graph_pass(nodes: int, edges: int, width: int) -> Callable[[], object]:
    from methods.graph.encoders import layer

    sage = layer("sage-mean", width, width)
    x, links = torch.randn(nodes, width), torch.randint(nodes, (2, edges))

    def forward() -> object:
        with torch.no_grad():
            return sage(x, links)

    return forward


def _chain(steps: int, matches: int, degree: int, repeat: int) -> float:
    """Measure proposals of a sampler with `matches` statistics, or with triangles."""
    from methods.ergm import simulate

    nodes = 100 if matches else 1200
    graph = nx.gnm_random_graph(nodes, nodes * degree // 2, seed=0)
    rng = np.random.default_rng(0)
    for k in range(matches):
        nx.set_node_attributes(graph, dict(enumerate(rng.integers(3, size=nodes).tolist())), f"a{k}")
    others = [("nodematch", f"a{k}") for k in range(matches - 1)] if matches else ["triangle"]
    density = np.log(degree / (nodes - 1 - degree))

    def run(proposals: int) -> Callable[[], object]:
        return lambda: simulate(
            graph, ["edges", *others], [density, *np.zeros(len(others))], draws=1, seed=0,
            interval=proposals, burn_in=0,
        )  # fmt: skip

    run(1)()  # compiles
    # The network is set up before the first proposal, which is no part of the bound.
    return _seconds(run(steps), repeat) - _seconds(run(1), repeat)


def _weights(width: int, layers: int) -> float:
    model = transformer(layers, width)
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())


def _activations(batch: int, length: int, width: int, *, stored: bool = False) -> float:
    model, x = transformer(2, width), torch.randn(batch, length, width)

    def forward() -> object:
        with sdpa_kernel(SDPBackend.MATH if stored else SDPBackend.FLASH_ATTENTION):
            return model(x)

    return peak_bytes(forward)


def _graph_bytes(nodes: int, *, dense: bool) -> float:
    links = torch.randint(nodes, (2, 10 * nodes))
    matrix = torch.zeros(nodes, nodes) if dense else links
    return matrix.numel() * matrix.element_size()


def _checkpointing(repeat: int) -> BenchmarkTable:
    rows: list[list[TextOrNumber]] = []
    for layers in LAYERS:
        peaks, steps, seconds = zip(
            *(_training_step(layers, again, repeat) for again in (False, True)), strict=True
        )
        rows.append(
            [
                layers,
                *(peak / 1e6 for peak in peaks),
                peaks[1] / peaks[0],
                steps[1] / steps[0],
                seconds[1] / seconds[0],
            ]
        )
    return BenchmarkTable(
        name="checkpointing",
        title="Checkpointing of transformer layers, d = 128, batch of 8 x 128: peak of activations and "
        "temporary gradients in MB, its share, the share with weights, gradients and moments of AdamW, and "
        f"CPU time. Required: a share of at most {CHECKPOINTING_LIMIT} at 12 layers.",
        columns=["layers", "MB", "MB recomputed", "share", "share of all", "time"],
        rows=rows,
        decimals={"MB": 1, "MB recomputed": 1, "time": 2},
    )  # fmt: skip


def _training_step(layers: int, again: bool, repeat: int) -> tuple[int, int, float]:
    """Return the peak of a backward pass, that with all states, and CPU seconds."""
    model = transformer(layers, 128, dropout=0.1)
    if again:
        recompute_layers(model)
    x = torch.randn(8, 128, 128)

    def step() -> None:
        model(x).square().mean().backward()

    step()  # allocates the gradients, which stay
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    peak = peak_bytes(step)
    return peak, peak + 4 * weights, _seconds(step, repeat)


def _seconds(step: Callable[[], object], repeat: int) -> float:
    """Return the CPU seconds of one call: the best of several loops."""
    step()
    best, calls = float("inf"), 1
    for _ in range(max(repeat, 1)):
        while True:
            began = time.process_time()
            for _ in range(calls):
                step()
            spent = time.process_time() - began
            if spent >= LEAST_SECONDS:
                break
            calls *= 2
        best = min(best, spent / calls)
    return best
