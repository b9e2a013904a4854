"""Export of torch modules to ONNX, and inference by ONNX Runtime.

An export takes seconds, opening an exported model a fraction of a second: a `ModelCache` keeps exports.
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
ModelCache = Callable[[str, str, Callable[[], bytes]], "bytes | Path"]
"""Takes a name, a key and a function that exports the model; returns the content or its file.

The key contains everything that decides the content except the version of torch."""


def export(
    module: nn.Module, inputs: Mapping[str, Tensor], free: Mapping[str, Sequence[str]], output: str
) -> bytes:
    """Export a module in evaluation mode as an ONNX model that contains its weights.

    Parameters
    ----------
    module : Module
        Takes tensors by position and returns one tensor.
    inputs : mapping of Tensor
        An example of each input by its name in the model; each free axis has at least two entries.
    free : mapping of names
        For each input, names of its leading axes that may have any length; axes of one name have one length.
    output : str
        Name of the output in the model.
    """
    import warnings

    import torch

    axes = {name: torch.export.Dim(name) for names in free.values() for name in names}
    shapes = [{axis: axes[name] for axis, name in enumerate(free[key])} for key in inputs]
    with warnings.catch_warnings():
        # Deprecation warnings inside torch, about which a caller can do nothing.
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
        raise RuntimeError("torch.onnx.export returned no program; expected an ONNXProgram")
    return bytes(program.model_proto.SerializeToString())


def no_cache(name: str, key: str, make: Callable[[], bytes]) -> bytes | Path:
    """Export the model on every call: a `ModelCache` that stores nothing."""
    return make()


def open_model(model: bytes | Path, *, threads: int = 1) -> Run:
    """Open an ONNX model as a function from arrays by name to its first output.

    The function is safe to call from several threads.

    Raises
    ------
    ValueError
        If ONNX Runtime cannot run the model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a dozen types without a common base
        raise ValueError(f"ONNX Runtime {onnxruntime.__version__} cannot run the model: {error}") from error

    def run(inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        return np.asarray(session.run(None, dict(inputs))[0], dtype=np.float32)

    return run
