r"""Data parallel training: each process differentiates its share of a batch.

.. math::
    \nabla L = \frac 1 N \sum_k n_k \nabla L_k

with :math:`L_k` the mean loss of the `n_k` rows of process `k`, and `N` rows in all. torch averages the
gradients of its `K` processes, :math:`\sum_k \nabla L_k / K`, which is another value if the shares are
unequal. So each loss is multiplied by :math:`n_k K / N` first.

References
----------
Specification 3 §11.1, whose equation holds for equal shares only. Li et al. (2020).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, distributed


def data_parallel(
    loss: Callable[[Tensor], Tensor], *, weight: Callable[[Tensor], float] = len
) -> Callable[[Tensor], Tensor]:
    """Return the loss of a batch whose rows are divided among the processes.

    The value is the loss of the whole batch in every process; its gradient, averaged by
    ``DistributedDataParallel``, is that of one process with all rows.

    Parameters
    ----------
    loss : callable
        Takes rows and returns their mean loss. It calls the model through ``DistributedDataParallel``.
    weight : callable
        Takes rows and returns the number of items that the mean is over: rows by default, or tokens.

    Notes
    -----
    Every process needs the same batches, so the same seed of the sampler. A process without a row
    differentiates the first one with weight 0, because the others wait for its gradient.
    """

    def shared(rows: Tensor) -> Tensor:
        rank, count = distributed.get_rank(), distributed.get_world_size()
        own = rows.tensor_split(count)[rank]
        share = weight(own) * count / weight(rows) if len(own) else 0.0
        part = loss(own if len(own) else rows[:1]) * share
        total = part.detach().clone()
        distributed.all_reduce(total)
        return part + (total / count - part).detach()

    return shared
