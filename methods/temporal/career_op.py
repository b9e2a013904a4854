"""Marginal likelihood of careers as a PyTensor operation, with its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_funcify

from methods.compiled import compiled
from methods.temporal.career_likelihood import Array, value_and_gradient
from methods.temporal.careers import Careers
from methods.temporal.panel import Floats


class MarginalLikelihood(Op):
    """Log-likelihood and its derivatives by the five inputs; see `career_likelihood`.

    The inputs are the residuals (n,), the log amplitudes, the log weights (amplitudes, lengths), the
    variances of the careers' own coefficients (q,) and of the noise ().
    """

    __props__ = ()

    def __init__(self, careers: Careers, length: Floats) -> None:
        self.known = (careers.start, careers.time, careers.noise, careers.own, length)

    def make_node(self, *inputs: Any) -> Apply:
        variables = [pt.as_tensor_variable(value) for value in inputs]
        return Apply(self, variables, [pt.dscalar(), *(variable.type() for variable in variables)])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        arguments = (*self.known, *inputs[:-1], float(inputs[-1]))
        results = value_and_gradient(*arguments)
        for output, result in zip(outputs, results, strict=True):
            output[0] = np.asarray(result)

    def L_op(  # noqa: N802 - the name that PyTensor calls
        self, inputs: Any, outputs: Any, output_grads: Any
    ) -> list[Any]:
        return [output_grads[0] * slope for slope in outputs[1:]]


@numba_funcify.register(MarginalLikelihood)
def _numba_function(op: MarginalLikelihood, node: Apply | None = None, **_: Any) -> Any:
    """Return the compiled function that nutpie calls without the interpreter."""
    start, time, noise, own, length = op.known

    # Not stored: the careers are constants of the compiled code.
    @compiled(cache=False)
    def call(
        rest: Array, log_amplitude: Array, log_weight: Array, own_variance: Array, noise_variance: Array
    ) -> tuple[Array, ...]:
        value, by_rest, by_amplitude, by_weight, by_own, by_noise = value_and_gradient(
            start,
            time,
            noise,
            own,
            length,
            rest,
            log_amplitude,
            log_weight,
            own_variance,
            noise_variance.item(),
        )
        return np.asarray(value), by_rest, by_amplitude, by_weight, by_own, np.asarray(by_noise)

    return call


def marginal_likelihood(careers: Careers, length: Floats, *inputs: Any) -> Any:
    """Build the log-likelihood of careers; for `inputs` see `MarginalLikelihood`."""
    outputs: Any = MarginalLikelihood(careers, length)(*inputs)
    return outputs[0]
