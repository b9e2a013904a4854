"""Train in several processes: by parts of the data, or by layers of the model.

The processes are those of ``torch.distributed``: the caller starts them and forms the group, on CPUs with
the backend ``gloo``.
"""

from methods.training.distributed.data import data_parallel
from methods.training.distributed.pipeline import pipelined, split_layers

__all__ = ["data_parallel", "pipelined", "split_layers"]
