"""Model parallel training: each process has some of the layers.

A batch is divided into micro-batches. While the second process works on the first micro-batch, the first
one works on the second (GPipe):

    process 0   F0 F1 F2          B0 B1 B2
    process 1      F0 F1 F2 B0 B1 B2

References
----------
Specification 3 §11.1. It puts layer `i` on device ``i mod N``, which sends every activation from device to
device; here each device has neighbouring layers, so that a micro-batch is sent once per boundary. Huang et
al. (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, distributed, nn


def split_layers(layers: Sequence[nn.Module], processes: int) -> list[nn.Sequential]:
    """Divide layers into a run of neighbours per process, of nearly equal size.

    Raises
    ------
    ValueError
        If there are fewer layers than processes.
    """
    if not 1 <= processes <= len(layers):
        raise ValueError(f"{len(layers)} layers, {processes} processes; expected a layer or more for each")
    size, rest = divmod(len(layers), processes)
    starts = [i * size + min(i, rest) for i in range(processes + 1)]
    return [nn.Sequential(*layers[a:b]) for a, b in pairwise(starts)]


def pipelined(
    own: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], micro_batches: int
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of a batch that passes through the layers of all processes.

    Parameters
    ----------
    own : Module
        Layers of this process; its rank in the group is their position.
    loss : callable
        Takes outputs and targets and returns the mean loss.
    micro_batches : int
        Parts of a batch, all of the same size.

    Returns
    -------
    callable
        Takes inputs (rows, ...) and targets (rows, ...), the same in every process, and returns the loss of
        the batch. The call adds the gradients of the weights of `own`. ``backward()`` on its result does
        nothing more, so that it can be the loss of `methods.training.fit`; without clipping, because each
        process has a part of the gradient only.

    Raises
    ------
    ValueError
        From the callable, if the micro-batches have unequal sizes: torch would receive the wrong shapes.
    """
    from torch.distributed.pipelining import PipelineStage, ScheduleGPipe

    schedules: dict[torch.Size, ScheduleGPipe] = {}  # torch fixes the shapes of a stage at the first batch
    rank, count = distributed.get_rank(), distributed.get_world_size()
    device = next(own.parameters()).device

    def batch_loss(inputs: Tensor, targets: Tensor) -> Tensor:
        if len(inputs) % micro_batches:
            raise ValueError(
                f"{len(inputs)} rows, {micro_batches} micro-batches; expected a multiple of {micro_batches}"
            )
        if inputs.shape not in schedules:
            stage = PipelineStage(own, rank, count, device)
            schedules[inputs.shape] = ScheduleGPipe(stage, micro_batches, loss_fn=loss)
        parts: list[Tensor] = []
        last = rank == count - 1
        schedules[inputs.shape].step(
            *([inputs] if rank == 0 else []), target=targets if last else None, losses=parts if last else None
        )
        mean = torch.stack(parts).mean().detach() if last else inputs.new_zeros(())
        distributed.broadcast(mean, count - 1)
        return mean.requires_grad_()

    return batch_loss
