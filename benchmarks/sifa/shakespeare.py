"""Tiny Shakespeare by characters at nanoGPT's setting: parity, no gain.

Four layers, four heads, width 128, context 64, batches of 12, 2,000 updates, no dropout; rate 1e-3 to 1e-4
with 100 updates of warm-up, decay 0.1, betas 0.9 and 0.99, gradients clipped at 1. Its README states a
validation loss of 1.88. The text has no symmetry, so the trivial group is the right one, and the
architecture is a causal transformer: the figure shows that its training is sound, and nothing else.

Three details differ. nanoGPT has no biases, and draws the last weights of a residual branch with a spread of
0.02 / sqrt(8) instead of 0.02. Its figure is from 20 batches, this one from 200. A finished seed is kept, so
that a stopped command resumes.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.parts import Omission, Tables, external_data
from benchmarks.sifa._cells import code_key, kept
from methods.sifa.networks import Block
from methods.training import seeded
from tasks.report.benchmark import BenchmarkTable

WIDTH, HEADS, DEPTH, CONTEXT, BATCH, UPDATES = 128, 4, 4, 64, 12, 2000
PUBLISHED = 1.88
RATE, LOWEST, WARM_UP, EVALUATED = 1e-3, 1e-4, 100, 200


class CharacterModel(nn.Module):
    """Causal transformer over characters; output weights are the embedding."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(characters, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS, expansion=4, causal=True) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """Map (rows, length) character numbers to (rows, length, characters) logits."""
        x = self.embed(ids) + self.position(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.norm(x) @ self.embed.weight.T
        return logits


def tables(repeat: int) -> Tables:
    """Yield the validation loss of `repeat` seeds beside the published one."""
    path = external_data("text/tinyshakespeare.txt")
    if isinstance(path, Omission):
        yield path
        return
    text = path.read_text(encoding="utf-8")
    alphabet = sorted(set(text))
    ids = torch.tensor(np.searchsorted(np.array(alphabet), np.array(list(text))))
    border = int(0.9 * len(ids))
    key = code_key("benchmarks.sifa.shakespeare.train", [UPDATES, len(ids), len(alphabet)])

    def measure(seed: int) -> dict[str, float]:
        return {"loss": train(ids[:border], ids[border:], len(alphabet), seed)}

    losses = [
        float(kept("shakespeare", key, f"seed-{seed}", partial(measure, seed))["loss"])
        for seed in range(repeat)
    ]
    yield BenchmarkTable(
        name="shakespeare",
        title=(
            f"Tiny Shakespeare by characters: validation loss in nats after {UPDATES:,} updates at nanoGPT's "
            "setting for a CPU. Parity is the goal, no gain, because text has no symmetry."
        ),
        columns=["seed", "validation loss", "published"],
        rows=[[f"seed {seed}", loss, PUBLISHED] for seed, loss in enumerate(losses)],
    )


def train(learned: Tensor, judged: Tensor, characters: int, seed: int) -> float:
    """Return the validation loss after the training, over 200 random batches."""
    with seeded(seed) as generator:
        model = CharacterModel(characters)
        decayed = [weights for weights in model.parameters() if weights.ndim > 1]
        others = [weights for weights in model.parameters() if weights.ndim < 2]
        groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))
        for update in range(UPDATES):
            for group in optimiser.param_groups:
                group["lr"] = rate(update)
            loss = batch_loss(model, learned, generator)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        model.eval()
        with torch.no_grad():
            return float(torch.stack([batch_loss(model, judged, generator) for _ in range(EVALUATED)]).mean())


def batch_loss(model: nn.Module, ids: Tensor, generator: torch.Generator) -> Tensor:
    """Return the mean loss of the next character over a random batch."""
    starts = torch.randint(len(ids) - CONTEXT, (BATCH, 1), generator=generator)
    windows = ids[starts + torch.arange(CONTEXT + 1)]
    return functional.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())


def rate(update: int) -> float:
    """Return the rate of an update: linear warm-up, then half a cosine."""
    if update < WARM_UP:
        return RATE * (update + 1) / WARM_UP
    done = (update - WARM_UP) / (UPDATES - WARM_UP)
    return LOWEST + (RATE - LOWEST) * (1 + math.cos(math.pi * done)) / 2
