"""A small training that uses every kind of state, to be killed and resumed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from methods.training import (
    Checkpoint,
    Cosine,
    Fit,
    Objective,
    Plateau,
    Settings,
    Validation,
    fit,
    seeded,
    shuffled,
)
from methods.training import checkpoint as files

EPOCHS, ROWS, BATCH = 6, 50, 8
BATCHES = -(-ROWS // BATCH)
UPDATES = EPOCHS * BATCHES


def train(folder: Path, *, every: int = 1, on_update: Callable[[], None] = lambda: None) -> Fit:
    """Train with dropout, batch statistics, averages, and five random generators."""
    random.seed(1)
    np.random.seed(2)  # noqa: NPY002
    draws = np.random.default_rng(3)
    with seeded(4) as generator:
        x, y = torch.randn(ROWS, 5), torch.randn(ROWS, 2)
        model = nn.Sequential(
            nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2)
        )
        optimiser = torch.optim.AdamW(
            [{"params": model[0].parameters(), "lr": 0.02}, {"params": [*model[1:].parameters()]}], lr=0.05
        )

        def loss(rows: torch.Tensor) -> torch.Tensor:
            on_update()
            noise = random.random() + np.random.random() + draws.random()  # noqa: NPY002
            noisy = x[rows] + 0.1 * noise * torch.randn(len(rows), 5, generator=generator)
            return functional.mse_loss(model(noisy), y[rows])

        objective = Objective(
            shuffled(torch.arange(ROWS), BATCH, generator),
            loss,
            lambda judged: Validation(float(functional.mse_loss(judged(x[:20]), y[20:40])), {"a": 0.1}),
            (generator, draws),
        )
        settings = Settings(
            EPOCHS, Cosine(UPDATES, 5), Plateau(0.5, 0), clip=1.0, average=0.8, patience=EPOCHS
        )
        return fit(model, optimiser, objective, settings, checkpoint=Checkpoint(folder, every))


def train_until_killed(folder: Path, every: int, updates: object, target: int) -> None:
    """Train in a process of its own, and count updates for its killer.

    It waits in the update after `target`, so that a slow killer never finds the training ended.
    """
    torch.set_num_threads(1)

    def count() -> None:
        updates.value += 1
        while updates.value > target + 1:
            time.sleep(0.001)

    train(folder, every=every, on_update=count)


def train_and_die(folder: Path, moment: str, write: int) -> None:
    """Train until the given write of a checkpoint, and die at a moment of it."""
    torch.set_num_threads(1)
    writes, flush, replace = [0], files._flush, os.replace

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def flush_half(path: Path, content: bytes) -> None:
        writes[0] += 1
        due = writes[0] > 2 * write  # a checkpoint has two files
        if due and moment == path.suffix:
            path.write_bytes(content[: len(content) // 2])
            die()
        flush(path, content)

    def replace_and_die(source: Path, target: Path) -> None:
        due = writes[0] > 2 * write
        if due and moment == "before":
            die()
        replace(source, target)
        if due and moment == "after":
            die()

    files._flush, os.replace = flush_half, replace_and_die
    train(folder)
