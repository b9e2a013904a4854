"""Torch modules as ONNX models, and what runs them, ONNX Runtime.

Exporting takes seconds, opening an exported model a fraction of one: who has a place keeps it (`Keep`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

Run = Callable[[Mapping[str, NDArray[np.generic]]], NDArray[np.float32]]
Keep = Callable[[str, str, Callable[[], bytes]], "bytes | Path"]
"""Name, all that decides the content but the version of torch, and what makes it; gives content or file."""


def export(
    module: nn.Module, inputs: Mapping[str, Tensor], free: Mapping[str, Sequence[str]], output: str
) -> bytes:
    """The ONNX model of a module in evaluation, its weights within.

    Parameters
    ----------
    module : Module
        Takes tensors by position, gives one tensor.
    inputs : mapping of Tensor
        An example of each, by the name that it will have, two or more along each free axis.
    free : mapping of names
        For each input the names of its first axes that may be of any length; equal names are of equal length.
    output : str
    """
    import warnings

    import torch

    axes = {name: torch.export.Dim(name) for names in free.values() for name in names}
    shapes = [{axis: axes[name] for axis, name in enumerate(free[key])} for key in inputs]
    with warnings.catch_warnings():
        # Of torch's own parts about to change; nothing that a caller can do.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    return bytes(program.model_proto.SerializeToString())


def made_anew(name: str, key: str, make: Callable[[], bytes]) -> bytes | Path:
    """A `Keep` that keeps nothing."""
    return make()


def open_model(model: bytes | Path, *, threads: int = 1) -> Run:
    """What runs an ONNX model: arrays by name to its first output; safe to call from several threads.

    Raises
    ------
    ValueError
        If it is no model that ONNX Runtime can run.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a dozen kinds that share no base of their own
        raise ValueError(f"not a model that ONNX Runtime {onnxruntime.__version__} runs: {error}") from error

    def run(inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, dict(inputs))[0], dtype=np.float32)

    return run
