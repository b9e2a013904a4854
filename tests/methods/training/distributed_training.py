"""Two processes that compare gradients and weights with those of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from methods.training import Cosine, Objective, Settings, Validation, fit, seeded, shuffled
from methods.training.distributed import data_parallel, pipelined, split_layers

ROWS = 11


def data() -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs, targets, and which targets count: most in the first rows."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(ROWS, 5, generator=draw, dtype=torch.float64)
    y = torch.randn(ROWS, 3, generator=draw, dtype=torch.float64)
    known = torch.rand(ROWS, 3, generator=draw) < torch.linspace(1, 0.3, ROWS)[:, None]
    known[:, 0] = True
    return x, y, known


def network() -> nn.Sequential:
    """Return the same layers at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        layers = [nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)]
        return nn.Sequential(*layers).double()


def mean_over_known(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the mean square error over the targets that count, a function of rows."""
    x, y, known = data()
    return lambda rows: ((model(x[rows]) - y[rows]) ** 2)[known[rows]].mean()


def gradients(model: nn.Module) -> list[Tensor]:
    return [weight.grad.clone() for weight in model.parameters()]


def largest_difference(first: list[Tensor], second: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))


def compare(rank: int, folder: Path) -> None:
    """Join a group of two and write the differences from one process."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=2)
    results = {
        **data_parallel_differences(),
        "fit": whole_training_difference(),
        **pipeline_differences(rank),
    }
    distributed.destroy_process_group()
    (folder / f"{rank}.json").write_text(json.dumps(results))


def data_parallel_differences() -> dict[str, float]:
    """Return the differences of gradients for batches whose shares are unequal."""
    _, _, known = data()

    def items(rows: Tensor) -> float:
        return float(known[rows].sum())

    results = {}
    for name, rows in {"11 rows": torch.arange(ROWS), "1 row": torch.tensor([4])}.items():
        one = network()
        expected = mean_over_known(one)(rows)
        expected.backward()
        parallel = DistributedDataParallel(network())
        loss = data_parallel(mean_over_known(parallel), weight=items)(rows)
        loss.backward()
        results[name] = largest_difference(gradients(one), gradients(parallel))
        results[f"{name}, loss"] = abs(float((loss - expected).detach()))
    rank = distributed.get_rank()
    one, parallel = network(), DistributedDataParallel(network())
    mean_over_known(one)(torch.arange(ROWS)).backward()
    mean_over_known(parallel)(torch.arange(ROWS).tensor_split(2)[rank]).backward()
    results["without weights"] = largest_difference(gradients(one), gradients(parallel))
    return results


def whole_training_difference() -> float:
    """Return the difference of weights after 5 epochs of 4, 4 and 3 rows."""
    x, y, _ = data()

    def trained(wrap: Callable[[nn.Module], nn.Module], share: Callable) -> nn.Module:
        with seeded(0) as generator:
            model = network()
            inner = wrap(model)
            loss = share(lambda rows: functional.mse_loss(inner(x[rows]), y[rows]))
            objective = Objective(
                shuffled(torch.arange(ROWS), 4, generator),
                loss,
                lambda judged: Validation(float(functional.mse_loss(judged(x), y))),
            )
            settings = Settings(5, Cosine(15, 2), clip=1.0, average=0.5, patience=5)
            fit(model, torch.optim.AdamW(model.parameters(), lr=0.01), objective, settings)
        return model

    one, two = trained(lambda m: m, lambda f: f), trained(DistributedDataParallel, data_parallel)
    return largest_difference(list(one.parameters()), list(two.parameters()))


def pipeline_differences(rank: int) -> dict[str, float]:
    """Return the differences of a pipeline of two parts, after one batch and after 3."""
    x, y, _ = data()
    one, whole = network(), network()
    own, reference = (split_layers(list(layers), 2)[rank] for layers in (whole, one))
    loss = pipelined(own, functional.mse_loss, 2)
    results = {}
    steps = [torch.optim.AdamW(layers.parameters(), lr=0.1) for layers in (own, one)]
    for batch, rows in enumerate([slice(0, 6), slice(2, 6), slice(1, 11)]):  # other sizes each time
        expected = functional.mse_loss(one(x[rows]), y[rows])
        expected.backward()
        value = loss(x[rows], y[rows])
        value.backward()
        results[f"pipeline {batch}"] = largest_difference(gradients(own), gradients(reference))
        results[f"pipeline {batch}, loss"] = abs(float((value - expected).detach()))
        for step in steps:
            step.step()
            step.zero_grad()
    results["pipeline, weights"] = largest_difference(list(own.parameters()), list(reference.parameters()))
    return results
