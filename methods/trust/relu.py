r"""Exact worst cases of small ReLU networks, by mixed-integer linear programs.

Each hidden unit :math:`z = \max(a, 0)` with bounds :math:`l \le a \le u` of its input is written with a
binary :math:`d`:

.. math:: z \ge a, \quad z \ge 0, \quad z \le a - l (1 - d), \quad z \le u d.

The time grows exponentially with the number of units whose sign is open: networks of tens of units.

References
----------
Tjeng, Xiao and Tedrake, "Evaluating robustness of neural networks with mixed integer programming", ICLR
(2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layers:
    """A network of linear layers with ReLU between them.

    Attributes
    ----------
    weights : tuple of (out, in) float
    biases : tuple of (out,) float
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def __call__(self, x: Floats) -> Floats:
        """Return the outputs, (n, out), of the rows x, (n, in)."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weight.T + bias, 0)
        return x @ self.weights[-1].T + self.biases[-1]


@dataclass(frozen=True)
class _Program:
    """Constraints of a network on its inputs, units and binaries, in this order."""

    matrix: Floats
    low: Floats
    high: Floats
    bounds: Bounds
    integral: Floats
    last: slice


def worst_margin(layers: Layers, x: Floats, label: int, radius: float, bounds: tuple[float, float]) -> float:
    """Return the largest margin of another class over the box about x.

    Parameters
    ----------
    layers : Layers
    x : (p,) float
    label : int
        True class.
    radius : float
        >= 0, largest change of an input.
    bounds : (float, float)
        Range of every input.

    Returns
    -------
    float
        At most 0 where the class of the whole box is right.
    """
    low, high = np.maximum(x - radius, bounds[0]), np.minimum(x + radius, bounds[1])
    program = _encode(layers, low, high)
    weight, bias = layers.weights[-1], layers.biases[-1]
    margins = []
    for other in range(len(bias)):
        if other != label:
            direction = np.zeros(len(program.integral))
            direction[program.last] = weight[other] - weight[label]
            value = -_solve(program, -direction)[1]
            margins.append(value + float(bias[other] - bias[label]))
    return max(margins)


def smallest_change(
    layers: Layers, x: Floats, target: float, low: Floats, high: Floats, *, tolerance: float = 2e-3
) -> Floats:
    r"""Return the shortest change that lifts the first output to a target.

    .. math:: \min \|\delta\|_2^2 \quad \text{subject to} \quad f(x + \delta) \ge t, \; l \le x + \delta \le u

    The square of each input is approximated from below by tangents; each program adds those at its own
    answer, until the bound is within a share `tolerance` of the square that was found.

    Raises
    ------
    ValueError
        If no input of the box reaches the target.
    """
    if float(layers(x[None])[0, 0]) >= target:
        return np.zeros_like(x)
    program = _encode(layers, low, high)
    inputs, variables = len(x), len(program.integral)
    goal = np.zeros((1, variables + inputs))
    goal[0, :variables][program.last] = layers.weights[-1][0]
    rows = [np.hstack([program.matrix, np.zeros((len(program.matrix), inputs))]), goal]
    least = [program.low, np.array([target - layers.biases[-1][0]])]
    most = [program.high, np.array([np.inf])]
    cost = np.r_[np.zeros(variables), np.ones(inputs)]
    limits = Bounds(
        np.r_[program.bounds.lb, np.zeros(inputs)], np.r_[program.bounds.ub, np.full(inputs, np.inf)]
    )
    integral = np.r_[program.integral, np.zeros(inputs)]
    tangents = np.linspace(low - x, high - x, 25)
    best, shortest = None, np.inf
    while True:
        for change in tangents:
            # s_i >= c_i^2 + 2 c_i (delta_i - c_i): the tangents of the squares at the change c.
            tangent = np.zeros((inputs, variables + inputs))
            tangent[:, :inputs], tangent[:, variables:] = np.diag(-2 * change), np.eye(inputs)
            rows.append(tangent)
            least.append(-(change**2) - 2 * change * x)
            most.append(np.full(inputs, np.inf))
        constraint = LinearConstraint(np.vstack(rows), np.concatenate(least), np.concatenate(most))
        result = milp(cost, constraints=constraint, bounds=limits, integrality=integral)
        if result.x is None:
            raise ValueError(f"no input of the box reaches {target}; widen low and high")
        change = result.x[:inputs] - x
        if change @ change < shortest:
            best, shortest = change, float(change @ change)
        if best is not None and shortest - result.fun <= tolerance * max(shortest, 1e-6):
            return best
        tangents = change[None]


def _encode(layers: Layers, low: Floats, high: Floats) -> _Program:
    sizes = [len(bias) for bias in layers.biases[:-1]]
    inputs, units = len(low), sum(sizes)
    variables = inputs + 2 * units
    rows, least, most = [], [], []
    lower, upper = np.zeros(variables), np.ones(variables)
    lower[:inputs], upper[:inputs] = low, high
    before, start = slice(0, inputs), inputs
    for weight, bias in zip(layers.weights[:-1], layers.biases[:-1], strict=True):
        positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
        least_in = positive @ low + negative @ high + bias
        most_in = positive @ high + negative @ low + bias
        unit, binary = np.arange(start, start + len(bias)), np.arange(start, start + len(bias)) + units
        low, high = np.maximum(least_in, 0), np.maximum(most_in, 0)
        lower[unit], upper[unit] = low, high
        lower[binary], upper[binary] = least_in >= 0, most_in > 0
        for i, row in enumerate(weight):
            above, on, off = np.zeros((3, variables))
            above[unit[i]], on[unit[i]], off[unit[i]] = 1, 1, 1
            above[before], on[before] = -row, -row
            on[binary[i]], off[binary[i]] = -min(least_in[i], 0), -max(most_in[i], 0)
            rows += [above, on, off]
            least += [bias[i], -np.inf, -np.inf]
            most += [np.inf, bias[i] - min(least_in[i], 0), 0.0]
        before, start = slice(start, start + len(bias)), start + len(bias)
    integral = np.r_[np.zeros(inputs + units), np.ones(units)]
    return _Program(
        np.array(rows), np.array(least), np.array(most), Bounds(lower, upper), integral, before
    )  # fmt: skip


def _solve(program: _Program, cost: Floats) -> tuple[Floats, float]:
    result = milp(
        cost,
        constraints=LinearConstraint(program.matrix, program.low, program.high),
        bounds=program.bounds,
        integrality=program.integral,
    )
    if result.x is None:
        raise ValueError(f"the program of the network has no solution: {result.message}")
    return result.x, float(result.fun)
