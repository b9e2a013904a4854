"""Random generators: seed them, save their states, and restore them.

Torch, NumPy and Python each have a global generator. A training also has generators of its own, which
draw the batches.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Generator: TypeAlias = torch.Generator | np.random.Generator


@dataclass(frozen=True)
class RandomStates:
    """States of all generators: tensors by name, and values that JSON can hold."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Seed torch inside a block, restore it after, and yield a generator.

    The global generator draws weights and dropout, the other one is for batches; both start from `seed`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def shuffled(rows: Tensor, size: int, generator: torch.Generator) -> Callable[[int], Sequence[Tensor]]:
    """Return a function that divides `rows` into batches, in a new order each epoch."""
    return lambda epoch: rows[torch.randperm(len(rows), generator=generator)].split(size)


def random_states(generators: Sequence[Generator]) -> RandomStates:
    """Return the states of the global generators and of `generators`."""
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    values = {"python": random.getstate(), "numpy": np.random.get_state(legacy=False)}  # noqa: NPY002
    for index, generator in enumerate(generators):
        if isinstance(generator, torch.Generator):
            tensors[f"generator{index}"] = generator.get_state()
        else:
            values[f"generator{index}"] = generator.bit_generator.state
    return RandomStates(tensors, values)


def restore_random_states(states: RandomStates, generators: Sequence[Generator]) -> None:
    """Set the global generators and `generators` to saved states."""
    torch.set_rng_state(states.tensors["torch"])
    cuda = [states.tensors[name] for name in states.tensors if name.startswith("cuda")]
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
    version, words, spare = states.values["python"]
    random.setstate((version, tuple(words), spare))  # JSON has lists only
    np.random.set_state(states.values["numpy"])  # noqa: NPY002
    for index, generator in enumerate(generators):
        if isinstance(generator, torch.Generator):
            generator.set_state(states.tensors[f"generator{index}"])
        else:
            generator.bit_generator.state = states.values[f"generator{index}"]
